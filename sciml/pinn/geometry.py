"""Points and conditions of deepxde's geometries, for networks and a trainer of our own.

`sciml.pinn.domain` has geometries that an experiment's file can name and that need no deepxde.

What deepxde (Lu et al. 2021, SIAM Rev. 63, 208) would do behind one's back is undone here: it changes torch's default
device and takes float32 when it is imported, keeps values at boundaries by the address of an array, keeps every graph
of its derivatives, draws from numpy's global generator, and looks forever for points of an empty geometry.

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from sciml.core.errors import UserError

# places tried in the bounding box before a geometry counts as empty
TRIES = 100_000


def load_deepxde() -> ModuleType:
    """deepxde with torch behind it, in float64; torch's default device stays as it was.

    Raises:
        UserError: deepxde is not installed, is set to another backend, or refuses to run under MPI.
    """
    if os.environ.setdefault("DDE_BACKEND", "pytorch") != "pytorch":
        raise UserError(
            f"deepxde needs the backend pytorch here, but DDE_BACKEND is {os.environ['DDE_BACKEND']!r}. Unset it."
        )
    try:
        with _unnoticed():
            module = importlib.import_module("deepxde")
    except ImportError as error:
        raise UserError(
            f"Conditions of deepxde need it installed: {error}. `pip install 'sciml-surrogates[pinn]'` brings it."
        ) from error
    except NotImplementedError as error:
        raise UserError(f"deepxde refuses to be imported in a process of `mpirun`: {error}") from error
    if module.backend.backend_name != "pytorch":
        raise UserError(
            f"deepxde was imported before with the backend {module.backend.backend_name}. Set DDE_BACKEND=pytorch "
            "before the first import."
        )
    if module.config.real.precision != 64:
        # sets torch's default type as well, which is not deepxde's business
        kind = torch.get_default_dtype()
        with _unnoticed():
            module.config.set_default_float("float64")
        torch.set_default_dtype(kind)
    return module


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Inside, what deepxde prints goes nowhere, and it cannot make a GPU torch's default device."""
    set_device, torch.set_default_device = torch.set_default_device, lambda device: None
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        torch.set_default_device = set_device


def points_inside(geometry: Any, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """Independent points inside of a geometry of deepxde, in time too where it has time.

    Raises:
        UserError: fewer than one, or a geometry without an inside.
    """
    _check(geometry, n)
    with _numbers_from(generator):
        return torch.as_tensor(geometry.random_points(n), dtype=torch.float64)


def points_on_boundary(geometry: Any, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """Independent points on the boundary of a geometry of deepxde, at any time where it has time.

    Raises:
        UserError: fewer than one, a geometry without an inside, or one for which deepxde has no boundary.
    """
    _check(geometry, n)
    with _numbers_from(generator):
        _check_boundary(getattr(geometry, "geometry", geometry))
        return torch.as_tensor(geometry.random_boundary_points(n), dtype=torch.float64)


class Condition:
    """A boundary or initial condition of deepxde at points that are drawn anew at will.

    Args:
        name: of the term, for messages.
        geometry: deepxde's, the condition's own.
        build: makes the condition, e.g. `lambda: dde.icbc.DirichletBC(geometry, value, on_boundary)`. It is called
            with each set of points, as a condition keeps the values at those that it has seen.
    """

    def __init__(self, name: str, geometry: Any, build: Callable[[], Any]) -> None:
        self.name, self.geometry, self.build = name, geometry, build
        self._condition: Any = None
        self._points = np.empty((0, 0))

    @property
    def points(self) -> Float[Tensor, "n d"]:
        """Where the condition is asked for."""
        return torch.from_numpy(self._points.copy())

    def draw(self, n: int, generator: Generator) -> None:
        """Draws n points on the whole boundary, or at the initial time, and keeps those that the condition is for.

        Raises:
            UserError: the condition is for none of them, or values there that are not finite.
        """
        condition = self.build()
        if hasattr(condition, "on_initial"):
            _check(self.geometry, n)
            with _numbers_from(generator):
                drawn = self.geometry.random_initial_points(n)
        else:
            drawn = points_on_boundary(self.geometry, n, generator).numpy()
        chosen = np.ascontiguousarray(condition.collocation_points(drawn), dtype=np.float64)
        if not len(chosen):
            raise UserError(
                f"The condition `{self.name}` is for none of {n} points on the boundary. Compare numbers in its filter "
                "with `np.isclose`, or draw more points."
            )
        self._condition, self._points = condition, chosen

    def residual(self, fields: Callable[[Tensor], Tensor]) -> Float[Tensor, "n 1"]:
        """How far the fields miss the condition at each point, with a graph to their parameters.

        Raises:
            UserError: no points drawn yet, or a value that is not finite, with its place.
        """
        if self._condition is None:
            raise UserError(f"The condition `{self.name}` has no points yet. Call `draw` first.")
        deepxde = load_deepxde()
        try:
            with torch.enable_grad():
                x = self.points.requires_grad_()
                found = self._condition.error(self._points, x, fields(x), 0, len(x), None)
        finally:
            deepxde.grad.clear()
        bad = ~torch.isfinite(found).all(dim=1)
        if bad.any():
            place = [float(f"{number:.6g}") for number in self._points[int(bad.int().argmax())]]
            raise UserError(f"The condition `{self.name}` is not finite at {place}.")
        return found


def _check(geometry: Any, n: int) -> None:
    if n < 1:
        raise UserError(f"A point set needs at least one point, but {n} are asked for.")
    in_space = getattr(geometry, "geometry", geometry)
    low, high = (np.asarray(bound, np.float64) for bound in in_space.bbox)
    # the same places for a geometry each time: whether it is empty is no matter of chance
    places = low + (high - low) * np.random.default_rng(0).random((TRIES, len(low)))
    if not in_space.inside(places).any():
        raise UserError(
            f"The geometry has none of {TRIES} places in its bounding box, from {low.tolist()} to {high.tolist()}, "
            "inside. Check its parts: is what is cut off larger than what it is cut from?"
        )


def _check_boundary(geometry: Any) -> list[np.ndarray]:
    """Points on the boundaries of all simple shapes in a geometry, after each combination of them is seen to have some.

    deepxde counts no point of a face that two united shapes share, so that a shape united with itself has no boundary.
    """
    if not hasattr(geometry, "geom1"):
        return [geometry.random_boundary_points(2000)]
    places = _check_boundary(geometry.geom1) + _check_boundary(geometry.geom2)
    if not geometry.on_boundary(np.concatenate(places)).any():
        raise UserError(
            f"deepxde's {geometry.idstr} has no boundary at {sum(map(len, places))} places on the boundaries of its "
            "parts. Check its parts: are two of them the same, or does one cover the other?"
        )
    return places


@contextmanager
def _numbers_from(generator: Generator) -> Iterator[None]:
    """Inside, numpy's global generator, which deepxde draws from, follows ours; afterwards it is as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(torch.randint(2**32 - 1, (), generator=generator)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
