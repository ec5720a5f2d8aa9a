"""Named events: how well those that lie within the forecasts were foreseen.

Of each event the field that makes it is followed through its days, as one number over its box, in the truth and in the
forecast at one, three, five and seven days of lead time, and kept as a map at its height. Tropical cyclones are also
followed through every forecast that starts while they are there, and held against their observed tracks.

Shapes: t valid times of the event, y latitudes and x longitudes of its box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.weather.cases import Case, storm_of_case
from sciml.weather.cyclones.ibtracs import open_ibtracs
from sciml.weather.cyclones.scores import TrackSums, track_scores, track_sums
from sciml.weather.cyclones.tracker import follow_storms
from sciml.weather.cyclones.tracks import Tracks
from sciml.weather.evaluation.plan import Plan
from sciml.weather.evaluation.reading import load
from sciml.weather.fields import Field

Array = NDArray[np.float64]

_HOUR = np.timedelta64(1, "h")
_LEAD_DAYS = (1, 3, 5, 7)
# the forecast of a map is next to this one
_MAP_LEAD = np.timedelta64(72, "h")
# a map shows so much around the box
_MARGIN_DEG = 5.0
# of an event's time, that forecasts of one lead time have to span
_MOST_OF_IT = 0.8
# what a cyclone is found by
_CYCLONE_FIELDS = ("msl", "u10", "v10")


@dataclass(frozen=True)
class _Signal:
    """What an event is seen in.

    Args:
        variables: the first one of these that is scored.
        over_box: one number of [t, y, x] with the cells' areas, in words of `_OVER_BOX`.
        highest: whether the event is at its height when that number is highest, or lowest.
    """

    variables: tuple[str, ...]
    over_box: str
    highest: bool

    @property
    def sign(self) -> int:
        return 1 if self.highest else -1


_SIGNALS = {
    "heat_wave": _Signal(("t2m", "t"), "mean", True),
    "freeze": _Signal(("t2m", "t"), "mean", False),
    "tropical_cyclone": _Signal(("msl",), "lowest", False),
    "atmospheric_river": _Signal(("tcwv", "tp", "q"), "mean", True),
    "severe_convection": _Signal(("tp", "tcwv"), "highest", True),
}
_OVER_BOX: Mapping[str, Callable[[NDArray[np.float32], Array], Array]] = {
    "mean": lambda fields, areas: np.einsum("tyx,yx->t", fields.astype(np.float64), areas / areas.sum()),
    "lowest": lambda fields, areas: fields.min((1, 2)).astype(np.float64),
    "highest": lambda fields, areas: fields.max((1, 2)).astype(np.float64),
}


def score_case(plan: Plan, case: Case) -> dict[str, Any]:
    """What `scores.json` says of an event; not `covered` if no forecast is valid in it, or its field is not scored."""
    facts: dict[str, Any] = {
        "id": case.id,
        "title": case.title,
        "kind": case.kind,
        "start": _iso(case.start),
        "end": _iso(case.end),
        "region": {"latitude": [case.box.south, case.box.north], "longitude": [case.box.west, case.box.east]},
        "covered": False,
    }
    signal = _SIGNALS[case.kind]
    field = next((f for name in signal.variables for f in plan.fields if f.variable == name), None)
    times = plan.truth["time"].values
    at = np.flatnonzero((times >= case.start) & (times <= case.end))
    mask = case.box.contains(plan.grid)
    if field is None or not len(at) or not mask.any():
        return facts
    series = _Series.of(plan, case, field, at)
    models = {model: series.forecasts(plan, model) for model in plan.models}
    if not models[plan.models[0]] or not np.isfinite(series.truth).any():
        return facts
    height = int(np.nanargmax(signal.sign * series.truth))
    unit = str(plan.truth[field.variable].attrs["units"])
    facts |= {
        "covered": True,
        "field": str(field),
        "unit": unit,
        "rows": _errors(series, models, signal, unit),
        "series": {
            "times": [_iso(time) for time in series.times],
            "over_box": signal.over_box,
            "truth": _finite(series.truth),
            "forecasts": {
                model: {f"{lead / _HOUR:g}": _finite(values) for lead, values in by_lead.items()}
                for model, by_lead in models.items()
            },
        },
        "map": _map(plan, case, field, series.times[height]),
    }
    if case.kind == "tropical_cyclone":
        cyclone = _cyclone(plan, case)
        facts["rows"] += cyclone.pop("rows", [])
        facts |= cyclone
    return facts


# -------------------------------------------------------------------------------------------------------------- series


@dataclass(frozen=True)
class _Series:
    """An event's number over its box in the truth [t], and how to get that of forecasts valid at the same times."""

    field: Field
    times: np.ndarray
    truth: Array
    rows: slice
    columns: NDArray[np.int64]
    areas: Array
    over_box: str

    @classmethod
    def of(cls, plan: Plan, case: Case, field: Field, at: NDArray[np.int64]) -> _Series:
        mask = case.box.contains(plan.grid)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        areas = plan.grid.area_weights()[part][:, columns]
        over_box = _SIGNALS[case.kind].over_box
        truth = _field(plan.truth, field)[at, part, columns]
        return cls(
            field,
            plan.truth["time"].values[at],
            _OVER_BOX[over_box](load(truth), areas),
            part,
            columns,
            areas,
            over_box,
        )

    def forecasts(self, plan: Plan, model: str) -> dict[np.timedelta64, Array]:
        """[t] by lead time; NaN where no forecast of that lead time is valid. Lead times without any are left out."""
        found = {}
        for lead in _leads(plan):
            start = self.times - lead
            if model == plan.models[0] and plan.forecast is not None:
                source = _field(plan.forecast.sel(lead_time=lead), self.field)
                source = source.mean("number") if "number" in source.dims else source
            elif model == "persistence":
                source = _field(plan.truth, self.field)
            else:
                continue
            position = source.get_index("time").get_indexer(start)
            here = position >= 0
            if here.any():
                values = np.full(len(start), np.nan)
                fields = load(source[position[here], self.rows, self.columns])
                values[here] = _OVER_BOX[self.over_box](fields, self.areas)
                found[lead] = values
        return found


