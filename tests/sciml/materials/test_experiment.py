"""The materials domain as the command line calls it: from a configuration to a trained run's scores."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.io import write

from sciml.core.checkpoint import load_checkpoint, save_checkpoint
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run, read_json
from sciml.gnn.potential import POTENTIALS, Potential
from sciml.gnn.schnet import SchNetConfig
from sciml.materials.calculator import load_calculator
from sciml.materials.experiment import MaterialsExperiment, build, config_class, evaluate, predict
from sciml.materials.loss import LossConfig
from sciml.materials.potentials import load_potential
from sciml.materials.structures import Structure, from_atoms, to_atoms, with_labels
from sciml.train.config import TrainConfig
from sciml.train.run import fit

MODEL = {"architecture": "schnet", "cutoff_angstrom": 4.0, "channels": 8, "layers": 1, "gaussians": 6}


@pytest.fixture
def files(alloys: list[Structure], tmp_path: Path) -> dict[str, str]:
    splits = {"train": alloys[:9], "test": alloys[9:]}
    for split, structures in splits.items():
        write(tmp_path / f"{split}.xyz", [to_atoms(s) for s in structures], format="extxyz")
    return {split: str(tmp_path / f"{split}.xyz") for split in splits}


def configured(files: dict[str, str], **parts: object) -> tuple[dict, MaterialsExperiment]:
    train = {"epochs": 2, "batch_size": 3, "warmup_steps": 1, "learning_rate": 1e-3, "threads": 1}
    raw = {"domain": "materials", "dataset": files, "model": MODEL, "train": train, **parts}
    return raw, parse(config_class(raw), raw, "test.yaml")


@pytest.mark.parametrize("architecture", sorted(POTENTIALS))
def test_the_model_has_the_fields_of_its_architecture(architecture: str) -> None:
    raw = {"dataset": {"train": "x.xyz"}, "model": {"architecture": architecture}}
    config = parse(config_class(raw), raw, "x.yaml")
    assert isinstance(config, MaterialsExperiment)
    assert isinstance(config.model, POTENTIALS[architecture][0])
    assert (config.loss, config.train) == (LossConfig(), TrainConfig())


def test_an_architecture_that_is_none() -> None:
    with pytest.raises(UserError, match=r"`model.architecture` must be one of .*painn.*'pain'. did you mean `painn`"):
        config_class({"model": {"architecture": "pain"}})
    with pytest.raises(UserError, match="`model` is missing"):
        config_class({})


def test_a_key_of_another_architecture() -> None:
    raw = {"dataset": {"train": "x.xyz"}, "model": {"architecture": "painn", "gaussians": 20}}
    with pytest.raises(UserError, match="`model.gaussians` is not a key"):
        parse(config_class(raw), raw, "x.yaml")


def test_what_units_are_called_here_is_said() -> None:
    raw = {"dataset": {"train": "x.xyz", "units": {"energy": "kcal/mol"}}, "model": {"architecture": "painn"}}
    with pytest.raises(UserError, match=r"`dataset.units` is not a key; did you mean `dataset.variables`\?"):
        parse(config_class(raw), raw, "x.yaml")


def test_the_problem(files: dict[str, str], alloys: list[Structure]) -> None:
    _, config = configured(files)
    problem = build(config)
    assert len(problem.train_data) + len(problem.validation_data) == 9
    network = problem.network
    assert isinstance(network, Potential)
    assert network.elements == (13, 29)
    assert network.dtype == torch.float32
    assert problem.train_data[0].pos.dtype == torch.float32
    # energies of thousands of eV need their digits
    assert problem.train_data[0].energy.dtype == torch.float64
    metadata = json.loads(json.dumps(problem.metadata))
    assert metadata["dataset"] is None
    assert metadata["elements"] == ["Al", "Cu"]
    assert metadata["architecture"] == "schnet"
    assert metadata["model"]["channels"] == 8
    assert metadata["data_counts"]["validation"]["n_structures"] == len(problem.validation_data)
    assert len(metadata["data_fingerprint"]) == 64
    batch = problem.collate([problem.train_data[0], problem.train_data[1]])
    losses = problem.loss(network, batch)
    assert set(losses) == {"loss", "energy", "forces", "stress"}
    assert losses["loss"].requires_grad


def test_what_the_data_lack_is_said_once(
    alloys: list[Structure], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = [with_labels(s, energy=s.energy, forces=s.forces) for s in alloys]
    write(tmp_path / "t.xyz", [to_atoms(s) for s in bare], format="extxyz")
    raw, config = configured({"train": str(tmp_path / "t.xyz")})
    with caplog.at_level(logging.WARNING, "sciml"):
        problem = build(config)
        run = Run.create(tmp_path / "run", {"name": "test", **raw})
        fit(problem, config.train, run)
        scores = evaluate(run, None)
    said = "The training data have no stress: the potential is trained without."
    assert [r.getMessage() for r in caplog.records if r.name.startswith("sciml.materials")] == [said]
    assert problem.metadata["notes"] == [said]
    assert "stress_mae_gpa" not in scores["validation"]["all"]


def test_float64(files: dict[str, str]) -> None:
    problem = build(configured(files, train={"precision": "float64"})[1])
    assert problem.network.dtype == torch.float64
    assert problem.train_data[0].pos.dtype == torch.float64


def test_the_seed_makes_the_weights(files: dict[str, str]) -> None:
    weights = [
        next(build(configured(files, train={"seed": seed})[1]).network.parameters()).detach() for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_structure_that_the_loss_has_no_use_for(alloys: list[Structure], tmp_path: Path) -> None:
    structures = {"train": [with_labels(alloys[0], energy=1.0), *alloys[1:6]], "validation": alloys[6:]}
    for split, members in structures.items():
        write(tmp_path / f"{split}.xyz", [to_atoms(s) for s in members], format="extxyz")
    own = {split: str(tmp_path / f"{split}.xyz") for split in structures}
    _, config = configured(own, loss={"energy_weight": 0.0})
    with pytest.raises(UserError, match=r"train.xyz@0: the loss weighs forces, stress, but the structure has no such"):
        build(config)


def test_isolated_atoms_or_least_squares(files: dict[str, str], tmp_path: Path) -> None:
    lone = [with_labels(from_atoms(ase.Atoms(s)), energy=e) for s, e in (("Al", -2.0), ("Cu", -1.0))]
    write(tmp_path / "lone.xyz", [to_atoms(s) for s in lone], format="extxyz")
    own = {**files, "isolated_atoms": str(tmp_path / "lone.xyz")}
    exact = build(configured(own)[1]).metadata
    assert exact["normalisation"]["reference_energies_ev"] == [-2.0, -1.0]
    fitted = build(configured({**own, "reference_energies": "least_squares"})[1]).metadata
    assert fitted["normalisation"]["reference_energies_ev"] != [-2.0, -1.0]
    # the baseline is the fit in both
    assert exact["baseline_energies_ev"] == fitted["normalisation"]["reference_energies_ev"]


@pytest.fixture
def run(files: dict[str, str], tmp_path: Path) -> Run:
    raw, config = configured(files)
    made = Run.create(tmp_path / "run", {"name": "test", **raw})
    fit(build(config), config.train, made)
    return made


def test_a_run_is_trained_scored_and_used(run: Run, files: dict[str, str], tmp_path: Path) -> None:
    scores = evaluate(run, None)
    assert set(scores) == {"test"}
    assert scores["test"]["all"]["n_structures"] == 3
    assert np.isfinite(list(scores["test"]["all"].values())).all()
    assert read_json(run.metrics_file)["splits"] == scores
    assert run.predictions("test").is_file()

    other = evaluate(run, Path(files["train"]))
    assert set(other) == {"own_train"}
    assert other["own_train"]["all"]["n_structures"] == 9
    assert set(read_json(run.metrics_file)["splits"]) == {"test", "own_train"}

    output = tmp_path / "out.extxyz"
    assert predict(run, Path(files["test"]), output) == f"{output}: energy, forces and stress of 3 structures, 12 atoms"
    calculator = load_calculator(run.path)
    for atoms in ase.io.read(output, index=":"):
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.calc = calculator
        # the file keeps eight decimals; positions of eight decimals under forces of 1 eV/angstrom; float32 weights
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-4)
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-4)
        np.testing.assert_allclose(atoms.get_stress(), stress, rtol=0, atol=1e-5)


def test_predictions_go_to_extended_xyz(run: Run, tmp_path: Path) -> None:
    # said before the input is read
    with pytest.raises(UserError, match=r"out.cif: predictions are written as extended XYZ"):
        predict(run, tmp_path / "none.xyz", tmp_path / "out.cif")


def test_predictions_need_no_labels_and_keep_what_else_there_is(run: Run, files: dict[str, str]) -> None:
    config = run.config()
    run.config_file.write_text(dump_yaml({**config, "dataset": {**config["dataset"], "keys": {"energy": "dft"}}}))
    source, output = Path(files["test"]).with_name("bare.xyz"), Path(files["test"]).with_name("out.xyz")
    frames = ase.io.read(files["test"], index=":")
    for number, atoms in enumerate(frames):
        atoms.calc = None
        atoms.info = {"energy": 1e3, "source": f"run {number}", "REF_energy": -1.0}
        atoms.set_tags([number, 1, 2, 3])
    write(source, frames, format="extxyz")
    output.write_text("of another day")
    predict(run, source, output)
    for number, atoms in enumerate(ase.io.read(output, index=":")):
        assert atoms.info == {"source": f"run {number}", "REF_energy": -1.0}
        assert atoms.get_tags().tolist() == [number, 1, 2, 3]
        assert abs(atoms.get_potential_energy()) < 500.0
        assert atoms.get_forces().shape == (4, 3)
    assert not [path for path in output.parent.iterdir() if path.name.startswith(".")]
    with pytest.raises(UserError, match="bare.xyz: no structure has energy as `dft`"):
        evaluate(run, source)


def test_scores_that_are_damaged_are_told_before_anything_is_computed(run: Run) -> None:
    run.metrics_file.write_text('{"splits": ["test"]}')
    with pytest.raises(UserError, match=r"metrics.json: `splits` should be a mapping .* but is a list"):
        evaluate(run, None)
    assert not run.predictions("test").exists()


def test_a_test_file_with_another_element(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "w.xyz", ase.build.molecule("H2O"), format="extxyz")
    with pytest.raises(UserError, match="w.xyz@0 has H, O"):
        predict(run, tmp_path / "w.xyz", tmp_path / "out.xyz")


def test_without_a_test_file_validation_is_scored(files: dict[str, str], tmp_path: Path) -> None:
    raw, config = configured({"train": files["train"]})
    made = Run.create(tmp_path / "run", {"name": "test", **raw})
    problem = build(config)
    fit(problem, config.train, made)
    scores = evaluate(made, None)
    assert set(scores) == {"validation"}
    assert scores["validation"]["all"]["n_structures"] == len(problem.validation_data)


def test_the_checkpoint_is_that_of_the_trained_network(run: Run) -> None:
    potential, metadata = load_potential(run.path)
    tensors, _ = load_checkpoint(run.best)
    assert metadata["dataset"] is None
    assert isinstance(potential, Potential)
    for name, value in potential.state_dict().items():
        assert torch.equal(value, tensors[name])
    assert potential.reference_energies_ev.dtype == torch.float64


def test_large_energies_keep_their_digits(alloys: list[Structure], tmp_path: Path, files: dict[str, str]) -> None:
    """Reference energies of a thousand eV in float32 would be off by 1e-4 eV an atom."""
    shifted = [with_labels(s, energy=s.energy - 9391.123456789 * 4, forces=s.forces, stress=s.stress) for s in alloys]
    write(tmp_path / "t.xyz", [to_atoms(s) for s in shifted], format="extxyz")
    problem = build(configured({"train": str(tmp_path / "t.xyz")})[1])
    path = tmp_path / "p.safetensors"
    save_checkpoint(path, problem.network.state_dict(), problem.metadata)
    single, _ = load_potential(path, "float32")
    assert isinstance(problem.network, Potential)
    np.testing.assert_array_equal(single.reference_energies_ev.numpy(), problem.network.reference_energies_ev.numpy())


def test_config_of_a_potential_is_read_strictly(tmp_path: Path, files: dict[str, str]) -> None:
    problem = build(configured(files)[1])
    metadata = {**problem.metadata, "model": {**problem.metadata["model"], "chanels": 3}}
    path = tmp_path / "p.safetensors"
    save_checkpoint(path, problem.network.state_dict(), metadata)
    with pytest.raises(UserError, match="chanels"):
        load_potential(path)
    assert isinstance(parse(SchNetConfig, problem.metadata["model"]), SchNetConfig)
