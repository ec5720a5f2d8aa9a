"""`open_era5`: a reanalysis of any of the forms that ERA5 comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

import xarray as xr

from sciml.weather.era5.assembly import assemble
from sciml.weather.era5.request import make_request
from sciml.weather.era5.sources import Source


def open_era5(
    source: Source,
    *,
    variables: Sequence[str] | None = None,
    levels: Iterable[SupportsFloat] | None = None,
    time: slice | None = None,
    latitude: str = "ascending",
    accumulate_hours: int | None = None,
    accumulation: str | None = None,
    units: Mapping[str, str] | str | None = None,
    chunks: Mapping[str, int] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    grib_keys: Mapping[str, str | int] | None = None,
) -> xr.Dataset:
    """Opens ERA5, or any other reanalysis or analysis, as one canonical dataset; nothing but coordinates is read.

    Dimensions are (time, number, level, latitude, longitude) where present: times in UTC ascending, levels in hPa
    ascending, longitudes ascending in [0, 360). Variables are float32 with ECMWF's names and units (`t2m`, `msl`, `z`
    in m**2 s**-2, `gh` in m, `tp` in m; `sciml.weather.variables`), NaN where there is no value. What was changed on
    the way is logged once (logger `sciml.weather`) and is in `attrs["repairs"]`, a line each.

    Args:
        source: netCDF, GRIB, a Zarr store, or a zip of them: path, glob, URL that fsspec knows, an xarray Dataset
            or DataArray with a name, or a list of these, whose parts are put together.
            Files of URLs and zips are kept in the cache folder.
        variables: names or aliases, as t2m or 2m_temperature; total_precipitation_24hr takes sums over that window
            alone; all, if None.
        levels: in hPa; all, if None.
        time: as slice("2020-01-01", "2020-01-31"), both ends included.
        latitude: "ascending" from south to north, or "descending".
        accumulate_hours: sums, as rain and radiation, over this many hours before each time, at windows that end at
            00 UTC and every so many hours on. None leaves sums as they are.
        accumulation: over what the file sums where it does not say so: "1h", "6h", ..., or "since-midnight".
        units: units by variable, where the file has none or wrong ones, or "ecmwf": those of ECMWF where it has none.
        chunks: dask chunk sizes by canonical dimension, -1 for all of it; those of the file, if None.
        storage_options: of fsspec, as {"token": "anon"} for gs:// without an account.
        grib_keys: of a GRIB file only messages with these values of ecCodes' keys, as {"typeOfLevel": "isobaricInhPa"}.

    Raises:
        UserError: a source that cannot be read, contradicts itself, or says too little; with what to do.
    """
    request = make_request(
        variables=variables,
        levels=levels,
        time=time,
        lead_time=None,
        latitude=latitude,
        accumulate_hours=accumulate_hours,
        accumulation=accumulation,
        units=units,
        chunks=chunks,
        storage_options=storage_options,
        grib_keys=grib_keys,
        is_forecast=False,
    )
    return assemble(source, request)
