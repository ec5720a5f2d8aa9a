"""Points of geometries that are put together: inside, on the boundary with its normals, and at times."""

import math

import pytest
import torch
from torch import Generator, Tensor

from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.pinn.domain import Domain, PartConfig
from sciml.pinn.shapes import ShapeConfig

SQUARE = {"shape": "rectangle", "low": [0, 0], "high": [1, 1]}
HOLE = {"shape": "disk", "centre": [0.3, 0.4], "radius": 0.2}
TRIANGLE = {"shape": "polygon", "vertices": [[1, 0], [2, 0], [1, 1]]}
BALL = {"shape": "sphere", "centre": [0, 0, 0], "radius": 1}
# geometry -> content and measure of the boundary
GEOMETRIES = {
    "a hole": ({**SQUARE, "minus": [HOLE]}, 1 - 0.04 * math.pi, 4 + 0.4 * math.pi),
    # the step's outer faces are the channel's own
    "a step": (
        {"shape": "rectangle", "low": [0, 0], "high": [2, 1], "minus": [{**SQUARE, "high": [0.5, 0.5]}]},
        1.75,
        6,
    ),
    "side by side": ({**SQUARE, "plus": [TRIANGLE]}, 1.5, 4 + math.sqrt(2)),
    "overlapping": ({**SQUARE, "plus": [{**SQUARE, "low": [0.5, -0.5], "high": [1.5, 0.5]}]}, 1.75, 6),
    "a quarter": ({"shape": "disk", "centre": [0, 0], "radius": 1, "within": [SQUARE]}, math.pi / 4, 2 + math.pi / 2),
    "a hole with a core": (
        {**SQUARE, "minus": [{**HOLE, "minus": [{**HOLE, "radius": 0.1}]}]},
        1 - 0.03 * math.pi,
        4 + 0.6 * math.pi,
    ),
    "two pieces": (
        {"shape": "interval", "low": [0], "high": [3], "minus": [{"shape": "interval", "low": [1], "high": [2]}]},
        2,
        4,
    ),
    "a shell": ({**BALL, "minus": [{**BALL, "radius": 0.5}]}, 3.5 / 3 * math.pi, 5 * math.pi),
    "half a ball": (
        {**BALL, "within": [{"shape": "cuboid", "low": [0, -2, -2], "high": [2, 2, 2]}]},
        2 / 3 * math.pi,
        3 * math.pi,
    ),
}


def _domain(raw: dict, time: tuple[float, float] | None = None) -> Domain:
    return Domain(parse(ShapeConfig, raw), time)


