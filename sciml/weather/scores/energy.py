"""Energy score: the CRPS of whole fields, which sees whether the values of a member belong together.

With members X of M and a truth Y, each a vector of all points, it is E||X - Y|| - E||X - X'|| / 2 (Gneiting and Raftery
2007, doi:10.1198/016214506000001437, section 4.3). The norm is the root of the mean square over area, as in
WeatherBench 2, so the score has the field's unit and for one point is the CRPS. All M (M - 1) pairs of members enter,
by one matrix product; WeatherBench 2 takes the M - 1 pairs of neighbours, which is unbiased as well but noisier.

Shapes: ... any leading dimensions, m members, r regions, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64, Int

from sciml.core.errors import UserError
from sciml.weather.scores.alignment import align, grid_of
from sciml.weather.scores.blocks import mean_dims, reduced, score_of
from sciml.weather.scores.field_sums import Axis, Sums, ratio
from sciml.weather.scores.regions import Regions, region_weights

# which pairs of members stand for E||X - X'||
PAIRS = ("all", "neighbours")


@dataclass(frozen=True)
class EnergySums:
    """Sums over forecasts, which add up: [..., r].

    Attributes:
        members: M.
        count: of forecasts.
        error: of the mean of ||X - Y|| over members; `difference` of that of ||X - X'|| over pairs.
    """

    members: int
    count: Sums
    error: Sums
    difference: Sums

    def __add__(self, other: EnergySums) -> EnergySums:
        assert self.members == other.members
        return EnergySums(
            self.members, self.count + other.count, self.error + other.error, self.difference + other.difference
        )

    def score(self, axis: Axis = (), *, fair: bool = True) -> Sums:
        """Energy score; see `energy_score`."""
        if fair and self.members < 2:
            raise UserError(
                "The fair energy score needs two members or more, but the ensemble has one. Use fair=False, which with "
                "one member is the mean of root mean square errors."
            )
        half = 0.5 if fair else 0.5 * (self.members - 1) / self.members
        return ratio(self.error.sum(axis) - half * self.difference.sum(axis), self.count.sum(axis))


def energy_sums(
    members: Float[np.ndarray, "*lead m y x"],
    truth: Float[np.ndarray, "*truth y x"],
    weights: Float64[np.ndarray, "r y x"],
    *,
    truth_index: Int[np.ndarray, "..."] | None = None,
    pairs: str = "all",
) -> EnergySums:
    """The sums of the energy score. Arguments as in `ensemble.ensemble_sums`.

    A point counts where the truth and all members are known, in the norm's mean alike.

    >>> members = np.array([[0.0, 0.0], [6.0, 8.0]], np.float32).reshape(2, 1, 2)
    >>> sums = energy_sums(members, np.zeros((1, 2), np.float32), np.ones((1, 1, 2)))
    >>> # norms 0 and sqrt(50), one pair sqrt(50) apart
    >>> [round(float(value[0]) ** 2, 4) for value in (2 * sums.error, sums.difference)], sums.score().tolist()
    ([50.0, 50.0], [0.0])
    """
    if pairs not in PAIRS:
        raise UserError(f"There are no pairs '{pairs}' of members; choose one of: {', '.join(PAIRS)}.")
    lead, count = members.shape[:-3], members.shape[-3]
    fields = truth.reshape(-1, *truth.shape[-2:])
    if truth_index is None:
        truth_index = np.broadcast_to(np.arange(len(fields)).reshape(truth.shape[:-2]), lead)
    index = np.broadcast_to(truth_index, lead)
    out = np.zeros((3, *lead, len(weights)))
    for place in np.ndindex(lead):
        if index[place] < 0:
            continue
        x, y = members[place].reshape(count, -1), fields[index[place]].ravel()
        for r, weight in enumerate(weights.reshape(len(weights), -1)):
            inside = np.flatnonzero(weight)
            error = x[:, inside].astype(np.float64) - y[inside]
            known = ~np.isnan(error).any(0)
            if known.any():
                w = weight[inside][known] / weight[inside][known].sum()
                out[(slice(None), *place, r)] = 1.0, *_distances(error[:, known], w, pairs)
    return EnergySums(count, *out)


def _distances(error: np.ndarray, weight: np.ndarray, pairs: str) -> tuple[float, float]:
    """Mean ||X - Y|| over members and mean ||X - X'|| over pairs, from X - Y [m, point]."""
    to_truth = np.sqrt(error**2 @ weight).mean()
    m = len(error)
    if m < 2:
        return to_truth, 0.0
    if pairs == "neighbours":
        return to_truth, np.sqrt(np.diff(error, axis=0) ** 2 @ weight).mean()
    # about the mean, so that members near to each other and far from the truth lose no digits
    about = (error - error.mean(0)) * np.sqrt(weight)
    product = about @ about.T
    squares = np.diag(product)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * product, 0))
    np.fill_diagonal(apart, 0)
    return to_truth, apart.sum() / (m * (m - 1))


def energy_score(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    fair: bool = True,
    pairs: str = "all",
    together: Sequence[str] = (),
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
) -> xr.DataArray:
    """Energy score of an ensemble of fields, in the mean over initial times.

    Args:
        forecast, truth, regions, over, area: as in `ensemble.ensemble_scores`.
        fair: divides by the M (M - 1) pairs of different members; False by M^2, as in `ensemble.crps`.
        pairs: `all`, or `neighbours`: of members next to each other, as WeatherBench 2 has it. WeatherBench-X takes
            all, and the sum of squares for the norm, without weights.
        together: dimensions beside the horizontal ones that are part of the vector, such as `level`.

    Raises:
        UserError: no members, one member and `fair`, unknown `pairs`, or what `align` and `region_weights` refuse.
    """
    if "number" not in forecast.dims:
        raise UserError(
            f"An energy score needs the dimension `number` of members, but the forecast has "
            f"{', '.join(map(str, forecast.dims))}."
        )
    apart = [name for name in together if name not in forecast.dims or name not in truth.dims]
    if apart:
        raise UserError(f"The forecast and the truth need the dimension {apart[0]} to be scored together.")
    forecast = forecast.transpose(..., *together, "latitude", "longitude")
    names, weights = region_weights(grid_of(forecast), regions, area)
    joined = int(np.prod([forecast.sizes[name] for name in together], dtype=np.int64))
    tiled = np.tile(weights, (1, joined, 1))

    def reduction(block: np.ndarray, sources: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        fields, index = sources[0]
        lead = block.ndim - 3 - len(together)
        x = block.reshape(*block.shape[: lead + 1], -1, block.shape[-1])
        y = fields.reshape(-1, *x.shape[-2:])
        sums = energy_sums(x, y, tiled, truth_index=index, pairs=pairs)
        return np.stack([sums.count, sums.error, sums.difference], axis=-1)

    tail = {"region": len(names), "sum": 3}
    sums = reduced(forecast, [align(forecast, truth)], reduction, tail, core=("number", *together))
    members = forecast.sizes["number"]
    result = score_of(
        sums.assign_coords(region=names),
        mean_dims(forecast, over),
        regions,
        lambda stacked, axis: EnergySums(members, *np.moveaxis(stacked, -1, 0)).score(axis, fair=fair),
    )
    return result.rename("energy_score").assign_attrs(long_name="energy score", units=forecast.attrs.get("units", ""))
