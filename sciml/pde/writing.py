"""Writes samples of fields as netCDF, a chunk of samples at a time, so that a reader sees all of a file or none of it.

Dimensions are (sample, time, x, y), as far as a field has them; numbers are float32, compressed sample by sample.
Coordinates are float64 with units; what holds for all samples is a global attribute, one number a sample a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.core.writing import replaced


@dataclass(frozen=True, eq=False)
class Layout:
    """What a file holds besides the numbers of its samples.

    Attributes:
        fields: the dimensions after `sample` of each field, for example ("time", "x", "y").
        long_names: a word or two on each field; all have the unit "1".
        coordinates: values along each dimension.
        periodic: whether the field goes on at the other end, by dimension of space.
        attributes: of the whole file.
    """

    fields: Mapping[str, tuple[str, ...]]
    long_names: Mapping[str, str]
    coordinates: Mapping[str, NDArray[np.float64]]
    periodic: Mapping[str, bool]
    attributes: Mapping[str, str | float | int]

    def thinned(self, every: int, times: Sequence[float] | None) -> Layout:
        """With each `every`-th point of space, and some of the times only."""
        kept = self._kept(every, times)
        return replace(self, coordinates={name: values[kept[name]] for name, values in self.coordinates.items()})

    def kept(self, every: int, times: Sequence[float] | None) -> dict[str, tuple[slice | list[int], ...]]:
        """What `thinned` keeps of each field, after the samples."""
        kept = self._kept(every, times)
        return {name: tuple(kept[dim] for dim in dims) for name, dims in self.fields.items()}

    def _kept(self, every: int, times: Sequence[float] | None) -> dict[str, slice | list[int]]:
        kept: dict[str, slice | list[int]] = {}
        for dim, values in self.coordinates.items():
            if dim == "time" and times is not None:
                missing = [time for time in times if time not in values.tolist()]
                if missing:
                    raise UserError(f"dataset.yaml: there is no time {missing[0]:g} among those that are made.")
                kept[dim] = [values.tolist().index(time) for time in times]
            else:
                kept[dim] = slice(None, None, every if dim in self.periodic else 1)
                if dim in self.periodic and (len(values) - (not self.periodic[dim])) % every:
                    raise UserError(
                        f"dataset.yaml: every {every}th of {len(values)} points along {dim} leaves out an end."
                    )
        return kept


def write_samples(
    path: Path,
    layout: Layout,
    attributes: Mapping[str, str | float | int],
    n_samples: int,
    pieces: Iterable[Mapping[str, NDArray[np.float32]]],
) -> None:
    """Write the samples that `pieces` gives one after the other, to a temporary name that is renamed at the end.

    Raises:
        UserError: it cannot be written; what was there is left as it was.
    """
    with replaced(path) as temporary:
        with netCDF4.Dataset(temporary, "w", format="NETCDF4") as file:
            _describe(file, layout, attributes, n_samples)
            first = 0
            for piece in pieces:
                count = len(next(iter(piece.values())))
                for name, values in piece.items():
                    if not np.isfinite(values).all():
                        raise UserError(
                            f"{path}: field `{name}` of samples {first} to {first + count - 1} is not finite."
                        )
                    file[name][first : first + count] = values
                first += count
        if first != n_samples:
            raise UserError(f"{path} needs {n_samples} samples, but {first} were made. Run again.")


def _describe(
    file: netCDF4.Dataset, layout: Layout, attributes: Mapping[str, str | float | int], n_samples: int
) -> None:
    file.setncatts({**layout.attributes, **attributes, "sciml_version": metadata.version("sciml-surrogates")})
    file.createDimension("sample", n_samples)
    for name, values in layout.coordinates.items():
        file.createDimension(name, len(values))
        variable = file.createVariable(name, "f8", (name,))
        variable.units = "1"
        if name in layout.periodic:
            variable.periodic = int(layout.periodic[name])
        variable[:] = values
    for name, dims in layout.fields.items():
        sizes = [len(layout.coordinates[dim]) for dim in dims]
        variable = file.createVariable(
            name,
            "f4",
            ("sample", *dims),
            zlib=True,
            complevel=4,
            shuffle=True,
            chunksizes=(1, *sizes),
            fill_value=False,
        )
        variable.units = "1"
        variable.long_name = layout.long_names[name]
