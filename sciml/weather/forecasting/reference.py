"""The climatology that forecasts are scored against: of the training years, kept beside the run in small.

A file of the cache folder has all of it. A run keeps its mean as harmonics of the year, so that it is scored alike
where the training data are no more.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sciml.core.catalogue import cache_dir
from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.weather.climatology import make_climatology
from sciml.weather.climatology_harmonics import from_harmonics, to_harmonics
from sciml.weather.fields import fields_of, parse_field
from sciml.weather.forecasting.data import ForecastData
from sciml.weather.writing import write_dataset

logger = logging.getLogger(__name__)

# of the training climate, for the extremes among the scores
QUANTILES = (0.02, 0.1, 0.9, 0.98)
_CACHE = "weather-climatologies"
# in a run's folder
KEPT = "climatology.nc"
_LEAST = np.timedelta64(364, "D")


def training_climatology(training: ForecastData, fields: tuple[str, ...], run: Run) -> str | None:
    """The file of a climatology of the training years, made where it is not there yet.

    Without the training data it is what the run kept, its mean alone. Less than a year has none, and where neither the
    data nor anything kept are there, a warning says so.

    Args:
        training: with the statistics of the training.
        fields: that it is of.
        run: whose folder keeps the mean.
    """
    first, last = (np.datetime64(time) for time in training.statistics.period)
    if last - first < _LEAST:
        return None
    about = [training.statistics.fingerprint, fields]
    whole, kept = _place([*about, QUANTILES]), run.path / KEPT
    if not whole.is_file():
        try:
            analyses = training.open("train")
        except UserError as error:
            return _from_kept(kept, about, error)
        _make(analyses, fields, whole)
    if _opened(kept, about) is None:
        with xr.open_dataset(whole, engine="netcdf4", decode_times=False) as climatology:
            write_dataset(to_harmonics(climatology).assign_attrs(made_for=json.dumps(about)), kept)
    return str(whole)


def _make(analyses: xr.Dataset, fields: tuple[str, ...], place: Path) -> None:
    known = fields_of(analyses)
    chosen = [parse_field(name, known) for name in fields]
    levels = sorted({one.level_hpa for one in chosen if one.level_hpa is not None})
    wanted = analyses[list(dict.fromkeys(one.variable for one in chosen))]
    years = np.unique(analyses["time"].values.astype("datetime64[Y]"))
    made = make_climatology(
        wanted.sel(level=levels) if levels else wanted,
        quantiles=QUANTILES,
        # the last year may lack its end
        min_years=min(max(len(years) - 1, 1), 10),
    )
    write_dataset(made, place)


def _from_kept(kept: Path, about: list[Any], error: UserError) -> str | None:
    """The climatology whose mean the run kept."""
    coefficients = _opened(kept, about)
    if coefficients is None:
        logger.warning(
            "forecasts are scored without a climatology, so without anomaly correlation: the training data are not "
            "there (%s), and the run has no %s of these fields",
            error,
            KEPT,
        )
        return None
    logger.warning("the training data are not there: the climatology is the mean that the run kept, without quantiles")
    place = _place([*about, "mean"])
    if not place.is_file():
        write_dataset(from_harmonics(coefficients), place)
    return str(place)


def _opened(kept: Path, about: list[Any]) -> xr.Dataset | None:
    """What a run kept, if it is of these data and fields."""
    if not kept.is_file():
        return None
    with xr.open_dataset(kept, engine="netcdf4", decode_times=False) as file:
        return file.load() if file.attrs.get("made_for") == json.dumps(about) else None


def _place(key: list[Any]) -> Path:
    return cache_dir() / _CACHE / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.nc"
