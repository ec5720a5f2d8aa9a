"""Every YAML of the catalogue is what its typed class takes, and every folder has its card."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ase.data import atomic_numbers
from torch import nn

from sciml.cli.domains import load_domain
from sciml.core.catalogue import contents_sha256, data_places, entries
from sciml.core.config import compose, parse, resolve
from sciml.core.plain_yaml import dump_yaml, parse_yaml, read_yaml
from sciml.fno.grids import Grid
from sciml.gnn.potential import build_potential
from sciml.weather.networks.dynamics import Dynamics, StateScales
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.networks import build_network
from sciml.weather.training.forcings import forcing_channels
from sciml.weather.training.static import static_channel_names

ROOT = Path(__file__).parents[2]
MODELS, DATASETS, EXPERIMENTS = (sorted(entries(kind)) for kind in ("models", "datasets", "experiments"))
# any will do to fill the other place of an experiment that tries one entry
MODEL_OF_DOMAIN = {"materials": "painn", "pde": "fno", "weather": "weather-sfno"}
DATASET_OF_DOMAIN = {"materials": "mlearn-si", "pde": "darcy-2d", "weather": "speedy-t31"}
# what an experiment has that needs no data set
WITHOUT_DATASET: dict[str, dict[str, Any]] = {
    "pinn": {"space": {"coordinates": {"x": [0, 1]}, "fields": ["u"]}, "equation": {"name": "poisson"}}
}


# the experiment behind each row of the README's first table
README_ROWS = {
    "QACE, mlearn silicon": "si-qace",
    "PaiNN, the same": "si-painn",
    "QACE, mlearn lithium": "li-qace",
    "QACE, our own DFT silicon": "si-gpaw",
    "QACE, acetylacetone at 300 K": "acac-qace",
}


def parsed(experiment: str | Path) -> Any:
    raw = compose(experiment)
    return parse(load_domain(raw, str(experiment)).config_class(raw), raw)


def test_the_catalogue_is_there():
    assert {"painn", "schnet", "fno", "unet", "pinn-mlp"} <= set(MODELS)
    assert {"mlearn-si", "mlearn-li", "acac", "si-gpaw", "burgers-1d", "darcy-2d"} <= set(DATASETS)
    assert EXPERIMENTS


@pytest.mark.parametrize("name", MODELS)
def test_model(name: str, tmp_path: Path):
    facts = read_yaml(entries("models")[name] / "model.yaml")
    assert facts["summary"]
    domain = facts["domain"]
    trial = tmp_path / "trial.yaml"
    rest = WITHOUT_DATASET[domain] if domain in WITHOUT_DATASET else {"dataset": DATASET_OF_DOMAIN[domain]}
    trial.write_text(dump_yaml({"domain": domain, "model": name, **rest}))
    assert parsed(trial).model


@pytest.mark.parametrize("name", DATASETS)
def test_dataset(name: str, tmp_path: Path):
    facts = read_yaml(entries("datasets")[name] / "dataset.yaml")
    for key in ("summary", "licence", "citation", "variables", "files"):
        assert facts[key], key
    for file in facts["files"].values():
        assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
        assert not file.get("url", "https://").startswith("http://")
    domain = facts["domain"]
    if "train" in facts["files"]:
        trial = tmp_path / "trial.yaml"
        trial.write_text(dump_yaml({"domain": domain, "dataset": name, "model": MODEL_OF_DOMAIN[domain]}))
        assert parsed(trial).dataset


@pytest.mark.parametrize("name", DATASETS)
def test_files_that_are_at_hand_are_whole(name: str):
    for file in read_yaml(entries("datasets")[name] / "dataset.yaml")["files"].values():
        for place in data_places(name, file["path"]):
            if place.exists():
                assert contents_sha256(place, file["path"]) == file["sha256"], place


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_and_what_a_run_keeps_of_it(name: str):
    raw = compose(name)
    config_class = load_domain(raw, name).config_class(raw)
    config = parse(config_class, raw)
    again = parse_yaml(dump_yaml(resolve(raw, config)), "config.yaml")
    assert parse(config_class, again) == config
    assert entries("experiments")[name].parent.name == raw["domain"]


def test_a_recorded_score_belongs_to_an_experiment_and_says_how_it_was_got():
    for path in ROOT.glob("experiments/*/*.expected.json"):
        assert path.name.removesuffix(".expected.json") in EXPERIMENTS, path
        assert {"seed", "tolerance", "machine"} <= json.loads(path.read_text()).keys(), path


def expected(name: str) -> dict[str, Any]:
    return json.loads((entries("experiments")[name].parent / f"{name}.expected.json").read_text())


RECORDED = sorted(path.name.removesuffix(".expected.json") for path in ROOT.glob("experiments/*/*.expected.json"))


def forecasting_network(config: Any, levels: int, shape: list[int]) -> nn.Module:
    """As an experiment has it on data with so many levels; those that come with it have fewer."""
    data = config.dataset
    grid = Grid((shape[0], shape[1]), (False, True), "gauss-legendre")
    forcings, statics = len(forcing_channels(data.forcings)), len(static_channel_names(data.static_fields))
    layout = ChannelLayout(data.upper, levels, data.surface, data.history, 2 * forcings, statics)
    if config.dynamics:
        any_size = [1.0] * layout.n_state
        motion = Dynamics(layout, StateScales(any_size, any_size, any_size, data.step_hours), grid)
        layout = replace(layout, n_features=motion.n_features)
    return build_network(config.model, layout, grid, config.noise)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_score_is_of_the_network_as_it_is_now(name: str):
    config = parsed(name)
    if compose(name)["domain"] == "materials":
        elements = [atomic_numbers[symbol] for symbol in config.dataset.elements]
        network = build_potential(config.model, elements, [0.0] * len(elements))
    elif compose(name)["domain"] == "weather":
        network = forecasting_network(config, len(expected(name)["levels_hpa"]), expected(name)["grid"])
    else:  # whose data come with it, if it has any
        network = load_domain(compose(name), name).build(config).network
    assert sum(parameter.numel() for parameter in network.parameters()) == expected(name)["parameters"]
    assert config.train.max_minutes == expected(name)["minutes"]


@pytest.mark.parametrize(("row", "name"), README_ROWS.items())
def test_the_first_table_of_the_readme_has_the_recorded_scores(row: str, name: str):
    line = next(line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if row in line)
    recorded = expected(name)
    scores = next(iter(recorded["splits"].values()))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    quoted = [float(cell.split()[0]) for cell in cells[1:] if cell != "-"]
    stress = [scores["stress_mae_gpa"]] if "stress_mae_gpa" in scores else []
    figures = [recorded["minutes"], scores["energy_mae_mev_per_atom"], scores["forces_mae_ev_per_angstrom"], *stress]
    assert quoted == [float(f"{figure:.2g}") for figure in figures]


@pytest.mark.parametrize("folder", [*ROOT.glob("models/*"), *ROOT.glob("datasets/*")], ids=lambda path: path.name)
def test_every_model_and_dataset_has_a_card(folder: Path):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# ")
    assert len(card.split()) > 30
    assert re.search("licen[cs]e", card, re.IGNORECASE)


def test_facts_hold_no_code():
    for kind in ("models", "datasets", "experiments"):
        assert not list((ROOT / kind).rglob("*.py"))
