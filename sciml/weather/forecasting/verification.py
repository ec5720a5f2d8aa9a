"""Scores of a forecasting model over a held-out period, beside persistence and climatology.

Forecasts start at even intervals over the period and go on for some days; they are scored as every other forecast is,
by `sciml.weather.evaluation`, against a climatology of the training years.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.core.runs import Run, read_json
from sciml.weather.evaluation.agreement import ScoreOptions
from sciml.weather.evaluation.execution import pool
from sciml.weather.evaluation.run import ScoreRequest, score
from sciml.weather.forecasting.data import ForecastData, WeatherDataConfig, sphere_of
from sciml.weather.forecasting.free_run import run_free
from sciml.weather.forecasting.objective import headline_fields
from sciml.weather.forecasting.reference import training_climatology
from sciml.weather.forecasting.request import ForecastRequest, spread_times
from sciml.weather.forecasting.rolling import BlowUp, blown_up_text
from sciml.weather.forecasting.rollout import make_forecast
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.sharpness import power_ratios, resolved_waves
from sciml.weather.forecasting.starts import InitialStates

logger = logging.getLogger(__name__)

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
        free_run_days: of one long roll-out, whose mean state and variability are compared with the truth's; 0 for none.
    """

    lead_days: int = 10
    apart_hours: int = 90
    fields: tuple[str, ...] = ()
    free_run_days: int = 0

    def __post_init__(self) -> None:
        ranges = {"lead_days": (1, 365), "apart_hours": (1, 10_000), "free_run_days": (0, 100_000)}
        check_ranges("evaluation", self, ranges)


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

    Starts whose roll-outs blow up are left out of all scores, and listed under `blown_up`.

    Args:
        model: that forecasts.
        data: of its training, for the climatology.
        analyses: of the period to score, canonical.
        source: where they are from, for the scorecard.
        run: whose folder takes the forecasts and the scorecard.
        split: name of both.
        config: what is scored.

    Raises:
        UserError: a period that is shorter than a forecast, fields that are not there, or no roll-out that stays within
            the range of the training climate.
    """
    fields = config.fields or headline_fields(model.statistics.fields)
    days = _days(model, analyses, config)
    steps = days * 24 // model.data.step_hours
    times = _starts(model, analyses, days, config.apart_hours)
    each = max(24 // model.data.step_hours, 1)
    request = ForecastRequest(times, steps, every=each, fields=fields, leave_out=True)
    forecast = run.path / "forecasts" / f"{split}.zarr"
    starts = InitialStates(model, analyses, times)
    lost = make_forecast(model, starts, request, forecast, lambda done, total: None)
    if lost:
        logger.warning("%s", blown_up_text([asdict(one) for one in lost], len(times)))
    card = run.path / "scorecards" / split
    scoring = ScoreRequest(
        forecast=str(forecast),
        truth=source,
        climatology=training_climatology(ForecastData(data, model.statistics), fields, run),
        name=str(run.record().get("name", run.path.name)),
        accumulate_hours=data.accumulate_hours,
        options=ScoreOptions(fields=fields),
    )
    with pool(None, 1) as workers:
        score(scoring, card, workers, lambda done, total: None)
    found = _as_metrics(read_json(card / "scores.json")["headline"], len(times), lost)
    waves = resolved_waves(sphere_of(model.grid))
    with xr.open_dataset(card / "scores.nc", engine="netcdf4") as scores:
        ratios = power_ratios(scores, each * model.data.step_hours, waves)
    if ratios:
        found["power"] = {"lead_hours": each * model.data.step_hours, "most_waves": waves, "ratios": ratios}
    if config.free_run_days:
        found["free_run"] = run_free(model, analyses, config.free_run_days, lambda done, total: None)
    return found


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


def _as_metrics(rows: list[dict[str, Any]], forecasts: int, lost: Sequence[BlowUp]) -> dict[str, Any]:
    """Headline rows of a scorecard as scores by name, the baselines' beside them."""
    found: dict[str, dict[str, float]] = {}
    words = {unit: word for word, unit in UNIT_WORDS.items()}
    for row in rows:
        lead = lead_name(row["lead_hours"])
        for kind in ("rmse", "acc"):
            for number, (model, value) in enumerate(row.get(kind, {}).items()):
                if value is not None:
                    unit = f"_{words.get(row['unit'].replace('**', ''), row['unit'])}" if kind == "rmse" else ""
                    found.setdefault("all" if number == 0 else model, {})[f"{row['field']}_{lead}_{kind}{unit}"] = value
    return {
        "all": found.pop("all", {}),
        "baselines": found,
        "forecasts": forecasts,
        "blown_up": [asdict(one) for one in lost],
    }


def lead_name(hours: float) -> str:
    """A lead time as names of scores have it: in days where they are whole.

    >>> lead_name(72.0), lead_name(20.0), lead_name(7.5)
    ('day_3', 'hour_20', 'hour_7.5')
    """
    return f"day_{hours / 24:g}" if hours % 24 == 0 else f"hour_{hours:g}"
