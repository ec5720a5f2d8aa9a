from __future__ import annotations

import numpy as np

from sciml.pde.solvers.etdrk4 import Etdrk4


def test_it_is_of_fourth_order_and_exact_without_nonlinear_term():
    linear = np.array([-0.5, -3.0, -40.0])
    start = np.array([0.2, 0.4, 0.1], complex)
    exact_decay = start * np.exp(linear)
    np.testing.assert_allclose(Etdrk4.of(linear, 1.0).advance(start, np.zeros_like), exact_decay, rtol=1e-13)

    # u' = L u + u^2 of Bernoulli: 1 / u = (1 / u0 + 1 / L) exp(-L t) - 1 / L
    exact = 1 / ((1 / start + 1 / linear) * np.exp(-linear) - 1 / linear)
    errors = []
    for steps in (8, 16, 32):
        stepper, modes = Etdrk4.of(linear, 1 / steps), start
        for _ in range(steps):
            modes = stepper.advance(modes, np.square)
        errors.append(np.abs(modes - exact)[:2].max())
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 3.8).all(), errors


def test_coefficients_are_right_where_their_formulas_cancel():
    """phi_1(z / 2) / 2 and the three weights at z = 0: 1/2, 1/6, 1/6, 1/6."""
    stepper = Etdrk4.of(np.array([0.0, -1e-9]), 1.0)
    for weight, expected in (
        (stepper.half_weight, 1 / 2),
        (stepper.first, 1 / 6),
        (stepper.middle, 1 / 6),
        (stepper.last, 1 / 6),
    ):
        np.testing.assert_allclose(weight, expected, rtol=1e-8)
