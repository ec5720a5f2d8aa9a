"""Reads blocks of a plan and measures them.

Shapes: i initial times, l lead times, m members, z levels, y latitudes, x longitudes, k rows of the truth, q quantiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sciml.weather.evaluation.measures import Fields, Material, Measures, Sums
from sciml.weather.evaluation.plan import Block, Plan
from sciml.weather.evaluation.reading import ClimateRows, TimeRows, load

# what stands behind the name of a variable of a climatology that is no mean
QUANTILE, DRY_FRACTION, HEAVY_THRESHOLD = STATISTICS = "_quantile", "_seeps_dry_fraction", "_seeps_threshold"


@dataclass(frozen=True)
class Scorer:
    """Gives the sums of a block. It can be pickled, and opens the files again where it is unpickled.

    Args:
        plan: what is scored.
        measures: what is measured.
        map_leads: [l] number of the map of each lead time, -1 where there is none.
        truth: rows of the analyses.
        climatology: rows of the mean and, under their names, of the other statistics.
    """

    plan: Plan
    measures: Measures
    map_leads: NDArray[np.int64]
    truth: TimeRows
    climatology: ClimateRows

    @classmethod
    def of(cls, plan: Plan, measures: Measures, map_leads: NDArray[np.int64]) -> Scorer:
        """With an eighth of the memory for what is kept of the truth, and as much for the climatology."""
        normal = {}
        for variable in plan.variables:
            for statistic in ("", *STATISTICS):
                if plan.climatology is not None and plan.has_normal(variable, statistic):
                    name = variable + statistic
                    normal[name] = plan.array(plan.climatology, variable, name)
        room = plan.options.memory_gb * 1e9 / 8
        truth = TimeRows({variable: plan.array(plan.truth, variable) for variable in plan.variables}, room)
        return cls(plan, measures, map_leads, truth, ClimateRows(normal, room))

    def __call__(self, block: Block) -> Sums:
        sums: Sums = {}
        for material in self._materials(block):
            sums |= self.measures.of(material, self.map_leads[block.leads])
        return sums

    def _materials(self, block: Block) -> Iterator[Material]:
        """The fields of a block, one level after the other."""
        plan = self.plan
        truth_at = plan.truth_at[block.times, block.leads]
        if (truth_at < 0).all():
            return
        start_at = np.where((truth_at >= 0).any(1), plan.start_at[block.times], -1)
        rows, row_of = self._truth(block.variable, np.concatenate([truth_at, start_at[:, None]], 1))
        valid, valid_row = np.unique(plan.valid_times[block.times, block.leads], return_inverse=True)
        valid_row = valid_row.reshape(truth_at.shape)
        normal = self.climatology(block.variable, valid) if block.variable in self.climatology.variables else None
        forecast = None if plan.forecast is None else self._forecast(block)
        for number, field in enumerate(plan.fields_of(block.variable)[block.levels]):
            z = block.levels.start + number
            normal_cyx = None if normal is None else normal[:, z]
            models: dict[str, Fields] = {}
            members = missing = None
            for model in plan.models:
                if forecast is not None and model == plan.models[0]:
                    own = forecast[..., number, :, :]
                    members = own if plan.members else None
                    models[model] = own.mean(2) if plan.members else own
                elif model == "persistence":
                    models[model] = _without(missing, self._persistence(rows[:, z], row_of))
                elif normal_cyx is not None:
                    models[model] = _without(missing, normal_cyx[valid_row])
                if model == plan.models[0] and model in models:
                    missing = np.isnan(models[model])
            yield Material(
                str(field),
                models,
                members,
                rows[:, z],
                row_of[:, :-1],
                normal_cyx,
                valid_row,
                *(self._at_lead(block, z, statistic) for statistic in STATISTICS),
            )

    def _truth(self, variable: str, positions: NDArray[np.int64]) -> tuple[Fields, NDArray[np.int64]]:
        """[k, z, y, x] of all these positions in time, and which row each of them is; -1 stays -1."""
        wanted, row_of = np.unique(positions[positions >= 0], return_inverse=True)
        rows = np.full(positions.shape, -1)
        rows[positions >= 0] = row_of
        return self.truth(variable, wanted), rows

    def _forecast(self, block: Block) -> Fields:
        """[i, l, (m,) z, y, x]."""
        assert self.plan.forecast is not None
        array = self.plan.array(self.plan.forecast, block.variable)
        dims = ("time", "lead_time", *(["number"] if self.plan.members else []), "level", "latitude", "longitude")
        return load(array.transpose(*dims)[block.times, block.leads].isel(level=block.levels))

    def _persistence(self, rows: Fields, row_of: NDArray[np.int64]) -> Fields:
        """[i, l, y, x]: a view of one field for all lead times."""
        start = row_of[:, -1]
        fields = rows[start] if (start >= 0).all() else np.where((start >= 0)[:, None, None], rows[start], np.nan)
        return np.broadcast_to(fields[:, None], (len(row_of), row_of.shape[1] - 1, *rows.shape[1:]))

    def _at_lead(self, block: Block, z: int, statistic: str) -> ClimateAtLead | None:
        name = block.variable + statistic
        if name not in self.climatology.variables:
            return None
        return ClimateAtLead(self.climatology, name, self.plan.valid_times[block.times, block.leads], z)


def _without(missing: NDArray[np.bool_] | None, baseline: Fields) -> Fields:
    """A baseline where the first model has a value, as both are scored on the same points."""
    return baseline if missing is None or not missing.any() else np.where(missing, np.float32(np.nan), baseline)


@dataclass(frozen=True)
class ClimateAtLead:
    """One level of a statistic of the climatology, read for one lead time at once: quantiles are many fields."""

    climatology: ClimateRows
    name: str
    valid_times: np.ndarray
    level: int

    def __call__(self, here: NDArray[np.int64], lead: int) -> Fields:
        """[n, (q,) y, x] for the initial times `here`."""
        return self.climatology(self.name, self.valid_times[here, lead])[..., self.level, :, :]
