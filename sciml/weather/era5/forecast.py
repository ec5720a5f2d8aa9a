"""`open_forecast`: forecasts of any layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

import xarray as xr

from sciml.weather.era5.assembly import assemble
from sciml.weather.era5.request import make_request
from sciml.weather.era5.sources import Source


def open_forecast(
    source: Source,
    *,
    variables: Sequence[str] | None = None,
    levels: Iterable[SupportsFloat] | None = None,
    time: slice | None = None,
    lead_time: slice | None = None,
    latitude: str = "ascending",
    accumulate_hours: int | None = None,
    accumulation: str | None = None,
    units: Mapping[str, str] | str | None = None,
    chunks: Mapping[str, int] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    grib_keys: Mapping[str, str | int] | None = None,
) -> xr.Dataset:
    """Opens forecasts as one canonical dataset, as `open_era5` does reanalyses, with the same names, units and repairs.

    Dimensions are (time, lead_time, number, level, latitude, longitude) where present: `time` is the initial time,
    `lead_time` timedelta64[ns] ascending, and time + lead_time is when a field is valid. Read are GRIB (dataDate and
    step), the layouts of WeatherBench 2 (`time`, `prediction_timedelta`), of cfgrib (`time`, `step`) and of the Climate
    Data Store (`forecast_reference_time`, `forecast_period`), names like `init_time`, `lead`,
    `member`, and a file of one forecast with valid times and a scalar `forecast_reference_time`.

    Args:
        source: as in `open_era5`.
        variables: names or aliases; all, if None.
        levels: in hPa; all, if None.
        time: initial times, as slice("2020-01-01", "2020-01-31"), both ends included.
        lead_time: as slice("0h", "120h"), both ends included.
        latitude: "ascending" from south to north, or "descending".
        accumulate_hours: sums over this many hours before each lead time that is a multiple of it; NaN at other lead
            times, which the file has for other variables. None leaves sums as they are.
        accumulation: over what the file sums where it does not say so: "6h", ..., or "since-start" of each forecast.
        units: units by variable, where the file has none or wrong ones, or "ecmwf": those of ECMWF where it has none.
        chunks: dask chunk sizes by canonical dimension, -1 for all of it; those of the file, if None.
        storage_options: of fsspec.
        grib_keys: of a GRIB file only messages with these values of ecCodes' keys, as {"typeOfLevel": "isobaricInhPa"}.

    Raises:
        UserError: a source that cannot be read, contradicts itself, or says too little; with what to do.
    """
    request = make_request(
        variables=variables,
        levels=levels,
        time=time,
        lead_time=lead_time,
        latitude=latitude,
        accumulate_hours=accumulate_hours,
        accumulation=accumulation,
        units=units,
        chunks=chunks,
        storage_options=storage_options,
        grib_keys=grib_keys,
        is_forecast=True,
    )
    return assemble(source, request)
