"""All equations by name, and a user's own by the path of his module."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import TypeAlias, cast

from torch import Tensor

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pinn.equations import bubbles, evolution, flow, inverse, stationary

Equation: TypeAlias = Callable[..., Tensor]

EQUATIONS: dict[str, Equation] = {
    "advection": evolution.advection,
    "heat": evolution.heat,
    "wave": evolution.wave,
    "burgers": evolution.burgers,
    "allen-cahn": evolution.allen_cahn,
    "fisher-kpp": evolution.fisher_kpp,
    "kdv": evolution.korteweg_de_vries,
    "kuramoto-sivashinsky": evolution.kuramoto_sivashinsky,
    "euler-beam": stationary.euler_beam,
    "euler-beam-vibrating": evolution.euler_beam_vibrating,
    "poisson": stationary.poisson,
    "helmholtz": stationary.helmholtz,
    "navier-stokes": flow.navier_stokes,
    "navier-stokes-steady": flow.navier_stokes_steady,
    "navier-stokes-stream": flow.navier_stokes_stream,
    "oscillator": inverse.oscillator,
    "diffusion-coefficient": inverse.diffusion_coefficient,
    "rayleigh-plesset": bubbles.rayleigh_plesset,
    "bubble-collapse": bubbles.bubble_collapse,
    "keller-miksis": bubbles.keller_miksis,
}


def find_equation(name: str) -> Equation:
    """An equation of the library, or `module.path:function` of the user's own.

    Raises:
        UserError: an unknown name, with the nearest one, or a module without such a function.
    """
    if ":" not in name:
        if name not in EQUATIONS:
            hint = suggest(name, EQUATIONS) or f"there are {', '.join(EQUATIONS)}."
            raise UserError(f"There is no equation `{name}`; {hint} One of your own is named `module.path:function`.")
        return EQUATIONS[name]
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise UserError(
            f"The equation {name!r} cannot be had: {error}. Is the module's folder on PYTHONPATH?"
        ) from error
    if not callable(found):
        raise UserError(f"The equation {name!r} needs to be a function, but is {type(found).__name__}.")
    return cast(Equation, found)


def parameters_of(equation: Equation) -> tuple[str, ...]:
    """What an equation takes beside coordinates and fields, e.g. to check a configuration.

    >>> parameters_of(EQUATIONS["allen-cahn"])
    ('diffusivity', 'rate')
    """
    return tuple(inspect.signature(equation).parameters)[2:]
