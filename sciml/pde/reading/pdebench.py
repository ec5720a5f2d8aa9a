"""PDEBench's HDF5 files (Takamoto et al. 2022, arXiv:2210.07182).

The layouts are those that its own code writes and reads, at github.com/pdebench/PDEBench:
`pdebench/models/fno/utils.py` (`FNODatasetSingle`, `FNODatasetMult`), `pdebench/data_gen/data_gen_NLE/Data_Merge.py`,
`pdebench/data_gen/gen_diff_react.py` and `pdebench/data_gen/src/data_io.py`:

- scalars: `tensor` [sample, time, x], `x-coordinate`, `t-coordinate` (which may have one time more, the end).
- Darcy: `nu` [sample, x, y], `tensor` [sample, 1, x, y], `x-coordinate`, `y-coordinate`.
- compressible flow: `density`, `pressure`, `Vx`, `Vy`, `Vz` [sample, time, x, ...], `x-coordinate`, ...
- incompressible flow: `velocity` [sample, time, x, y, 2], `particles` [..., 1], `force` [sample, x, y, 2], `t`
  [sample, time]; no coordinates of space, so the points are taken as cell centres of the unit square.
- a group a sample, `0000`, ...: `data` [time, x, ..., channel], `grid/x`, `grid/y`, `grid/t`.

Nothing in the files says what is periodic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.pde.data import Fetch, PdeData, PdeField
from sciml.pde.reading.hdf5 import check_shape, dataset, part, values

_AXES = ("x", "y", "z")
_FLOW = ("density", "pressure", "Vx", "Vy", "Vz")


def is_pdebench(file: h5py.File) -> bool:
    """Whether the file has the names of one of the layouts."""
    return bool({"tensor", "density", "velocity"} & set(file)) or _is_grouped(file)


def read_pdebench(path: Path, file: h5py.File) -> PdeData:
    """A file of any of the layouts.

    Raises:
        UserError: a name is missing, or a shape does not fit the others.
    """
    if _is_grouped(file):
        return _grouped(path, file)
    if "velocity" in file:
        return _incompressible(path, file)
    return _arrays(path, file)


def _is_grouped(file: h5py.File) -> bool:
    names = list(file)
    return bool(names) and all(name.isdecimal() and isinstance(file[name], h5py.Group) for name in names)


def _arrays(path: Path, file: h5py.File) -> PdeData:
    """`tensor` or the fields of compressible flow, with coordinates at the top."""
    names = ["tensor"] if "tensor" in file else [name for name in _FLOW if name in file]
    first = dataset(file, path, names[0])
    is_darcy = "nu" in file
    if not 3 <= first.ndim <= 5:
        raise UserError(f"{path}: `{names[0]}` should be [sample, time, x, ...], but has the shape {first.shape}.")
    axes = _AXES[: first.ndim - 2]
    if not is_darcy and names[0] == "density":
        names = ["density", "pressure", *(f"V{axis}" for axis in axes)]
    coordinates = {axis: values(file, path, f"{axis}-coordinate") for axis in axes}
    n_samples, n_times = first.shape[:2]
    shape = tuple(len(coordinates[axis]) for axis in axes)
    fields = []
    if is_darcy:
        nu = dataset(file, path, "nu")
        check_shape(nu, path, (n_samples, *shape))
        fields.append(PdeField("nu", "", _fetch(path, nu, has_time=False), varies_in_time=False))
    for name in names:
        array = dataset(file, path, name)
        check_shape(array, path, (n_samples, n_times, *shape))
        fields.append(PdeField(name, "", _fetch(path, array), varies_in_time=n_times > 1))
    times = np.zeros(1) if n_times == 1 else _times(path, values(file, path, "t-coordinate"), n_times)
    return _data(path, fields, n_samples, times, coordinates, dict(file.attrs))


def _incompressible(path: Path, file: h5py.File) -> PdeData:
    velocity = dataset(file, path, "velocity")
    if velocity.ndim not in (4, 5, 6) or velocity.shape[-1] != velocity.ndim - 3:
        raise UserError(f"{path}: `velocity` should be [sample, time, x, ..., component], but is {velocity.shape}.")
    n_samples, n_times, *shape, n_dims = velocity.shape
    axes = _AXES[:n_dims]
    fields = [
        PdeField(f"velocity_{axis}", "", _fetch(path, velocity, place), n_times > 1) for place, axis in enumerate(axes)
    ]
    if "particles" in file:
        particles = dataset(file, path, "particles")
        check_shape(particles, path, (n_samples, n_times, *shape, 1))
        fields.append(PdeField("particles", "", _fetch(path, particles, 0), n_times > 1))
    if "force" in file:
        force = dataset(file, path, "force")
        check_shape(force, path, (n_samples, *shape, n_dims))
        fields += [
            PdeField(f"force_{axis}", "", _fetch(path, force, place, has_time=False), varies_in_time=False)
            for place, axis in enumerate(axes)
        ]
    times = values(file, path, "t")
    if times.shape != (n_samples, n_times) or (times != times[0]).any():
        raise UserError(f"{path}: `t` should have the same {n_times} times for each of {n_samples} samples.")
    coordinates = {axis: (np.arange(n) + 0.5) / n for axis, n in zip(axes, shape, strict=True)}
    return _data(path, fields, n_samples, times[0], coordinates, dict(file.attrs))


def _grouped(path: Path, file: h5py.File) -> PdeData:
    names = sorted(file)
    arrays = [dataset(file, path, f"{name}/data") for name in names]
    first = arrays[0]
    if not 3 <= first.ndim <= 5:
        raise UserError(f"{path}: `{first.name}` should be [time, x, ..., channel], but has the shape {first.shape}.")
    axes = _AXES[: first.ndim - 2]
    coordinates = {axis: values(file, path, f"{names[0]}/grid/{axis}") for axis in axes}
    times = _times(path, values(file, path, f"{names[0]}/grid/t"), first.shape[0])
    n_channels = first.shape[-1]
    for array in arrays:
        check_shape(array, path, (len(times), *(len(values) for values in coordinates.values()), n_channels))
    fields = [
        PdeField("data" if n_channels == 1 else f"data_{channel}", "", _fetch_groups(path, arrays, channel), True)
        for channel in range(n_channels)
    ]
    return _data(path, fields, len(names), times, coordinates, dict(file[names[0]].attrs))


def _times(path: Path, times: NDArray[np.float64], expected: int) -> NDArray[np.float64]:
    # the solvers of PDEBench write the times between which they save, one more than there are states
    if len(times) not in (expected, expected + 1):
        raise UserError(f"{path} has {expected} states in time, but {len(times)} times. Check the file.")
    return times[:expected]


def _fetch(path: Path, array: h5py.Dataset, component: int | None = None, *, has_time: bool = True) -> Fetch:
    last = () if component is None else (component,)

    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[Any]:
        if has_time:
            return part(array, path, (samples, times, *grid, *last))
        return part(array, path, (samples, *grid, *last))[:, None]

    return fetch


def _fetch_groups(path: Path, arrays: list[h5py.Dataset], channel: int) -> Fetch:
    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[Any]:
        return np.stack([part(array, path, (times, *grid, channel)) for array in arrays[samples]])

    return fetch


def _data(
    path: Path,
    fields: list[PdeField],
    n_samples: int,
    times: NDArray[np.float64],
    coordinates: Mapping[str, NDArray[np.float64]],
    attributes: Mapping[str, Any],
) -> PdeData:
    return PdeData(
        source=str(path),
        fields=tuple(fields),
        n_samples=n_samples,
        times=times,
        axes=tuple(coordinates),
        coordinates=coordinates,
        periodic=(False,) * len(coordinates),
        parameters={},
        attributes=attributes,
    )