def _field(dataset: xr.Dataset, field: Field) -> xr.DataArray:
    array = dataset[field.variable]
    array = array if field.level_hpa is None else array.sel(level=field.level_hpa)
    return array.transpose("time", ..., "latitude", "longitude")


def _leads(plan: Plan) -> list[np.timedelta64]:
    """Lead times next to one, three, five and seven days, if they are within half a day of them."""
    wanted = [np.timedelta64(24 * days, "h") for days in _LEAD_DAYS]
    nearest = {plan.lead_times[np.abs(plan.lead_times - lead).argmin()] for lead in wanted}
    return sorted(lead for lead in nearest if min(abs(lead - w) for w in wanted) <= np.timedelta64(12, "h"))


def _errors(
    series: _Series, models: Mapping[str, Mapping[np.timedelta64, Array]], signal: _Signal, unit: str
) -> list[dict[str, Any]]:
    """Of each model and lead time: RMSE over the event, and how far off its extreme is in size and in time."""
    rows = []
    for model, by_lead in models.items():
        for lead, values in by_lead.items():
            known = np.isfinite(values)
            error = values[known] - series.truth[known]
            scores = {"RMSE over the event": (float(np.sqrt(np.mean(error**2))), unit)}
            times, truth = series.times[known], series.truth[known]
            # the extreme of a part of the days is not the event's
            if len(times) > 2 and times[-1] - times[0] >= _MOST_OF_IT * (series.times[-1] - series.times[0]):
                foreseen, came = (int(np.argmax(signal.sign * part)) for part in (values[known], truth))
                scores["error of the extreme"] = (float(values[known][foreseen] - truth[came]), unit)
                scores["error of its time"] = (float((times[foreseen] - times[came]) / _HOUR), "h")
            rows += [
                {"model": model, "lead_hours": float(lead / _HOUR), "name": name, "score": score, "unit": unit}
                for name, (score, unit) in scores.items()
            ]
    return rows


