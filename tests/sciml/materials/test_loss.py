"""Losses and metrics: weights, units, and labels that are missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import nn

from sciml.core.atoms import AtomGraph, to_pyg
from sciml.core.errors import UserError
from sciml.gnn.potential import Potential, Prediction
from sciml.materials.experiment import collate
from sciml.materials.graphs import build_graph, build_labels
from sciml.materials.loss import LossConfig, PotentialLoss, ValidationScore, metrics
from sciml.materials.structures import Structure, from_atoms, with_labels

NAN = float("nan")


class Shifted(nn.Module):
    """Predicts given numbers: energy of each structure, one force and one stress for all components."""

    def __init__(self, energy: float, force: float, stress: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor([energy, force, stress], dtype=torch.float64))

    def forward(self, graph: AtomGraph) -> Prediction:
        energy, force, stress = self.values
        return Prediction(
            energy.expand(graph.n_graphs),
            force.expand(graph.n_atoms, 3),
            stress.expand(graph.n_graphs, 3, 3),
            torch.zeros(graph.n_atoms, dtype=torch.float64),
        )


def sample(n_atoms: int = 2, *, energy: float = 0.0, force: float = 0.0, stress: float = 0.0) -> object:
    """A cell of 64 angstrom^3 with zero labels, or those given."""
    positions = [[0.0, 0.0, 1.5 * k] for k in range(n_atoms)]
    structure = with_labels(
        from_atoms(Atoms(f"Cu{n_atoms}", positions, cell=[4, 4, 4], pbc=True)),
        energy=energy,
        forces=np.full((n_atoms, 3), force),
        stress=np.full((3, 3), stress),
    )
    return to_pyg(build_graph(structure, 3.0), build_labels(structure))


def test_terms_are_per_atom_and_over_the_scale() -> None:
    network = Shifted(energy=0.6, force=-0.4, stress=0.05)
    loss = PotentialLoss(LossConfig("mae", 1.0, 10.0, 0.1), energy_scale_ev=2.0)
    terms = {name: value.detach() for name, value in loss(network, collate([sample(2), sample(1)])).items()}
    # energy: (0.6 / 2 + 0.6 / 1) / 2 over the scale; virial: 0.05 * 64 = 3.2 eV over 2 and 1 atoms
    assert float(terms["energy"]) == pytest.approx(0.45 / 2)
    assert float(terms["forces"]) == pytest.approx(0.4 / 2)
    assert float(terms["stress"]) == pytest.approx((1.6 + 3.2) / 2 / 2)
    assert float(terms["loss"]) == pytest.approx(0.225 + 10 * 0.2 + 0.1 * 1.2)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mse", 0.3**2), ("mae", 0.3), ("huber", 0.1 * (0.3 - 0.05))],
)
def test_kinds(kind: str, expected: float) -> None:
    loss = PotentialLoss(LossConfig(kind, 1.0, 0.0, 0.0, huber_delta=0.1), energy_scale_ev=1.0)  # type: ignore[arg-type]
    assert float(loss(Shifted(0.6, 9.0, 9.0), collate([sample(2)]))["loss"].detach()) == pytest.approx(expected)


def test_each_force_component_counts_alike_whatever_its_structure() -> None:
    batch = collate([sample(1, force=1.0), sample(3, force=0.0)])
    terms = PotentialLoss(LossConfig("mae"), 1.0)(Shifted(0, 0, 0), batch)
    assert float(terms["forces"]) == pytest.approx(0.25)


def test_a_missing_label_adds_nothing() -> None:
    network = Shifted(energy=0.6, force=-0.4, stress=0.05)
    loss = PotentialLoss(LossConfig("mse"), energy_scale_ev=1.0)
    alone = loss(network, collate([sample(2)]))
    with_gaps = loss(network, collate([sample(2), sample(3, energy=NAN, force=NAN, stress=NAN)]))
    assert {name: value.item() for name, value in with_gaps.items()} == pytest.approx(
        {name: value.item() for name, value in alone.items()}
    )


def test_a_batch_without_one_kind_of_label() -> None:
    loss = PotentialLoss(LossConfig("mse", 1.0, 1.0, 1.0), energy_scale_ev=1.0)
    terms = loss(Shifted(0.6, -0.4, 0.05), collate([sample(2, stress=NAN)]))
    assert float(terms["stress"]) == 0.0
    assert terms["loss"].item() == pytest.approx(0.09 + 0.16)


def test_a_batch_without_any_label_is_a_mistake_of_ours() -> None:
    loss = PotentialLoss(LossConfig(), energy_scale_ev=1.0)
    with pytest.raises(ValueError, match="needs a label in every batch"):
        loss(Shifted(0, 0, 0), collate([sample(2, energy=NAN, force=NAN, stress=NAN)]))


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_missing_labels_leave_the_gradient_finite(kind: str, alloys: list[Structure], potential: Potential) -> None:
    gaps = [
        alloys[0],
        with_labels(alloys[1], energy=alloys[1].energy),
        with_labels(alloys[2], forces=alloys[2].forces),
        with_labels(alloys[3], stress=alloys[3].stress),
    ]
    samples = [to_pyg(build_graph(s, 4.0), build_labels(s)) for s in gaps]
    potential.train()
    PotentialLoss(LossConfig(kind), 1.0)(potential, collate(samples))["loss"].backward()  # type: ignore[arg-type]
    gradients = [p.grad for p in potential.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("stress_weight", [0.0, 1.0])
def test_batch_mixing_periodic_and_not_has_finite_gradients(
    stress_weight: float, alloys: list[Structure], potential: Potential
) -> None:
    cluster = Atoms("CuAl", positions=[[0, 0, 0], [0, 0, 2.3]])
    lone = with_labels(from_atoms(cluster), energy=-1.0, forces=np.zeros((2, 3)))
    samples = [to_pyg(build_graph(s, 4.0), build_labels(s)) for s in (lone, alloys[0])]
    potential.train()
    loss = PotentialLoss(LossConfig("mse", 1.0, 1.0, stress_weight), 1.0)
    loss(potential, collate(samples))["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in potential.parameters() if p.grad is not None)


def test_training_lowers_the_loss(alloys: list[Structure], potential: Potential) -> None:
    samples = collate([to_pyg(build_graph(s, 4.0), build_labels(s)) for s in alloys[:4]])
    loss = PotentialLoss(LossConfig("mse"), 1.0)
    optimizer = torch.optim.Adam(potential.parameters(), lr=1e-3)
    potential.train()
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        value = loss(potential, samples)["loss"]
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.5 * losses[0]


def test_metrics_are_sums_and_counts_with_units() -> None:
    found = metrics(Shifted(0.6, -0.4, 0.05).requires_grad_(False), collate([sample(2), sample(1, force=NAN)]))
    numbers = {name: (float(total), float(count)) for name, (total, count) in found.items()}
    gpa = 0.05 * 160.2176634  # 1 eV/angstrom^3 in GPa, SI 2019
    assert numbers["energy_mae"] == pytest.approx((300 + 600, 2))
    assert numbers["energy_rmse"] == pytest.approx((300**2 + 600**2, 2))
    assert numbers["forces_mae"] == pytest.approx((6 * 0.4, 6))
    assert numbers["forces_rmse"] == pytest.approx((6 * 0.16, 6))
    assert numbers["stress_mae"] == pytest.approx((18 * gpa, 18))
    assert numbers["stress_rmse"] == pytest.approx((18 * gpa**2, 18))


def test_metrics_of_missing_labels_count_nothing() -> None:
    found = metrics(
        Shifted(0.6, -0.4, 0.05).requires_grad_(False), collate([sample(2, energy=NAN, force=NAN, stress=NAN)])
    )
    assert all(float(total) == 0 and float(count) == 0 for total, count in found.values())


def test_the_validation_score() -> None:
    means = {"energy_mae": 6.0, "forces_mae": 0.06, "stress_mae": 0.3}
    assert ValidationScore(LossConfig())(means) == pytest.approx(0.06 + 0.06 + 0.03)
    assert ValidationScore(LossConfig(stress_weight=0.0))(means) == pytest.approx(0.12)
    assert ValidationScore(LossConfig())({**means, "stress_mae": NAN}) == pytest.approx(0.12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"energy_weight": -1.0},
        {"energy_weight": 0.0, "forces_weight": 0.0, "stress_weight": 0.0},
        {"forces_weight": float("inf")},
        {"huber_delta": 0.0},
    ],
)
def test_weights_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="`loss"):
        LossConfig(**wrong)  # type: ignore[arg-type]


def test_no_label_gives_no_score() -> None:
    """A sum over nothing would be zero, the best score there is."""
    nothing = {"forces_mae": float("nan"), "energy_mae": float("nan"), "stress_mae": float("nan")}
    assert np.isnan(ValidationScore(LossConfig())(nothing))
    assert ValidationScore(LossConfig())({**nothing, "forces_mae": 0.06}) == pytest.approx(0.06)
