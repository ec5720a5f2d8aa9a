"""Each equation at solutions that are known: exact ones, and for signs and factors that these do not see, made ones."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.pinn.derivatives import derivative, gradient, laplacian
from sciml.pinn.equations import bubbles, evolution, flow, stationary
from sciml.pinn.equations.library import EQUATIONS, find_equation, parameters_of

PI = math.pi


def _points(*bounds: tuple[float, float], n: int = 40) -> Tensor:
    low, high = torch.tensor(bounds, dtype=torch.float64).T
    generator = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(n, len(bounds), dtype=torch.float64, generator=generator)


def _soliton(x: Tensor, speed: float = 1.3) -> Tensor:
    return speed / 2 / torch.cosh(math.sqrt(speed) / 2 * (x[:, :1] - speed * x[:, 1:])) ** 2


def _front(x: Tensor, diffusivity: float = 0.7, rate: float = 1.9) -> Tensor:
    speed = 5 * math.sqrt(rate * diffusivity / 6)
    return (1 + torch.exp(math.sqrt(rate / (6 * diffusivity)) * (x[:, :1] - speed * x[:, 1:]))) ** -2


def _kink(x: Tensor, diffusivity: float = 0.7, rate: float = 1.9) -> Tensor:
    """Allen-Cahn's front from 1 to 0 by rate u (1 - u) (1 + u) has the speed 3 (rate diffusivity / 2)^(1/2)."""
    speed = 3 * math.sqrt(rate * diffusivity / 2)
    return 1 / (1 + torch.exp(math.sqrt(rate / (2 * diffusivity)) * (x[:, :1] - speed * x[:, 1:])))


def _shock(x: Tensor, viscosity: float = 0.3) -> Tensor:
    return 0.8 - torch.tanh((x[:, :1] - 0.8 * x[:, 1:]) / (2 * viscosity))


def _travelling(x: Tensor) -> Tensor:
    """Kuramoto-Sivashinsky's travelling front (Kudryashov 1990, Phys. Lett. A 147, 287), solved for here."""
    k = math.sqrt(11 / 76) / 1  # w' = k (1 - w^2), u = a w + b w^3 with growth = damping = steepening = 1
    w = torch.tanh(k * (x[:, :1] - x[:, 1:]))
    return 1 + 60 * k * (1 - 38 * k**2) / 19 * w + 120 * k**3 * w**3


