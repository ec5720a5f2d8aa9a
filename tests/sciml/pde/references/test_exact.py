"""Each closed form in its equation, by derivatives of polynomials through it; and its initial or end values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from sciml.core.errors import UserError
from sciml.pde.references import exact

# of equations in x and t, with what they multiply by order of the derivative
AT = np.array([0.13, 0.31, 0.72])
WHEN = 0.4


def derivative(f: Callable[[np.ndarray], np.ndarray], at: float, order: int) -> float:
    """Of the polynomial of degree 20 through f around a place."""
    return float(Chebyshev.interpolate(f, 20, domain=[at - 0.25, at + 0.25]).deriv(order)(at))


def of(solution: Callable[..., np.ndarray], x: int = 0, t: int = 0) -> np.ndarray:
    """A derivative of u(x, t) in x or t at each place."""
    when = np.array([WHEN])
    if t:
        return np.array([derivative(lambda time, a=a: solution(np.array([a]), time)[:, 0], WHEN, t) for a in AT])
    return np.array([derivative(lambda place: solution(place, when)[0], a, x) for a in AT])


def advection(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=1) + 3 * of(u, x=1)


def heat(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=1) - 0.2 * of(u, x=2)


def wave(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=2) - 1.7**2 * of(u, x=2)


def fisher_kpp(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=1) - 0.2 * of(u, x=2) - 1.9 * of(u) * (1 - of(u))


def allen_cahn(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=1) - 0.2 * of(u, x=2) - 1.9 * (of(u) - of(u) ** 3)


def korteweg_de_vries(u: Callable[..., np.ndarray]) -> np.ndarray:
    return of(u, t=1) + 0.8 * of(u) * of(u, x=1) + 0.3 * of(u, x=3)


def beam(u: Callable[..., np.ndarray]) -> np.ndarray:
    return 0.5 * of(u, t=2) + 0.3 * of(u, x=4)


@pytest.mark.parametrize(
    ("residual", "solution"),
    [
        (advection, lambda x, t: exact.advection(x, t, 3.0)),
        (heat, lambda x, t: exact.heat(x, t, 0.2)),
        (wave, lambda x, t: exact.wave(x, t, 1.7)),
        (fisher_kpp, lambda x, t: exact.fisher_kpp_front(x, t, 0.2, 1.9)),
        (allen_cahn, lambda x, t: exact.allen_cahn_front(x, t, 0.2, 1.9)),
        (korteweg_de_vries, lambda x, t: exact.korteweg_de_vries_soliton(x, t, 1.3, 0.8, 0.3)),
        (beam, lambda x, t: exact.vibrating_beam(x, t, 0.3, 0.5)),
    ],
)
def test_it_solves_its_equation(
    residual: Callable[..., np.ndarray], solution: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    # the fourth derivative of a polynomial in an interval of 1/2 costs some 1e5 units of the last digit
    np.testing.assert_allclose(residual(solution), 0, rtol=0, atol=1e-7)
    # and the residual sees another function
    assert np.abs(residual(lambda x, t: solution(x, t) + 0.1 * np.exp(x + t[:, None]))).min() > 1e-2


def test_they_begin_where_they_say() -> None:
    x, start = np.linspace(0, 1, 5), np.zeros(1)
    for solution in (exact.heat(x, start, 0.2), exact.wave(x, start, 2.0), exact.vibrating_beam(x, start, 1.0, 1.0)):
        np.testing.assert_allclose(solution[0], np.sin(np.pi * x), atol=1e-15)
    later = exact.advection(x, np.array([0.0, 0.02]))
    np.testing.assert_allclose(later, [np.sin(x), np.sin(x - 1)], atol=1e-15)
    np.testing.assert_allclose(exact.advection(x, np.array([0.5]), 2.0, np.cos)[0], np.cos(x - 1), atol=1e-15)
    far = np.array([-60.0, 60.0])
    for front in (exact.fisher_kpp_front(far, start, 1.0, 1.0), exact.allen_cahn_front(far, start, 1.0, 1.0)):
        np.testing.assert_allclose(front[0], [1, 0], atol=1e-9)


def test_helmholtz_has_its_source_and_vanishes_on_the_edge() -> None:
    x, y = np.array([-0.3, 0.42]), np.array([0.77, 0.11])
    lap = [
        derivative(lambda s, b=b: exact.helmholtz(s, np.full_like(s, b), 1.0, 2.0), a, 2)
        + derivative(lambda s, a=a: exact.helmholtz(np.full_like(s, a), s, 1.0, 2.0), b, 2)
        for a, b in zip(x, y, strict=True)
    ]
    u = exact.helmholtz(x, y, 1.0, 2.0)
    np.testing.assert_allclose(lap + 9 * u, exact.helmholtz_source(x, y, 1.0, 2.0, 3.0), atol=1e-8)
    np.testing.assert_allclose(exact.helmholtz(np.array([1.0, 0.3]), np.array([0.2, -1.0])), 0, atol=1e-14)


def test_a_cantilever_is_clamped_at_one_end_and_free_at_the_other() -> None:
    def w(x: np.ndarray) -> np.ndarray:
        return exact.cantilever(x, 3.0, 5.0, 2.0)

    assert [derivative(w, 0.0, order) for order in (0, 1)] == pytest.approx([0, 0], abs=1e-12)
    assert [derivative(w, 2.0, order) for order in (2, 3)] == pytest.approx([0, 0], abs=1e-8)
    assert 3.0 * derivative(w, 0.7, 4) == pytest.approx(5.0, rel=1e-5)


def test_what_has_no_front_is_refused() -> None:
    x = np.zeros(1)
    with pytest.raises(UserError, match="diffusivity"):
        exact.fisher_kpp_front(x, x, -1.0, 1.0)
    with pytest.raises(UserError, match="speed"):
        exact.korteweg_de_vries_soliton(x, x, 0.0)
