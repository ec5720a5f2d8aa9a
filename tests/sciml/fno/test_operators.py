"""What every operator network does: refuses what it was not made for, works under autocast and compilers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from sciml.core.architectures import architecture_of
from sciml.core.errors import UserError
from sciml.fno.conditioning import check_input
from sciml.fno.deeponet import DeepONetConfig
from sciml.fno.export import export_program
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid
from sciml.fno.operators import OPERATORS, build_operator
from sciml.fno.sfno import SFNOConfig
from sciml.fno.transolver import TransolverConfig
from sciml.fno.unet import UNetConfig

GRID = Grid((9, 16), (False, True), "equiangular")
SMALL = {
    "fno": FNOConfig(modes=(4, 4), width=4, layers=2),
    # on a coarser grid inside, and of so few channels that torch's route takes FFTs
    "sfno": SFNOConfig(width=4, layers=2, scale_factor=2.0, position=True),
    "unet": UNetConfig(width=4, multipliers=(1, 2), groups=2),
    "deeponet": DeepONetConfig(basis=4, branch_width=8, trunk_width=8),
    "transolver": TransolverConfig(width=8, heads=2, slices=4, layers=1),
}
EVERY = pytest.mark.parametrize("name", OPERATORS)


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_operator(SMALL[name], 2, 3, GRID, n_conditions=1)


def inputs(n: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(n, *GRID.shape, 2), torch.randn(n, 1)


@EVERY
def test_a_config_names_its_network(name: str) -> None:
    assert architecture_of(SMALL[name], OPERATORS) == name
    assert isinstance(build(name), OPERATORS[name][1])


@EVERY
def test_precisions_that_do_not_fit_are_refused(name: str) -> None:
    network, (x, condition) = build(name), inputs()
    with pytest.raises(UserError, match=r"weights are torch.float32, but the field is torch.float64. Use `.to\("):
        network(x.double(), condition)
    with pytest.raises(UserError, match="but the condition is torch.float64"):
        network(x, condition.double())
    with pytest.raises(UserError, match=r"weights are torch.bfloat16.* use `torch.autocast`"):
        network.bfloat16()(x.bfloat16(), condition.bfloat16())


def test_conditions_and_whole_numbers_that_do_not_fit_are_refused() -> None:
    """By the check itself: in tests the types of a network's arguments are checked before."""
    network, (x, condition) = build("fno"), inputs()
    assert isinstance(network, FNO)
    with pytest.raises(UserError, match="but the field is torch.int64"):
        check_input(network, x.long(), condition)
    with pytest.raises(UserError, match=r"2 field\(s\) need conditions of shape \[2, 1\], but got \[1, 1\]"):
        check_input(network, x, condition[:1])
    with pytest.raises(UserError, match=r"but got \[1, 2, 1\]"):
        check_input(network, x, condition[None])
    with pytest.raises(UserError, match=r"but got \[\]"):
        check_input(network, x, condition[0, 0])


@EVERY
def test_autocast_takes_fields_of_either_precision(name: str) -> None:
    network, (x, condition) = build(name), inputs()
    exact = network(x, condition)
    with torch.autocast("cpu", torch.bfloat16):
        for field in (x, x.bfloat16()):
            # bf16 has three digits, and outputs are of order one
            torch.testing.assert_close(network(field, condition).float(), exact, rtol=0, atol=0.06)


@pytest.mark.parametrize("name", ["fno", "sfno"])
def test_a_batch_without_samples_has_none_behind(name: str) -> None:
    x, condition = inputs(0)
    x.requires_grad_()
    out = build(name)(x, condition)
    assert out.shape == (0, *GRID.shape, 3)
    out.sum().backward()
    assert x.grad is not None


# torch's tracer with the operations as they are; what a compiler makes of them is not ours to test
COMPILED = """
import torch
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid
from sciml.fno.sfno import SFNO, SFNOConfig

grid = Grid((9, 16), (False, True), "equiangular")
for network in (
    FNO(FNOConfig(modes=(4, 4), width=4, layers=1), 1, 1, grid),
    SFNO(SFNOConfig(width=4, layers=1, scale_factor=2.0, position=True), 1, 1, grid),
):
    x = torch.randn(2, 9, 16, 1)
    out = torch.compile(network, backend="eager")(x)
    torch.testing.assert_close(out, network(x), rtol=0, atol=1e-5)
"""


def test_compiled_networks_have_the_numbers_of_the_networks() -> None:
    """In a process of its own, in which nothing checks the types of arguments and no transform has been made yet."""
    ran = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", ["sfno", "transolver"])
def test_a_program_has_no_fft_and_the_numbers_of_the_network(name: str) -> None:
    """Those of FNO are tested with the export itself."""
    network = build(name)
    program = export_program(network, GRID.shape)
    assert not [node for node in program.graph.nodes if "fft" in str(node.target)]
    # another number of samples, float32 by another route
    given = inputs(3)
    torch.testing.assert_close(program.module()(*given), network(*given), rtol=0, atol=1e-5)
