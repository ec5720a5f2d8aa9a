"""A small drawing of a structure, each atom coloured by a number such as its force error.

Shapes: n atoms.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from ase.data import covalent_radii
from jaxtyping import Float, Int

from sciml.core.report import RAMP, Svg

# a view from beside and slightly above, third axis up, so that atoms in a row do not hide one another
_SPIN_DEGREES = 25.0
_TILT_DEGREES = -72.0
_SIZE_PX = 96
MOST_ATOMS = 300


def draw_structure(
    positions: Float[np.ndarray, "n 3"],
    atomic_numbers: Int[np.ndarray, " n"],
    cell: Float[np.ndarray, "3 3"],
    values: Float[np.ndarray, " n"],
    *,
    what: str,
) -> Svg:
    """Orthographic projection, nearest atoms in front; the strongest colour is the largest of `values`."""
    view = _rotation()
    corners = np.array(list(product((0, 1), repeat=3))) @ cell
    atoms, box = positions @ view.T, corners @ view.T
    points = np.concatenate([atoms, box]) if cell.any() else atoms
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    margin = 1.0  # angstrom, about the radius of an atom at the rim
    scale = _SIZE_PX / (float((high - low).max()) + 2 * margin)
    centre = (low + high) / 2

    def place(point: Float[np.ndarray, " 3"]) -> tuple[float, float]:
        x, y = (point[:2] - centre) * scale
        return _SIZE_PX / 2 + x, _SIZE_PX / 2 - y

    lines = ""
    if cell.any():
        for i, j in product(range(8), repeat=2):
            if i < j and (i ^ j).bit_count() == 1:
                (x1, y1), (x2, y2) = place(box[i]), place(box[j])
                lines += f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
        lines = f'<path d="{lines}" fill="none" stroke="var(--muted)" stroke-width=".6"/>'
    largest = float(values.max()) or 1.0
    circles = ""
    for atom in np.argsort(atoms[:, 2]):
        x, y = place(atoms[atom])
        radius = max(1.2, 0.6 * float(covalent_radii[atomic_numbers[atom]]) * scale)
        level = RAMP[min(len(RAMP) - 1, int(values[atom] / largest * len(RAMP)))]
        circles += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="var(--{level})"/>'
    markup = (
        f'<svg viewBox="0 0 {_SIZE_PX} {_SIZE_PX}" width="{_SIZE_PX}">{lines}'
        f'<g stroke="var(--ink)" stroke-width=".35">{circles}</g></svg>'
    )
    return Svg(markup, f"Structure of {len(positions)} atoms; stronger colour is larger {what}, up to {largest:.3g}.")


def _rotation() -> Float[np.ndarray, "3 3"]:
    spin, tilt = np.radians(_SPIN_DEGREES), np.radians(_TILT_DEGREES)
    about_z = np.array([[np.cos(spin), -np.sin(spin), 0], [np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return about_x @ about_z
