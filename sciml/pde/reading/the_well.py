"""The Well's HDF5 files (Ohana et al. 2024, arXiv:2412.00568).

The layout is documented at github.com/PolymathicAI/the_well, `docs/data_format.md`, and checked by that project's
`scripts/check_thewell_formatting.py`: groups `dimensions`, `boundary_conditions`, `scalars`, and `t0_fields`,
`t1_fields`, `t2_fields` for scalars, vectors and tensors, whose components are the last axes. Each array says by its
attributes `sample_varying`, `time_varying` and `dim_varying` which axes it has: [sample, time, x, ..., component].

Scalars that vary in time are left out.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.pde.data import Fetch, PdeData, PdeField
from sciml.pde.reading.hdf5 import check_shape, dataset, part, values


def is_the_well(file: h5py.File) -> bool:
    """Whether the file has the groups that every one of The Well has."""
    return {"dimensions", "t0_fields"} <= set(file)


def read_the_well(path: Path, file: h5py.File) -> PdeData:
    """A file of The Well.

    Raises:
        UserError: a group, array or attribute is missing, a shape does not fit, or times differ between samples.
    """
    n_samples = int(_attribute(file, path, "n_trajectories"))
    axes = _names(file["dimensions"], path, "spatial_dims")
    coordinates = {}
    for axis in axes:
        array = dataset(file, path, f"dimensions/{axis}")
        if array.ndim != 1:
            raise UserError(f"{path}: `{array.name}` should be one row for all samples, but has {array.shape}.")
        coordinates[axis] = values(file, path, f"dimensions/{axis}")
    times = values(file, path, "dimensions/time")
    if times.ndim == 2:
        if (times != times[0]).any():
            raise UserError(f"{path}: its samples have different times, which cannot be put into one array.")
        times = times[0]
    shape = tuple(len(coordinates[axis]) for axis in axes)
    fields = []
    for order in range(3):
        group = file.get(f"t{order}_fields")
        for name in _names(group, path, "field_names") if group is not None else ():
            array = dataset(file, path, f"t{order}_fields/{name}")
            fields += _components(path, array, name, order, axes, (n_samples, len(times), *shape))
    parameters, constants = _scalars(path, file, n_samples)
    return PdeData(
        source=str(path),
        fields=tuple(fields),
        n_samples=n_samples,
        times=times,
        axes=axes,
        coordinates=coordinates,
        periodic=_periodic(path, file, axes),
        parameters=parameters,
        attributes={**dict(file.attrs), **constants},
    )


def _components(
    path: Path, array: h5py.Dataset, name: str, order: int, axes: tuple[str, ...], sizes: tuple[int, ...]
) -> list[PdeField]:
    has_sample, has_time = (bool(_attribute(array, path, f"{kind}_varying")) for kind in ("sample", "time"))
    has_axes = [bool(varies) for varies in np.atleast_1d(_attribute(array, path, "dim_varying"))]
    if len(has_axes) != len(axes):
        raise UserError(f"{path}: `dim_varying` of `{array.name}` should have {len(axes)} values.")
    has = (has_sample, has_time, *has_axes)
    expected = [size for size, varies in zip(sizes, has, strict=True) if varies]
    check_shape(array, path, (*expected, *[len(axes)] * order))
    fields = []
    for place in itertools.product(range(len(axes)), repeat=order):
        suffix = "".join(axes[number] for number in place)
        fetch = _fetch(path, array, has, sizes, place)
        fields.append(PdeField(f"{name}_{suffix}" if suffix else name, "", fetch, has_time))
    return fields


def _fetch(
    path: Path, array: h5py.Dataset, has: tuple[bool, ...], sizes: tuple[int, ...], place: tuple[int, ...]
) -> Fetch:
    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[Any]:
        asked = (samples, times, *grid)
        found = part(array, path, (*(index for index, there in zip(asked, has, strict=True) if there), *place))
        # axes that the array lacks are put in, and repeated, but for time
        missing = [axis for axis, there in enumerate(has) if not there]
        counts = [len(range(*index.indices(size))) for index, size in zip(asked, sizes, strict=True)]
        if not has[1]:
            counts[1] = 1
        return np.broadcast_to(np.expand_dims(found, missing), counts)

    return fetch


def _scalars(path: Path, file: h5py.File, n_samples: int) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    parameters, constants = {}, {}
    group = file.get("scalars")
    for name in _names(group, path, "field_names") if group is not None else ():
        array = dataset(file, path, f"scalars/{name}")
        if bool(_attribute(array, path, "time_varying")):
            continue
        found = values(file, path, f"scalars/{name}").ravel()
        if bool(_attribute(array, path, "sample_varying")):
            check_shape(array, path, (n_samples,))
            parameters[name] = found
        elif found.size == 1:
            constants[name] = float(found[0])
    return parameters, constants


def _periodic(path: Path, file: h5py.File, axes: tuple[str, ...]) -> tuple[bool, ...]:
    found = set()
    conditions: Any = file.get("boundary_conditions", {})
    for name in conditions:
        condition = conditions[name]
        if _text(_attribute(condition, path, "bc_type")).lower() == "periodic":
            found |= set(_names(condition, path, "associated_dims"))
    return tuple(axis in found for axis in axes)


def _attribute(item: Any, path: Path, name: str) -> Any:
    if name not in item.attrs:
        raise UserError(f"{path}: `{item.name}` should have the attribute `{name}`. It is no whole file of The Well.")
    return item.attrs[name]


def _names(item: Any, path: Path, attribute: str) -> tuple[str, ...]:
    return tuple(_text(name) for name in np.atleast_1d(_attribute(item, path, attribute)))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
