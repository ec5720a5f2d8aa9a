"""Outputs and gradients of neuraloperator 2.0's FNO, which test_fno.py compares ours with.

Run by the Python of an environment of its own that has it, from the root of the repository:

    python -m pip install neuraloperator==2.0.0
    python tests/sciml/fno/make_golden.py

A file holds the options of both packages, weights and fields in float32, and in float64: the output, the gradients of
sum(output * cotangent) by the input and by each weight. neuraloperator computes the inverse transform in single
precision whatever it is given, by the name `torch.cfloat`, and coordinates in torch's default precision; while this
runs, both are double.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "golden"

# file: grid, options of neuraloperator, those of ours that are not the default
CASES: dict[str, tuple[tuple[int, ...], dict[str, Any], dict[str, Any]]] = {
    "1d": ((15,), {"n_modes": (7,)}, {}),
    "2d": ((12, 10), {"n_modes": (6, 5)}, {}),
    "2d-all-modes": ((8, 6), {"n_modes": (8, 6)}, {}),
    "3d": ((6, 8, 7), {"n_modes": (4, 3, 4)}, {}),
    "2d-gates": (
        (8, 9),
        {"n_modes": (5, 4), "fno_skip": "soft-gating", "channel_mlp_skip": "linear", "positional_embedding": None},
        {"skip": "soft-gating", "channel_mlp_skip": "linear", "coordinates": False},
    ),
    "2d-identity": (
        (8, 9),
        {"n_modes": (4, 4), "fno_skip": "identity", "channel_mlp_skip": "identity", "channel_mlp_expansion": 2.0},
        {"skip": "identity", "channel_mlp_skip": "identity", "channel_mlp_expansion": 2.0},
    ),
    "2d-separable": ((8, 10), {"n_modes": (6, 5), "separable": True}, {"weights": "separable"}),
    "2d-cp": ((8, 10), {"n_modes": (6, 5), "factorization": "cp", "rank": 0.4}, {"weights": "cp", "rank": 0.4}),
    "2d-tucker": (
        (8, 10),
        {"n_modes": (6, 5), "factorization": "tucker", "rank": 0.4},
        {"weights": "tucker", "rank": 0.4},
    ),
    "3d-tt": (
        (6, 4, 6),
        {"n_modes": (4, 3, 4), "factorization": "tt", "rank": 0.3},
        {"weights": "tt", "rank": 0.3},
    ),
}


def main() -> None:
    """Writes all files."""
    import torch
    from neuralop.models import FNO

    torch.cfloat = torch.complex128
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name, (shape, theirs, ours) in CASES.items():
        torch.manual_seed(0)
        options = {"in_channels": 2, "out_channels": 3, "hidden_channels": 4, "n_layers": 2, **theirs}
        network = FNO(**options)
        for parameter in network.parameters():
            # made in single precision, so that both precisions start from the same numbers
            single = torch.complex64 if parameter.is_complex() else torch.float32
            double = torch.complex128 if parameter.is_complex() else torch.float64
            parameter.data = parameter.data.to(single).to(double)
        x = torch.randn(2, *shape, 2).float().double()
        cotangent = torch.randn(2, *shape, 3).float().double()
        leaf = x.movedim(-1, 1).contiguous().requires_grad_()
        out = network(leaf).movedim(1, -1)
        (out * cotangent).sum().backward()
        arrays = {"x": x.float(), "cotangent": cotangent.float(), "out": out, "grad_x": leaf.grad.movedim(1, -1)}
        for key, parameter in network.named_parameters():
            single = torch.complex64 if parameter.is_complex() else torch.float32
            arrays[f"weight/{key}"] = parameter.to(single)
            arrays[f"grad/{key}"] = parameter.grad
        config = {"modes": theirs["n_modes"], "width": 4, "layers": 2, **ours}
        np.savez_compressed(
            FOLDER / f"{name}.npz",
            config=np.array(json.dumps(config)),
            **{key: tensor.detach().resolve_conj().numpy() for key, tensor in arrays.items()},
        )


if __name__ == "__main__":
    main()
