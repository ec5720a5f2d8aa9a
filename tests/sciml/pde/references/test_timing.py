"""The first setting that is accurate enough, and its time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.references.burgers import burgers_cole_hopf
from sciml.pde.references.spectral import PeriodicEquation, spectral_evolution
from sciml.pde.references.timing import cheapest

REFERENCE = np.array([3.0, 4.0])
TRIED: list[int] = []


def of_first_order(n: int) -> np.ndarray:
    """A relative error of 1 / n after 10 ms; nothing below 3."""
    TRIED.append(n)
    if n < 3:
        raise UserError("too coarse")
    time.sleep(0.01)
    return REFERENCE * (1 + 1 / n)


def test_the_first_setting_within_the_error_is_timed_alone() -> None:
    TRIED.clear()
    found = cheapest(of_first_order, REFERENCE, 0.11, [2, 4, 8, 16, 32])
    assert found.setting == 16 and found.error == pytest.approx(1 / 16)
    assert 0.01 <= found.seconds < 0.1
    assert TRIED == [2, 4, 8, 16, 16, 16, 16]


def test_none_names_the_best() -> None:
    with pytest.raises(UserError, match=r"within 0\.01 .* best is 8 with 0\.12.* finer"):
        cheapest(of_first_order, REFERENCE, 0.01, [2, 8, 4])
    with pytest.raises(UserError, match="finer"):
        cheapest(of_first_order, REFERENCE, 0.01, [1, 2])


def test_a_solver_of_burgers_is_found_its_points_and_steps() -> None:
    x, t = np.linspace(-1, 1, 65), np.array([0.25, 0.5])
    burgers = PeriodicEquation(
        -1.0, 1.0, lambda x: -np.sin(np.pi * x), lambda k: -0.05 * k**2 + 0j, flux=lambda u: u**2 / 2
    )

    def solve(setting: tuple[int, float]) -> np.ndarray:
        return spectral_evolution(burgers, x, t, *setting)

    settings = [(8, 0.05), (16, 0.025), (32, 0.0125), (64, 0.00625), (128, 0.003125)]
    reference = burgers_cole_hopf(x, t, 0.05)
    rough, fine = (cheapest(solve, reference, error, settings) for error in (1e-2, 1e-5))
    assert rough.error <= 1e-2 and fine.error <= 1e-5
    assert rough.setting[0] < fine.setting[0]
