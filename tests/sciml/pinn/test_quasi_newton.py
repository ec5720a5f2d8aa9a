"""Laws of the quasi-Newton methods: their formulas, how fast they end, and that they go on where they were."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sciml.core.errors import UserError
from sciml.pinn.line_search import CURVATURE, DECREASE, Trial, strong_wolfe
from sciml.pinn.quasi_newton import DenseQuasiNewton, LimitedQuasiNewton, QuasiNewton
from sciml.pinn.updates import UPDATES, change, scales

METHODS = [DenseQuasiNewton, LimitedQuasiNewton]
POSITIVE = st.floats(1e-6, 1e6)


@given(start=st.floats(-5, 5), first=st.floats(1e-6, 1e3), power=st.sampled_from([2, 4]))
def test_the_step_fulfils_both_conditions(start: float, first: float, power: int) -> None:
    def evaluate(step: float) -> Trial:
        x = start - 7 - step * math.copysign(1, start - 7)
        slope = -math.copysign(1, start - 7) * power * x ** (power - 1)
        return Trial(step, float(x**power), slope, torch.zeros(1))

    begin = evaluate(0.0)
    found = strong_wolfe(evaluate, begin, first)
    assert found.loss <= begin.loss + DECREASE * found.step * begin.slope
    assert abs(found.slope) <= CURVATURE * abs(begin.slope)


def test_a_step_into_what_has_no_value_is_shortened() -> None:
    def evaluate(step: float) -> Trial:
        value = math.nan if step >= 0.3 else -math.log(0.3 - step) + 20 * (step - 0.1) ** 2 - 5 * step
        slope = math.nan if step >= 0.3 else 1 / (0.3 - step) + 40 * (step - 0.1) - 5
        return Trial(step, value, slope, torch.zeros(1))

    begin = evaluate(0.0)
    found = strong_wolfe(evaluate, begin, 1.0)
    assert 0 < found.step < 0.3 and found.loss < begin.loss


def test_where_nothing_is_lower_the_start_is_found() -> None:
    # a slope that lies: the loss grows at once
    begin = Trial(0.0, 1.0, -1.0, torch.zeros(1))
    found = strong_wolfe(lambda step: Trial(step, 1 + step, 1.0, torch.zeros(1)), begin, 1.0)
    assert found.step == 0


def test_a_step_that_lowers_too_little_is_not_taken() -> None:
    def evaluate(step: float) -> Trial:
        if step == 1:  # flat enough, but less than a ten-thousandth of what the slope at the start promises
            return Trial(step, -DECREASE / 2, -CURVATURE / 2, torch.zeros(1))
        return Trial(step, step**2 - step, 2 * step - 1, torch.zeros(1))

    found = strong_wolfe(evaluate, evaluate(0.0), 1.0)
    assert 0 < found.step < 1 and found.loss <= DECREASE * found.step * -1.0


def test_near_a_minimum_the_slope_decides() -> None:
    """The loss, one digit of rounding higher, says nothing; a loss that is truly higher does."""
    found = {}
    for rise in (2.3e-16, 1e-9):

        def evaluate(step: float, rise: float = rise) -> Trial:
            return Trial(step, 1 + rise * (step > 0), (step - 1) * 1e-18, torch.zeros(1))

        found[rise] = strong_wolfe(evaluate, evaluate(0.0), 1.0).step
    assert found == {2.3e-16: 1.0, 1e-9: 0.0}


# s^T B s / y^T s, y^T H y / y^T s, parameters; tau and phi by hand, from the formulas of the paper
BY_HAND = [
    # a = 1, theta = (1 - b) / b = -1/2, sigma = 1/2: tau is sigma
    (2.0, 1.0, 3, 0.5, 3.0),
    # a = 1/5, theta = -3/4, sigma = 17/20: tau is sigma^(-1/2) / b
    (4.0, 0.3, 3, 0.85**-0.5 / 4, 1.75 / 0.85),
    # a = 1, theta = 1, sigma = 2: tau is sigma^(-1/2) and there is no phi
    (0.5, 4.0, 3, 0.5**0.5, 0.0),
    # the same with many more parameters: sigma^(-1/10)
    (0.5, 4.0, 11, 0.5**0.1, 0.0),
    # a = 7, theta = (rho - 1) / a with rho = 2 - sqrt(7/2): tau is rho
    (4.0, 2.0, 3, 2 - 3.5**0.5, (1 - (1 - 3.5**0.5) / 7) / (2 - 3.5**0.5)),
]


@pytest.mark.parametrize(("b", "h", "n", "tau", "phi"), BY_HAND)
def test_scales_are_those_by_hand(b: float, h: float, n: int, tau: float, phi: float) -> None:
    for ys in (1.0, 0.01):
        assert scales("ssbroyden", ys, h * ys, b * ys, n) == pytest.approx((tau, phi), rel=1e-12)
    assert scales("ssbfgs", 1.0, h, b, n) == (min(1.0, 1 / b), 1.0)


@given(ys=POSITIVE, ratio=st.floats(1.0, 1e6), b=POSITIVE, update=st.sampled_from(UPDATES), n=st.integers(2, 1000))
def test_an_update_keeps_the_secant_and_stays_positive(ys: float, ratio: float, b: float, update: str, n: int) -> None:
    """In the plane of s and H y, in which alone the eigenvalues change other than by 1 / tau."""
    h = ratio / b
    tau, phi = scales(update, ys, h * ys, b * ys, n)
    assert 0 < tau < math.inf
    ss, sh, hh = change(tau, phi, ys, h * ys)
    # H+ y = H y / tau + s (ss ys + sh yhy) + H y (sh ys + hh yhy) must be s
    # two numbers as large as phi h / tau cancel
    np.testing.assert_allclose(ss * ys + sh * h * ys, 1, rtol=0, atol=1e-12 * (1 + abs(phi) * h / tau))
    np.testing.assert_allclose((sh * ys + hh * h * ys) * tau, -1, rtol=1e-7)
    # then H+ is a sum of what is not negative, whatever the H that it changes
    assert phi >= 0


@pytest.mark.parametrize("update", UPDATES)
def test_the_matrix_is_that_of_the_formula(update: str) -> None:
    """Each update of a run written down once more, from the steps alone, as the paper has it."""
    start = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    optimizer = DenseQuasiNewton([start], update=update, iterations=1)
    matrix = None
    for _ in range(8):
        before, old = start.detach().clone(), _gradient(start)
        optimizer.step(_closure(optimizer, [start], _quartic))
        s, y = start.detach() - before, _gradient(start) - old
        ys = y @ s
        matrix = torch.eye(6, dtype=torch.float64) * ys / (y @ y) if matrix is None else matrix
        image, sbs = matrix @ y, s @ torch.linalg.solve(matrix, s)
        tau, phi = scales(update, float(ys), float(y @ image), float(sbs), 6)
        v = (y @ image).sqrt() * (s / ys - image / (y @ image))
        matrix = (matrix - image.outer(image) / (y @ image) + phi * v.outer(v)) / tau + s.outer(s) / ys
        torch.testing.assert_close(optimizer.memory["inverse"], matrix, rtol=1e-6, atol=1e-9)
        matrix = optimizer.memory["inverse"].clone()


@pytest.mark.parametrize("update", ["ssbfgs", "bfgs"])
def test_with_all_steps_remembered_the_limited_method_is_the_dense_one(update: str) -> None:
    ends = []
    for kind in METHODS:
        start = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
        optimizer = kind([start], update=update, iterations=6)
        optimizer.step(_closure(optimizer, [start], _quartic))
        ends.append(start.detach())
    # ssbroyden has a phi below zero at times, which the limited one does not take
    torch.testing.assert_close(*ends, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("update", UPDATES)
def test_rosenbrocks_valley_is_left_at_its_end(kind: type[QuasiNewton], update: str) -> None:
    x = torch.full((10,), -1.2, dtype=torch.float64).requires_grad_()
    optimizer = kind([x], update=update, iterations=40)
    calls = [0]

    def valley(x: Tensor) -> Tensor:
        calls[0] += 1
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    optimizer.step(_closure(optimizer, [x], valley))
    assert calls[0] < 80, "less than two evaluations an iteration"
    for _ in range(12):
        optimizer.step(_closure(optimizer, [x], valley))
    # 1, or the second minimum at (-1, 1, ...) that ten dimensions have: the gradient is zero at either
    assert _closure(optimizer, [x], valley)() < 4 and optimizer.memory["updates"] > 20
    assert x.grad is not None and x.grad.norm() < 1e-6


@pytest.mark.parametrize("kind", METHODS)
def test_several_parameters_are_one_vector(kind: type[QuasiNewton]) -> None:
    whole = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    parts = [torch.linspace(-1, 1, 6, dtype=torch.float64)[:4].reshape(2, 2), torch.tensor([0.6, 1.0]).double()]
    parts = [part.clone().requires_grad_() for part in parts]
    unused = torch.ones(3, dtype=torch.float64, requires_grad=True)
    for parameters in ([whole], [*parts, unused]):
        # the scales of the others depend on the number of parameters, the unused ones among them
        optimizer = kind(parameters, update="bfgs", iterations=9)
        used = [p for p in parameters if p is not unused]
        optimizer.step(_closure(optimizer, parameters, lambda *_, used=used: _quartic(*used)))
    torch.testing.assert_close(torch.cat([part.reshape(-1) for part in parts]), whole, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(unused.detach(), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("kind", METHODS)
def test_saved_and_loaded_it_goes_on_bit_for_bit(kind: type[QuasiNewton]) -> None:
    options = {"memory_steps": 4} if kind is LimitedQuasiNewton else {}
    ends = []
    for interrupted in (False, True):
        x = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
        optimizer = kind([x], iterations=7, **options)
        optimizer.step(_closure(optimizer, [x], _quartic))
        if interrupted:
            saved = copy.deepcopy(optimizer.state_dict())
            x = x.detach().clone().requires_grad_()
            optimizer = kind([x], iterations=7, **options)
            optimizer.load_state_dict(saved)
        optimizer.step(_closure(optimizer, [x], _quartic))
        ends.append(x.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=0)


@pytest.mark.parametrize("kind", METHODS)
def test_a_loss_that_changes_between_calls_is_followed(kind: type[QuasiNewton]) -> None:
    """As after new points: what is known of the old loss may mislead, but must not stop it."""
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = kind([x], iterations=60)
    for sign in (1.0, -1.0):
        optimizer.step(_closure(optimizer, [x], lambda x, sign=sign: _quartic(sign * x + 1)))
    assert x.grad is not None and x.grad.norm() < 1e-5


def test_at_a_minimum_nothing_moves() -> None:
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = DenseQuasiNewton([x])
    optimizer.step(_closure(optimizer, [x], lambda x: x.square().sum()))
    assert not x.any()


@pytest.mark.parametrize("kind", METHODS)
def test_what_cannot_be_trained_is_refused(kind: type[QuasiNewton]) -> None:
    good = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(UserError, match="float64"):
        kind([torch.ones(2, requires_grad=True)])
    with pytest.raises(UserError, match="one group"):
        kind([{"params": [good]}, {"params": [good.detach().clone().requires_grad_()]}])
    with pytest.raises(UserError, match="ssbroyden, ssbfgs, bfgs"):
        kind([good], update="dfp")
    with pytest.raises(UserError, match="iterations"):
        kind([good], iterations=0)
    optimizer = kind([good])
    with pytest.raises(UserError, match="not finite"):
        optimizer.step(_closure(optimizer, [good], lambda x: (x - 2).sum().log()))
    torch.testing.assert_close(good.detach(), torch.ones(2, dtype=torch.float64))


def _quartic(*parts: Tensor) -> Tensor:
    """Not quadratic, badly scaled, with one minimum."""
    x = torch.cat([part.reshape(-1) for part in parts])
    scale = torch.logspace(0, 2, len(x), dtype=x.dtype)
    turned = x + 0.5 * x.roll(1)
    return (scale * (turned - 0.3) ** 2).sum() + (turned - 0.3).pow(4).sum()


def _gradient(x: Tensor) -> Tensor:
    copied = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(_quartic(copied), copied)
    return found


def _closure(optimizer: QuasiNewton, parameters: list[Tensor], loss: Callable[..., Tensor]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(*parameters)
        value.backward()
        return value.detach()

    return closure
