"""What a potential is trained on and scored by: energy per atom, forces, stress.

Errors of three kinds go into one sum, so they are brought to like size first. The energy is taken per atom and the
stress as the virial per atom, stress * volume / atoms, which is an energy too: the three then have the units eV, eV
per angstrom and eV, and like the network's output they are divided by the energy scale of the data (see
`references.energy_scale`). Weights, `huber_delta` and the gradient's size hence mean the same for any element.

Shapes: n atoms, g structures. NaN among the labels is a missing value: it adds nothing to any sum or count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch_geometric.data import Data

from sciml.core.atoms import AtomGraph, AtomLabels, from_pyg
from sciml.core.errors import UserError
from sciml.core.units import EV_PER_ANGSTROM3_IN_GPA

MEV_PER_EV = 1000.0


@dataclass(frozen=True)
class LossConfig:
    """The `loss:` part of an experiment.

    Attributes:
        kind: mean squared, mean absolute, or Huber's error of each quantity; all three follow the same kind.
        energy_weight: of the energy per atom.
        forces_weight: of the force components.
        stress_weight: of the virial per atom.
        huber_delta: error beyond which Huber's is linear, in units of the energy scale.
    """

    kind: Literal["mse", "mae", "huber"] = "mae"
    energy_weight: float = 1.0
    forces_weight: float = 1.0
    stress_weight: float = 0.1
    huber_delta: float = 0.01

    def __post_init__(self) -> None:
        weights = (self.energy_weight, self.forces_weight, self.stress_weight)
        if min(weights) < 0 or max(weights) == 0 or not all(map(torch.isfinite, torch.tensor(weights))):
            raise UserError(f"`loss` needs weights of at least 0, and one above, but they are {weights}.")
        if not self.huber_delta > 0:
            raise UserError(f"`loss.huber_delta` needs to be more than 0, but is {self.huber_delta}.")


@dataclass(frozen=True)
class PotentialLoss:
    """(potential, batch) to the weighted sum "loss" and its terms "energy", "forces" and "stress"."""

    config: LossConfig
    energy_scale_ev: float

    def __call__(self, network: nn.Module, batch: Data) -> dict[str, Tensor]:
        graph, labels = from_pyg(batch)
        errors = _errors(network, graph, labels)
        terms: dict[str, Tensor | None] = {
            "energy": self._mean(errors.energy),
            "forces": self._mean(errors.forces),
            "stress": self._mean(errors.virial),
        }
        weights = {
            "energy": self.config.energy_weight,
            "forces": self.config.forces_weight,
            "stress": self.config.stress_weight,
        }
        # a term without weight or labels stays out, so that it cannot even multiply a NaN by zero in the backward pass
        counted = [name for name, term in terms.items() if weights[name] > 0 and term is not None]
        if not counted:
            raise ValueError("PotentialLoss needs a label in every batch, but got a batch without any.")
        total = torch.stack([weights[name] * present for name in counted if (present := terms[name]) is not None]).sum()
        zero = torch.zeros_like(total)
        return {"loss": total, **{name: zero if term is None else term.detach() for name, term in terms.items()}}

    def _mean(self, error: Float[Tensor, " k"]) -> Float[Tensor, ""] | None:
        """None for a batch that has no label of a kind."""
        if not error.numel():
            return None
        scaled = error / self.energy_scale_ev
        if self.config.kind == "mse":
            value = scaled.square()
        elif self.config.kind == "mae":
            value = scaled.abs()
        else:
            delta = self.config.huber_delta
            value = nn.functional.huber_loss(scaled, torch.zeros_like(scaled), reduction="none", delta=delta)
        return value.mean()


def metrics(network: nn.Module, batch: Data) -> dict[str, tuple[Tensor, Tensor]]:
    """(sum, count) over a batch of energy errors (meV/atom), force components (eV/angstrom), stress components (GPa).

    The sum is of absolute values for names in "_mae" and of squares for names in "_rmse".
    """
    graph, labels = from_pyg(batch)
    errors = _errors(network, graph, labels)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, error in (
        ("energy", errors.energy * MEV_PER_EV),
        ("forces", errors.forces),
        ("stress", errors.stress * EV_PER_ANGSTROM3_IN_GPA),
    ):
        count = torch.tensor(float(error.numel()))
        found[f"{name}_mae"] = (error.abs().sum(), count)
        found[f"{name}_rmse"] = (error.square().sum(), count)
    return found


@dataclass(frozen=True)
class ValidationScore:
    """One number from the averaged MAEs: forces in eV/angstrom + 10 x energy in eV/atom + 0.1 x stress in GPa.

    An energy error of 6 meV/atom then counts as much as a force error of 60 meV/angstrom: good potentials have about
    this ratio, whatever the loss weights. What has no labels or no weight in the loss does not count.
    """

    config: LossConfig

    def __call__(self, means: Mapping[str, float]) -> float:
        parts = (
            (self.config.forces_weight, means["forces_mae"]),
            (self.config.energy_weight, 10 * means["energy_mae"] / MEV_PER_EV),
            (self.config.stress_weight, 0.1 * means["stress_mae"]),
        )
        # NaN is the mean over no labels; without any label there is no score, which is not a perfect one
        counted = [value for weight, value in parts if weight > 0 and not math.isnan(value)]
        return sum(counted) if counted else math.nan


@dataclass(frozen=True, eq=False)
class _Errors:
    """Prediction less label, for the labels that there are: energy and virial per atom, forces, stress; flat."""

    energy: Float[Tensor, " a"]
    forces: Float[Tensor, " b"]
    virial: Float[Tensor, " c"]
    stress: Float[Tensor, " c"]


def _errors(network: nn.Module, graph: AtomGraph, labels: AtomLabels) -> _Errors:
    prediction = network(graph)
    n_g = graph.atoms_per_graph
    stress_g33 = _known(prediction.stress, labels.stress)
    volume_g = torch.linalg.det(graph.cell.double()).abs()
    per_atom_g = (volume_g / n_g)[:, None, None].expand(-1, 3, 3)
    return _Errors(
        energy=_known(prediction.energy / n_g, labels.energy / n_g),
        forces=_known(prediction.forces, labels.forces),
        virial=stress_g33 * per_atom_g[~torch.isnan(labels.stress)],
        stress=stress_g33,
    )


def _known(predicted: Float[Tensor, "*k"], label: Float[Tensor, "*k"]) -> Float[Tensor, " m"]:
    """The differences where there is a label: selected, for a product with zero would keep a NaN."""
    is_known: Bool[Tensor, "*k"] = ~torch.isnan(label)
    return predicted[is_known] - label[is_known]
