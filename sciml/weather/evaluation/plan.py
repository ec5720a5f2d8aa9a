"""What is to be scored: which fields, times and models, checked against each other, and cut into blocks.

Shapes: i initial times, l lead times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.evaluation.reading import piece_edges
from sciml.weather.fields import Field, fields_of, parse_field
from sciml.weather.grid import SAME_POINT_DEG, Grid

BASELINES = ("persistence", "climatology")
# lead times of a baseline scored by itself go this far when none are asked for
_LONGEST_BASELINE_LEAD = np.timedelta64(5, "D")
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class ScoreOptions:
    """What a user may choose; nothing given means everything that forecast and truth have.

    Args:
        fields: names such as `z500`, `t2m`.
        lead_hours: lead times.
        period: first and last initial time, both included, as ISO 8601 writes them; a day means all of it.
        regions: names of `sciml.weather.scores.regions.REGIONS`.
        baselines: models to score beside the forecast.
        rain_thresholds_mm: amounts whose exceedance is scored.
        seeps_dry_mm: what is less is dry for SEEPS, as the climatology has it.
        fss_scales: widths, in grid boxes, of the neighbourhoods of the fractions skill score.
        map_hours: lead times of the maps; at most four spread over all if none is given.
        memory_gb: what reading and scoring may use, beyond the program itself.
        threads: how many blocks are scored at a time.
    """

    fields: tuple[str, ...] = ()
    lead_hours: tuple[float | int, ...] = ()
    period: tuple[str, str] | None = None
    regions: tuple[str, ...] = ()
    baselines: tuple[str, ...] = BASELINES
    rain_thresholds_mm: tuple[float | int, ...] = (1.0, 5.0, 10.0, 25.0)
    seeps_dry_mm: float = 0.25
    fss_scales: tuple[int, ...] = (1, 3, 9)
    map_hours: tuple[float | int, ...] = ()
    memory_gb: float | int = 2.0
    threads: int = 1


@dataclass(frozen=True)
class Block:
    """A part of the forecasts that is read and scored at once: one variable, some levels, initial and lead times."""

    variable: str
    levels: slice
    times: slice
    leads: slice


@dataclass(frozen=True)
class Plan:
    """Forecast, truth and climatology that fit together.

    Args:
        models: the forecast's name first, then the baselines'.
        forecast: canonical, or None when the first model is a baseline.
        truth: canonical, on the same grid.
        climatology: as `sciml.weather.climatology` makes it, or None.
        fields: what is scored.
        initial_times: [i].
        lead_times: [l].
        truth_at: [i, l] position in `truth.time` of each valid time, -1 where the truth has none.
        start_at: [i] position in `truth.time` of each initial time, -1 where the truth has none.
    """

    models: tuple[str, ...]
    forecast: xr.Dataset | None
    truth: xr.Dataset
    climatology: xr.Dataset | None
    fields: tuple[Field, ...]
    initial_times: np.ndarray
    lead_times: np.ndarray
    truth_at: NDArray[np.int64]
    start_at: NDArray[np.int64]
    options: ScoreOptions

    @property
    def grid(self) -> Grid:
        return Grid(self.truth["latitude"].values, self.truth["longitude"].values)

    @property
    def valid_times(self) -> np.ndarray:
        """[i, l]."""
        return self.initial_times[:, None] + self.lead_times

    @property
    def members(self) -> int:
        """How many members the forecast has; 0 if it is no ensemble."""
        return 0 if self.forecast is None else self.forecast.sizes.get("number", 0)

    @property
    def variables(self) -> list[str]:
        return list(dict.fromkeys(field.variable for field in self.fields))

    def fields_of(self, variable: str) -> list[Field]:
        """What is scored of a variable, by level."""
        return sorted(field for field in self.fields if field.variable == variable)

    def array(self, dataset: xr.Dataset, variable: str, name: str | None = None) -> xr.DataArray:
        """A variable at the levels that are scored, which come third to last; one that has none gets the dimension.

        Args:
            dataset: canonical, or a climatology.
            variable: of the fields.
            name: in the dataset, if it is called otherwise.
        """
        array = dataset[name or variable]
        if "level" in array.dims:
            array = array.sel(level=[field.level_hpa for field in self.fields_of(variable)])
        else:
            array = array.expand_dims("level")
        return array.transpose(..., "level", "latitude", "longitude")

    def has_normal(self, variable: str, name: str | None = None) -> bool:
        """Whether the climatology has a variable at all levels that are scored."""
        if self.climatology is None or (name or variable) not in self.climatology:
            return False
        levels = [field.level_hpa for field in self.fields_of(variable) if field.level_hpa is not None]
        return not levels or set(levels) <= set(np.atleast_1d(self.climatology.get("level", [])).tolist())

    def blocks(self) -> Iterator[Block]:
        """Blocks that cover all fields once, along the chunks of the forecast, each within a share of the memory."""
        for variable in self.variables:
            yield from self._blocks_of(variable)

    def _blocks_of(self, variable: str) -> Iterator[Block]:
        n_levels = len(self.fields_of(variable))
        n_leads = len(self.lead_times)
        # one block is being read while another is scored, and each is copied once: an eighth leaves room for both
        most = (
            self.options.memory_gb
            * 1e9
            / 8
            / self.options.threads
            / (4 * np.prod(self.grid.shape) * max(1, self.members))
        )
        level_step = int(np.clip(most, 1, n_levels))
        lead_step = int(np.clip(most / level_step, 1, n_leads))
        time_step = int(max(1, most / (level_step * lead_step)))
        if self.forecast is None:
            time_edges = _edges(len(self.initial_times), time_step)
        else:
            time_edges = _merged(piece_edges(self.forecast[variable], "time", time_step), time_step)
        for first, last in zip(time_edges[:-1], time_edges[1:], strict=True):
            for lead in range(0, n_leads, lead_step):
                for level in range(0, n_levels, level_step):
                    yield Block(
                        variable,
                        slice(level, min(level + level_step, n_levels)),
                        slice(int(first), int(last)),
                        slice(lead, min(lead + lead_step, n_leads)),
                    )


def _edges(length: int, step: int) -> NDArray[np.int64]:
    return np.append(np.arange(0, length, step), length)


def _merged(edges: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The same edges without those between neighbours that together are no longer than `most`."""
    kept = [int(edges[0])]
    for edge, after in zip(edges[1:-1], edges[2:], strict=True):
        if after - kept[-1] > most:
            kept.append(int(edge))
    return np.asarray([*kept, int(edges[-1])])


