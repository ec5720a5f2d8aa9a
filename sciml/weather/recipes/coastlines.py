"""Recipe `coastlines`: Natural Earth's coasts out of the npm package world-atlas, small enough to be shipped.

The package holds TopoJSON (https://github.com/topojson/topojson-specification, section 2): arcs of integers, each the
difference to the one before, which `transform` scales to degrees. An arc of the object `land` is a piece of coast,
apart from cuts along the antimeridian and the pole, which are no coast and are left out here.

A file made here is JSON: `degrees_per_unit` and `lines`, each line a flat list longitude, latitude, and from then on
differences to the point before, all in whole units. Longitudes run on through 180 without a jump.

Shapes: p points of a line, (longitude, latitude) in degrees.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.catalogue import find_data_file
from sciml.core.errors import UserError
from sciml.core.runs import write_text

Array = NDArray[np.float64]

_DATASET = "natural-earth"
DEGREES_PER_UNIT = 0.01
# the quantisation of world-atlas is finer than this, and no coast point lies nearer to the antimeridian by chance
_ON_CUT_DEG = 5e-3
# south of all coast of Antarctica, the ring that world-atlas draws around the pole
_POLE_DEG = -89.0


def make(
    dataset_yaml: dict[str, Any], out_dir: Path, work_dir: Path, *, workers: int = 1, limit: int | None = None
) -> None:
    """Write one file of lines for each of `recipe.files`, from the package that `sciml data get` brings.

    `limit` keeps the first N lines of each; the work is too small for a work folder or workers.

    Raises:
        UserError: the package is not there, or it is another one.
    """
    files, recipe = dataset_yaml["files"], dataset_yaml["recipe"]
    source = files["source"]
    package = find_data_file(_DATASET, source["path"], source["sha256"])
    for role, settings in recipe["files"].items():
        lines = coast_lines(read_member(package, settings["member"]))
        kept = [simplified(line, settings["tolerance_degrees"]) for line in lines[:limit]]
        kept = [line for line in kept if np.ptp(line, axis=0).max() >= settings["smallest_degrees"]]
        write_text(out_dir / files[role]["path"], packed(kept))


def read_member(package: Path, member: str) -> dict[str, Any]:
    """A JSON file of a .tgz.

    Raises:
        UserError: it has no such file, or is damaged.
    """
    try:
        with tarfile.open(package) as archive, archive.extractfile(member) as file:  # pyright: ignore[reportOptionalContextManager]
            return json.load(file)
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise UserError(f"{package} should hold {member} as JSON, but: {error}. Download it again.") from None


def coast_lines(topology: dict[str, Any]) -> list[Array]:
    """[p, 2] lines of the arcs, cut open where they run along the antimeridian or the pole.

    >>> square = {"transform": {"scale": [1, 1], "translate": [170, 0]}, "arcs": [[[0, 0], [10, 0], [0, 5], [-10, 0]]]}
    >>> [line.tolist() for line in coast_lines(square)]  # the side along 180 E is no coast
    [[[170.0, 0.0], [180.0, 0.0]], [[180.0, 5.0], [170.0, 5.0]]]
    """
    scale, offset = (np.array(topology["transform"][key], np.float64) for key in ("scale", "translate"))
    lines = []
    for arc in topology["arcs"]:
        points = np.cumsum(arc, axis=0) * scale + offset
        on_cut = np.abs(np.abs(points[:, 0]) - 180) < _ON_CUT_DEG
        at_pole = points[:, 1] < _POLE_DEG
        artificial = (on_cut[1:] & on_cut[:-1]) | (at_pole[1:] & at_pole[:-1])
        points[:, 0] = np.unwrap(points[:, 0], period=360)
        pieces = np.split(np.arange(len(points)), np.flatnonzero(artificial) + 1)
        lines += [points[piece] for piece in pieces if len(piece) > 1]
    return lines


def simplified(line: Array, tolerance_degrees: float) -> Array:
    """The line with the fewest points by Douglas and Peucker (1973) that stays within the tolerance, in degrees.

    A degree of longitude counts as much as one of latitude times the cosine of the latitude.
    """
    east = line[:, 0] * np.cos(np.radians(line[:, 1].mean()))
    plane = np.stack([east, line[:, 1]], axis=1)
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distance = _distances(plane[first + 1 : last], plane[first], plane[last])
        furthest = int(distance.argmax())
        if distance[furthest] > tolerance_degrees:
            middle = first + 1 + furthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return line[keep]


def _distances(points: Array, start: Array, end: Array) -> Array:
    """From each point to the segment between two others."""
    along = end - start
    length2 = float(along @ along)
    part = np.clip((points - start) @ along / length2, 0, 1) if length2 else np.zeros(len(points))
    return np.hypot(*(points - start - np.outer(part, along)).T)


def packed(lines: list[Array]) -> str:
    """The file's text, one line of JSON a coastline."""
    rows = []
    for line in lines:
        units = np.rint(line / DEGREES_PER_UNIT).astype(int)
        steps = np.diff(units, axis=0)
        rows.append(json.dumps(np.concatenate([units[:1], steps[steps.any(axis=1)]]).ravel().tolist()).replace(" ", ""))
    return f'{{"degrees_per_unit":{DEGREES_PER_UNIT},"lines":[\n' + ",\n".join(rows) + "\n]}\n"
