"""Viscous Burgers on the periodic unit interval: u_t + (u^2 / 2)_x = nu u_xx.

Fourier modes in space, with the highest third left out of products (2/3 rule), and ETDRK4 in time. The flux form
keeps the mean of u to the last digit.

Shapes: b samples, n points, t times, m modes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float

from sciml.pde.solvers.checks import check_finite, check_initial, check_positive, check_times
from sciml.pde.solvers.etdrk4 import Etdrk4, check_advection
from sciml.pde.solvers.transforms import fft


def solve_burgers(
    initial: Float[np.ndarray, "b n"], viscosity: float, times: Sequence[float], step: float
) -> Float[np.ndarray, "b t n"]:
    """u at each of the times, on the points of the initial state.

    Args:
        initial: u at time 0 on the points i / n.
        viscosity: nu.
        times: ascending, from 0 on, all multiples of the step.
        step: length of a time step.

    Raises:
        UserError: a parameter outside of its range, NaN in the initial state, or a step too long to be stable.
    """
    check_positive(viscosity=viscosity, step=step)
    check_initial(initial)
    n = initial.shape[-1]
    n_kept = (n - 1) // 3 + 1
    wave = 2 * np.pi * np.arange(n_kept)
    stepper = Etdrk4.of(-viscosity * wave**2, step)
    derivative = -0.5j * wave

    def nonlinear(u_bm: Complex[np.ndarray, "b m"]) -> Complex[np.ndarray, "b m"]:
        u = fft.irfft(u_bm, n)
        return derivative * fft.rfft(u * u)[..., :n_kept]

    modes = fft.rfft(initial)[..., :n_kept]
    # |u| never grows, so the initial state is the worst one
    check_advection(float(np.abs(initial).max()), wave, viscosity, step, 0.0)
    found = np.empty((len(initial), len(times), n))
    done = 0
    for place, steps in enumerate(check_times(times, step)):
        if place == 0 and steps == 0:
            found[:, 0] = initial
            continue
        for _ in range(done, steps):
            modes = stepper.advance(modes, nonlinear)
        done = steps
        found[:, place] = fft.irfft(modes, n)
        check_finite(found[:, place], times[place], step)
    return found
