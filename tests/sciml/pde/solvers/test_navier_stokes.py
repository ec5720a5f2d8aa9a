from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sciml.core.errors import UserError
from sciml.pde.solvers.etdrk4 import StepTooLongError
from sciml.pde.solvers.gaussian_fields import periodic_field
from sciml.pde.solvers.navier_stokes import Torus, paper_forcing, solve_navier_stokes


def random_vorticity(n: int, samples: int = 1, size: float = 3.0) -> np.ndarray:
    """Smooth random states, as strong as the data sets' last ones, so that little time changes them much."""
    noise = np.random.RandomState(11).normal(size=(samples, n, n))
    fields = np.stack([periodic_field(one, 1.0, 7.0, 4.0) for one in noise])
    return size * fields / fields.std()


def band_limited(n: int, samples: int = 1) -> np.ndarray:
    """The same states on any number of points: waves up to 5."""
    x = np.arange(n) / n
    found = np.zeros((samples, n, n))
    random = np.random.RandomState(5)
    for field in found:
        for kx in range(-3, 4):
            for ky in range(4):
                phase = 2 * np.pi * (kx * x[:, None] + ky * x[None] + random.uniform())
                field += random.normal() * np.cos(phase) * (kx != 0 or ky != 0)
    return found


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_taylor_and_green_vortices_decay_exactly():
    x = np.arange(32) / 32
    initial = (np.sin(2 * np.pi * x)[:, None] * np.sin(2 * np.pi * x)[None])[None]
    found = solve_navier_stokes(initial, np.zeros((32, 32)), 0.01, [0.0, 1.0, 2.0], 0.125)
    for place, time in enumerate((0.0, 1.0, 2.0)):
        np.testing.assert_allclose(found[:, place], initial * np.exp(-8 * np.pi**2 * 0.01 * time), atol=1e-14)


def test_a_flow_that_its_forcing_holds_up_stays():
    forcing = paper_forcing(32)
    # f is a wave with |kappa|^2 = 8 pi^2, which does not advect itself
    steady = (forcing / (0.01 * 8 * np.pi**2))[None]
    found = solve_navier_stokes(steady, forcing, 0.01, [5.0], 0.125)
    np.testing.assert_allclose(found[:, 0], steady, atol=1e-13)


