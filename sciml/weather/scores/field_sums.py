"""Sums over the points of a field, weighted by area, of which the scores of fields are functions.

Sums add up over blocks, initial times and machines. A point where the forecast or the truth is NaN leaves the sums and
the weights alike; for anomalies, a NaN in the climatology does so too.

Shapes: ... any leading dimensions, r regions, g groups, y latitudes, x longitudes, s sums.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from sciml.weather import kernels

Sums = Float64[np.ndarray, "..."]
Axis = int | tuple[int, ...]


@dataclass(frozen=True)
class FieldSums:
    """Sums over the points of regions, each weighted by area: [..., r].

    Of the anomaly sums, which are 0 without a climatology, a forecast's anomaly is forecast minus climatology. Scores
    take the axis, or axes, of what the mean goes over: initial times, as a rule; `()` is none.
    """

    weight: Sums
    error: Sums
    absolute_error: Sums
    squared_error: Sums
    anomaly_weight: Sums
    forecast_anomaly: Sums
    truth_anomaly: Sums
    anomaly_product: Sums
    squared_forecast_anomaly: Sums
    squared_truth_anomaly: Sums

    @classmethod
    def of(cls, stacked: Float64[np.ndarray, "... s"]) -> FieldSums:
        """From the sums in the last axis, in the order of the fields of this class; those that are not there are 0."""
        absent = np.zeros(stacked.shape[:-1])
        count = stacked.shape[-1]
        return cls(*(stacked[..., i] if i < count else absent for i in range(len(dataclasses.fields(cls)))))

    def stacked(self) -> Float64[np.ndarray, "... s"]:
        """All sums in one array, the inverse of `of`."""
        return np.stack([getattr(self, field.name) for field in dataclasses.fields(self)], axis=-1)

    def __add__(self, other: FieldSums) -> FieldSums:
        return FieldSums.of(self.stacked() + other.stacked())

    def total(self, axis: Axis) -> FieldSums:
        """The sums over an axis or more."""
        return FieldSums(*(getattr(self, field.name).sum(axis) for field in dataclasses.fields(self)))

    def bias(self, axis: Axis = ()) -> Sums:
        """Mean error."""
        return ratio(self.error.sum(axis), self.weight.sum(axis))

    def mae(self, axis: Axis = ()) -> Sums:
        """Mean absolute error."""
        return ratio(self.absolute_error.sum(axis), self.weight.sum(axis))

    def mse(self, axis: Axis = ()) -> Sums:
        """Mean squared error."""
        return ratio(self.squared_error.sum(axis), self.weight.sum(axis))

    def rmse(self, axis: Axis = ()) -> Sums:
        """Root of the mean squared error, the root last."""
        return np.sqrt(self.mse(axis))

    def acc(self, axis: Axis = (), *, centred: bool = False, pooled: bool = False) -> Sums:
        """Anomaly correlation; see `fields.acc` for the options."""
        sums = self.total(axis) if pooled else self
        product, forecast, truth = sums.anomaly_product, sums.squared_forecast_anomaly, sums.squared_truth_anomaly
        if centred:
            mean_forecast = ratio(sums.forecast_anomaly, sums.anomaly_weight)
            mean_truth = ratio(sums.truth_anomaly, sums.anomaly_weight)
            product = product - mean_forecast * sums.truth_anomaly
            forecast = forecast - mean_forecast * sums.forecast_anomaly
            truth = truth - mean_truth * sums.truth_anomaly
        correlation = ratio(product, np.sqrt(np.maximum(forecast * truth, 0)))
        if pooled:
            return correlation
        known = ~np.isnan(correlation)
        return ratio(np.where(known, correlation, 0).sum(axis), known.sum(axis))

    def activity(self, axis: Axis = (), *, centred: bool = False) -> Sums:
        """Root mean square of the forecast's anomaly; see `fields.activity`."""
        return _activity(self.squared_forecast_anomaly, self.forecast_anomaly, self.anomaly_weight, axis, centred)

    def truth_activity(self, axis: Axis = (), *, centred: bool = False) -> Sums:
        """Root mean square of the truth's anomaly."""
        return _activity(self.squared_truth_anomaly, self.truth_anomaly, self.anomaly_weight, axis, centred)


