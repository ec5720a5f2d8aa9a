"""Measured values at points, from a table whose first line names columns and units.

Shapes: n points, d coordinates, k observed fields.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sciml.core.catalogue import find_data_file, user_path
from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.pde.pinn.config import ObservationsConfig
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.system import Term

OBSERVATIONS = "observations"
_HEADER = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[(.*)\])?\s*")


@dataclass(frozen=True, eq=False)
class Observations:
    """What was measured.

    Attributes:
        points: [n, d].
        values: [n, k].
        fields: places of the observed fields among all.
        units: [k], in which misfits are measured: each field's noise where it is known, and else its standard
            deviation over the table; both so that misfits of all fields count alike.
        weight: of their term in the loss.
        noise: root mean square of the fields' noise in those units, None where it is not known.
    """

    points: Tensor
    values: Tensor
    fields: tuple[int, ...]
    units: Tensor
    weight: float
    noise: float | None

    def terms(self, low: Sequence[float], high: Sequence[float]) -> list[Term]:
        """The misfit of those between low and high; none where there are none."""
        ends = torch.tensor([low, high], dtype=torch.float64)
        inside = ((self.points >= ends[0]) & (self.points <= ends[1])).all(dim=1)
        if not inside.any():
            return []
        x = self.points[inside]
        weights = torch.full((len(x),), self.weight, dtype=torch.float64)
        return [Term(OBSERVATIONS, self._observed, x, weights, self.values[inside] / self.units)]

    def _observed(self, x: Tensor, u: Tensor, unknowns: Mapping[str, Tensor]) -> Tensor:
        return u[:, list(self.fields)] / self.units


def read_observations(config: ObservationsConfig, space: DomainConfig, seed: int) -> Observations:
    """The table of an experiment, with the noise that it asks for.

    Raises:
        UserError: a file that is not there, lacks a column or a unit, has a unit of another dimension, an entry that is
            no number, or a point outside of the box.
    """
    path = find_data_file(config.dataset, str(config.file)) if config.dataset is not None else user_path(config.file)
    points, columns = read_table(path, space, list(space.axes))
    observed = [name for name in space.fields if name in columns]
    if not observed:
        raise UserError(f"{path}: a column of a field is needed ({', '.join(space.fields)}), but there is none.")
    values = np.stack([columns[name] for name in observed], axis=1)
    if config.added_noise:
        noise = np.random.default_rng(seed).standard_normal(values.shape)
        values = values + config.added_noise * values.std(axis=0) * noise
    units, noise = _units(config.noise, values, observed)
    low, high = np.array(space.low), np.array(space.high)
    slack = 1e-9 * (high - low)
    outside = ((points < low - slack) | (points > high + slack)).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise UserError(
            f"{path}, line {row + 2}: the point {points[row].tolist()} is outside of `space.coordinates`"
            f"{f', and so are {outside.sum() - 1} others' if outside.sum() > 1 else ''}."
        )
    return Observations(
        torch.from_numpy(np.clip(points, low, high)),
        torch.from_numpy(values),
        tuple(space.fields.index(name) for name in observed),
        torch.from_numpy(units),
        config.weight,
        noise,
    )


def _units(known: Mapping[str, float], values: np.ndarray, observed: Sequence[str]) -> tuple[np.ndarray, float | None]:
    """In which misfits are measured, [k], and the noise in them.

    Raises:
        UserError: noise of some observed fields and not of others.
    """
    spread = values.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    if not known:
        return spread, None
    if set(known) != set(observed):
        raise UserError(
            f"`observations.noise` needs a number for each observed field ({', '.join(observed)}) or for none, but "
            f"has {', '.join(known)}."
        )
    noise = np.array([known[name] for name in observed])
    relative = float(np.sqrt(np.mean((noise / spread) ** 2)))
    return noise / relative, relative


def read_table(path: Path, space: DomainConfig, needed: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The columns that are needed as [n, number], and all by name, in the experiment's units.

    Raises:
        UserError: as `read_observations`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a table: {error}.") from error
    if len(rows) < 2:
        raise UserError(f"{path}: a first line with names and units and a line of numbers at least are needed.")
    known, columns = {*space.axes, *space.fields}, {}
    for place, header in enumerate(rows[0]):
        match = _HEADER.fullmatch(header)
        if match is None or match[1] not in known:
            continue
        name, unit = match[1], match[2]
        wanted = space.unit(name)
        if unit is None and wanted != "1":
            raise UserError(f"{path}: the column `{name}` has no unit. Write `{name} [{wanted}]` in the first line.")
        factor = 1.0 if unit in (None, "1", "", wanted) else conversion_factor(unit, wanted)
        columns[name] = factor * np.array([_number(path, line, row, place) for line, row in enumerate(rows[1:], 2)])
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(f"{path}: needs columns {', '.join(needed)}, but has no {', '.join(missing)}.")
    return np.stack([columns[name] for name in needed], axis=1), columns


def _number(path: Path, line: int, row: Sequence[str], place: int) -> float:
    try:
        value = float(row[place])
    except (IndexError, ValueError):
        found = repr(row[place]) if place < len(row) else "nothing"
        raise UserError(
            f"{path}, line {line}: a number is needed in column {place + 1}, but there is {found}."
        ) from None
    if not np.isfinite(value):
        raise UserError(f"{path}, line {line}: a finite number is needed in column {place + 1}, but it is {value}.")
    return value
