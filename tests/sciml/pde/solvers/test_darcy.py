from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from sciml.core.errors import UserError
from sciml.pde.solvers.darcy import Faces, solve_darcy, threshold
from sciml.pde.solvers.gaussian_fields import neumann_field

PI = np.pi


def random_coefficient(n: int) -> np.ndarray:
    field = neumann_field(np.random.RandomState(2).normal(size=(n - 1, n - 1)), n, 1.0, 3.0, 2.0)
    return threshold(field, 12.0, 3.0)


def orders(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / errors[1:])


@pytest.mark.parametrize("faces", ["arithmetic", "harmonic"])
def test_it_is_of_second_order_for_a_smooth_coefficient(faces: Faces):
    errors = []
    for n in (17, 33, 65):
        x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
        exact = np.sin(PI * x) * np.sin(2 * PI * y)
        a = 2 + np.sin(3 * x + y)
        ax, ay = 3 * np.cos(3 * x + y), np.cos(3 * x + y)
        ux, uy = PI * np.cos(PI * x) * np.sin(2 * PI * y), 2 * PI * np.sin(PI * x) * np.cos(2 * PI * y)
        source = 5 * PI**2 * a * exact - ax * ux - ay * uy
        errors.append(float(np.abs(solve_darcy(a, source, faces) - exact).max()))
    np.testing.assert_allclose(orders(errors), 2, atol=0.1)


@pytest.mark.parametrize(("faces", "order"), [("arithmetic", 1), ("harmonic", 2)])
def test_a_jump_between_two_points_costs_the_arithmetic_mean_one_order(faces: Faces, order: int):
    """u = X(x) sin(pi y) with a = 12 left and 3 right of x = 1/2: X and a X' are continuous there."""
    a_left, a_right = 12.0, 3.0
    cosh, sinh = np.cosh(PI / 2), np.sinh(PI / 2)
    # X = 1 / (a pi^2) + A cosh(pi x) + B sinh(pi x) on the left, and in 1 - x with C and D on the right
    inner = [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [cosh, sinh, -cosh, -sinh],
        [a_left * sinh, a_left * cosh, a_right * sinh, a_right * cosh],
    ]
    left, right = 1 / (a_left * PI**2), 1 / (a_right * PI**2)
    c = np.linalg.solve(np.array(inner), np.array([-left, -right, right - left, 0]))
    errors = []
    for n in (32, 64, 128):
        x = np.linspace(0, 1, n)
        is_left = x < 0.5
        profile = np.where(
            is_left,
            left + c[0] * np.cosh(PI * x) + c[1] * np.sinh(PI * x),
            right + c[2] * np.cosh(PI * (1 - x)) + c[3] * np.sinh(PI * (1 - x)),
        )
        wave = np.sin(PI * x)
        a = np.where(is_left, a_left, a_right)[:, None] * np.ones(n)
        found = solve_darcy(a, np.ones((n, 1)) * wave, faces)
        errors.append(float(np.abs(found - profile[:, None] * wave).max()))
    np.testing.assert_allclose(orders(errors), order, atol=0.25)


def test_a_direct_solver_finds_the_same():
    n = 24
    a = random_coefficient(n)
    inner = np.arange((n - 2) ** 2).reshape(n - 2, n - 2)
    matrix = scipy.sparse.lil_matrix((inner.size, inner.size))
    for i in range(1, n - 1):
        for j in range(1, n - 1):
            for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                face = (a[i, j] + a[i + di, j + dj]) / 2 * (n - 1) ** 2
                matrix[inner[i - 1, j - 1], inner[i - 1, j - 1]] += face
                if 0 < i + di < n - 1 and 0 < j + dj < n - 1:
                    matrix[inner[i - 1, j - 1], inner[i - 1 + di, j - 1 + dj]] -= face
    direct = scipy.sparse.linalg.spsolve(matrix.tocsc(), np.ones(inner.size))
    found = solve_darcy(a)
    # the residual's tolerance of 1e-10 times the condition number of the preconditioned system, 4
    np.testing.assert_allclose(found[1:-1, 1:-1].ravel(), direct, rtol=1e-8)
    assert not found[[0, -1]].any() and not found[:, [0, -1]].any()


def test_without_a_jump_it_is_poisson_s_equation():
    # u at the centre for a = 1, f = 1: Timoshenko and Goodier, Theory of Elasticity, section 109: 0.07367
    assert solve_darcy(np.ones((201, 201)))[100, 100] == pytest.approx(0.07367, abs=1e-5)


def test_laws():
    a = random_coefficient(33)
    u = solve_darcy(a)
    assert (u[1:-1, 1:-1] > 0).all()
    np.testing.assert_allclose(solve_darcy(2 * a), u / 2, rtol=1e-9)
    np.testing.assert_allclose(solve_darcy(a, 3.0), 3 * u, rtol=1e-9)
    np.testing.assert_allclose(solve_darcy(a.T.copy()), u.T, atol=1e-12)
    # more permeable everywhere: less pressure everywhere, between those of the two constants
    assert (u <= solve_darcy(np.full_like(a, 3.0)) + 1e-12).all() and (
        u >= solve_darcy(np.full_like(a, 12.0)) - 1e-12
    ).all()
    assert not solve_darcy(a, 0.0).any()


def test_a_finer_grid_changes_the_solution_by_less_and_less():
    noise = np.random.RandomState(4).normal(size=(24, 24))
    found = [solve_darcy(threshold(neumann_field(noise, n, 1.0, 3.0, 2.0), 12.0, 3.0)) for n in (33, 65, 129)]
    finest = found[-1][::4, ::4]
    errors = [np.linalg.norm(u[:: 2**i, :: 2**i] - finest) / np.linalg.norm(finest) for i, u in enumerate(found[:-1])]
    # the interface lies anywhere between the points: first order, and not evenly
    assert errors[1] < errors[0] / 1.5, errors


def test_bad_input_is_refused():
    a = random_coefficient(9)
    for value in (0.0, -1.0, np.nan, np.inf):
        broken = a.copy()
        broken[3, 4] = value
        with pytest.raises(UserError, match="finite number above zero at every point"):
            solve_darcy(broken)
    with pytest.raises(UserError, match="source of Darcy flow has NaN"):
        solve_darcy(a, np.nan)
    with pytest.raises(UserError, match="at least 3 points"):
        solve_darcy(np.ones((2, 2)))
    with pytest.raises(UserError, match="between 1e-13 and 1, but is 1e-30"):
        solve_darcy(a, 1.0, "arithmetic", 1e-30)


def test_too_many_iterations_are_said_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sciml.pde.solvers.darcy._MOST_ITERATIONS", 3)
    with pytest.raises(UserError, match="contrast of its coefficient, 4, is too large"):
        solve_darcy(random_coefficient(33))