EXACT: dict[str, tuple[Callable[..., Tensor], dict[str, float], Callable[[Tensor], Tensor], int]] = {
    "advection": (evolution.advection, {"speed": 50.0}, lambda x: torch.sin(x[:, :1] - 50 * x[:, 1:]), 2),
    "heat": (
        evolution.heat,
        {"diffusivity": 0.4},
        lambda x: torch.exp(-0.4 * 13 * x[:, 2:]) * torch.sin(2 * x[:, :1]) * torch.cos(3 * x[:, 1:2]),
        3,
    ),
    "wave": (
        evolution.wave,
        {"speed": 1.7},
        lambda x: torch.sin(3 * x[:, :1] + 4 * x[:, 1:2] - 1.7 * 5 * x[:, 2:]),
        3,
    ),
    "burgers": (evolution.burgers, {"viscosity": 0.3}, _shock, 2),
    "allen-cahn": (evolution.allen_cahn, {"diffusivity": 0.7, "rate": 1.9}, _kink, 2),
    "fisher-kpp": (evolution.fisher_kpp, {"diffusivity": 0.7, "rate": 1.9}, _front, 2),
    "kdv": (evolution.korteweg_de_vries, {"steepening": 6.0, "dispersion": 1.0}, _soliton, 2),
    "kuramoto-sivashinsky": (
        evolution.kuramoto_sivashinsky,
        {"steepening": 1.0, "growth": 1.0, "damping": 1.0},
        _travelling,
        2,
    ),
    "euler-beam-vibrating": (
        evolution.euler_beam_vibrating,
        {"stiffness": 3.0, "mass": 0.5, "load": 0.0},
        lambda x: torch.sin(2 * x[:, :1]) * torch.cos(math.sqrt(3 / 0.5) * 4 * x[:, 1:]),
        2,
    ),
    # clamped at one end under an even load (Gere & Timoshenko, table of deflections of cantilevers)
    "euler-beam": (
        stationary.euler_beam,
        {"stiffness": 3.0, "load": 5.0},
        lambda x: 5 / (24 * 3) * x**2 * (6 - 4 * x + x**2),
        1,
    ),
    "poisson": (stationary.poisson, {"source": -6.0}, lambda x: x[:, :1] ** 2 + 2 * x[:, 1:2] ** 2, 2),
    "helmholtz": (
        stationary.helmholtz,
        {"wavenumber": 5.0, "source": 0.0},
        lambda x: torch.sin(3 * x[:, :1]) * torch.sin(4 * x[:, 1:]),
        2,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_solution_has_no_residual_and_another_one_has(name: str) -> None:
    equation, parameters, solution, dimension = EXACT[name]
    assert EQUATIONS[name] is equation and set(parameters) == set(parameters_of(equation))
    x = _points(*[(0.1, 1.0)] * dimension).requires_grad_()
    u = solution(x)
    # derivatives of up to the fourth order of numbers of order one: some thousand units of the last digit
    torch.testing.assert_close(equation(x, u, **parameters), torch.zeros_like(u), rtol=0, atol=1e-9 * 50**2)
    other = u + 0.1 * torch.sin(2 * x.sum(1, keepdim=True)) * torch.cos(x[:, :1])
    assert equation(x, other, **parameters).abs().max() > 1e-2
    for parameter, value in parameters.items():
        changed = {**parameters, parameter: value + 0.5}
        # each parameter is in the residual of something that is no solution
        assert (equation(x, other, **changed) - equation(x, other, **parameters)).abs().max() > 1e-3


@pytest.mark.parametrize("name", EXACT)
def test_a_parameter_may_be_unknown_or_vary(name: str) -> None:
    equation, parameters, solution, dimension = EXACT[name]
    x = _points(*[(0.1, 1.0)] * dimension).requires_grad_()
    u = solution(x) + 0.3 * x[:, :1] ** 5
    expected = equation(x, u, **parameters)
    for shape in ((), (1,), (len(x),), (len(x), 1)):
        unknown = {key: torch.full(shape, value, dtype=torch.float64) for key, value in parameters.items()}
        torch.testing.assert_close(equation(x, u, **unknown), expected)


def test_every_term_of_burgers_has_its_factor() -> None:
    x = _points((0.1, 1), (0.1, 1)).requires_grad_()
    a, t = x[:, :1], x[:, 1:]
    u = a**3 * t**2
    expected = 2 * a**3 * t + u * 3 * a**2 * t**2 - 0.3 * 6 * a * t**2
    torch.testing.assert_close(evolution.burgers(x, u, 0.3), expected)


def test_every_term_of_kuramoto_sivashinsky_has_its_factor() -> None:
    x = _points((0.1, 1), (0.1, 1)).requires_grad_()
    a, t = x[:, :1], x[:, 1:]
    u = a**5 * t
    expected = a**5 + 2 * u * 5 * a**4 * t + 3 * 20 * a**3 * t + 0.7 * 120 * a * t
    torch.testing.assert_close(evolution.kuramoto_sivashinsky(x, u, 2.0, 3.0, 0.7), expected)


@pytest.mark.parametrize("viscosity", [0.01, 0.7])
def test_taylor_and_greens_vortex_solves_navier_stokes(viscosity: float) -> None:
    """Taylor & Green 1937; carried along by a mean flow, which the inertia sees."""
    x = _points((0, 3), (0, 3), (0, 1)).requires_grad_()
    a, b, t = x[:, 0] - 0.6 * x[:, 2], x[:, 1] + 0.2 * x[:, 2], x[:, 2]
    decay = torch.exp(-2 * viscosity * t)
    u, v = 0.6 - torch.cos(a) * torch.sin(b) * decay, -0.2 + torch.sin(a) * torch.cos(b) * decay
    fields = torch.stack([u, v, -(torch.cos(2 * a) + torch.cos(2 * b)) * decay**2 / 4], dim=1)
    found = flow.navier_stokes(x, fields, viscosity)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)
    assert flow.navier_stokes(x, fields, viscosity, inertia=0.5).abs().max() > 0.01


def test_kovasznays_flow_solves_the_steady_equations() -> None:
    """Behind a grid (Kovasznay 1948, Proc. Camb. Phil. Soc. 44, 58), Re = 40."""
    rate = 20 - math.sqrt(400 + 4 * PI**2)
    x = _points((-0.5, 1), (-0.5, 1.5)).requires_grad_()
    decay = torch.exp(rate * x[:, 0])
    u = 1 - decay * torch.cos(2 * PI * x[:, 1])
    v = rate / (2 * PI) * decay * torch.sin(2 * PI * x[:, 1])
    fields = torch.stack([u, v, (1 - decay**2) / 2], dim=1)
    found = flow.navier_stokes_steady(x, fields, 1 / 40)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-10)
    bent = flow.navier_stokes_steady(x, fields + 0.1 * x[:, :1] ** 2, 1 / 40)
    torch.testing.assert_close(bent[:, 2], 0.2 * x[:, 0])


