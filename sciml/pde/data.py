"""Samples of fields on a regular grid, read from a file when they are asked for.

Shapes: s samples, t times, grid the points along each axis of space, c channels, one a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

# one sample at a time or a slice of them, times, and along each axis of space: [sample, time, *grid]
Fetch: TypeAlias = Callable[[slice, slice, tuple[slice, ...]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class PdeField:
    """One field of a file.

    Attributes:
        name: as in the file; of vectors and tensors, one field a component, `velocity_x`.
        unit: as in the file, "" where it says none.
        fetch: reads part of it. A field that is constant in time has one time.
        varies_in_time: whether it has all times of the file, not one for all.
    """

    name: str
    unit: str
    fetch: Fetch
    varies_in_time: bool


@dataclass(frozen=True, eq=False)
class PdeData:
    """What is in a file: fields whose numbers are read by `read`, and all that is around them.

    Attributes:
        source: the file.
        fields: all of them, in the order of the file.
        n_samples: how many.
        times: ascending; [0] where nothing varies in time.
        axes: names of the axes of space.
        coordinates: values along each axis, ascending.
        periodic: whether the fields go on at the other end, by axis.
        parameters: numbers that belong to one sample each, by name: [sample].
        attributes: what the file says of all its samples.

    Raises:
        UserError: no field, sample or point, or coordinates that do not ascend.
    """

    source: str
    fields: tuple[PdeField, ...]
    n_samples: int
    times: Float[np.ndarray, " t"]
    axes: tuple[str, ...]
    coordinates: Mapping[str, Float[np.ndarray, " n"]]
    periodic: tuple[bool, ...]
    parameters: Mapping[str, Float[np.ndarray, " s"]]
    attributes: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not self.fields or not self.n_samples or not self.axes:
            raise UserError(f"{self.source} has no field on a grid with samples. Check that it is whole.")
        for name, values in (("time", self.times), *((axis, self.coordinates[axis]) for axis in self.axes)):
            if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
                raise UserError(f"{self.source}: the values of `{name}` need to ascend, without NaN. Mend the file.")
        for name, values in self.parameters.items():
            if len(values) != self.n_samples:
                raise UserError(
                    f"{self.source}: parameter `{name}` has {len(values)} numbers for {self.n_samples} samples."
                )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(self.coordinates[axis]) for axis in self.axes)

    def field(self, name: str) -> PdeField:
        """Raises UserError with the nearest name."""
        for field in self.fields:
            if field.name == name:
                return field
        hint = suggest(name, self.names) or f"it has {', '.join(self.names)}."
        raise UserError(f"{self.source} has no field `{name}`; {hint}")

    def read(
        self,
        names: Sequence[str] | None = None,
        samples: slice | Sequence[int] = slice(None),
        times: slice = slice(None),
        every: int = 1,
    ) -> Float32[np.ndarray, "s t *grid c"]:
        """Some fields of some samples; one that is constant in time is repeated at all times that are asked for.

        Args:
            names: fields, which become the channels in this order; None for all.
            samples: numbers in any order, or a slice.
            times: positions of times.
            every: one of so many points is taken along each axis, beginning with the first one.

        Raises:
            UserError: an unknown field, a sample that is not there, a stride that leaves out an end of an axis (or
                does not go around a periodic one), NaN (naming the field and the sample), or a file that is damaged.
        """
        fields = [self.field(name) for name in (self.names if names is None else names)]
        grid = self._strides(every)
        runs = _runs(samples, self.n_samples, self.source)
        count = len(range(*times.indices(len(self.times))))
        found = []
        for field in fields:
            chosen = times if field.varies_in_time else slice(None)
            values = np.concatenate([np.asarray(field.fetch(run, chosen, grid), np.float32) for run in runs])
            self._check(field, values, runs)
            shape = (values.shape[0], count, *values.shape[2:])
            found.append(values if field.varies_in_time else np.broadcast_to(values, shape))
        return np.stack(found, axis=-1)

    def _strides(self, every: int) -> tuple[slice, ...]:
        if every < 1:
            raise UserError(f"`every` needs to be 1 or more, but is {every}.")
        for axis, n, periodic in zip(self.axes, self.shape, self.periodic, strict=True):
            if (n if periodic else n - 1) % every:
                raise UserError(
                    f"{self.source}: every {every}th of {n} points along `{axis}` does not end where the axis does. "
                    f"Take a divisor of {n if periodic else n - 1}."
                )
        return tuple(slice(None, None, every) for _ in self.axes)

    def _check(self, field: PdeField, values: NDArray[np.float32], runs: Sequence[slice]) -> None:
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            numbers = [number for run in runs for number in range(*run.indices(self.n_samples))]
            raise UserError(
                f"{self.source}: field `{field.name}` of sample {numbers[int(bad.argmax())]} has NaN or infinity in "
                "it. Leave that sample out, or mend the file."
            )


def _runs(samples: slice | Sequence[int], n_samples: int, source: str) -> list[slice]:
    """Slices of samples that follow each other, in the order asked for."""
    if isinstance(samples, slice):
        numbers = range(*samples.indices(n_samples))
        # backwards, formats differ in what they can do
        runs = [slice(numbers.start, numbers.stop, numbers.step)] if numbers.step > 0 else [_one(i) for i in numbers]
        empty = not len(numbers)
    else:
        outside = [number for number in samples if not 0 <= number < n_samples]
        if outside:
            raise UserError(f"{source} has samples 0 to {n_samples - 1}, but {outside[0]} was asked for.")
        runs = []
        for number in samples:
            if runs and runs[-1].stop == number:
                runs[-1] = slice(runs[-1].start, int(number) + 1)
            else:
                runs.append(_one(int(number)))
        empty = not runs
    if empty:
        raise UserError(f"No sample of {source} was asked for. It has {n_samples}.")
    return runs


def _one(number: int) -> slice:
    return slice(number, number + 1)
