"""Small data sets by the recipes, interrupted and resumed; and what is committed, made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sciml.core.catalogue import find_dataset
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.pde.reading import read_pde
from sciml.pde.recipes import RECIPES
from sciml.pde.recipes.burgers import BurgersRecipe
from sciml.pde.recipes.darcy import DarcyRecipe
from sciml.pde.recipes.navier_stokes import NavierStokesRecipe

CLASSES = {"burgers-1d": BurgersRecipe, "burgers-1d-1e-2": BurgersRecipe, "darcy-2d": DarcyRecipe}
CLASSES |= {f"navier-stokes-1e-{power}": NavierStokesRecipe for power in (3, 4, 5)}
# so small that a sample takes no time
SMALL = {
    "burgers-1d": {"points": 64, "every": 2, "step": 0.01},
    "darcy-2d": {"points": 21},
    "navier-stokes-1e-3": {"points": 16, "every": 2, "last_time": 3},
}
SPLITS = {
    "train": {"path": "train.nc", "samples": 5},
    "test": {"path": "test.nc", "samples": 3},
    "few": {"path": "few.nc", "samples": 3, "of": "train", "every": 2},
}


def facts(name: str, **changes: Any) -> dict[str, Any]:
    found = read_yaml(find_dataset(name) / "dataset.yaml")
    found["recipe"] |= {"splits": SPLITS, "chunk": 2, **SMALL[name], **changes}
    return found


def make(card: dict[str, Any], out: Path, **options: Any) -> None:
    RECIPES[card["recipe"]["name"]](card, out, out / "work", **options)


def recipe_of(name: str) -> Any:
    settings = dict(read_yaml(find_dataset(name) / "dataset.yaml")["recipe"])
    del settings["name"]
    return parse(CLASSES[name], settings)


@pytest.mark.parametrize("name", SMALL)
def test_splits_are_made_with_samples_of_their_own(tmp_path: Path, name: str):
    make(facts(name), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["few.nc", "test.nc", "train.nc"]
    train, test, few = (read_pde(tmp_path / f"{split}.nc") for split in ("train", "test", "few"))
    assert (train.n_samples, test.n_samples, few.n_samples) == (5, 3, 3)
    assert train.attributes["equation"] and train.attributes["seed"] == 201008895
    assert all(train.field(field).unit == "1" for field in train.names)
    values = train.read()
    assert all((values[0] != other).any() for other in (*values[1:], test.read()[0]))
    np.testing.assert_array_equal(few.read(), train.read(samples=slice(3), every=2))


def test_the_same_settings_make_the_same_file_to_the_last_bit(tmp_path: Path):
    for place in ("one", "two"):
        make(facts("navier-stokes-1e-3"), tmp_path / place)
    for file in ("train.nc", "test.nc"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_limit_and_several_workers_change_no_sample(tmp_path: Path):
    make(facts("burgers-1d"), tmp_path / "all")
    make(facts("burgers-1d"), tmp_path / "some", limit=3, workers=2)
    all_of, some = (read_pde(tmp_path / place / "train.nc") for place in ("all", "some"))
    assert some.n_samples == 3
    np.testing.assert_array_equal(some.read(), all_of.read(samples=slice(3)))


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(facts("darcy-2d"), tmp_path / "whole")
    asked: list[tuple[str, int]] = []
    original = DarcyRecipe.samples

    def counting(self: DarcyRecipe, split: str, numbers: Any) -> Any:
        if len(asked) == 3:
            asked.append(("interrupted", 0))
            raise KeyboardInterrupt
        asked.append((split, numbers[0]))
        return original(self, split, numbers)

    monkeypatch.setattr(DarcyRecipe, "samples", counting)
    with pytest.raises(KeyboardInterrupt):
        make(facts("darcy-2d"), tmp_path / "halves")
    assert not (tmp_path / "halves" / "train.nc").is_file() or not (tmp_path / "halves" / "test.nc").is_file()
    make(facts("darcy-2d"), tmp_path / "halves")
    made = [one for one in asked if one[0] != "interrupted"]
    assert sorted(made) == [("test", 0), ("test", 2), ("train", 0), ("train", 2), ("train", 4)]
    for split in ("train", "test", "few"):
        whole, halves = (read_pde(tmp_path / place / f"{split}.nc").read() for place in ("whole", "halves"))
        np.testing.assert_array_equal(whole, halves)
    # all is there: nothing is made
    asked.append(("", 0))
    make(facts("darcy-2d"), tmp_path / "halves")
    assert asked[-1] == ("", 0)


def test_samples_of_other_settings_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sciml.pde.recipes.making._write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(facts("darcy-2d"), tmp_path)
    with pytest.raises(UserError, match="made with other settings"):
        make(facts("darcy-2d", tau=4.0), tmp_path)


def test_flows_too_fast_for_the_step_get_a_shorter_one():
    settings = facts("navier-stokes-1e-3", variance=3e5, step=0.25, last_time=1)["recipe"]
    del settings["name"]
    recipe = parse(NavierStokesRecipe, settings)
    halved = replace(recipe, step=0.125)
    np.testing.assert_array_equal(recipe.samples("train", [0])["vorticity"], halved.samples("train", [0])["vorticity"])
    with pytest.raises(UserError, match="is too long"):
        replace(recipe, variance=1e9).samples("train", [0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"viscosity": 0.0}, "`recipe.viscosity` needs to be .*more than 0"),
        ({"viscosty": 0.1}, "did you mean"),
        ({"every": 3}, "has to divide 64 points"),
        ({"splits": {"few": {"path": "few.nc", "samples": 1, "of": "train"}}}, "which is no split of its own"),
        (
            {"splits": {**SPLITS, "few": {"path": "f.nc", "samples": 9, "of": "train"}}},
            "needs 1 to 5 samples, but has 9",
        ),
        ({"splits": {**SPLITS, "few": {"path": "f.nc", "samples": 2, "of": "train", "every": 5}}}, "leaves out an end"),
        ({"splits": {**SPLITS, "few": {"path": "f.nc", "samples": 2, "of": "train", "times": [0.5]}}}, "no time 0.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        make(facts("burgers-1d", **changes), tmp_path)


@pytest.mark.parametrize("name", CLASSES)
def test_the_committed_samples_are_what_the_recipe_makes(name: str):
    """The first state of the test split and, of flows, the one a unit of time later."""
    recipe = recipe_of(name)
    split = recipe.splits["sample-test"]
    if isinstance(recipe, NavierStokesRecipe):
        recipe = replace(recipe, last_time=1)
    made = recipe.samples("test", [0])
    data = read_pde(find_dataset(name) / split.path)
    for field, values in made.items():
        found = data.read([field], [0], slice(2))[0, ..., 0]
        grid = (slice(None, None, split.every),) * len(data.axes)
        expected = values[0][(..., *grid)].reshape(found.shape)
        # float32, and another machine's rounding
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