def test_the_stream_function_has_the_momentum_of_its_velocities() -> None:
    x = _points((0, 1), (0, 1)).requires_grad_()
    psi = torch.sin(2 * x[:, 0] + x[:, 1] ** 2) + x[:, 0] ** 3 * x[:, 1]
    p = torch.cos(x[:, 0] * x[:, 1])
    of_psi = gradient(psi, x)
    expected = flow.navier_stokes_steady(x, torch.stack([of_psi[:, 1], -of_psi[:, 0], p], dim=1), 0.3)
    torch.testing.assert_close(expected[:, 2], torch.zeros_like(p), rtol=0, atol=1e-12)
    torch.testing.assert_close(flow.navier_stokes_stream(x, torch.stack([psi, p], dim=1), 0.3), expected[:, :2])


# -------------------------------------------------------------------------------------------------------------- bubbles

WATER = {"ambient_pressure_pa": 101325.0, "density_kg_m3": 998.0}
AIR = bubbles.Bubble(
    1e-3, **WATER, viscosity_pa_s=1e-3, surface_tension_n_m=0.0725, vapour_pressure_pa=2330.0, polytropic_exponent=1.4
)
BOTH = [bubbles.rayleigh_plesset, partial(bubbles.keller_miksis, sound_speed_m_s=1481.0)]


@pytest.mark.parametrize("equation", BOTH)
def test_a_bubble_at_rest_stays_at_rest(equation: Callable[..., Tensor]) -> None:
    t = _points((0, 1e-3)).requires_grad_()
    found = equation(t, 1e-3 + 0 * t, AIR, lambda t: 0 * t + 101325.0)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)
    larger = equation(t, 1.1e-3 + 0 * t, AIR, lambda t: 0 * t + 101325.0)
    assert (larger > 0.1).all(), "a larger one is pushed inwards"


def test_small_oscillations_have_minnaerts_frequency() -> None:
    """omega^2 = 3 k p / (density R^2) (Minnaert 1933, Phil. Mag. 16, 235); what is left is of second order."""
    bubble = bubbles.Bubble(1e-3, **WATER)
    omega = math.sqrt(3 * 1.4 * 101325.0 / 998.0) / 1e-3
    t = _points((0, 1e-3)).requires_grad_()
    sizes = []
    for amplitude in (1e-3, 1e-4):
        radius = 1e-3 * (1 + amplitude * torch.cos(omega * t))
        sizes.append(bubbles.rayleigh_plesset(t, radius, bubble, lambda t: 0 * t + 101325.0).abs().max().item())
    assert sizes[1] == pytest.approx(sizes[0] / 100, rel=0.02) and sizes[0] < 20e-6


@pytest.mark.parametrize("equation", [BOTH[0], partial(bubbles.keller_miksis, sound_speed_m_s=1e30)])
def test_an_empty_cavity_grows_as_the_root_of_time(equation: Callable[..., Tensor]) -> None:
    """R = A t^(1/2) under p = -(density A^2 / 8 + 2 viscosity) / t, which the inertia and the drag must balance."""
    bubble = bubbles.Bubble(1e-3, **WATER, viscosity_pa_s=0.3, gas_pressure_pa=0.0)
    a = 0.02
    t = _points((1e-4, 1e-3)).requires_grad_()
    found = equation(t, a * t.sqrt(), bubble, lambda t: -(998.0 * a**2 / 8 + 2 * 0.3) / t)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)


