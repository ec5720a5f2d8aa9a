"""What is to be scored: which fields, times and models, checked against each other, and cut into blocks.

Shapes: i initial times, l lead times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.evaluation.agreement import (
    BASELINES,
    TRUTH,
    ScoreOptions,
    baseline_leads,
    check_grids,
    check_hours,
    check_windows,
    chosen_leads,
    common_fields,
    cut_to,
    has_field,
    in_period,
    minute_text,
    with_normal,
)
from sciml.weather.evaluation.reading import piece_edges
from sciml.weather.fields import Field
from sciml.weather.grid import Grid


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

    def has_normal(self, variable: str, statistic: str = "") -> bool:
        """Whether the climatology has a statistic of a variable at all levels that are scored."""
        if self.climatology is None:
            return False
        return all(has_field(self.climatology, field, statistic) for field in self.fields_of(variable))

    def blocks(self) -> Iterator[Block]:
        """Blocks that cover all fields once, along the chunks of the forecast, each within a share of the memory."""
        for variable in self.variables:
            yield from self._blocks_of(variable)

    def _blocks_of(self, variable: str) -> Iterator[Block]:
        n_levels = len(self.fields_of(variable))
        n_leads = len(self.lead_times)
        # one block is being read while another is scored, and each is copied once: an eighth leaves room for both
        most = self.options.memory_gb * 1e9 / 8 / self.options.threads / (4 * np.prod(self.grid.shape))
        quantiles = 0 if self.climatology is None else self.climatology.sizes.get("quantile", 0)
        # quantiles are read for one lead time at once
        most = min(most / max(1, self.members), most * n_leads / max(1, quantiles))
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
    if name == TRUTH or (forecast is not None and name in BASELINES):
        name = f"{name} (forecast)"
    truth = truth.sortby("latitude")
    fields = common_fields(forecast, truth, options)
    initial_times = truth["time"].values
    if forecast is None:
        lead_times = chosen_leads(baseline_leads(initial_times), options)
    else:
        forecast = forecast.sortby("latitude")
        truth, forecast = cut_to(truth, forecast), cut_to(forecast, truth)
        check_grids("forecast", forecast, truth)
        lead_times = chosen_leads(forecast["lead_time"].values, options)
        forecast = forecast.sel(lead_time=lead_times)
        initial_times = forecast["time"].values
    if climatology is not None:
        climatology = cut_to(climatology.sortby("latitude"), truth)
        check_grids("climatology", climatology, truth)
    initial_times = in_period(initial_times, options.period)
    if forecast is not None:
        forecast = forecast.sel(time=initial_times)
    there = truth["time"].values
    times = pd.Index(there)
    if not (times.is_unique and pd.Index(initial_times).is_unique):
        raise UserError("a time is there twice. Open data with sciml.open_era5 and sciml.open_forecast, or drop one.")
    valid = initial_times[:, None] + lead_times
    truth_at = times.get_indexer(valid.ravel()).reshape(valid.shape)
    if (truth_at < 0).all():
        raise UserError(
            f"forecast and truth do not overlap: the forecasts are valid from {minute_text(valid[0, 0])} to "
            f"{minute_text(valid[-1, -1])}, the truth is from {minute_text(there[0])} to {minute_text(there[-1])}, "
            "and no time is in both. Give a truth of the same days and hours."
        )
    if forecast is not None:
        check_windows(forecast, truth, fields)
    if climatology is not None:
        check_hours(climatology, valid[truth_at >= 0])
    if name == "climatology" and forecast is None and climatology is not None:
        fields = with_normal(fields, climatology, options)
    if options.map_hours:
        chosen_leads(lead_times, replace(options, lead_hours=options.map_hours))
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