def _generator() -> Generator:
    return Generator().manual_seed(3)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_boundaries_close_and_enclose_their_content(name: str) -> None:
    """Gauss' theorem: mean of n zero, of x . n the dimension times the content over the measure."""
    raw, content, measure = GEOMETRIES[name]
    domain, n = _domain(raw), 40_000
    points, normals = domain.boundary_points(n, _generator())
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(n, dtype=torch.float64), rtol=0, atol=1e-12)
    flux = (points * normals).sum(dim=1)
    # five standard errors: once in a million seeds
    allowed = 5 * float(flux.std()) / n**0.5
    assert flux.mean() == pytest.approx(domain.n_dims * content / measure, abs=allowed)
    assert normals.mean(dim=0).abs().max() <= 5 / n**0.5
    assert not domain.space.inside(points + 1e-6 * normals).any() and domain.space.inside(points - 1e-6 * normals).all()
    torch.testing.assert_close(domain.normals(points), normals, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_inside_has_the_content_that_it_should(name: str) -> None:
    raw, content, _ = GEOMETRIES[name]
    domain, n = _domain(raw), 20_000
    points = domain.inside_points(n, _generator())
    assert points.shape == (n, domain.n_dims) and points.dtype == torch.float64
    assert domain.space.inside(points).all()
    sides = domain.space.high - domain.space.low
    places = domain.space.low + sides * torch.rand(n, domain.n_dims, dtype=torch.float64, generator=_generator())
    share = float(domain.space.inside(places).double().mean())
    expected = content / float(sides.prod())
    assert share == pytest.approx(expected, abs=5 * (expected * (1 - expected) / n) ** 0.5 + 1e-12)


def test_points_come_again_and_leave_torchs_own_numbers_alone() -> None:
    domain, before = _domain(GEOMETRIES["a hole"][0], (0.0, 2.0)), torch.get_rng_state()
    for draw in (
        domain.inside_points,
        domain.initial_points,
        lambda n, generator: torch.cat(domain.boundary_points(n, generator)),
    ):
        torch.testing.assert_close(draw(50, _generator()), draw(50, _generator()), rtol=0, atol=0)
        generator = _generator()
        assert not torch.equal(draw(50, generator), draw(50, generator))
    assert torch.equal(before, torch.get_rng_state())


def test_time_comes_last_and_normals_have_none() -> None:
    domain = _domain(GEOMETRIES["a hole"][0], (1.0, 3.0))
    assert domain.n_dims == 3
    points, normals = domain.boundary_points(4000, _generator())
    assert not normals[:, 2].any()
    for times in (points[:, 2], domain.inside_points(4000, _generator())[:, 2]):
        # of 4,000 uniform numbers all stay off an end by a hundredth once in 1e17 draws
        assert 1 <= times.min() < 1.02 and 2.98 < times.max() <= 3
    assert (domain.initial_points(9, _generator())[:, 2] == 1).all()


def test_a_part_of_a_boundary_is_named_by_bounds_or_by_a_function() -> None:
    domain, n = _domain(GEOMETRIES["a hole"][0], (0.0, 1.0)), 200
    lid = parse(PartConfig, {"low": [None, 1]})
    points, normals = domain.boundary_points(n, _generator(), lid)
    assert len(points) == n and (points[:, 1] == 1).all()
    assert (normals == torch.tensor([0.0, 1.0, 0.0])).all()
    hole = PartConfig((0.05, 0.05), (0.55, 0.65))
    points, normals = domain.boundary_points(n, _generator(), hole)
    centre = torch.tensor([0.3, 0.4]).double()
    torch.testing.assert_close(normals[:, :2], (centre - points[:, :2]) / 0.2)
    points, _ = domain.boundary_points(n, _generator(), lambda x: (x[:, 0] == 0) & (x[:, 1] > 0.5))
    assert (points[:, 0] == 0).all() and points[:, 1].min() > 0.5


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (PartConfig((2.0, None)), r"`inlet` is for none of \d+ places on the boundary, which lies from \[0.0, 0.0\]"),
        (lambda x: x[:, 0] > 7, "`inlet` is for none"),
        (PartConfig((2.0,)), "a number or null in `low` for each of 2 coordinates of space, but has 1"),
        (lambda x: x > 0, "`inlet` needs to return .* booleans"),
    ],
)
def test_a_part_that_is_none_is_refused(where: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _domain(SQUARE).boundary_points(10, _generator(), where, "inlet")


def test_an_empty_geometry_and_wrong_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="none of 100000 places .* is what is cut out larger"):
        _domain({**HOLE, "minus": [SQUARE]})
    with pytest.raises(UserError, match="none of 100000 places"):
        _domain({**HOLE, "within": [{**SQUARE, "low": [2, 2], "high": [3, 3]}]})
    with pytest.raises(UserError, match="`time` needs to be a first and a last time"):
        _domain(SQUARE, (1.0, 1.0))
    domain = _domain(SQUARE)
    with pytest.raises(UserError, match="needs a domain with `time`"):
        domain.initial_points(3, _generator())
    for draw in (domain.inside_points, domain.boundary_points):
        with pytest.raises(UserError, match="at least one point, but 0"):
            draw(0, _generator())


def test_a_function_may_name_all_of_a_boundary() -> None:
    def everywhere(x: Tensor) -> Tensor:
        return torch.ones(len(x), dtype=torch.bool)

    domain = _domain(SQUARE)
    for one, other in zip(
        domain.boundary_points(20, _generator(), everywhere), domain.boundary_points(20, _generator()), strict=True
    ):
        assert torch.equal(one, other)
