"""Samples of a file as a network takes them: channels put together, frames and points chosen.

Shapes: s samples, grid points along each axis, i input and o output channels, t times, k parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.pde.data import PdeData
from sciml.pde.surrogate import FieldBatch, Rollout

# numbers of a sample that go into its fingerprint
_HASHED = 4096


@dataclass(frozen=True)
class Selection:
    """What of a file is taken: variables, and frames from `first` to `last` in steps.

    Attributes:
        inputs, outputs, parameters: names.
        first, last, step: frames of time; a map goes from the first to the last.
        units: of variables whose file does not say it.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    first: int
    last: int | None
    step: int
    units: Mapping[str, str]

    def frames(self, n: int) -> slice:
        """Of n."""
        return slice(self.first, n if self.last is None else min(self.last + 1, n), self.step)


@dataclass(frozen=True, eq=False)
class Domain:
    """Where and in what steps of time fields are given: what must be the same wherever a network is used.

    Attributes:
        axes: names of the axes of space.
        periodic: of each axis.
        coordinates: values along each axis.
        time_step: of a forecast's frames; None for a map.
    """

    axes: tuple[str, ...]
    periodic: tuple[bool, ...]
    coordinates: tuple[Float64[np.ndarray, " _"], ...]
    time_step: float | None

    @property
    def grid(self) -> Grid:
        return Grid(tuple(map(len, self.coordinates)), self.periodic)

    @property
    def described(self) -> dict[str, Any]:
        """In JSON: of each axis its first coordinate and the last or, of a periodic one, where it begins again."""
        return {
            "axes": list(self.axes),
            "ends": [list(_ends(c, p)) for c, p in zip(self.coordinates, self.periodic, strict=True)],
            "time_step": self.time_step,
        }

    def check(self, other: Domain, source: str) -> None:
        """Refuses, with UserError, another file's domain that is not this one; its points may be others."""
        check_domain(self.described, list(self.periodic), other, source)


def check_domain(described: Mapping[str, Any], periodic: Sequence[bool], found: Domain, source: str) -> None:
    """Refuses a file whose domain is not that of a training; the number of points may differ.

    Args:
        described: `Domain.described` of the training.
        periodic: of the training's axes.
        found: the file's.
        source: the file.

    Raises:
        UserError: other axes, other ends, another period, another step of time.
    """
    needed = list(described["axes"])
    if list(found.axes) != needed:
        raise UserError(
            f"{source} has the axes {', '.join(found.axes)}, but the training had {', '.join(needed)}. Give fields on "
            "the same axes."
        )
    for axis, is_periodic, values, (first, last), was_periodic in zip(
        needed, found.periodic, found.coordinates, described["ends"], periodic, strict=True
    ):
        if is_periodic != was_periodic:
            words = {True: "periodic", False: "not periodic"}
            raise UserError(
                f"{source}: axis `{axis}` is {words[is_periodic]}, but was {words[was_periodic]} in the training. "
                "Say so by `dataset.periodic` if the file does not."
            )
        start, end = _ends(values, is_periodic)
        # points in the middle of cells come nearer to the ends the more there are
        if max(abs(start - first), abs(end - last)) > 1.01 * (end - start) / (len(values) - 1):
            raise UserError(
                f"{source}: axis `{axis}` goes from {start:g} to {end:g}, but from {first:g} to {last:g} in the "
                "training. A network knows the domain that it was trained on only."
            )
    step, needed_step = found.time_step, described["time_step"]
    if step is not None and needed_step is not None and abs(step - needed_step) > 1e-4 * needed_step:
        raise UserError(
            f"{source} has frames {step:g} apart in time, but the training had {needed_step:g}. Give frames "
            "in the same steps."
        )


def _ends(values: Float[np.ndarray, " n"], is_periodic: bool) -> tuple[float, float]:
    first, last = float(values[0]), float(values[-1])
    return first, last + (last - first) / (len(values) - 1) if is_periodic else last


