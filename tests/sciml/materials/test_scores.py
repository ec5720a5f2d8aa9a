"""Errors of a potential: the numbers, the groups, the baseline, the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from sciml.core.checkpoint import load_checkpoint
from sciml.core.errors import UserError
from sciml.gnn.potential import Potential
from sciml.materials import scores
from sciml.materials.report_data import read_predictions
from sciml.materials.scores import evaluate_split, predict_structures, score
from sciml.materials.structures import Structure, from_atoms, with_labels

BASELINE = {"baseline_energies_ev": [-0.2, -0.1]}
GPA = 160.2176634  # 1 eV/angstrom^3, SI 2019


def test_errors_by_hand() -> None:
    cell = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2]], cell=[4, 4, 4], pbc=True)
    reference = with_labels(from_atoms(cell), energy=-2.0, forces=np.zeros((2, 3)), stress=np.zeros((3, 3)))
    forces = np.array([[0.1, 0, 0], [0, 0, -0.5]])
    predicted = replace(reference, energy=-1.9, forces=forces, stress=np.eye(3) * 0.01)
    assert score([reference], [predicted]) == pytest.approx(
        {
            "energy_mae_mev_per_atom": 50.0,
            "energy_rmse_mev_per_atom": 50.0,
            "forces_mae_ev_per_angstrom": 0.1,
            "forces_rmse_ev_per_angstrom": np.sqrt(0.26 / 6),
            "stress_mae_gpa": 0.01 * GPA / 3,
            "stress_rmse_gpa": 0.01 * GPA / np.sqrt(3),
            "n_structures": 1,
            "n_atoms": 2,
        }
    )


def test_what_is_not_labelled_has_no_score(alloys: list[Structure]) -> None:
    reference = [with_labels(s, energy=s.energy) for s in alloys]
    assert set(score(reference, alloys)) == {
        "energy_mae_mev_per_atom",
        "energy_rmse_mev_per_atom",
        "n_structures",
        "n_atoms",
    }


@pytest.mark.parametrize("at_once", [1, 9, 10_000])
def test_predictions_do_not_depend_on_who_is_predicted_together(
    at_once: int, alloys: list[Structure], potential: Potential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "ATOMS_AT_ONCE", at_once)
    lone = from_atoms(Atoms("Cu"), "lone")
    predicted = predict_structures(potential, [*alloys[:5], lone])
    for structure, one in zip([*alloys[:5], lone], predicted, strict=True):
        (alone,) = predict_structures(potential, [structure])
        # the same sums, other memory: 1e2 eV at 1e-16
        assert one.energy == pytest.approx(alone.energy, abs=1e-11)
        np.testing.assert_allclose(one.forces, alone.forces, rtol=0, atol=1e-11)
        np.testing.assert_allclose(one.stress, alone.stress, rtol=0, atol=1e-11)
        assert one.name == structure.name
    assert predicted[-1].energy == pytest.approx(-0.1, abs=1e-14)
    assert not predicted[-1].has_stress


def test_an_element_that_the_potential_does_not_know(potential: Potential) -> None:
    with pytest.raises(UserError, match="w.xyz@0 has H, O, but the potential knows Al, Cu only"):
        predict_structures(potential, [from_atoms(molecule("H2O"), "w.xyz@0")])


def test_a_split_is_scored_by_group_beside_the_baseline(
    alloys: list[Structure], potential: Potential, tmp_path: Path
) -> None:
    file = tmp_path / "predictions" / "test.safetensors"
    found = evaluate_split(potential, alloys, "test", BASELINE, file)
    assert set(found) == {"all", "groups", "baseline"}
    assert set(found["groups"]) == {"rattled", "strained"}
    assert found["groups"]["rattled"]["n_structures"] + found["groups"]["strained"]["n_structures"] == 12
    zero_force = np.concatenate([s.forces for s in alloys])
    assert found["baseline"]["forces_mae_ev_per_angstrom"] == pytest.approx(np.abs(zero_force).mean())
    guess = [s.energy - (-0.2 * (s.atomic_numbers == 13).sum() - 0.1 * (s.atomic_numbers == 29).sum()) for s in alloys]
    assert found["baseline"]["energy_mae_mev_per_atom"] == pytest.approx(1000 * np.abs(guess).mean() / 4)

    # what the report reads says the same
    predictions = read_predictions(file)
    assert predictions.split == "test"
    assert predictions.names == [s.name for s in alloys]
    assert predictions.groups == [s.group for s in alloys]
    known = {name: value for name, value in found["all"].items() if not name.startswith("n_")}
    assert predictions.scores() == pytest.approx(known)
    tensors, metadata = load_checkpoint(file)
    assert metadata["units"]["stress"] == "eV/angstrom^3"
    np.testing.assert_array_equal(tensors["positions"].numpy(), np.concatenate([s.positions for s in alloys]))
    np.testing.assert_array_equal(tensors["energy"].numpy(), [s.energy for s in alloys])
    np.testing.assert_array_equal(tensors["stress"].numpy(), [s.stress for s in alloys])


def test_labels_that_are_missing_stay_nan_in_the_file(
    alloys: list[Structure], potential: Potential, tmp_path: Path
) -> None:
    file = tmp_path / "p.safetensors"
    evaluate_split(potential, [with_labels(alloys[0], energy=1.0), *alloys[1:3]], "p", BASELINE, file)
    tensors, _ = load_checkpoint(file)
    assert tensors["forces"].isnan().sum() == 12
    assert tensors["stress"].isnan().sum() == 9
    assert not tensors["forces_predicted"].isnan().any()


def test_nothing_to_compare_with(alloys: list[Structure], potential: Potential, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="alloys@0 and the others have no energies, forces or stresses"):
        evaluate_split(potential, [with_labels(s) for s in alloys], "p", BASELINE, tmp_path / "p.safetensors")