def _activity(squared: Sums, plain: Sums, weight: Sums, axis: Axis, centred: bool) -> Sums:
    mean_square = ratio(squared.sum(axis), weight.sum(axis))
    if centred:
        mean_square = mean_square - ratio(plain.sum(axis), weight.sum(axis)) ** 2
    return np.sqrt(np.maximum(mean_square, 0))


def ratio(above: np.ndarray, below: np.ndarray) -> Sums:
    """above / below, NaN where below is 0."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    out = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=out, where=below != 0)


def field_sums(
    forecast: Float[np.ndarray, "*lead y x"],
    truth: Float[np.ndarray, "*truth y x"],
    weights: Float64[np.ndarray, "r y x"],
    climatology: Float[np.ndarray, "*climatology y x"] | None = None,
    *,
    truth_index: Int[np.ndarray, "..."] | None = None,
    climatology_index: Int[np.ndarray, "..."] | None = None,
    threads: int = 1,
) -> FieldSums:
    """The sums of all scores of fields in one pass over the data.

    Args:
        forecast: [..., y, x], float32 as a rule. Any strides, but a plane without gaps is read where it is.
        truth: [..., y, x]; its leading dimensions broadcast against the forecast's, or are what `truth_index` points
            at.
        weights: [r, y, x], as `regions.region_weights` gives them.
        climatology: as the truth, for anomalies.
        truth_index: which truth belongs to each forecast, as an index into the truth's leading dimensions put into one;
            its shape broadcasts against the forecast's leading dimensions. -1: there is none, and the sums are 0.
        climatology_index: the same for the climatology.
        threads: how many to use, over the leading dimensions.

    Returns:
        Sums of shape [..., r], in float64; differences are taken in float64, in which those of float32 are exact.

    >>> plane = np.ones((2, 3), np.float32)
    >>> sums = field_sums(np.stack([plane, 4 * plane]), plane, np.ones((1, 2, 3)))
    >>> sums.squared_error.tolist(), sums.rmse(axis=0).tolist()  # (0 + 54) / 12, and its root
    ([[0.0], [54.0]], [2.1213203435596424])
    """
    out = kernels.field_sums(forecast, truth, climatology, truth_index, climatology_index, weights, threads)
    return FieldSums.of(out)


@dataclass(frozen=True)
class MapSums:
    """Sums over forecasts at every point: [g, y, x]."""

    count: Float64[np.ndarray, "g y x"]
    error: Float64[np.ndarray, "g y x"]
    squared_error: Float64[np.ndarray, "g y x"]

    @classmethod
    def nothing(cls, groups: int, shape: tuple[int, int]) -> MapSums:
        """Sums over no forecast."""
        return cls(*np.zeros((3, groups, *shape)))

    def __add__(self, other: MapSums) -> MapSums:
        return MapSums(self.count + other.count, self.error + other.error, self.squared_error + other.squared_error)

    def bias(self) -> Float64[np.ndarray, "g y x"]:
        """Mean error, NaN where no forecast counts."""
        return ratio(self.error, self.count)

    def rmse(self) -> Float64[np.ndarray, "g y x"]:
        """Root mean squared error, NaN where no forecast counts."""
        return np.sqrt(ratio(self.squared_error, self.count))


def map_sums(
    forecast: Float[np.ndarray, "*lead y x"],
    truth: Float[np.ndarray, "*truth y x"],
    *,
    truth_index: Int[np.ndarray, "..."] | None = None,
    group: Int[np.ndarray, "..."] | None = None,
    groups: int = 1,
    threads: int = 1,
) -> MapSums:
    """Sums of errors at each point, over all forecasts of a group, such as those of one lead time.

    Args:
        forecast, truth, truth_index, threads: as in `field_sums`.
        group: the group of each forecast, from 0 to `groups` - 1, with a shape that broadcasts against the forecast's
            leading dimensions; all are in group 0 without it.
        groups: how many groups there are.
    """
    out = np.zeros((groups, 3, *forecast.shape[-2:]))
    kernels.map_sums(forecast, truth, truth_index, np.zeros((), np.int64) if group is None else group, out, threads)
    return MapSums(out[:, 0], out[:, 1], out[:, 2])
