"""Shapes against deepxde's, a second implementation, and what a user writes wrong."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.pinn.geometry import load_deepxde
from sciml.pinn.shapes import SHAPES, ShapeConfig

# not convex, its vertices clockwise
ARROW = ((0.0, 0.0), (-1.0, 1.5), (0.0, 1.0), (2.0, 1.5))
CONFIGS = [
    ShapeConfig("interval", (-1.0,), (0.5,)),
    ShapeConfig("rectangle", (-1.0, 0.0), (0.5, 3.0)),
    ShapeConfig("cuboid", (-1.0, 0.0, 1.0), (0.5, 3.0, 1.25)),
    ShapeConfig("disk", centre=(1.0, -2.0), radius=0.7),
    ShapeConfig("sphere", centre=(1.0, -2.0, 0.5), radius=0.7),
    ShapeConfig("polygon", vertices=ARROW),
    ShapeConfig("polygon", vertices=ARROW[::-1]),
]


def _deepxdes(config: ShapeConfig) -> Any:
    geometry = load_deepxde().geometry
    if config.shape == "interval":
        return geometry.Interval(config.low[0], config.high[0])
    arguments = [value for value in (config.low, config.high, config.centre, config.radius, config.vertices) if value]
    return getattr(geometry, config.shape.capitalize())(*arguments)


# deepxde's polygon asks numpy for cross products in two dimensions
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.shape)
def test_inside_boundary_and_normals_are_those_of_deepxde(config: ShapeConfig) -> None:
    ours, theirs = config.primitive(), _deepxdes(config)
    generator = Generator().manual_seed(0)
    places = ours.low - 0.2 + (ours.high - ours.low + 0.4) * torch.rand(5000, config.n_dims, generator=generator)
    np.testing.assert_array_equal(ours.inside(places).numpy(), theirs.inside(places.numpy()))
    assert ours.inside(places).any() and not ours.inside(places).all()
    points, normals = ours.boundary(500, generator)
    assert points.dtype == normals.dtype == torch.float64
    assert theirs.on_boundary(points.numpy()).all()
    np.testing.assert_allclose(normals.numpy(), theirs.boundary_normal(points.numpy()), atol=1e-9)


@pytest.mark.parametrize(
    ("config", "measure", "content"),
    [
        (CONFIGS[0], 2, 1.5),
        (CONFIGS[1], 9, 4.5),
        (CONFIGS[2], 2 * (4.5 + 1.5 * 0.25 + 3 * 0.25), 1.125),
        (CONFIGS[3], 1.4 * math.pi, 0.49 * math.pi),
        (CONFIGS[4], 1.96 * math.pi, 4 / 3 * 0.343 * math.pi),
        (CONFIGS[5], math.hypot(1, 1.5) + math.hypot(1, 0.5) + math.hypot(2, 0.5) + 2.5, 1.5),
    ],
    ids=lambda value: getattr(value, "shape", None),
)
def test_points_are_alike_all_over_a_boundary(config: ShapeConfig, measure: float, content: float) -> None:
    """By Gauss' theorem the mean of x . n is d times the content over the measure, that of n is zero."""
    ours, n = config.primitive(), 40_000
    assert ours.measure == pytest.approx(measure, rel=1e-12)
    points, normals = ours.boundary(n, Generator().manual_seed(1))
    flux = (points * normals).sum(dim=1)
    # five standard errors: once in a million seeds
    assert flux.mean() == pytest.approx(config.n_dims * content / measure, abs=5 * float(flux.std()) / n**0.5 + 1e-12)
    assert normals.mean(dim=0).abs().max() <= 5 / n**0.5


def test_a_shape_comes_from_an_experiments_file() -> None:
    raw = {
        "shape": "rectangle",
        "low": [0, 0],
        "high": [1, 1],
        "minus": [{"shape": "disk", "centre": [0.2, 0.2], "radius": 0.05}],
        "plus": [{"shape": "polygon", "vertices": [[1, 0], [2, 0], [1, 1]]}],
    }
    config = parse(ShapeConfig, raw)
    assert config.high == (1.0, 1.0) and config.minus == (ShapeConfig("disk", centre=(0.2, 0.2), radius=0.05),)
    assert config.plus[0].n_dims == 2
    with pytest.raises(UserError, match=r"`minus.0.center` is not a key; did you mean `minus.0.centre`"):
        parse(ShapeConfig, {**raw, "minus": [{"shape": "disk", "center": [0.2, 0.2], "radius": 0.05}]})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"shape": "rectangel", "low": [0, 0], "high": [1, 1]}, "no shape `rectangel`; did you mean `rectangle`"),
        ({"shape": "torus"}, "no shape `torus`; there are interval"),
        ({"shape": "disk", "centre": [0, 0]}, "needs `centre` and `radius`, but has no `radius`"),
        ({"shape": "disk", "centre": [0, 0], "radius": 1, "low": [0, 0]}, "but has `low`"),
        ({"shape": "disk", "centre": [0, 0], "radius": 0}, "needs a positive `radius`, but has 0"),
        ({"shape": "sphere", "centre": [0, 0], "radius": 1}, "needs 3 finite numbers in `centre`"),
        ({"shape": "interval", "low": [1], "high": [1]}, "needs low < high"),
        ({"shape": "polygon", "vertices": [[0, 0], [1, 1]]}, "at least 3 `vertices`, but has 2"),
        ({"shape": "polygon", "vertices": [[0, 0], [1, 1], [2, 2]]}, "polygon with an area"),
        ({"shape": "polygon", "vertices": [[0, 0], [1, 0], [1, 0], [0, 1]]}, "each one once"),
        ({"shape": "polygon", "vertices": [[0, 0], [2, 2], [2, 0], [0, 1]]}, "crosses itself"),
        ({"shape": "polygon", "vertices": [[0, 0], [1, 0], [0, 1, 2]]}, "needs 2 finite numbers in `vertices`"),
        (
            {
                "shape": "interval",
                "low": [0],
                "high": [1],
                "minus": [{"shape": "disk", "centre": [0, 0], "radius": 1}],
            },
            "interval has 1 coordinates, but disk, .* 2",
        ),
    ],
)
def test_a_shape_that_is_none_is_refused(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(ShapeConfig, raw)


NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=4).map(tuple)


@given(
    shape=st.sampled_from([*SHAPES]),
    low=NUMBERS,
    high=NUMBERS,
    radius=st.floats(),
    vertices=st.lists(st.tuples(st.floats(), st.floats()), max_size=6).map(tuple),
)
def test_any_numbers_make_a_shape_or_a_message(shape: str, low: Any, high: Any, radius: float, vertices: Any) -> None:
    keys = {"low": low, "high": high, "centre": low, "radius": radius, "vertices": vertices}
    try:
        config = ShapeConfig(shape, **{key: keys[key] for key in SHAPES[shape][1]})
    except UserError:
        return
    points, normals = config.primitive().boundary(3, Generator().manual_seed(0))
    assert torch.isfinite(points).all() and torch.isfinite(normals).all()
