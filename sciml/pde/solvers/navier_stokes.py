"""Incompressible flow on the unit torus in its vorticity w: w_t + u . grad w = nu Laplacian w + f.

u = (psi_y, -psi_x) and -Laplacian psi = w, as in Li et al. 2021 (arXiv:2010.08895), section 5.3 and appendix A.3.3.
Fourier modes with the 2/3 rule, ETDRK4 in time, in the precision of the initial state. The advection is taken in the
form of Basdevant (1983, J. Comput. Phys. 50, 209), u . grad w = (dxx - dyy)(u v) + dxy(v^2 - u^2), which takes four
transforms instead of five. Only the modes that the 2/3 rule keeps are stored and computed on. The mean of w stays as
it was to the last digit.

Shapes: b samples, n points an axis, t times, k = 2 m + 1 and l = m + 1 kept modes along x and y, with m < n / 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Complex, Float

from sciml.core.errors import UserError
from sciml.pde.solvers.checks import check_finite, check_initial, check_positive, check_times
from sciml.pde.solvers.etdrk4 import Etdrk4, check_advection
from sciml.pde.solvers.transforms import fft

# a look at the largest velocity costs half a step
_STEPS_BETWEEN_CHECKS = 16

Modes = Complex[np.ndarray, "b k l"]


@dataclass(frozen=True)
class Torus:
    """n x n points of the unit torus, and the modes that are computed on."""

    n: int
    highest: int = field(init=False)

    def __post_init__(self) -> None:
        if self.n < 4:
            raise UserError(f"Flow on the torus needs at least 4 points an axis, but has {self.n}.")
        object.__setattr__(self, "highest", (self.n - 1) // 3)

    @property
    def wave_x(self) -> Float[np.ndarray, "k 1"]:
        m = self.highest
        return 2 * np.pi * np.concatenate([np.arange(m + 1.0), np.arange(-m, 0.0)])[:, None]

    @property
    def wave_y(self) -> Float[np.ndarray, "1 l"]:
        return 2 * np.pi * np.arange(self.highest + 1.0)[None]

    def modes(self, values: Float[np.ndarray, "b n n"]) -> Modes:
        """The kept modes of a field."""
        m = self.highest
        columns = fft.rfft(values)[..., : m + 1]
        rows = fft.fft(columns, axis=-2, overwrite_x=True)
        return np.concatenate([rows[:, : m + 1], rows[:, -m:]], axis=1)

    def values(self, modes: Modes) -> Float[np.ndarray, "b n n"]:
        """The field of these modes."""
        m, n = self.highest, self.n
        padded = np.zeros((len(modes), n, m + 1), modes.dtype)
        padded[:, : m + 1] = modes[:, : m + 1]
        padded[:, -m:] = modes[:, m + 1 :]
        columns = fft.ifft(padded, axis=-2, overwrite_x=True)
        return fft.irfft(columns, n, overwrite_x=True)


def paper_forcing(n: int) -> Float[np.ndarray, "n n"]:
    """0.1 (sin 2 pi (x + y) + cos 2 pi (x + y)) on the points i / n: Li et al. 2021, section 5.3."""
    x = np.arange(n) / n
    phase = 2 * np.pi * (x[:, None] + x[None])
    return 0.1 * (np.sin(phase) + np.cos(phase))


def solve_navier_stokes(
    initial: Float[np.ndarray, "b n n"],
    forcing: Float[np.ndarray, "n n"],
    viscosity: float,
    times: Sequence[float],
    step: float,
) -> Float[np.ndarray, "b t n n"]:
    """Vorticity at each of the times, on the points of the initial state.

    Args:
        initial: w at time 0 on the points (i / n, j / n).
        forcing: f, constant in time, on the same points.
        viscosity: nu.
        times: ascending, from 0 on, all multiples of the step.
        step: length of a time step.

    Raises:
        UserError: a parameter outside of its range, NaN in the initial state or forcing, or a step that is or becomes
            too long to be stable.
    """
    found = np.empty((len(initial), len(times), *initial.shape[1:]))
    for place, state in enumerate(vorticity_at(initial, forcing, viscosity, times, step)):
        found[:, place] = state
    return found


def vorticity_at(
    initial: Float[np.ndarray, "b n n"],
    forcing: Float[np.ndarray, "n n"],
    viscosity: float,
    times: Sequence[float],
    step: float,
) -> Iterator[Float[np.ndarray, "b n n"]]:
    """The same as `solve_navier_stokes`, one time after the other.

    The state at time 0 is the initial one without the modes that the 2/3 rule leaves out.
    """
    check_positive(viscosity=viscosity, step=step)
    check_initial(initial)
    if not np.isfinite(forcing).all():
        raise UserError("The forcing has NaN or infinity in it. Give a whole field.")
    torus = Torus(initial.shape[-1])
    advection = _Advection(torus, torus.modes(forcing[None].astype(initial.dtype)))
    stepper = Etdrk4.of(-viscosity * (torus.wave_x**2 + torus.wave_y**2), step, initial.dtype)
    modes = torus.modes(initial)
    done = 0
    for place, steps in enumerate(check_times(times, step)):
        if place == 0 and steps == 0:
            yield torus.values(modes)
            continue
        for count in range(done, steps):
            if count % _STEPS_BETWEEN_CHECKS == 0:
                check_advection(advection.speed(modes), torus.wave_y[0], viscosity, step, count * step)
            modes = stepper.advance(modes, advection)
        done = steps
        state = torus.values(modes)
        check_finite(state, times[place], step)
        yield state


class _Advection:
    """f - u . grad w in modes."""

    def __init__(self, torus: Torus, forcing: Modes) -> None:
        self.torus = torus
        self.forcing = forcing
        x, y = torus.wave_x, torus.wave_y
        square = x**2 + y**2
        square[0, 0] = 1
        # u = psi_y and v = -psi_x with psi = w / |kappa|^2
        self.to_u, self.to_v = (1j * y / square).astype(forcing.dtype), (-1j * x / square).astype(forcing.dtype)
        # minus ((dxx - dyy)(u v) + dxy(v^2 - u^2))
        real = np.finfo(forcing.dtype).dtype
        self.of_product, self.of_squares = (x**2 - y**2).astype(real), (x * y).astype(real)

    def velocity(self, modes: Modes) -> tuple[Any, Any]:
        return self.torus.values(self.to_u * modes), self.torus.values(self.to_v * modes)

    def __call__(self, modes: Modes) -> Modes:
        u, v = self.velocity(modes)
        product = u * v
        u *= u
        v *= v
        v -= u
        result = self.of_product * self.torus.modes(product)
        result += self.of_squares * self.torus.modes(v)
        result += self.forcing
        return result

    def speed(self, modes: Modes) -> float:
        """Upper bound of the speed along both axes together."""
        u, v = self.velocity(modes)
        return float((np.abs(u) + np.abs(v)).max())
