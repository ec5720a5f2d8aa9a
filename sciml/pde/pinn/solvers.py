"""The conventional solvers that an experiment may name as its reference, each in a best setting and in cheaper ones.

Shapes: a grid has the points along each coordinate in their order; f fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pde.references import exact
from sciml.pde.references.bubbles import bubble_radius_m
from sciml.pde.references.burgers import burgers_cole_hopf
from sciml.pde.references.cavity import solve_cavity
from sciml.pde.references.evolution import (
    allen_cahn,
    korteweg_de_vries,
    kuramoto_sivashinsky,
    kuramoto_sivashinsky_chaotic,
)
from sciml.pde.references.harmonic import Disk, harmonic_around_disks
from sciml.pde.references.oscillator import oscillator
from sciml.pde.references.spectral import PeriodicEquation, spectral_evolution
from sciml.pde.references.vortex_street import vortex_street

Grid = Mapping[str, NDArray[np.float64]]
# coordinates, constants of the equation and a setting to fields on the grid [*grid, f]
Solve = Callable[[Grid, Mapping[str, float], Mapping[str, Any]], NDArray[np.float64]]


@dataclass(frozen=True)
class Solver:
    """A conventional solver.

    Attributes:
        solve: what it gives; time is the last coordinate.
        best: the setting of the reference.
        settings: from the cheapest on, for the time that an accuracy takes.
        method: in words.
        fields: names of what it gives; none for an equation's fields in their order.
        n_coordinates: that it takes.
        needs: constants that it cannot do without.
    """

    solve: Solve
    best: Mapping[str, Any]
    settings: Sequence[Mapping[str, Any]]
    method: str
    fields: Sequence[str] = ()
    n_coordinates: int = 2
    needs: Sequence[str] = ()


def _history(function: Callable[..., NDArray[np.float64]], names: Sequence[str]) -> Solve:
    """Of a solver of x and t that gives [t, x]."""

    def solve(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
        x, t = grid.values()
        given = {name: constants[name] for name in names if name in constants}
        return function(x, t, **given, **setting).T[..., None]

    return solve


def _burgers(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    x, t = grid.values()
    viscosity = constants["viscosity"]
    if not setting:
        return burgers_cole_hopf(x, t, viscosity).T[..., None]
    equation = PeriodicEquation(
        -1.0, 1.0, lambda x: -np.sin(np.pi * x), lambda k: -viscosity * k**2 + 0j, flux=lambda u: u**2 / 2
    )
    return spectral_evolution(equation, x, t, **setting).T[..., None]


def _cavity(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    x, y = np.meshgrid(*grid.values(), indexing="ij")
    flow = solve_cavity(1 / constants["viscosity"], **setting)
    found = flow.velocity(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(*x.shape, 2)
    # the polynomials wave about the lid's speed, which jumps in its corners
    lid, side = y == 1, (x == 0) | (x == 1)
    found[lid] = [1.0, 0.0]
    found[lid & side] = np.nan
    return found


def _vortex_street(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    """The velocities alone: the pressure is known up to a number that may change in time."""
    x, y = np.meshgrid(grid["x"], grid["y"], indexing="ij")
    found = vortex_street(x.ravel(), y.ravel(), grid["t"], constants["viscosity"], **setting)[..., :2]
    return np.moveaxis(found, 0, 1).reshape(*x.shape, -1, 2)


def _oscillator(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    given = {name: constants[name] for name in ("mass", "damping", "stiffness")}
    return oscillator(grid["t"], **given, **setting)


def _bubble(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    (t,) = grid.values()
    radius = bubble_radius_m(
        t,
        1.0,
        0.0,
        lambda t: 1.0,
        equilibrium_radius_m=1.0,
        density_kg_m3=1.0,
        gas_pressure_pa=constants["gas"],
        polytropic_exponent=constants.get("exponent", 1.4),
        viscosity_pa_s=constants.get("viscosity", 0.0),
        surface_tension_n_m=constants.get("tension", 0.0),
    )
    return radius[:, None]


def _four_disks(grid: Grid, constants: Mapping[str, float], setting: Mapping[str, Any]) -> NDArray[np.float64]:
    x, y = np.meshgrid(*grid.values(), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    # Hao et al. 2023 (arXiv:2306.08827), Poisson2d-C of their code
    disks = [Disk((x, y), 0.1, 0.0) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]
    outside = np.all([np.hypot(*(points - disk.centre).T) >= disk.radius * (1 - 1e-12) for disk in disks], axis=0)
    found = np.full(len(points), np.nan)
    found[outside] = harmonic_around_disks(0.5, 1.0, disks, **setting)(points[outside])
    return found.reshape(*x.shape, 1)


def _steps(*settings: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"points": points, "step": step} for points, step in settings]


_SPECTRAL = "Fourier modes, ETDRK4"
SOLVERS: dict[str, Solver] = {
    "burgers": Solver(
        _burgers,
        {},
        _steps((256, 0.01), (256, 0.005), (512, 0.005), (512, 0.0025), (1024, 0.0025), (1024, 0.001), (2048, 0.0005)),
        f"{_SPECTRAL}, against the transform of Cole and Hopf",
        needs=("viscosity",),
    ),
    "allen-cahn": Solver(
        _history(allen_cahn, ("diffusivity", "rate")),
        {},
        _steps((128, 0.01), (256, 0.01), (256, 0.005), (512, 0.005), (512, 0.0025), (1024, 0.001), (1024, 5e-4)),
        _SPECTRAL,
    ),
    "kdv": Solver(
        _history(korteweg_de_vries, ("steepening", "dispersion")),
        {},
        _steps((64, 0.01), (64, 0.005), (128, 0.005), (128, 0.0025), (128, 0.001), (256, 5e-4), (256, 2.5e-4)),
        _SPECTRAL,
    ),
    "kuramoto-sivashinsky": Solver(
        _history(kuramoto_sivashinsky, ("steepening", "growth", "damping")),
        {},
        _steps((64, 0.01), (64, 0.005), (128, 0.0025), (128, 0.001), (256, 5e-4)),
        _SPECTRAL,
    ),
    "kuramoto-sivashinsky-chaotic": Solver(
        _history(kuramoto_sivashinsky_chaotic, ()),
        {},
        _steps((64, 0.005), (128, 0.0025), (128, 0.001), (256, 5e-4), (256, 2.5e-4)),
        _SPECTRAL,
    ),
    "advection": Solver(_history(exact.advection, ("speed",)), {}, [{}], "the exact solution"),
    "bubble-collapse": Solver(
        _bubble, {}, [{}], "the Runge-Kutta method DOP853, as exactly as it can", n_coordinates=1, needs=("gas",)
    ),
    "laplace-four-disks": Solver(
        _four_disks,
        {"degree": 96},
        [{"degree": degree} for degree in (4, 8, 16, 24, 32, 40, 48, 56, 64)],
        "a harmonic series, by least squares on the boundary",
    ),
    "cavity": Solver(
        _cavity,
        {"points": 81},
        [{"points": points} for points in (17, 21, 25, 29, 33, 41, 49, 57, 65)],
        "Newton's method on Chebyshev points",
        ("u", "v"),
        needs=("viscosity",),
    ),
    "oscillator": Solver(
        _oscillator,
        {},
        [{"tolerance": tolerance} for tolerance in (1e-2, 1e-3, 1e-4, 1e-6, 1e-8)],
        "Runge and Kutta's method of order 8",
        n_coordinates=1,
        needs=("mass", "damping", "stiffness"),
    ),
    "vortex-street": Solver(
        _vortex_street,
        {},
        [{"grid": grid, "step": step} for grid, step in ((32, 0.2), (48, 0.1), (64, 0.1), (96, 0.05), (128, 0.05))],
        _SPECTRAL,
        n_coordinates=3,
        needs=("viscosity",),
    ),
}


def find_solver(name: str) -> Solver:
    """A solver by name. Raises UserError with the nearest name."""
    if name not in SOLVERS:
        raise UserError(
            f"`reference.solver`: there is no {name!r}; {suggest(name, SOLVERS) or 'there are ' + ', '.join(SOLVERS)}"
        )
    return SOLVERS[name]
