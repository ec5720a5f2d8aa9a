"""Symmetries by the solvers: transformed and solved is solved and transformed, for all that the catalogue states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sciml.core.catalogue import entries
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.fno.fno import FNOConfig
from sciml.fno.grids import Grid
from sciml.pde.dataset import DatasetConfig
from sciml.pde.formulas import evaluate
from sciml.pde.normalisation import Scaling
from sciml.pde.solvers.burgers import solve_burgers
from sciml.pde.solvers.darcy import solve_darcy, threshold
from sciml.pde.solvers.gaussian_fields import neumann_field, periodic_field
from sciml.pde.solvers.navier_stokes import paper_forcing, solve_navier_stokes
from sciml.pde.surrogate import Rollout, Surrogate, surrogate_from
from sciml.pde.symmetries import Symmetries, Symmetry

N = 32


def burgers(u: np.ndarray) -> np.ndarray:
    return solve_burgers(u[None], 0.1, [0.5], 0.0025)[0, 0]


def darcy(coefficient: np.ndarray) -> np.ndarray:
    return solve_darcy(coefficient)


def navier_stokes(vorticity: np.ndarray) -> np.ndarray:
    return solve_navier_stokes(vorticity[None], paper_forcing(N), 1e-3, [2.0], 0.0625)[0, 0]


def noise(*shape: int) -> np.ndarray:
    return np.random.RandomState(3).normal(size=shape)


# solver, an input, its variable, that of the solution, and whether axes are periodic
PROBLEMS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, str, str, tuple[bool, ...]]] = {
    "burgers-1d": (burgers, periodic_field(noise(N), 25.0, 5.0, 2.0), "u", "u", (True,)),
    "darcy-2d": (
        darcy,
        threshold(neumann_field(noise(N - 1, N - 1), N, 1.0, 3.0, 2.0), 12.0, 3.0),
        "coefficient",
        "u",
        (False, False),
    ),
    "navier-stokes-1e-3": (
        navier_stokes,
        periodic_field(noise(N, N), 343.0, 7.0, 2.5),
        "vorticity",
        "vorticity",
        (True, True),
    ),
}


def stated(name: str) -> DatasetConfig:
    raw = read_yaml(entries("datasets")[name] / "dataset.yaml")
    kept = {key: raw[key] for key in ("outputs", "symmetries", "formulas") if key in raw}
    return parse(DatasetConfig, {**kept, "train": "x.nc"})


def applied(symmetries: Symmetries, symmetry: Symmetry, field: np.ndarray, name: str, distance: int = 5) -> np.ndarray:
    return symmetries.apply(symmetry, torch.from_numpy(field)[..., None], [name], distance)[..., 0].numpy()


def bound(symmetries: list[Symmetry], shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Symmetries:
    return Symmetries(tuple(symmetries), ("x", "y")[: len(shape)], periodic, shape)


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_stated_symmetry_takes_solutions_to_solutions(name: str):
    solve, field, given, found, periodic = PROBLEMS[name]
    symmetries = bound(stated(name).symmetries, field.shape, periodic)
    assert symmetries.symmetries
    solution = solve(field)
    for symmetry in symmetries.symmetries:
        moved = applied(symmetries, symmetry, field, given)
        assert np.abs(moved - field).max() > 0.1 * np.abs(field).max()
        expected = applied(symmetries, symmetry, solution, found)
        # float64; conjugate gradients to 1e-10, and steps of time in another order of points
        assert np.abs(solve(moved) - expected).max() < 1e-8 * np.abs(solution).max()


def test_what_is_no_symmetry_is_told_by_the_same_test():
    solve, field, given, found, periodic = PROBLEMS["navier-stokes-1e-3"]
    for wrong in (
        Symmetry(slide={"x": 1}),
        Symmetry(flip=("x", "y")),
        Symmetry(swap=True, shift={"x": 0.5}),
        Symmetry(swap=True, negate=("vorticity",)),
    ):
        symmetries = bound([wrong], field.shape, periodic)
        expected = applied(symmetries, wrong, solve(field), found)
        error = solve(applied(symmetries, wrong, field, given)) - expected
        assert np.abs(error).max() > 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["navier-stokes-1e-3", "navier-stokes-1e-4", "navier-stokes-1e-5"])
def test_the_stated_forcing_is_the_solvers_and_stays_as_it_is(name: str):
    config = stated(name)
    x = np.arange(N) / N
    places: dict[str, np.ndarray] = dict(zip(("x", "y"), np.meshgrid(x, x, indexing="ij"), strict=True))
    forcing = evaluate(config.formulas["forcing"], places, "forcing")
    assert np.allclose(forcing, paper_forcing(N), atol=1e-15)
    symmetries = bound(config.symmetries, (N, N), (True, True))
    for symmetry in config.symmetries:
        assert np.allclose(applied(symmetries, symmetry, forcing, "forcing"), forcing, atol=1e-14)


def test_all_eight_sides_of_a_square_are_drawn_and_both_fields_alike():
    symmetries = bound(stated("darcy-2d").symmetries, (5, 5), (False, False))
    square = torch.arange(25.0).view(1, 5, 5, 1)
    torch.manual_seed(0)
    inputs, targets = symmetries.draw(
        square.repeat(200, 1, 1, 1), square.unsqueeze(1).repeat(200, 1, 1, 1, 1), ["coefficient"], ["u"]
    )
    assert torch.equal(inputs, targets[:, 0])
    sides = {tuple(one.flatten().tolist()) for one in inputs}
    assert len(sides) == 8  # of 200 draws each is left out with probability (7/8)^200 = 3e-12


def test_a_slide_goes_any_distance_along_its_line():
    symmetries = bound(stated("navier-stokes-1e-3").symmetries[:1], (4, 4), (True, True))
    field = torch.zeros(100, 4, 4, 1)
    field[:, 0, 0] = 1
    torch.manual_seed(0)
    inputs, _ = symmetries.draw(field, field.unsqueeze(1), ["vorticity"], ["vorticity"])
    places = {tuple(place[1:3]) for place in inputs.nonzero().tolist()}
    assert places == {(0, 0), (1, 3), (2, 2), (3, 1)}


@pytest.mark.parametrize(
    ("symmetry", "shape", "periodic", "message"),
    [
        ({"flip": ("z",)}, (8, 8), (True, True), "the axis `z`, but the axes are"),
        ({"shift": {"x": 0.5}}, (8, 8), (False, True), "shifts along `x`, which is not periodic"),
        ({"slide": {"y": 1}}, (8, 8), (True, False), "shifts along `y`, which is not periodic"),
        ({"shift": {"x": 0.25}}, (10, 8), (True, True), "not a whole number of its 10 points"),
        ({"swap": True}, (8, 9), (True, True), r"needs two alike, but the points are \(8, 9\)"),
        ({"swap": True}, (8,), (True,), "needs two alike"),
    ],
)
def test_a_symmetry_that_the_grid_does_not_have_is_refused(
    symmetry: dict[str, Any], shape: tuple[int, ...], periodic: tuple[bool, ...], message: str
):
    with pytest.raises(UserError, match=message):
        bound([Symmetry(**symmetry)], shape, periodic)


def test_an_empty_symmetry_and_augmentation_without_any_are_refused():
    with pytest.raises(UserError, match="needs one of swap"):
        Symmetry()
    with pytest.raises(UserError, match=r"`dataset.augment` is on, but `dataset.symmetries` has none"):
        DatasetConfig(train="x.nc", outputs=["u"], augment=True)


def test_a_sign_of_a_variable_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="negates `vortcity`, which is no input, output or formula; did you mean"):
        DatasetConfig(train="x.nc", outputs=["vorticity"], symmetries=[Symmetry(negate=("vortcity",))])


@pytest.mark.parametrize("name", PROBLEMS)
def test_undoing_a_symmetry_gives_the_field_back(name: str):
    _, field, given, _, periodic = PROBLEMS[name]
    symmetries = bound(stated(name).symmetries, field.shape, periodic)
    fields = torch.from_numpy(field)[None, ..., None]
    for some in symmetries.combinations():
        moved = fields
        for symmetry in some:
            moved = symmetries.apply(symmetry, moved, [given])
        for symmetry in reversed(some):
            moved = symmetries.undo(symmetry, moved, [given])
        assert torch.equal(moved, fields)


@pytest.mark.parametrize("name", ["darcy-2d", "navier-stokes-1e-3"])
def test_an_averaged_prediction_has_the_symmetries(name: str):
    _, field, given, found, periodic = PROBLEMS[name]
    symmetries = bound(stated(name).symmetries, field.shape, periodic)
    names = ([given], [found])
    rollout = Rollout(residual=True) if name.startswith("navier") else None
    constants = () if rollout else (given,)
    scaling = Scaling.of([found], np.ones((1, 1)))
    surrogate = Surrogate(
        Grid(field.shape, periodic), Scaling.of(constants, np.ones((1, len(constants)))), scaling,
        Scaling.of([], np.ones((1, 0))), (1.0,), rollout, averaged=symmetries,
    )  # fmt: skip
    torch.manual_seed(0)
    # the flow's symmetries are a group together with the slides, which a network without coordinates has itself
    network = surrogate.build_network(FNOConfig(modes=(6, 6), width=4, layers=2, coordinates=not rollout)).double()

    def predict(one: torch.Tensor) -> torch.Tensor:
        inputs, history = (one[..., :0], one.unsqueeze(1)) if rollout else (one, None)
        with torch.no_grad():
            return surrogate.predict(network, inputs, history, torch.empty(1, 0).double(), 2)

    given_field = torch.from_numpy(field)[None, ..., None]
    prediction = predict(given_field)
    for symmetry in symmetries.symmetries:
        if not symmetry.slide:
            expected = symmetries.apply(symmetry, prediction, names[1])
            again = predict(symmetries.apply(symmetry, given_field, names[0]))
            # float64 sums in another order
            assert torch.allclose(again, expected, atol=1e-9 * float(prediction.abs().max()))
    assert surrogate_from(surrogate.described(), "x").averaged == symmetries