def _map(plan: Plan, case: Case, field: Field, time: np.datetime64) -> dict[str, Any]:
    """The box and what is around it, at one time: the truth, and the forecast of about three days if there is one."""
    grid = plan.grid
    south, north = case.box.south - _MARGIN_DEG, case.box.north + _MARGIN_DEG
    rows = np.flatnonzero((grid.latitude >= south) & (grid.latitude <= north))
    width = min(case.box.east - case.box.west + 2 * _MARGIN_DEG, 360.0)
    eastwards = (grid.longitude - case.box.west + _MARGIN_DEG) % 360
    columns = np.argsort(eastwards)
    columns = columns[eastwards[columns] <= width]
    part = (slice(int(rows[0]), int(rows[-1]) + 1), columns)
    shown = {
        "latitude": grid.latitude[part[0]].tolist(),
        "longitude": (eastwards[columns] + case.box.west - _MARGIN_DEG).tolist(),
        "time": _iso(time),
        "truth": _rows(load(_field(plan.truth, field).sel(time=time)[part])),
    }
    if plan.forecast is not None:
        starts = plan.forecast.get_index("time")
        leads = [lead for lead in _leads(plan) if time - lead in starts]
        if leads:
            lead = min(leads, key=lambda candidate: abs(candidate - _MAP_LEAD))
            one = _field(plan.forecast.sel(lead_time=lead), field).sel(time=time - lead)
            one = one.mean("number") if "number" in one.dims else one
            shown |= {"forecast": _rows(load(one[part])), "lead_hours": float(lead / _HOUR)}
    return shown


# ------------------------------------------------------------------------------------------------------------- cyclones


def _cyclone(plan: Plan, case: Case) -> dict[str, Any]:
    """The observed track, the forecasts' ones, and rows of errors; nothing when no observed storm is the case's."""
    if plan.forecast is None or any(name not in plan.variables for name in _CYCLONE_FIELDS):
        return {}
    observed = open_ibtracs(period=(str(case.start)[:10], str(case.end)[:10]))
    name = storm_of_case(case, observed)
    if name is None:
        return {}
    storm = observed.storm(name)
    forecast = plan.forecast.mean("number") if plan.members else plan.forecast
    sums: TrackSums | None = None
    followed: list[dict[str, Any]] = []
    for start in plan.initial_times[(plan.initial_times >= storm.time[0]) & (plan.initial_times <= storm.time[-1])]:
        track = follow_storms(forecast.sel(time=start), storm)
        pairs = {name: name} if len(track) else {}
        part = track_sums(track, storm, pairs, start, plan.lead_times)
        sums = part if sums is None else sums + part
        if len(track):
            followed.append({"initial_time": _iso(start), **_track(track)})
    if sums is None:
        return {}
    return {"tracks": {"truth": _track(storm), "forecasts": followed}, "rows": _track_rows(plan, track_scores(sums))}


def _track_rows(plan: Plan, scores: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    for name in ("track_error", "along_track_bias", "cross_track_bias", "wind_bias", "pressure_bias", "hit_rate"):
        for lead in _leads(plan):
            score = float(scores[name].sel(lead_time=lead))
            if np.isfinite(score):
                rows.append(
                    {
                        "model": plan.models[0],
                        "lead_hours": float(lead / _HOUR),
                        "name": name.replace("_", " "),
                        "score": score,
                        "unit": str(scores[name].attrs["units"]),
                    }
                )
    return rows


def _track(track: Tracks) -> dict[str, Any]:
    return {
        "times": [_iso(time) for time in track.time],
        "latitude": _finite(track.latitude),
        "longitude": _finite(track.longitude),
        "wind_m_s": _finite(track.wind_m_s),
        "pressure_pa": _finite(track.pressure_pa),
    }


def _finite(values: NDArray[np.floating]) -> list[float | None]:
    """As JSON has them, which knows no NaN."""
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _rows(field_yx: NDArray[np.float32]) -> list[list[float | None]]:
    return [_finite(row) for row in field_yx]


def _iso(time: np.datetime64) -> str:
    return str(time.astype("datetime64[s]"))