def test_an_empty_cavity_closes_as_rayleighs() -> None:
    """Without any pressure R = A t^(2/5) (Rayleigh 1917, Phil. Mag. 34, 94: its end)."""
    t = _points((1e-4, 1e-3)).requires_grad_()
    bubble = bubbles.Bubble(1e-3, **WATER, gas_pressure_pa=0.0)
    found = bubbles.rayleigh_plesset(t, 0.01 * t**0.4, bubble, lambda t: 0 * t)
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)


def test_a_wall_of_constant_speed_radiates_as_keller_and_miksis_say() -> None:
    """With R = V t: a constant pressure -3/2 density V^2 (1 - V / 3c) / (1 + V / c), and beside it t^-(1 + c / V)."""
    c, v, density = 1500.0, 500.0, 998.0
    bubble = bubbles.Bubble(1e-3, **WATER, gas_pressure_pa=0.0)
    t = _points((1.0, 2.0)).requires_grad_()
    constant = -1.5 * density * v**2 * (1 - v / (3 * c)) / (1 + v / c)
    found = bubbles.keller_miksis(t, v * t, bubble, lambda t: constant + 1e8 * t ** -(1 + c / v), c)
    # pressures of 1e8 Pa cancel, in units of 1e5 Pa
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-9)


def test_a_collapse_without_units_is_that_of_a_bubble_of_ones() -> None:
    t = _points((0, 1)).requires_grad_()
    radius = 1 - 0.3 * t**2 + 0.1 * torch.sin(t)
    one = bubbles.Bubble(1.0, 1.0, 1.0, 0.2, 0.3, polytropic_exponent=1.3, gas_pressure_pa=0.4)
    expected = bubbles.rayleigh_plesset(t, radius, one, torch.ones_like)
    torch.testing.assert_close(bubbles.bubble_collapse(t, radius, 0.4, 1.3, 0.2, 0.3), expected)


def test_a_bubble_of_impossible_numbers_is_refused() -> None:
    for wrong in ({"equilibrium_radius_m": 0.0}, {"density_kg_m3": math.nan}, {"viscosity_pa_s": -1.0}):
        numbers = {"equilibrium_radius_m": 1e-3, **WATER, **wrong}
        with pytest.raises(UserError, match=next(iter(wrong))):
            bubbles.Bubble(**numbers)
    t = _points((0, 1e-3)).requires_grad_()
    with pytest.raises(UserError, match="sound_speed"):
        bubbles.keller_miksis(t, 1e-3 + 0 * t, AIR, lambda t: t, 0.0)


# ------------------------------------------------------------------------------------------------------------- library


def test_derivatives_by_second_roads() -> None:
    x = _points((0, 1), (0, 1), (0, 1)).requires_grad_()
    u = torch.sin(2 * x[:, 0]) * torch.exp(3 * x[:, 1]) * x[:, 2] ** 2
    torch.testing.assert_close(
        derivative(u, x, 0, 1, 1), 18 * torch.cos(2 * x[:, 0]) * torch.exp(3 * x[:, 1]) * x[:, 2] ** 2
    )
    torch.testing.assert_close(laplacian(u, x, (0, 1)), 5 * u)
    # what is linear in the coordinates, or none of theirs, has derivatives of zero rather than none at all
    assert not derivative(2 * x[:, 0], x, 0, 0).any() and not gradient(torch.ones(3), x[:3]).any()


def test_unknown_equations_name_the_nearest() -> None:
    assert find_equation("burgers") is evolution.burgers
    with pytest.raises(UserError, match="did you mean `burgers`"):
        find_equation("burger")


def test_a_users_equation_comes_by_the_path_of_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_equation_of_a_test.py").write_text("def decay(x, u, rate):\n    return rate * u\nnumber = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = find_equation("own_equation_of_a_test:decay")
    assert parameters_of(own) == ("rate",) and own(None, 2.0, 3.0) == 6.0
    for wrong in ("own_equation_of_a_test:growth", "no_such_module_anywhere:decay", ":decay"):
        with pytest.raises(UserError, match="cannot be had"):
            find_equation(wrong)
    with pytest.raises(UserError, match="needs to be a function"):
        find_equation("own_equation_of_a_test:number")


def test_time_alone_is_no_place_for_heat() -> None:
    x = _points((0, 1)).requires_grad_()
    with pytest.raises(UserError, match="space and then time"):
        evolution.heat(x, x**2, 1.0)
