"""The cavity against published extremes and tables, its own refinement, and what every such flow obeys."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sciml.core.errors import UserError
from sciml.pde.references import ghia
from sciml.pde.references.cavity import CavityFlow, solve_cavity
from sciml.pde.references.timing import relative_error


def on_u_line(flow: CavityFlow, y: np.ndarray) -> np.ndarray:
    return flow.velocity(np.stack([np.full_like(y, 0.5), y], axis=1))[:, 0]


def on_v_line(flow: CavityFlow, x: np.ndarray) -> np.ndarray:
    return flow.velocity(np.stack([x, np.full_like(x, 0.5)], axis=1))[:, 1]


def centrelines(flow: CavityFlow) -> np.ndarray:
    places = np.linspace(0, 1, 201)
    return np.concatenate([on_u_line(flow, places), on_v_line(flow, places)])


def extremes(flow: CavityFlow) -> list[float]:
    """Smallest u, largest and smallest v on the centrelines."""
    found = []
    for line, sign, between in ((on_u_line, 1, (0.05, 0.7)), (on_v_line, -1, (0.05, 0.5)), (on_v_line, 1, (0.6, 0.98))):
        best = minimize_scalar(
            lambda place, line=line, sign=sign: sign * line(flow, np.array([place]))[0],
            bounds=between,
            method="bounded",
            options={"xatol": 1e-7},
        )
        found.append(sign * float(best.fun))
    return found


@pytest.fixture(scope="module")
def at_1000() -> CavityFlow:
    return solve_cavity(1000.0, 49)


def test_reynolds_1000_has_the_extremes_of_botella_and_peyret(at_1000: CavityFlow) -> None:
    """Computers & Fluids 27 (1998) 421: spectral, without the singular part of the corners."""
    assert extremes(at_1000) == pytest.approx([-0.3885698, 0.3769447, -0.5270771], abs=1.5e-5)


@pytest.mark.slow
def test_more_points_meet_them_better() -> None:
    assert extremes(solve_cavity(1000.0, 65)) == pytest.approx([-0.3885698, 0.3769447, -0.5270771], abs=1e-6)


def test_points_converge_at_reynolds_100() -> None:
    coarse, middle, fine = (centrelines(solve_cavity(100.0, n)) for n in (25, 33, 49))
    assert relative_error(coarse, fine) < 2e-4 and relative_error(middle, fine) < 4e-5


# largest difference of ghia's tables, of 129 x 129 points and second order, to converged flows
@pytest.mark.parametrize(("reynolds", "points", "of_u", "of_v"), [(100, 33, 0.006, 0.01), (400, 41, 0.0035, 0.007)])
def test_ghias_tables_are_near(reynolds: int, points: int, of_u: float, of_v: float) -> None:
    compare_with_ghia(solve_cavity(float(reynolds), points), of_u, of_v)


def test_ghias_table_is_near_at_reynolds_1000(at_1000: CavityFlow) -> None:
    compare_with_ghia(at_1000, 0.007, 0.019)


@pytest.mark.slow
def test_ghias_table_is_near_at_reynolds_3200_and_points_converge() -> None:
    flow = solve_cavity(3200.0, 57)
    compare_with_ghia(flow, 0.034, 0.05)
    assert relative_error(centrelines(solve_cavity(3200.0, 49)), centrelines(flow)) < 2e-3


@pytest.mark.parametrize(
    ("reynolds", "of_u", "of_v"),
    # of other copies of the tables, with the two numbers changed as the module says
    [(100, 3.28674, 0.0273), (400, 2.81385, -0.01683 + 0.23827), (1000, 2.05789, -0.23732), (3200, 1.366124, -0.45257)],
)
def test_ghias_columns_have_the_sums_of_other_copies(reynolds: int, of_u: float, of_v: float) -> None:
    assert ghia.U[reynolds].sum() == pytest.approx(of_u, abs=1e-9)
    assert np.nansum(ghia.V[reynolds]) == pytest.approx(of_v, abs=1e-9)


def compare_with_ghia(flow: CavityFlow, of_u: float, of_v: float) -> None:
    reynolds = round(flow.reynolds)
    u = np.abs(on_u_line(flow, ghia.U_PLACES) - ghia.U[reynolds])
    v = np.abs(on_v_line(flow, ghia.V_PLACES) - ghia.V[reynolds])
    assert u.max() < of_u and np.nanmax(v) < of_v


def test_walls_hold_the_flow_and_no_volume_is_lost(at_1000: CavityFlow) -> None:
    inner = np.linspace(0.2, 0.8, 7)
    ones, zeros = np.ones_like(inner), np.zeros_like(inner)
    # a polynomial waves about the jump at the ends of the lid
    lid = at_1000.velocity(np.stack([inner, ones], axis=1))
    np.testing.assert_allclose(lid, np.stack([ones, zeros], axis=1), rtol=0, atol=1e-2)
    for x, y in ((inner, zeros), (zeros, inner), (ones, inner)):
        np.testing.assert_allclose(at_1000.velocity(np.stack([x, y], axis=1)), 0, rtol=0, atol=1e-10)
    h = 1e-4
    centre = np.array([[0.6, 0.3]])
    along_x = (at_1000.velocity(centre + [h, 0]) - at_1000.velocity(centre - [h, 0]))[0, 0]
    along_y = (at_1000.velocity(centre + [0, h]) - at_1000.velocity(centre - [0, h]))[0, 1]
    assert abs(along_x + along_y) < 1e-10 < abs(along_x)


def test_slow_flow_is_symmetric() -> None:
    flow = solve_cavity(1e-3, 24)
    right = np.array([[0.7, 0.4], [0.9, 0.8]])
    left = right * [-1, 1] + [1, 0]
    np.testing.assert_allclose(flow.velocity(left), flow.velocity(right) * [1, -1], rtol=0, atol=1e-5)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(UserError, match="Take more points"):
        solve_cavity(3200.0, 16)
    with pytest.raises(UserError, match="at least 12"):
        solve_cavity(100.0, 8)
    with pytest.raises(UserError, match="reynolds"):
        solve_cavity(0.0)
