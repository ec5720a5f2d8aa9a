"""From sums to scores: the dataset of `scores.nc`, and the headline of `scores.json`.

Shapes: l lead times, r regions, q quantiles or thresholds, b bins, y latitudes, x longitudes, s sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.weather.era5.accumulations import is_sum
from sciml.weather.evaluation.agreement import TRUTH, window_of
from sciml.weather.evaluation.measures import RAIN, Sums
from sciml.weather.evaluation.plan import Plan
from sciml.weather.scores.categories import CATEGORICAL_SCORES, Table
from sciml.weather.scores.ensemble import EnsembleSums
from sciml.weather.scores.field_sums import FieldSums, MapSums, ratio
from sciml.weather.scores.neighbourhoods import FractionSums
from sciml.weather.scores.probability import BrierSums, brier_score, coarsen, reliability
from sciml.weather.scores.significance import FEWEST_TIMES, paired_difference
from sciml.weather.scores.sums import WeightedSums

Array = NDArray[np.float64]
# name -> values, of one model and field
Values = dict[str, Array]

_EXTREME_SCORES = ("sedi", "edi", "hit_rate", "false_alarm_rate", "base_rate", "frequency_bias")
_RAIN_SCORES = ("ets", "csi")
# share of an area that is all of it
_WHOLE = 0.995
# a reliability diagram has this many bins at most
_BINS = 10


def score_dataset(
    plan: Plan,
    sums: Sums,
    regions: Mapping[str, float],
    quantiles: tuple[float, ...],
    leads_with_map: np.ndarray,
) -> xr.Dataset:
    """All scores, as `sciml score` writes them; those that cannot be computed are not there.

    Args:
        plan: what was scored.
        sums: of all blocks.
        regions: names and areas, in the order of the sums.
        quantiles: of the climatology, in the order of the sums.
        leads_with_map: lead times that have maps.
    """
    areas = np.array(list(regions.values()))
    by_region = ("region", "lead_time")
    tables = [
        (_of_kind(plan, sums, "fields", lambda a: _field_scores(a, areas)), by_region),
        (_differences(plan, sums), by_region),
        (_of_kind(plan, sums, "ensemble", lambda a: _ensemble_scores(a, plan.members)), by_region),
        (_of_kind(plan, sums, "power", _power), ("lead_time", "wavenumber")),
        (_of_kind(plan, sums, "map", _maps), ("map_lead_time", "latitude", "longitude")),
        (_of_kind(plan, sums, "table", lambda a: _table_scores(a, _EXTREME_SCORES)), ("quantile", *by_region)),
        (_of_kind(plan, sums, "rain_table", lambda a: _table_scores(a, _RAIN_SCORES)), ("threshold", *by_region)),
        (_of_kind(plan, sums, "seeps", _seeps), by_region),
        (_of_kind(plan, sums, "fss", _fractions), ("threshold", "scale", "lead_time")),
        (_of_kind(plan, sums, "brier", lambda a: _brier(a, plan.members)), ("quantile", "lead_time")),
        (_of_kind(plan, sums, "brier", lambda a: _reliability(a, plan.members)), ("quantile", "bin")),
        (_of_kind(plan, sums, "rank", _ranks), ("lead_time", "rank")),
    ]
    data = {
        name: (("model", "field", *dims), values, {"long_name": name.replace("_", " ")})
        for table, dims in tables
        for name, values in table.items()
    }
    # these are of rain alone
    for name in {"fss", "seeps"} & data.keys():
        dims, values, attributes = data[name]
        data[name] = ((dims[0], *dims[2:]), values[:, list(map(str, plan.fields)).index(RAIN)], attributes)
    units = [plan.truth[field.variable].attrs["units"] for field in plan.fields]
    coordinates = {
        "model": [*plan.models, TRUTH],
        "field": list(map(str, plan.fields)),
        "field_units": ("field", units),
        "region": list(regions),
        "lead_time": plan.lead_times,
        "map_lead_time": leads_with_map,
        "quantile": list(quantiles),
        "threshold": (
            "threshold",
            list(plan.options.rain_thresholds_mm),
            {"units": "mm", "long_name": "amount of rain"},
        ),
        "scale": ("scale", list(plan.options.fss_scales), {"long_name": "width of the neighbourhood in grid boxes"}),
        "latitude": ("latitude", plan.grid.latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", plan.grid.longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    used = {dim for dims, *_ in data.values() for dim in dims}
    return xr.Dataset(data, {name: c for name, c in coordinates.items() if name in used or name == "field_units"})


def _of_kind(plan: Plan, sums: Sums, kind: str, formula: Callable[[Array], Values]) -> Values:
    """[model, field, ...] of each score, NaN where a model or field has none; empty without sums of the kind."""
    parts = {
        (model, number): formula(sums[kind, model, str(field)])
        for model in (*plan.models, TRUTH)
        for number, field in enumerate(plan.fields)
        if (kind, model, str(field)) in sums
    }
    return _stacked(plan, parts)


def _stacked(plan: Plan, parts: Mapping[tuple[str, int], Values]) -> Values:
    models = [*plan.models, TRUTH]
    whole: Values = {}
    for (model, number), values in parts.items():
        for name, value in values.items():
            array = whole.setdefault(name, np.full((len(models), len(plan.fields), *value.shape), np.nan))
            array[models.index(model), number] = value
    return whole


def _field_scores(sums_lrs: Array, areas: Array) -> Values:
    sums = FieldSums.of(sums_lrs[..., :-3])
    correlation, correlated, forecasts = np.moveaxis(sums_lrs[..., -3:], -1, 0)
    values = {"rmse": sums.rmse(), "mae": sums.mae(), "bias": sums.bias()}
    if sums.anomaly_weight.any():
        values |= {"acc": ratio(correlation, correlated), "activity": sums.activity()}
    values |= {"forecasts": forecasts, "coverage": ratio(sums.weight, forecasts * areas)}
    return {name: value.T for name, value in values.items()}


def _differences(plan: Plan, sums: Sums) -> Values:
    """RMSE of each baseline minus that of the first model, with its interval, over the forecasts that both made."""
    if len(plan.initial_times) < FEWEST_TIMES:
        return {}
    parts = {}
    for number, field in enumerate(plan.fields):
        first = sums.get(("times", plan.models[0], str(field)))
        for model in plan.models[1:]:
            other = sums.get(("times", model, str(field)))
            if first is not None and other is not None:
                result = paired_difference(other, first, lambda s: np.sqrt(ratio(s[..., 1], s[..., 0])))
                values = {"rmse_difference": result.difference, "rmse_low": result.low, "rmse_high": result.high}
                parts[model, number] = {name: value.T for name, value in values.items()}
    return _stacked(plan, parts)


def _ensemble_scores(sums_lrs: Array, members: int) -> Values:
    sums = EnsembleSums.of(sums_lrs, members, 0)
    if members < 2:
        return {"crps": sums.crps(fair=False).T}
    values = {"crps": sums.crps(), "spread": sums.spread(), "spread_skill_ratio": sums.spread_skill_ratio()}
    return {name: value.T for name, value in values.items()}


def _power(sums_lw: Array) -> Values:
    count = np.where(sums_lw[:, -1:] > 0, sums_lw[:, -1:], np.nan)
    return {"power": sums_lw[:, :-1] / count}


def _maps(sums: Array) -> Values:
    maps = MapSums(sums[:, 0], sums[:, 1], sums[:, 2])
    return {"bias_map": maps.bias(), "rmse_map": maps.rmse()}


def _table_scores(sums_lqrc: Array, scores: tuple[str, ...]) -> Values:
    table = Table(*np.moveaxis(sums_lqrc, -1, 0))
    return {name: np.moveaxis(CATEGORICAL_SCORES[name](table), 0, -1) for name in scores}


def _fractions(sums_lqsc: Array) -> Values:
    return {"fss": np.moveaxis(FractionSums(sums_lqsc[..., 0], sums_lqsc[..., 1]).score(), 0, -1)}


def _seeps(sums_lrc: Array) -> Values:
    return {"seeps": WeightedSums(sums_lrc[..., 0], sums_lrc[..., 1]).mean().T}


def _brier(sums_lqbc: Array, members: int) -> Values:
    score = brier_score(BrierSums(*np.moveaxis(sums_lqbc, -1, 0)))
    return {
        "brier": score.score.T,
        "brier_reliability": score.reliability.T,
        "brier_resolution": score.resolution.T,
        "brier_uncertainty": score.uncertainty.T,
    }


def _reliability(sums_lqbc: Array, members: int) -> Values:
    """Of all lead times together."""
    sums = BrierSums(*np.moveaxis(sums_lqbc.sum(0), -1, 0))
    probability, frequency, weight = reliability(coarsen(sums, _BINS) if members > _BINS else sums)
    return {"reliability_forecast": probability, "reliability_observed": frequency, "reliability_count": weight}


def _ranks(sums_lh: Array) -> Values:
    whole = sums_lh.sum(-1, keepdims=True)
    return {"rank_histogram": sums_lh / np.where(whole > 0, whole, np.nan)}


def notes(plan: Plan, scores: xr.Dataset) -> list[str]:
    """What a reader of the scores has to know: points, fields and times that are not in them."""
    said = []
    coverage = scores["coverage"].values[0, :, 0]
    if np.nanmin(coverage) < _WHOLE:
        said.append(
            f"{plan.models[0]} has values on {100 * np.nanmin(coverage):.0f} % of the grid's area where it has fewest: "
            "it and the baselines are scored where it has some."
        )
    empty = np.isnan(scores["coverage"].values[0]).all((0, 2))
    if empty.any():
        names = ", ".join(scores["region"].values[empty])
        said.append(f"No forecast has a value in {names}.")
    if plan.climatology is not None:
        lacking = [str(field) for field in plan.fields if not plan.has_normal(field.variable)]
        if lacking:
            said.append(f"The climatology has no {', '.join(lacking)}: these have no anomaly correlation.")
    made = scores["forecasts"].values[:, :, 0]
    for number, model in enumerate(plan.models[1:], 1):
        if (fewer := np.nanmax(made[0] - made[number], initial=0)) > 0:
            said.append(f"{model} lacks up to {fewer:.0f} of the forecasts' initial or valid times.")
    for variable in plan.variables:
        if is_sum(variable):
            window = window_of(plan.truth[variable])
            said.append(
                f"{variable} is {'a sum over an unknown window' if window is None else f'the sum of {window}'}."
            )
    return said


def headline(plan: Plan, scores: xr.Dataset) -> list[dict[str, Any]]:
    """The scores over the whole grid that come first, at one, three, five and ten days or the nearest lead times."""
    hours = plan.lead_times / np.timedelta64(1, "h")
    leads = sorted({int(np.abs(hours - 24.0 * days).argmin()) for days in (1, 3, 5, 10)})
    rows = []
    for number, field in enumerate(plan.fields):
        for lead in leads:
            count = scores["forecasts"].values[0, number, 0, lead]
            row: dict[str, Any] = {
                "field": str(field),
                "unit": str(scores["field_units"].values[number]),
                "lead_hours": float(hours[lead]),
                "forecasts": int(count) if np.isfinite(count) else 0,
            }
            for name in ("rmse", "mae", "bias", "acc", "crps"):
                if name in scores:
                    values = scores[name].values[: len(plan.models), number, 0, lead]
                    row[name] = {m: float(v) for m, v in zip(plan.models, values, strict=True) if np.isfinite(v)}
            rows.append(row)
    return rows