def test_it_is_what_the_published_equations_say_term_by_term():
    """u . grad w as it stands, full transforms, and scipy's integrator of order 8."""
    n, viscosity = 24, 0.002
    k = 2 * np.pi * np.fft.fftfreq(n, 1 / n)
    kx, ky = k[:, None], k[None]
    square = kx**2 + ky**2
    inverse = np.where(square > 0, 1 / np.where(square > 0, square, 1), 0)
    kept = (np.abs(kx) < 2 * np.pi * n / 3) & (np.abs(ky) < 2 * np.pi * n / 3)
    forcing = paper_forcing(n)

    def slope(time: float, flat: np.ndarray) -> np.ndarray:
        w = np.fft.fft2(flat.reshape(n, n)) * kept
        u, v = np.fft.ifft2(1j * ky * inverse * w).real, np.fft.ifft2(-1j * kx * inverse * w).real
        wx, wy = np.fft.ifft2(1j * kx * w).real, np.fft.ifft2(1j * ky * w).real
        advection = np.fft.fft2(u * wx + v * wy) * kept
        return (np.fft.ifft2(-advection - viscosity * square * w).real + forcing).ravel()

    initial = band_limited(n)
    second = solve_ivp(slope, (0, 1), initial.ravel(), method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
    found = solve_navier_stokes(initial, forcing, viscosity, [1.0], 1 / 256)
    # the error of ETDRK4 with such steps; both have the same modes
    assert relative(found.ravel(), second) < 3e-8


def test_it_is_of_fourth_order_in_time():
    initial = random_vorticity(32)
    exact, *found = (
        solve_navier_stokes(initial, paper_forcing(32), 0.005, [1.0], step)
        for step in (1 / 256, 1 / 16, 1 / 32, 1 / 64)
    )
    errors = np.array([relative(one, exact) for one in found])
    orders = np.log2(errors[:-1] / errors[1:])
    assert (orders > 3.7).all(), (orders, errors)


def test_its_error_in_space_falls_faster_than_any_power():
    exact = solve_navier_stokes(band_limited(128), paper_forcing(128), 0.01, [0.5], 1 / 64)[..., ::8, ::8]
    errors = []
    for n in (16, 32, 64):
        found = solve_navier_stokes(band_limited(n), paper_forcing(n), 0.01, [0.5], 1 / 64)
        errors.append(relative(found[..., :: n // 16, :: n // 16], exact))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[0] > 2 and orders[1] > 2 * orders[0], errors


def test_without_viscosity_energy_and_enstrophy_stay_and_the_mean_always_does():
    n = 32
    initial = random_vorticity(n, samples=2) + 0.3
    torus = Torus(n)
    # 1e-12 takes nothing in this time
    found = solve_navier_stokes(initial, np.zeros((n, n)), 1e-12, [0.0, 1.0], 1 / 128)

    def energy(w: np.ndarray) -> np.ndarray:
        square = torus.wave_x**2 + torus.wave_y**2
        square[0, 0] = np.inf
        weight = np.where(np.arange(torus.highest + 1) > 0, 2, 1)
        return (weight * np.abs(torus.modes(w)) ** 2 / square).sum(axis=(1, 2))

    np.testing.assert_allclose(found.mean(axis=(2, 3)), 0.3, rtol=1e-13)
    # the error of the time steps; the Fourier-Galerkin equations themselves keep both exactly
    np.testing.assert_allclose(energy(found[:, 1]), energy(found[:, 0]), rtol=1e-7)
    np.testing.assert_allclose((found[:, 1] ** 2).mean(axis=(1, 2)), (found[:, 0] ** 2).mean(axis=(1, 2)), rtol=1e-7)


def test_a_shifted_start_and_forcing_give_a_shifted_flow():
    initial, forcing = random_vorticity(32), paper_forcing(32)

    def shifted(w: np.ndarray) -> np.ndarray:
        return np.roll(w, (5, 11), axis=(-2, -1))

    there, back = (
        solve_navier_stokes(w, f, 1e-3, [1.0], 1 / 32)
        for w, f in ((initial, forcing), (shifted(initial), shifted(forcing)))
    )
    np.testing.assert_allclose(back, shifted(there), atol=1e-12)


def test_a_mirrored_start_and_forcing_give_a_mirrored_flow():
    """x and y exchanged: a mirror image, in which everything turns the other way."""
    initial, forcing = random_vorticity(32), paper_forcing(32)
    there = solve_navier_stokes(initial, forcing, 1e-3, [1.0], 1 / 32)
    mirrored = solve_navier_stokes(-initial.swapaxes(1, 2).copy(), -forcing.T.copy(), 1e-3, [1.0], 1 / 32)
    np.testing.assert_allclose(mirrored, -there.swapaxes(2, 3), atol=1e-12)


def test_single_precision_stays_single_and_near():
    initial = random_vorticity(32)
    double = solve_navier_stokes(initial, paper_forcing(32), 1e-3, [1.0], 1 / 32)
    single = solve_navier_stokes(initial.astype(np.float32), paper_forcing(32), 1e-3, [1.0], 1 / 32)
    # 32 steps of 1e-7 each, which the flow makes grow by some 10
    assert relative(single, double) < 1e-5
    assert Torus(32).modes(initial.astype(np.float32)).dtype == np.complex64


@pytest.mark.parametrize("viscosity", [0.0, -1e-3, np.nan])
def test_a_viscosity_that_is_not_positive_is_refused(viscosity: float):
    with pytest.raises(UserError, match="viscosity needs to be a finite number above zero"):
        solve_navier_stokes(random_vorticity(16), paper_forcing(16), viscosity, [1.0], 0.1)


def test_a_step_too_long_is_refused():
    with pytest.raises(StepTooLongError, match=r"has to stay below 2\.8\. Take a step of"):
        solve_navier_stokes(random_vorticity(64, size=100.0), paper_forcing(64), 1e-4, [1.0], 0.25)


def test_nan_is_refused():
    initial, forcing = random_vorticity(16, samples=2), paper_forcing(16)
    forcing[0, 0] = np.inf
    with pytest.raises(UserError, match="forcing has NaN or infinity"):
        solve_navier_stokes(initial, forcing, 1e-3, [1.0], 0.1)
    initial[1, 0, 0] = np.nan
    with pytest.raises(UserError, match="sample 1 has NaN"):
        solve_navier_stokes(initial, paper_forcing(16), 1e-3, [1.0], 0.1)
