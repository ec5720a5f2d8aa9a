"""Makes golden/sphere.safetensors with torch-harmonics 0.9.2, in an environment that has it and safetensors:

    python tests/sciml/fno/make_golden_sphere.py

All is as torch-harmonics has it: channels first, latitudes from the north, vectors (southwards, eastwards). Complex
numbers have a last axis of 2.
"""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file


class Absent(types.ModuleType):
    """Stands for parts of torch-harmonics that are not needed, whose compiled code is for another version of torch."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def scalars(found: dict[str, torch.Tensor]) -> None:
    """Noise, its coefficients and their field; on the equiangular grid a field that the quadrature is exact for."""
    from torch_harmonics import InverseRealSHT, RealSHT

    for grid, latitudes, degrees in (("legendre-gauss", 12, 12), ("equiangular", 13, 7)):
        sizes = {"lmax": degrees, "mmax": degrees, "grid": grid}
        sht, back = RealSHT(latitudes, 24, **sizes), InverseRealSHT(latitudes, 24, **sizes)
        field = torch.randn(2, latitudes, 24, dtype=torch.float64)
        if grid == "equiangular":
            field = back(sht(field))
        found[f"{grid}.field"] = field
        found[f"{grid}.coefficients"] = torch.view_as_real(sht(field))
        found[f"{grid}.values"] = back(sht(field))


def vectors(found: dict[str, torch.Tensor]) -> None:
    from torch_harmonics import InverseRealVectorSHT, RealVectorSHT

    sizes = {"lmax": 12, "mmax": 12, "grid": "legendre-gauss"}
    sht, back = RealVectorSHT(12, 24, **sizes), InverseRealVectorSHT(12, 24, **sizes)
    field = torch.randn(2, 12, 24, dtype=torch.float64)
    found["vector.field"], found["vector.coefficients"] = field, torch.view_as_real(sht(field))
    found["vector.values"] = back(sht(field))


def network(found: dict[str, torch.Tensor]) -> None:
    from torch_harmonics.examples.models.sfno import SphericalFourierNeuralOperator

    net = SphericalFourierNeuralOperator(
        img_size=(8, 16),
        grid="legendre-gauss",
        grid_internal="legendre-gauss",
        scale_factor=1,
        in_chans=2,
        out_chans=3,
        embed_dim=6,
        num_layers=2,
    )
    field = torch.randn(2, 2, 8, 16)
    net(field).square().mean().backward()
    for name, parameter in net.named_parameters():
        for kind, value in (("weight", parameter.detach()), ("slope", parameter.grad)):
            found[f"network.{kind}.{name}"] = torch.view_as_real(value).clone() if value.is_complex() else value.clone()
    found["network.field"], found["network.out"] = field, net(field).detach()


def main() -> None:
    """Writes the file."""
    warnings.simplefilter("ignore")
    for name in ("torch_harmonics.attention", "torch_harmonics.disco"):
        sys.modules[name] = Absent(name)
    torch.manual_seed(0)
    found: dict[str, torch.Tensor] = {}
    scalars(found)
    vectors(found)
    network(found)
    tensors = {name: tensor.contiguous() for name, tensor in found.items()}
    save_file(tensors, Path(__file__).parent / "golden/sphere.safetensors")


if __name__ == "__main__":
    main()
