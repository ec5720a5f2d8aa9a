"""Spherical transforms of scalars and of winds: exact where they can be, and those of scipy and torch-harmonics.

golden/sphere.safetensors is made by make_golden_sphere.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import sph_harm_y
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno import kernels, sphere_sums
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.legendre import area_weights, latitudes_rad
from sciml.fno.sphere import power_by_degree, resample, spherical_transform, values_at
from sciml.fno.sphere_vectors import divergence, gradient, inverse_laplacian, laplacian, vector_transform, vorticity

KINDS: tuple[SphereKind, ...] = ("gauss-legendre", "equiangular", "equiangular-offset")
# odd and even numbers, folded by halves and by quarters of a circle, a pole and an equator of its own
SHAPES = [(5, 9), (6, 10), (8, 11), (13, 24)]
GOLDEN = Path(__file__).parent / "golden/sphere.safetensors"


def sphere(shape: tuple[int, int], kind: SphereKind = "gauss-legendre") -> Grid:
    return Grid(shape, (False, True), kind)


def some_coefficients(degrees: int, orders: int, b: int = 2, c: int = 3, first: int = 0) -> Tensor:
    """Random ones of a real field, with no degrees below `first`."""
    a = torch.randn(b, degrees, orders, 2, c, dtype=torch.float64)
    l, m = torch.arange(degrees)[:, None], torch.arange(orders)  # noqa: E741
    a[:, :, 0, 1] = 0
    return a * ((m <= l) & (l >= first))[None, :, :, None, None]


def points_of(grid: Grid) -> tuple[Tensor, Tensor]:
    assert grid.sphere is not None
    y = torch.from_numpy(latitudes_rad(grid.sphere, grid.shape[0]))
    x = 2 * torch.pi * torch.arange(grid.shape[1], dtype=torch.float64) / grid.shape[1]
    latitude, longitude = torch.meshgrid(y, x, indexing="ij")
    return latitude, longitude


@pytest.fixture(params=["compiled", "torch"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setattr(sphere_sums, "runs_on", lambda _: False)
    return request.param


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_field_that_the_grid_carries_comes_back(shape: tuple[int, int], kind: SphereKind, route: str) -> None:
    transform = spherical_transform(sphere(shape, kind))
    a = some_coefficients(transform.truncation.degrees, transform.truncation.orders)
    # a few roundings of float64 and of float32
    torch.testing.assert_close(transform.analysis(transform.synthesis(a)), a, atol=1e-13, rtol=0)
    single = transform.analysis(transform.synthesis(a.float()))
    torch.testing.assert_close(single, a.float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_winds_that_the_grid_carries_come_back(shape: tuple[int, int], kind: SphereKind, route: str) -> None:
    transform = vector_transform(sphere(shape, kind))
    sizes = transform.truncation.degrees, transform.truncation.orders
    spin, spread = some_coefficients(*sizes, first=1), some_coefficients(*sizes, first=1)
    found = transform.analysis(*transform.synthesis(spin, spread))
    torch.testing.assert_close(found, (spin, spread), atol=1e-13, rtol=0)


@pytest.mark.parametrize("channels", [1, 16, 37])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_sums_are_those_of_torch(channels: int, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        transform = spherical_transform(sphere(shape, "equiangular"), None, 3)
        field = torch.randn(2, *shape, channels, dtype=dtype)
        packed = transform.packed_analysis(field)
        with kernels.plain_route():
            torch.testing.assert_close(transform.packed_analysis(field), packed)
        back = transform.packed_synthesis(packed)
        with kernels.plain_route():
            torch.testing.assert_close(transform.packed_synthesis(packed), back)


def test_by_fft_and_by_matrices_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    transform = spherical_transform(sphere((12, 24)))
    field = torch.randn(1, 12, 24, 2, dtype=torch.float64)
    with kernels.plain_route():
        packed = transform.packed_analysis(field)
        values = transform.packed_synthesis(packed)
        monkeypatch.setattr(sphere_sums, "FFT_CHANNELS", 1)
        torch.testing.assert_close(transform.packed_analysis(field), packed)
        torch.testing.assert_close(transform.packed_synthesis(packed), values)


def test_gradients_are_the_transposes() -> None:
    transform = spherical_transform(sphere((5, 8), "equiangular"), 3)
    field = torch.randn(1, 5, 8, 2, dtype=torch.float64, requires_grad=True)
    packed = torch.randn(transform.truncation.size, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(transform.packed_analysis, field)
    assert torch.autograd.gradcheck(transform.packed_synthesis, packed)
    assert torch.autograd.gradgradcheck(lambda x: transform.packed_analysis(x).square(), field)


@pytest.mark.parametrize("kind", KINDS)
def test_harmonics_are_those_of_scipy(kind: SphereKind) -> None:
    grid = sphere((9, 18), kind)
    transform = spherical_transform(grid)
    latitude, longitude = points_of(grid)
    for degree, order in ((0, 0), (3, 0), (4, 1), (7, 7), (7, 4)):
        harmonic = torch.from_numpy(sph_harm_y(degree, order, np.pi / 2 - latitude.numpy(), longitude.numpy()))
        # Re(Y) and Im(Y) are (Y + conj Y) / 2 and (Y - conj Y) / 2i
        share = 1.0 if order == 0 else 0.5
        for field, part, sign in ((harmonic.real, 0, 1), (harmonic.imag, 1, -1)):
            if order == 0 and part == 1:
                continue
            expected = torch.zeros(1, transform.truncation.degrees, transform.truncation.orders, 2, 1).double()
            expected[0, degree, order, part, 0] = sign * share
            torch.testing.assert_close(transform.analysis(field[None, ..., None]), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("grid", ["legendre-gauss", "equiangular"])
def test_coefficients_are_those_of_torch_harmonics(grid: str, route: str) -> None:
    golden = load_file(GOLDEN)
    theirs = {name: golden[f"{grid}.{name}"] for name in ("field", "coefficients", "values")}
    field = theirs["field"].flip(1).permute(1, 2, 0)[None]
    kind: SphereKind = "equiangular" if grid == "equiangular" else "gauss-legendre"
    transform = spherical_transform(sphere((field.shape[1], 24), kind), theirs["coefficients"].shape[1])
    coefficients = transform.analysis(field)
    expected = theirs["coefficients"].permute(1, 2, 3, 0)[None]
    torch.testing.assert_close(coefficients, expected, atol=1e-12, rtol=0)
    values = transform.synthesis(coefficients)
    torch.testing.assert_close(values, theirs["values"].flip(1).permute(1, 2, 0)[None], atol=1e-12, rtol=0)


def test_vector_coefficients_are_those_of_torch_harmonics() -> None:
    golden = load_file(GOLDEN)
    southwards, eastwards = (part.flip(0)[None, ..., None] for part in golden["vector.field"])
    transform = vector_transform(sphere((12, 24)), 12)
    spin, spread = transform.analysis(eastwards, -southwards)
    spheroidal, toroidal = golden["vector.coefficients"].unsqueeze(-1).unbind(0)
    # theirs are the potentials, with 1 / (l (l + 1)) in single precision
    torch.testing.assert_close(-inverse_laplacian(spin)[0], toroidal, atol=1e-7, rtol=0)
    torch.testing.assert_close(inverse_laplacian(spread)[0], spheroidal, atol=1e-7, rtol=0)
    u, v = transform.synthesis(spin, spread)
    values = torch.stack([-v, u])[:, 0, :, :, 0].flip(1)
    torch.testing.assert_close(values, golden["vector.values"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_solid_body_rotation_has_the_vorticity_of_its_axis(kind: SphereKind) -> None:
    grid = sphere((9, 18), kind)
    latitude, longitude = points_of(grid)
    zeros = torch.zeros_like(latitude)
    # about the poles, and about the point at 0 degrees on the equator: twice the cosine of the distance from the axis
    rotations = [
        (latitude.cos(), zeros, 2 * latitude.sin()),
        (-latitude.sin() * longitude.cos(), longitude.sin(), 2 * latitude.cos() * longitude.cos()),
    ]
    for u, v, expected in rotations:
        winds = u[None, ..., None], v[None, ..., None]
        transform = vector_transform(grid)
        found = spherical_transform(grid).synthesis(vorticity(*winds, transform))[0, ..., 0]
        torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)
        assert divergence(*winds, transform).abs().max() < 1e-13


def test_gradients_are_the_analytic_ones() -> None:
    grid = sphere((12, 24), "equiangular-offset")
    latitude, longitude = points_of(grid)
    x, y, z = latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()
    field = x * y + z**3
    coefficients = spherical_transform(grid).analysis(field[None, ..., None])
    eastwards, northwards = gradient(coefficients, vector_transform(grid))
    # of the polynomial along the unit vectors (-sin, cos, 0) and (-sin cos, -sin sin, cos)
    across = (-y * longitude.sin() + x * longitude.cos())[None, ..., None]
    along = y * -z * longitude.cos() + x * -z * longitude.sin() + 3 * z**2 * latitude.cos()
    torch.testing.assert_close(eastwards, across, atol=1e-13, rtol=0)
    torch.testing.assert_close(northwards, along[None, ..., None], atol=1e-13, rtol=0)
    # laplacian of x y is -6 x y, of z^3 it is 6 z - 12 z^3
    found = spherical_transform(grid).synthesis(laplacian(coefficients))[0, ..., 0]
    torch.testing.assert_close(found, -6 * x * y + 6 * z - 12 * z**3, atol=1e-12, rtol=0)
    torch.testing.assert_close(inverse_laplacian(laplacian(coefficients)), coefficients, atol=1e-14, rtol=0)


def test_the_gradient_has_the_divergence_of_the_laplacian_and_no_vorticity() -> None:
    transform = vector_transform(sphere((10, 20), "equiangular"))
    a = some_coefficients(transform.truncation.degrees, transform.truncation.orders)
    u, v = gradient(a, transform)
    torch.testing.assert_close(divergence(u, v, transform), laplacian(a), atol=1e-11, rtol=0)
    assert vorticity(u, v, transform).abs().max() < 1e-11


def test_powers_add_up_to_the_mean_square() -> None:
    grid = sphere((12, 24))
    transform = spherical_transform(grid, 6)
    a = some_coefficients(6, 6)
    squares = transform.synthesis(a).square().mean(2)
    weights = torch.from_numpy(area_weights("gauss-legendre", 12))
    power = power_by_degree(a)
    torch.testing.assert_close(power.sum(1), torch.einsum("byc,y->bc", squares, weights))
    assert torch.all(power_by_degree(some_coefficients(6, 6, first=4))[:, :4] == 0)


def test_other_resolutions_and_points_have_the_same_values() -> None:
    coarse, fine = sphere((8, 16), "equiangular"), sphere((20, 45), "equiangular-offset")
    transform = spherical_transform(coarse)
    a = some_coefficients(transform.truncation.degrees, transform.truncation.orders)
    field = transform.synthesis(a)
    finer = resample(field, coarse, fine)
    torch.testing.assert_close(resample(finer, fine, coarse), field, atol=1e-13, rtol=0)
    latitude, longitude = (each.flatten() for each in points_of(fine))
    torch.testing.assert_close(values_at(a, latitude, longitude), finer.flatten(1, 2), atol=1e-13, rtol=0)


def test_what_does_not_fit_is_refused() -> None:
    grid = sphere((12, 24), "equiangular")
    with pytest.raises(UserError, match="carries 11 degrees and 12 orders.*but 12 degrees and 12 orders are asked"):
        spherical_transform(grid, 12)
    with pytest.raises(UserError, match="need a grid of latitudes and longitudes with `sphere` set"):
        spherical_transform(Grid((12, 24), (False, True)))
    with pytest.raises(UserError, match="each order a degree, but 3 degrees and 5 orders"):
        vector_transform(grid, 3, 5)
    transform = spherical_transform(grid, 5)
    with pytest.raises(UserError, match=r"12 latitudes and 24 longitudes needs fields .* but got \[1, 24, 12, 2\]"):
        transform.analysis(torch.zeros(1, 24, 12, 2))
    with pytest.raises(UserError, match=r"5 degrees and 5 orders needs coefficients .* but got \[1, 6, 6, 2, 1\]"):
        transform.synthesis(torch.zeros(1, 6, 6, 2, 1))
