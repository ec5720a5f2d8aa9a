"""A street of vortices that drifts past: unsteady incompressible flow by a solver that leaves no error of its own.

For finding the inertia and the viscosity of Navier-Stokes from scattered velocities, as from the wake of a cylinder
(Raissi et al. 2019, J. Comput. Phys. 378, 686, section 4.1.1), whose street it resembles: two staggered rows, three
wave lengths of 16 / 3 in a periodic square of 16, of the spacing 0.281 at which von Karman 1911 found it stable (Lamb
1932, Hydrodynamics). It is no wake: nothing feeds the vortices, and viscosity widens them.

Shapes: t times, n points, k and l modes along x and y.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float

from sciml.pde.solvers.checks import check_positive
from sciml.pde.solvers.navier_stokes import Torus, vorticity_at

SIDE = 16.0
_WAVES = 3
_SPACING = 0.281 * SIDE / _WAVES
# of the vortices, in units of the drift and the diameter of a cylinder behind which they would be
_CIRCULATION, _RADIUS = 3.0, 0.6


def vortex_street(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    viscosity: float = 0.01,
    drift: float = 1.0,
    grid: int = 192,
    step: float = 0.02,
) -> Float[np.ndarray, "t n 3"]:
    """u, v and pressure over density, whose mean over the square is zero, at any points.

    With the defaults within 1e-9 of 256 points an axis and half the step, up to t = 20.

    Args:
        x: along the street, of period `SIDE`.
        y: across it, of period `SIDE`; vortices lie within 1.4 of 0.
        t: ascending from 0 on, all multiples of the step.
        viscosity: 0.01 is a Reynolds number of 100.
        drift: of the whole square along x.
        grid: points of the solver an axis.
        step: in time.

    Raises:
        UserError: a number out of range, times between steps, or a step too long.
    """
    check_positive(viscosity=viscosity)
    torus = Torus(grid)
    # on the unit torus lengths are in units of the side, and times and vorticity as they are
    initial = _vorticity(grid)[None]
    states = vorticity_at(initial, np.zeros((grid, grid)), viscosity / SIDE**2, t.tolist(), step)
    found = [_fields(torus, torus.modes(state)[0], x - drift * time, y) for state, time in zip(states, t, strict=True)]
    return np.stack(found) + [drift, 0, 0]


def _vorticity(grid: int) -> Float[np.ndarray, "grid grid"]:
    """Of Gaussian vortices; the upper row turns clockwise, as behind a cylinder."""
    along = SIDE * np.arange(grid) / grid
    total = np.zeros((grid, grid))
    wave = SIDE / _WAVES
    for sign, shift, height in ((-1, 0.0, _SPACING / 2), (1, wave / 2, -_SPACING / 2)):
        across = np.exp(-((_nearest(along - height) / _RADIUS) ** 2))
        for number in range(_WAVES):
            row = np.exp(-((_nearest(along - shift - number * wave) / _RADIUS) ** 2))
            total += sign * _CIRCULATION / (np.pi * _RADIUS**2) * np.outer(row, across)
    return total


def _nearest(distance: Float[np.ndarray, " grid"]) -> Float[np.ndarray, " grid"]:
    return (distance + SIDE / 2) % SIDE - SIDE / 2


def _fields(
    torus: Torus, vorticity: Complex[np.ndarray, "k l"], x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    """In the frame that drifts."""
    kx, ky = torus.wave_x / SIDE, torus.wave_y / SIDE
    square = kx**2 + ky**2
    square[0, 0] = 1
    stream = vorticity / square
    u, v = 1j * ky * stream, -1j * kx * stream
    # -lap p = u_x^2 + 2 u_y v_x + v_y^2, of which the products need modes that the flow has not
    fine = Torus(2 * torus.n)
    u_x, u_y, v_x, v_y = (_finer(torus, fine, modes) for modes in (1j * kx * u, 1j * ky * u, 1j * kx * v, 1j * ky * v))
    product = fine.modes((u_x**2 + 2 * u_y * v_x + v_y**2)[None])[0]
    fine_square = (fine.wave_x**2 + fine.wave_y**2) / SIDE**2
    fine_square[0, 0] = np.inf
    return np.stack([_at(torus, u, x, y), _at(torus, v, x, y), _at(fine, product / fine_square, x, y)], axis=1)


def _finer(torus: Torus, fine: Torus, modes: Complex[np.ndarray, "k l"]) -> Float[np.ndarray, "grid grid"]:
    """The field of these modes on more points."""
    m = torus.highest
    padded = np.zeros((1, 2 * fine.highest + 1, fine.highest + 1), complex)
    padded[0, : m + 1, : m + 1] = modes[: m + 1]
    padded[0, -m:, : m + 1] = modes[m + 1 :]
    return fine.values(padded)[0] * (fine.n / torus.n) ** 2


def _at(
    torus: Torus, modes: Complex[np.ndarray, "k l"], x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The Fourier series at any points; both signs of a wave along y count."""
    along_x = np.exp(1j * x[:, None] * torus.wave_x[:, 0] / SIDE)
    along_y = np.exp(1j * y[:, None] * torus.wave_y[0] / SIDE) * np.where(torus.wave_y[0] > 0, 2, 1)
    return ((along_x @ modes) * along_y).sum(axis=1).real / torus.n**2
