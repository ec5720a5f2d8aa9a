"""Fields at the points of a user's table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sciml.core.errors import UserError
from sciml.core.writing import replaced
from sciml.pde.pinn.comparison import fields_at
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import read_table


def predict_table(config: PinnExperiment, network: PinnNetwork, source: Path, output: Path) -> str:
    """Writes the coordinates and the fields at them as CSV, and says so in a line.

    Raises:
        UserError: another suffix than .csv, a table without the coordinates, or an output that cannot be written.
    """
    if output.suffix != ".csv":
        raise UserError(f"{output}: fields at points are written as a table; name the file .csv.")
    space = config.space
    points, _ = read_table(source, space, list(space.axes))
    outside = ((points < np.array(space.low)) | (points > np.array(space.high))).any(axis=1)
    values = fields_at(network, points)
    names = [*space.axes, *space.outputs]
    with replaced(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f"{name} [{space.unit(name)}]" for name in names])
        writer.writerows([repr(float(number)) for number in row] for row in np.concatenate([points, values], axis=1))
    remark = f"; {int(outside.sum())} of them outside of where it was trained" if outside.any() else ""
    return f"{output}: {', '.join(space.outputs)} at {len(points)} points{remark}"