@dataclass(frozen=True, eq=False)
class FieldSamples:
    """Samples of one file, in its units.

    Attributes:
        source: the file.
        first: number in the file of the first sample here.
        domain: where they are given.
        times: of the targets.
        time_unit: of `times`, where the file says it.
        inputs: [s, *grid, i] fields that do not change.
        targets: [s, t, *grid, o] output fields; one time of a map, and the whole trajectory of a forecast. Without
            targets no time, and the history.
        parameters: [s, k] numbers of each sample.
        names: of the channels of these three.
        units: of variables.
        attributes: of the file.
    """

    source: str
    first: int
    domain: Domain
    times: Float64[np.ndarray, " t"]
    inputs: Float32[np.ndarray, "s *grid i"]
    targets: Float32[np.ndarray, "s t *grid o"]
    parameters: Float32[np.ndarray, "s k"]
    names: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]
    attributes: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> FieldBatch:
        return FieldBatch(*(torch.from_numpy(part[index]) for part in self._parts))

    def batch(self, part: slice) -> FieldBatch:
        """Some of the samples together."""
        return FieldBatch(*(torch.from_numpy(values[part]) for values in self._parts))

    @property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.inputs, self.targets, self.parameters

    def fingerprint(self) -> str:
        """Of numbers out of every sample: the same for the same data."""
        digest = hashlib.sha256(repr([part.shape for part in self._parts]).encode())
        for part in self._parts:
            rows = part.reshape(len(part), -1)
            digest.update(np.ascontiguousarray(rows[:, :: max(1, rows.shape[1] // _HASHED)]).data)
        return digest.hexdigest()


def take(
    data: PdeData,
    selection: Selection,
    rollout: Rollout | None,
    part: slice = slice(None),
    resolution: int | None = None,
    with_targets: bool = True,
) -> FieldSamples:
    """The samples of a file.

    Args:
        data: the file.
        selection: variables and frames.
        rollout: of a forecast; None for a map.
        part: which samples.
        resolution: points along the first axis; None for those of the file.
        with_targets: False where a map's outputs, or a forecast's frames after the history, need not be there.

    Raises:
        UserError: a variable is missing, does not change with time or does, too few frames, NaN.
    """
    every = stride_for(data, resolution)
    frames = selection.frames(len(data.times))
    times = data.times[frames]
    if not len(times):
        raise UserError(
            f"{data.source} has {len(data.times)} frames of time, which leaves none from `dataset.first_frame`, "
            f"{selection.first}, on."
        )
    if rollout is None:
        inputs, targets, constants = _map_fields(data, selection, frames, part, every, with_targets)
        times = times[-1:] if with_targets else times[:0]
    else:
        inputs, targets, constants = _trajectories(data, selection, frames, part, every, rollout, with_targets)
        times = times[: targets.shape[1]]
    return FieldSamples(
        source=data.source,
        first=range(data.n_samples)[part].start,
        domain=Domain(
            data.axes,
            data.periodic,
            tuple(np.asarray(data.coordinates[axis][::every], np.float64) for axis in data.axes),
            None if rollout is None else _time_step(data.source, data.times[frames]),
        ),
        times=np.asarray(times, np.float64),
        inputs=inputs,
        targets=targets,
        parameters=_parameters(data, selection, part),
        names={"inputs": constants, "outputs": selection.outputs, "parameters": selection.parameters},
        units={name: _unit(data, selection, name) for name in (*selection.inputs, *selection.outputs)},
        attributes=data.attributes,
    )


def stride_for(data: PdeData, resolution: int | None) -> int:
    """One of so many points that gives a resolution.

    Raises:
        UserError: the file has other points.
    """
    if resolution is None:
        return 1
    n, wanted = data.shape[0], resolution
    spaces, wanted_spaces = (n, wanted) if data.periodic[0] else (n - 1, wanted - 1)
    if spaces % wanted_spaces:
        raise UserError(
            f"{data.source} has {n} points along `{data.axes[0]}`, of which no regular part is {resolution}. Change "
            "`dataset.resolution`, or leave it out."
        )
    return spaces // wanted_spaces


def _map_fields(
    data: PdeData, selection: Selection, frames: slice, part: slice, every: int, with_targets: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    chosen = range(len(data.times))[frames]
    first, last = chosen[0], chosen[-1]
    if not selection.inputs:
        raise UserError("`dataset.inputs` names no variable, and a map needs some. Give them, or a `rollout`.")
    both = set(selection.inputs) & set(selection.outputs)
    if with_targets and both and first == last:
        raise UserError(
            f"{data.source} has one frame of time, so `{both.pop()}` cannot be both input and output of a map."
        )
    inputs = data.read(selection.inputs, part, slice(first, first + 1), every)[:, 0]
    if not with_targets:
        none = np.empty((len(inputs), 0, *inputs.shape[1:-1], len(selection.outputs)), np.float32)
        return inputs, none, selection.inputs
    return inputs, data.read(selection.outputs, part, slice(last, last + 1), every), selection.inputs


def _trajectories(
    data: PdeData, selection: Selection, frames: slice, part: slice, every: int, rollout: Rollout, with_targets: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    constants = tuple(name for name in selection.inputs if name not in selection.outputs)
    for name in selection.outputs:
        if not data.field(name).varies_in_time:
            raise UserError(f"{data.source}: `{name}` does not change with time, so `rollout` cannot forecast it.")
    for name in constants:
        if data.field(name).varies_in_time:
            raise UserError(
                f"{data.source}: the input `{name}` changes with time but is not predicted. Add it to "
                "`dataset.outputs`."
            )
    needed = rollout.history + (rollout.bundle if with_targets else 0)
    present = len(range(len(data.times))[frames])
    if present < needed:
        ahead = f" and {rollout.bundle} frames ahead (`rollout.bundle`)" if with_targets else ""
        raise UserError(
            f"{data.source} has {present} frames of time to use, but a history of {rollout.history} (`rollout.history`)"
            f"{ahead} {'need' if with_targets else 'needs'} {needed}. Lower them, or give longer trajectories."
        )
    if not with_targets:
        frames = slice(frames.start, frames.start + (rollout.history - 1) * selection.step + 1, selection.step)
    targets = data.read(selection.outputs, part, frames, every)
    if not constants:
        return np.empty((len(targets), *targets.shape[2:-1], 0), np.float32), targets, constants
    return data.read(constants, part, slice(0, 1), every)[:, 0], targets, constants


def _time_step(source: str, times: Float[np.ndarray, " t"]) -> float:
    steps = np.diff(times)
    if len(steps) and np.ptp(steps) > 1e-3 * steps.mean():
        raise UserError(
            f"{source}: frames of a forecast need equal steps of time, but they go from {steps.min():g} to "
            f"{steps.max():g}. Choose frames by `dataset.first_frame`, `last_frame` and `frame_step`."
        )
    return float(steps.mean()) if len(steps) else 1.0


def _parameters(data: PdeData, selection: Selection, part: slice) -> Float32[np.ndarray, "s k"]:
    for name in selection.parameters:
        if name not in data.parameters:
            known = ", ".join(data.parameters) or "none"
            hint = suggest(name, data.parameters) or f"it has {known}."
            raise UserError(f"{data.source} has no number of each sample `{name}`; {hint}")
    count = len(range(data.n_samples)[part])
    columns = [data.parameters[name][part] for name in selection.parameters]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.empty((count, 0), np.float32)


def _unit(data: PdeData, selection: Selection, name: str) -> str:
    known = data.field(name).unit if name in data.names else ""
    return known or selection.units.get(name, "1")