def make_plan(
    name: str,
    forecast: xr.Dataset | None,
    truth: xr.Dataset,
    climatology: xr.Dataset | None = None,
    options: ScoreOptions | None = None,
) -> Plan:
    """Chooses what forecast and truth have in common, in time and fields.

    Args:
        name: what the forecast is called; one of `BASELINES` when `forecast` is None.
        forecast: canonical forecast (time, lead_time, ...).
        truth: canonical dataset on the same grid.
        climatology: on the same grid.
        options: what to score; everything if None.

    Raises:
        UserError: nothing in common, grids that differ, or something asked for that is not there.
    """
    options = options or ScoreOptions()
    truth = truth.sortby("latitude")
    fields = _common_fields(forecast, truth, options)
    initial_times = truth["time"].values
    if forecast is None:
        lead_times = _lead_times(_baseline_leads(initial_times), options)
    else:
        forecast = forecast.sortby("latitude")
        _check_grids("forecast", forecast, truth)
        lead_times = _lead_times(forecast["lead_time"].values, options)
        forecast = forecast.sel(lead_time=lead_times)
        initial_times = forecast["time"].values
    if climatology is not None:
        climatology = climatology.sortby("latitude")
        _check_grids("climatology", climatology, truth)
    initial_times = _in_period(initial_times, options.period)
    if forecast is not None:
        forecast = forecast.sel(time=initial_times)
    there = truth["time"].values
    times = pd.Index(there)
    truth_at = times.get_indexer((initial_times[:, None] + lead_times).ravel()).reshape(-1, len(lead_times))
    if (truth_at < 0).all():
        raise UserError(
            f"forecast and truth do not overlap: the forecasts are valid from {_day(initial_times[0] + lead_times[0])} "
            f"to {_day(initial_times[-1] + lead_times[-1])}, the truth is from {_day(there[0])} to {_day(there[-1])}, "
            "and no time is in both. Give a truth of the same days and hours."
        )
    needed = set(options.baselines) - {"climatology" if climatology is None else ""}
    baselines = [b for b in BASELINES if b in needed and b != name]
    return Plan(
        models=(name, *baselines),
        forecast=forecast,
        truth=truth,
        climatology=climatology,
        fields=fields,
        initial_times=initial_times,
        lead_times=lead_times,
        truth_at=truth_at.astype(np.int64),
        start_at=times.get_indexer(initial_times).astype(np.int64),
        options=options,
    )


