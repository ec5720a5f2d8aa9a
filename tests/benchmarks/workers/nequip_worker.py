"""NequIP: its own training step and ASE calculator, eager and compiled."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip.nn.graph_model import GraphModel
from nequip.scripts._compile_utils import COMPILE_TARGET_DICT
from nequip.train import NequIPLightningModule
from nequip.utils.aot import aot_export_model
from nequip.utils.aoti_metadata import NEQUIP_AOTI_INPUTS_KEY, NEQUIP_AOTI_OUTPUTS_KEY, serialize_aoti_keys
from nequip.utils.global_state import TF32_KEY, set_global_state
from protocol import Model, Sample, Training, Workload, serve

# vesin takes about half the time of the default, matscipy, and NequIP offers it as an option
NEIGHBOUR_LIST = "vesin"
# 5 angstrom in silicon: 3 neighbour shells and parts of a fourth
NEIGHBOURS = 28.0


class Quiet(NequIPLightningModule):
    """The training module without a logger to write to."""

    def log_dict(self, *_: object, **__: object) -> None:
        """Nothing listens."""


def main() -> None:
    set_global_state(allow_tf32=False)
    label = "NequIP l=1, 3 x 32"
    neighbours = f"neighbour list by {NEIGHBOUR_LIST} anew each step, with stress"
    models = {
        f"{label}, eager": Model(
            training=partial(_training, "eager"),
            calculator=_eager_calculator,
            training_path="NequIPLightningModule.training_step, compile_mode: eager",
            calculator_path=f"NequIPCalculator of the eager model, {neighbours}",
        ),
        f"{label}, compiled": Model(
            training=partial(_training, "compile") if os.environ.get("SCIML_BENCH_NEQUIP_COMPILE_TRAINING") else None,
            calculator=_compiled_calculator,
            training_path="NequIPLightningModule.training_step, compile_mode: compile",
            calculator_path=f"NequIPCalculator.from_compiled_model (AOTInductor, target ase), {neighbours}",
        ),
    }
    serve("NequIP", "nequip", models)


def _model(cutoff_angstrom: float, compile_mode: str = "eager") -> dict[str, object]:
    """The model part of a configuration file of nequip-train."""
    return {
        "_target_": "nequip.model.NequIPGNNModel",
        "seed": 0,
        "model_dtype": "float32",
        "type_names": ["Si"],
        "r_max": cutoff_angstrom,
        "num_layers": 3,
        "l_max": 1,
        "num_features": 32,
        # parity off and the narrow radial network: the quickest of the settings that its documentation names
        "parity": False,
        "radial_mlp_width": 64,
        "avg_num_neighbors": NEIGHBOURS,
        "per_type_energy_scales": 1.0,
        "per_type_energy_shifts": 0.0,
        "compile_mode": compile_mode,
    }


def _training(compile_mode: str, cutoff_angstrom: float, batches: list[list[Sample]]) -> Training:
    module = Quiet(
        model=_model(cutoff_angstrom, compile_mode),
        num_datasets={"train": 1, "val": 1, "test": 0, "predict": 0},
        optimizer={"_target_": "torch.optim.Adam", "lr": 1e-4},
        loss={
            "_target_": "nequip.train.EnergyForceLoss",
            "per_atom_energy": True,
            "coeffs": {"total_energy": 1.0, "forces": 1.0},
        },
        val_metrics={"_target_": "nequip.train.EnergyForceMetrics"},
    ).train()
    optimizer = module.configure_optimizers()
    transforms = _transforms(cutoff_angstrom)
    data = itertools.cycle([_batch(batch, transforms) for batch in batches])

    def step() -> None:
        optimizer.zero_grad()
        # the forward pass adds its results to the dictionary that it is given
        module.training_step(next(data).copy(), 0).backward()
        optimizer.step()

    return Training(module, step)


def _transforms(cutoff_angstrom: float) -> list[Callable]:
    return [
        ChemicalSpeciesToAtomTypeMapper(["Si"], {"Si": "Si"}),
        NeighborListTransform(r_max=cutoff_angstrom, backend=NEIGHBOUR_LIST),
    ]


def _batch(samples: list[Sample], transforms: list[Callable]) -> AtomicDataDict.Type:
    frames = []
    for sample in samples:
        labelled = sample.atoms.copy()
        labelled.calc = SinglePointCalculator(labelled, energy=sample.energy, forces=sample.forces)
        frames.append(_transformed(from_ase(labelled), transforms))
    return AtomicDataDict.batched_from_list(frames)


def _transformed(data: AtomicDataDict.Type, transforms: list[Callable]) -> AtomicDataDict.Type:
    for transform in transforms:
        data = transform(data)
    return data


def _network(cutoff_angstrom: float) -> GraphModel:
    from nequip.model import NequIPGNNModel

    fields = _model(cutoff_angstrom)
    del fields["_target_"]
    return NequIPGNNModel(**fields).eval()


def _eager_calculator(cutoff_angstrom: float) -> Calculator:
    return NequIPCalculator(_network(cutoff_angstrom), device="cpu", transforms=_transforms(cutoff_angstrom))


def _compiled_calculator(cutoff_angstrom: float) -> Calculator:
    """What `nequip-compile --mode aotinductor --target ase` makes of a checkpoint, made here of fresh weights."""
    folder = Path(tempfile.gettempdir()) / "sciml-benchmarks"
    folder.mkdir(exist_ok=True)
    file = folder / f"nequip-{version('nequip')}-torch-{torch.__version__}-{cutoff_angstrom:g}.nequip.pt2"
    if not file.exists():
        _compile(_network(cutoff_angstrom), Workload().structure(), _transforms(cutoff_angstrom), file)
    return NequIPCalculator.from_compiled_model(
        file, device="cpu", chemical_species_to_atom_type_map=True, neighborlist_backend=NEIGHBOUR_LIST
    )


def _compile(network: GraphModel, atoms: Atoms, transforms: list[Callable], file: Path) -> None:
    target = COMPILE_TARGET_DICT["ase"]
    metadata = {
        **network.metadata,
        TF32_KEY: "0",
        NEQUIP_AOTI_INPUTS_KEY: serialize_aoti_keys(target["input"]),
        NEQUIP_AOTI_OUTPUTS_KEY: serialize_aoti_keys(target["output"]),
    }
    dimensions = {name: torch.export.Dim(name, min=2, max=torch.inf) for name in ("graph", "node", "edge")}
    aot_export_model(
        model=network,
        device=torch.device("cpu"),
        input_fields=target["input"],
        output_fields=target["output"],
        data=target["data_settings"](_transformed(from_ase(atoms), transforms)),
        batch_map=target["batch_map_settings"](dimensions),
        output_path=str(file),
        inductor_configs={"aot_inductor.metadata": {key: str(value) for key, value in metadata.items()}},
    )


if __name__ == "__main__":
    main()
