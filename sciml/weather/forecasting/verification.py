"""Scores of a forecasting model over a held-out period, beside persistence and climatology.

Forecasts start at even intervals over the period and go on for some days; they are scored as every other forecast is,
by `sciml.weather.evaluation`, against a climatology of the training years.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.catalogue import cache_dir
from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.core.runs import Run, read_json
from sciml.weather.climatology import make_climatology
from sciml.weather.evaluation.agreement import ScoreOptions
from sciml.weather.evaluation.execution import pool
from sciml.weather.evaluation.run import ScoreRequest, score
from sciml.weather.fields import fields_of, parse_field
from sciml.weather.forecasting.data import ForecastData, WeatherDataConfig
from sciml.weather.forecasting.objective import headline_fields
from sciml.weather.forecasting.rollout import ForecastRequest, initial_states, make_forecast, spread_times
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.writing import write_dataset

logger = logging.getLogger(__name__)

# of the training climate, for the extremes among the scores
QUANTILES = (0.02, 0.1, 0.9, 0.98)
_CACHE = "weather-climatologies"
_DAY = np.timedelta64(24, "h")
# units as names of scores have them
UNIT_WORDS = {"m2_s2": "m2 s-2", "k": "K", "m": "m", "pa": "Pa", "m_s": "m s-1", "kg_kg": "kg kg-1"}


@dataclass(frozen=True)
class EvaluationConfig:
    """The `evaluation:` part of an experiment.

    Attributes:
        lead_days: of the longest lead time.
        apart_hours: between two starts; 90 h goes through all hours of the day.
        fields: that are scored; the usual headline fields if empty.
    """

    lead_days: int = 10
    apart_hours: int = 90
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ranges("evaluation", self, {"lead_days": (1, 365), "apart_hours": (1, 10_000)})


def evaluate_model(
    model: ForecastModel,
    data: WeatherDataConfig,
    analyses: xr.Dataset,
    source: str,
    run: Run,
    split: str,
    config: EvaluationConfig,
) -> dict[str, Any]:
    """Forecasts, their scorecard, and the scores as `metrics.json` has them.

    Args:
        model: that forecasts.
        data: of its training, for the climatology.
        analyses: of the period to score, canonical.
        source: where they are from, for the scorecard.
        run: whose folder takes the forecasts and the scorecard.
        split: name of both.
        config: what is scored.

    Raises:
        UserError: a period that is shorter than a forecast, or fields that are not there.
    """
    fields = config.fields or headline_fields(model.statistics.fields)
    days = _days(model, analyses, config)
    steps = days * 24 // model.data.step_hours
    times = _starts(model, analyses, days, config.apart_hours)
    request = ForecastRequest(times, steps, every=max(24 // model.data.step_hours, 1), fields=fields)
    forecast = run.path / "forecasts" / f"{split}.zarr"
    make_forecast(model, initial_states(model, analyses, times), request, forecast, lambda done, total: None)
    card = run.path / "scorecards" / split
    scoring = ScoreRequest(
        forecast=str(forecast),
        truth=source,
        climatology=_climatology(ForecastData(data, model.statistics), fields),
        name=str(run.record().get("name", run.path.name)),
        accumulate_hours=data.accumulate_hours,
        options=ScoreOptions(fields=fields),
    )
    with pool(None, 1) as workers:
        score(scoring, card, workers, lambda done, total: None)
    rows = read_json(card / "scores.json")["headline"]
    return _as_metrics(rows, len(times))


def _days(model: ForecastModel, analyses: xr.Dataset, config: EvaluationConfig) -> int:
    """Of a forecast: those asked for, or as many as the period has.

    Raises:
        UserError: it has not even one.
    """
    there = analyses["time"].values
    history = (model.data.history - 1) * np.timedelta64(model.data.step_hours, "h")
    longest = int((there[-1] - there[0] - history) // _DAY)
    if longest < 1:
        raise UserError(
            f"a forecast needs a day at least, but the data go from {str(there[0])[:16]} to {str(there[-1])[:16]}. "
            "Give a longer period."
        )
    if longest < config.lead_days:
        logger.warning("the period is short: forecasts go on for %d days, not %d", longest, config.lead_days)
    return min(longest, config.lead_days)


def _starts(model: ForecastModel, analyses: xr.Dataset, days: int, apart_hours: int) -> NDArray[Any]:
    """Those of evenly spread times for which the data have all states that a forecast starts from.

    Raises:
        UserError: there is none.
    """
    there = analyses["time"].values.astype("datetime64[ns]")
    before = np.arange(model.data.history) * np.timedelta64(model.data.step_hours, "h")
    times = spread_times(there[0] + before[-1], there[-1] - days * _DAY, apart_hours)
    found = times[np.isin(times[:, None] - before, there).all(axis=1)]
    if not len(found):
        raise UserError(
            f"forecasts start from {model.data.history} states {model.data.step_hours} h apart, and the data have none "
            f"such at times {apart_hours} h apart. Choose another `evaluation.apart_hours`, or data without gaps."
        )
    return found


def _climatology(training: ForecastData, fields: tuple[str, ...]) -> str | None:
    """The file of the climatology of the training years, from the cache folder where it was made before.

    Less than a year has none.
    """
    analyses = training.open("train")
    there = analyses["time"].values
    if there[-1] - there[0] < 364 * _DAY:
        return None
    known = fields_of(analyses)
    chosen = [parse_field(name, known) for name in fields]
    key = json.dumps([training.statistics.fingerprint, fields, QUANTILES])
    place = cache_dir() / _CACHE / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.nc"
    if not place.is_file():
        levels = sorted({one.level_hpa for one in chosen if one.level_hpa is not None})
        chosen_names = list(dict.fromkeys(one.variable for one in chosen))
        wanted = analyses[chosen_names].sel(level=levels) if levels else analyses[chosen_names]
        years = int(str(there[-1])[:4]) - int(str(there[0])[:4])
        made = make_climatology(wanted, quantiles=QUANTILES, min_years=min(max(years, 1), 10))
        write_dataset(made, Path(place))
    return str(place)


def _as_metrics(rows: list[dict[str, Any]], forecasts: int) -> dict[str, Any]:
    """Headline rows of a scorecard as scores by name, the baselines' beside them."""
    found: dict[str, dict[str, float]] = {}
    words = {unit: word for word, unit in UNIT_WORDS.items()}
    for row in rows:
        days = row["lead_hours"] / 24
        for kind in ("rmse", "acc"):
            for number, (model, value) in enumerate(row.get(kind, {}).items()):
                if value is not None:
                    unit = f"_{words.get(row['unit'].replace('**', ''), row['unit'])}" if kind == "rmse" else ""
                    name = f"{row['field']}_day_{days:g}_{kind}{unit}"
                    found.setdefault("all" if number == 0 else model, {})[name] = value
    return {"all": found.pop("all", {}), "baselines": found, "forecasts": forecasts}