def _common_fields(forecast: xr.Dataset | None, truth: xr.Dataset, options: ScoreOptions) -> tuple[Field, ...]:
    common = fields_of(truth)
    if forecast is not None:
        of_forecast = fields_of(forecast)
        for text in options.fields:
            parse_field(text, of_forecast)
        shared = [field for field in common if field in of_forecast]
        if not shared:
            raise UserError(
                f"forecast and truth have no field in common: the forecast has {_few(of_forecast)}, "
                f"the truth {_few(common)}."
            )
        common = shared
    return tuple(parse_field(text, common) for text in options.fields) or tuple(common)


def _check_grids(what: str, dataset: xr.Dataset, truth: xr.Dataset) -> None:
    for axis in ("latitude", "longitude"):
        came, wanted = dataset[axis].values, truth[axis].values
        if came.shape != wanted.shape or np.abs(came - wanted).max() > SAME_POINT_DEG:
            raise UserError(
                f"{what} and truth are on other grids: {_grid(dataset)} and {_grid(truth)}. Bring them to one grid: "
                "`sciml score --grid 1.5deg ...` does so, and `sciml.weather.regrid.regrid` in Python."
            )


def _baseline_leads(times: np.ndarray) -> np.ndarray:
    """Differences between the times of the truth, up to five days."""
    if len(times) < 2:
        raise UserError(f"a baseline needs a truth of two times or more, but it has {len(times)}.")
    differences = np.unique(times - times[:, None])
    chosen = differences[(differences > np.timedelta64(0)) & (differences <= _LONGEST_BASELINE_LEAD)]
    return chosen if len(chosen) else differences[differences > np.timedelta64(0)][:1]


def _lead_times(there: np.ndarray, options: ScoreOptions) -> np.ndarray:
    if not options.lead_hours:
        return there
    wanted = np.unique((np.asarray(options.lead_hours) * 3600).round().astype("timedelta64[s]").astype(there.dtype))
    missing = wanted[~np.isin(wanted, there)]
    if len(missing):
        hours = ", ".join(f"{lead / _HOUR:g}" for lead in there[:12])
        more = ", ..." if len(there) > 12 else ""
        raise UserError(f"there is no lead time of {missing[0] / _HOUR:g} hours; there are {hours}{more} hours.")
    return wanted


def _in_period(times: np.ndarray, period: tuple[str, str] | None) -> np.ndarray:
    if period is None:
        return times
    try:
        first, last = (pd.Period(text) for text in period)
    except ValueError:
        first = last = pd.NaT
    if isinstance(first, pd.Period) and isinstance(last, pd.Period):
        chosen = times[(times >= np.datetime64(first.start_time)) & (times <= np.datetime64(last.end_time))]
    else:
        raise UserError(f"a period is two dates, such as 2020-01-01/2020-12-31, but {'/'.join(period)} is not.")
    if not len(chosen):
        raise UserError(
            f"no forecast starts from {period[0]} to {period[1]}: they start {_day(times[0])} to {_day(times[-1])}."
        )
    return chosen


def _few(fields: list[Field]) -> str:
    return ", ".join(map(str, fields[:6])) + (", ..." if len(fields) > 6 else "") if fields else "none"


def _grid(dataset: xr.Dataset) -> str:
    latitude, longitude = dataset["latitude"].values, dataset["longitude"].values
    return (
        f"{len(latitude)} x {len(longitude)} points from {latitude[0]:g} to {latitude[-1]:g} north and "
        f"{longitude[0]:g} to {longitude[-1]:g} east"
    )


def _day(time: np.datetime64) -> str:
    return str(time)[:16].replace("T", " ")
