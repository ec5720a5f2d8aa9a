"""The sums that scores are made of, of one block of forecasts of one field.

Sums have the lead times first, those of `PER_TIME` the initial times before them; sums of several blocks add up. A
model's fields are a view [i, l, y, x], however they are made: a forecast's own, the analysis at the initial time
repeated (persistence), or the climatology of each valid time. What is probabilistic is asked of the first model alone,
if it is an ensemble.

Shapes: i initial times, l lead times, m members, r regions, q quantiles or thresholds, y latitudes, x longitudes,
k rows of the truth, s sums, w wavenumbers, b bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sciml.weather.evaluation.agreement import TRUTH, ScoreOptions
from sciml.weather.grid import Grid
from sciml.weather.kernels import ensemble_sums, map_sums
from sciml.weather.scores.categories import Table, contingency
from sciml.weather.scores.field_sums import FieldSums, field_sums
from sciml.weather.scores.neighbourhoods import fss_sums, square_window
from sciml.weather.scores.precipitation import seeps_sums
from sciml.weather.scores.probability import ensemble_brier_sums
from sciml.weather.scores.spectrum import spectrum_sums

# (kind of sum, model, field)
Key = tuple[str, str, str]
Sums = dict[Key, NDArray[np.float64]]
Fields = NDArray[np.float32]
# fields [n, ...] of a climatology for initial times [n] of a block and one of its lead times
AtLead = Callable[[NDArray[np.int64], int], Fields]

# kinds of sums that are kept for each initial time, as significance needs them: weight and squared error
PER_TIME = ("times",)
# the field whose amounts are scored
RAIN = "tp"
MM_PER_M = 1000.0
# steps in longitude differ by less where they are even: files round to 1e-3 degrees or better
_EVEN_DEG = 2e-3


@dataclass(frozen=True)
class Material:
    """One field of one block: what the models say, what came, and what is normal.

    Args:
        field: its name.
        models: name -> [i, l, y, x]; NaN where a model says nothing.
        members: [i, l, m, y, x] of the first model if it is an ensemble.
        truth: [k, y, x].
        truth_at: [i, l] rows of `truth`, -1 where there is none.
        normal: [c, y, x] climatology, or None; `normal_at` are its rows [i, l].
        thresholds: quantiles [n, q, y, x] at some initial times and one lead time, or None.
        dry_fraction, heavy_threshold: of SEEPS, [n, y, x] likewise, or None.
    """

    field: str
    models: Mapping[str, Fields]
    members: Fields | None
    truth: Fields
    truth_at: NDArray[np.int64]
    normal: Fields | None
    normal_at: NDArray[np.int64]
    thresholds: AtLead | None
    dry_fraction: AtLead | None
    heavy_threshold: AtLead | None


@dataclass(frozen=True)
class Measures:
    """What is measured of every block.

    Args:
        grid: of all fields.
        weights: [r, y, x] of the regions; the first is all of the grid.
        quantiles: [q] of the thresholds.
        options: thresholds of rain, and neighbourhoods.
    """

    grid: Grid
    weights: NDArray[np.float64]
    quantiles: tuple[float, ...]
    options: ScoreOptions

    @property
    def has_spectra(self) -> bool:
        """Whether longitudes go once around in even steps."""
        step = np.diff(self.grid.longitude)
        return self.grid.is_cyclic and bool(np.ptp(step) < _EVEN_DEG)

    def of(self, material: Material, map_leads: NDArray[np.int64]) -> Sums:
        """All sums of a block. `map_leads` [l] numbers the lead times that have maps, -1 for one that has none."""
        field = material.field
        sums: Sums = {}
        for model, forecast in material.models.items():
            each = field_sums(
                forecast,
                material.truth,
                self.weights,
                material.normal,
                truth_index=material.truth_at,
                climatology_index=material.normal_at,
            )
            sums["fields", model, field] = _of_all_times(each)
            sums["times", model, field] = np.stack([each.weight, each.squared_error], -1)
            sums["map", model, field] = self._maps(forecast, material, map_leads)
        for lead in range(material.truth_at.shape[1]):
            here = np.flatnonzero(material.truth_at[:, lead] >= 0)
            if len(here):
                parts = self._of_lead(material, lead, here)
                for key, part in parts.items():
                    whole = sums.setdefault(key, np.zeros((material.truth_at.shape[1], *part.shape)))
                    whole[lead] += part
        if material.members is not None:
            model = next(iter(material.models))
            scores, ranks = ensemble_sums(
                material.members, material.truth, material.truth_at, None, None, None, self.weights, True, False, 1
            )
            assert ranks is not None
            sums["ensemble", model, field] = scores.sum(0)
            sums["rank", model, field] = ranks[:, :, 0].sum(0)
        return sums

    def _maps(self, forecast: Fields, material: Material, map_leads: NDArray[np.int64]) -> NDArray[np.float64]:
        """[l, 3, y, x] of the lead times with maps: count, error, squared error."""
        with_maps = np.flatnonzero(map_leads >= 0)
        maps = np.zeros((len(with_maps), 3, *self.grid.shape))
        group = np.broadcast_to(np.arange(len(with_maps)), (len(forecast), len(with_maps)))
        map_sums(forecast[:, with_maps], material.truth, material.truth_at[:, with_maps], group, maps, 1)
        return maps

    def _of_lead(self, material: Material, lead: int, here: NDArray[np.int64]) -> Sums:
        """Sums over the initial times `here`, which have a truth at this lead time."""
        truth = material.truth[material.truth_at[here, lead]]
        thresholds = None if material.thresholds is None else np.moveaxis(material.thresholds(here, lead), 1, 0)
        above = [quantile >= 0.5 for quantile in self.quantiles]
        members = None if material.members is None else material.members[here, lead]
        rain_climate = None
        if material.dry_fraction is not None and material.heavy_threshold is not None:
            rain_climate = material.dry_fraction(here, lead), material.heavy_threshold(here, lead)
        sums: Sums = {}
        if self.has_spectra:
            sums["power", TRUTH, material.field] = self._power(truth)
        for number, (model, fields_il) in enumerate(material.models.items()):
            forecast = fields_il[here, lead]
            key = model, material.field
            if members is not None and number == 0:
                # a mean is smoother than any forecast: one member has the spectrum, half of the members say yes
                spectral, categorical = members[:, 0], np.median(members, axis=1)
            else:
                spectral = categorical = forecast
            if self.has_spectra:
                sums["power", *key] = self._power(spectral)
            if thresholds is not None:
                sums["table", *key] = _cells(contingency(categorical, truth, thresholds, self.weights, above=above))
            if material.field == RAIN:
                sums |= self._rain(key, categorical, truth, rain_climate)
            if members is not None and number == 0 and thresholds is not None:
                brier = ensemble_brier_sums(
                    np.moveaxis(members, 1, 0), truth, thresholds, self.weights[:1], above=above
                )
                # [q, b, 5] over the whole grid
                sums["brier", *key] = np.stack([getattr(brier, part.name).sum(1)[:, 0] for part in fields(brier)], -1)
        return sums

    def _power(self, rows: Fields) -> NDArray[np.float64]:
        """[w + 1]: zonal power summed over circles of latitude by area, and the area."""
        sums = spectrum_sums(rows, self.grid.latitude, self.weights[:1].sum(-1))
        return np.append(sums.power.sum((0, 1)), sums.weight.sum())

    def _rain(
        self, key: tuple[str, str], forecast: Fields, truth: Fields, climate: tuple[Fields, Fields] | None
    ) -> Sums:
        """Tables [q, r, 4] of exceeding amounts, sums [q, s, 2] of the fractions skill score and [r, 2] of SEEPS."""
        amounts_m = np.asarray(self.options.rain_thresholds_mm) / MM_PER_M
        table = contingency(forecast, truth, amounts_m[:, None, None, None], self.weights, inclusive=True)
        windows = [square_window(self.grid, scale) for scale in self.options.fss_scales]
        fractions = fss_sums(
            forecast, truth, amounts_m, windows, cyclic=self.grid.is_cyclic, weights=self.weights[0]
        ).sum(-1)
        sums = {
            ("rain_table", *key): _cells(table),
            ("fss", *key): np.stack([fractions.error, fractions.reference], -1),
        }
        if climate is not None:
            dry = self.options.seeps_dry_mm / MM_PER_M
            seeps = seeps_sums(forecast, truth, *climate, self.weights, dry_threshold=dry).sum(0)
            sums["seeps", *key] = np.stack([seeps.total, seeps.weight], -1)
        return sums


def _of_all_times(each: FieldSums) -> NDArray[np.float64]:
    """[l, r, s + 3]: all sums, those of each forecast's correlation, forecasts that have one, and all forecasts."""
    correlation = each.acc()
    known = ~np.isnan(correlation)
    more = np.stack([np.where(known, correlation, 0), known, each.weight > 0], -1)
    return np.concatenate([each.stacked(), more], -1).sum(0)


def _cells(table: Table) -> NDArray[np.float64]:
    """[q, r, 4] of a table [q, n, r]."""
    return np.stack([getattr(table, part.name).sum(1) for part in fields(table)], -1)
