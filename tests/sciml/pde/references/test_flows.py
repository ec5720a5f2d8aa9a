"""Both flows in the equations of Navier and Stokes, by derivatives of polynomials through them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from sciml.core.errors import UserError
from sciml.pde.references.flows import kovasznay, taylor_green

PLACE = (0.37, 0.21, 0.4)
Flow = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def derivative(flow: Flow, axis: int, order: int) -> np.ndarray:
    """Of u, v and p along x, y or t."""

    def along(s: np.ndarray) -> np.ndarray:
        return flow(*(s if axis == other else np.full_like(s, at) for other, at in enumerate(PLACE)))

    domain = [PLACE[axis] - 0.2, PLACE[axis] + 0.2]
    return np.array(
        [
            Chebyshev.interpolate(lambda s, field=field: along(s)[:, field], 20, domain=domain).deriv(order)(
                PLACE[axis]
            )
            for field in range(3)
        ]
    )


def residuals(flow: Flow, viscosity: float) -> np.ndarray:
    u, v, _ = flow(*(np.array([at]) for at in PLACE))[0]
    by_x, by_y, by_t = (derivative(flow, axis, 1) for axis in range(3))
    friction = viscosity * (derivative(flow, 0, 2) + derivative(flow, 1, 2))
    momentum = (by_t + u * by_x + v * by_y - friction)[:2] + [by_x[2], by_y[2]]
    return np.array([*momentum, by_x[0] + by_y[1]])


def test_taylor_and_greens_vortices_obey_navier_and_stokes() -> None:
    def flow(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
        return taylor_green(x, y, t, 0.3, drift=(0.6, -0.2))

    np.testing.assert_allclose(residuals(flow, 0.3), 0, atol=1e-9)
    assert np.abs(residuals(flow, 0.2)[:2]).min() > 1e-3


def test_kovasznays_flow_obeys_navier_and_stokes() -> None:
    def flow(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
        return kovasznay(x, y, 40.0)

    np.testing.assert_allclose(residuals(flow, 1 / 40), 0, atol=1e-7)
    assert np.abs(residuals(flow, 1 / 30)[:2]).min() > 1e-3


def test_what_does_not_flow_is_refused() -> None:
    x = np.zeros(1)
    with pytest.raises(UserError, match="viscosity"):
        taylor_green(x, x, x, 0.0)
    with pytest.raises(UserError, match="reynolds"):
        kovasznay(x, x, -1.0)
