"""What deepxde would do behind one's back is undone: each of its obstacles has a test."""

import gc
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pinn.derivatives import derivative
from sciml.pinn.domain import Domain
from sciml.pinn.embeddings import Box
from sciml.pinn.equations.evolution import burgers
from sciml.pinn.geometry import Condition, load_deepxde, points_inside, points_on_boundary
from sciml.pinn.networks import MLP, MLPConfig
from sciml.pinn.residuals import mean_square
from sciml.pinn.shapes import ShapeConfig


def _generator() -> Generator:
    return Generator().manual_seed(5)


def _python(code: str, **environment: str) -> str:
    """Runs a program of its own, since an import happens once; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _line() -> tuple[Any, Any]:
    dde = load_deepxde()
    return dde, dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))


# what torch is like after the import, on a machine where CUDA is there
SEES_CUDA = """
    import torch
    torch.cuda.is_available = lambda: True
    chosen = []
    set_device, torch.set_default_device = torch.set_default_device, chosen.append
    {imports}
    torch.set_default_device = set_device
    assert torch.get_default_device() == torch.device("cpu")
    print(len(chosen), torch.get_default_dtype(), len(torch.overrides._get_current_function_mode_stack()))
"""


@pytest.mark.slow
def test_the_default_device_and_type_are_left_alone_where_there_is_cuda() -> None:
    """A mode that stays behind would cost time in every call of torch, even for the device that it was."""
    ours = "from sciml.pinn.geometry import load_deepxde; dde = load_deepxde(); assert dde.config.real.precision == 64"
    assert _python(SEES_CUDA.format(imports=ours)) == "0 torch.float32 0\n"
    # the obstacle is there: without us, deepxde does choose
    theirs = _python(SEES_CUDA.format(imports="import deepxde"), DDE_BACKEND="pytorch")
    assert theirs == "1 torch.float32 0\n"


def test_the_package_does_without_deepxde() -> None:
    code = """
        import pkgutil, importlib, sys, torch
        import sciml.pinn
        for module in pkgutil.walk_packages(sciml.pinn.__path__, "sciml.pinn."):
            importlib.import_module(module.name)
        print("deepxde" in sys.modules, torch.get_default_dtype(), torch.get_default_device())
    """
    assert _python(code) == "False torch.float32 cpu\n"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DDE_BACKEND": "jax"}, "DDE_BACKEND is 'jax'. Unset it."),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "refuses to be imported in a process of `mpirun`"),
    ],
)
def test_what_deepxde_cannot_run_under_is_said(environment: dict[str, str], message: str) -> None:
    code = """
        from sciml.core.errors import UserError
        from sciml.pinn.geometry import load_deepxde
        try:
            load_deepxde()
        except UserError as error:
            print(error)
    """
    assert message in _python(code, **environment)


def _live_tensors() -> int:
    gc.collect()
    with warnings.catch_warnings():
        # asking some of torch's deprecated objects for their class warns
        warnings.simplefilter("ignore")
        return sum(isinstance(thing, Tensor) for thing in gc.get_objects())


def _network() -> MLP:
    return MLP(MLPConfig(width=3, layers=1), Box((-1.0, 0.0), (1.0, 1.0)))


@pytest.mark.slow
def test_derivatives_keep_no_graphs_over_a_thousand_evaluations() -> None:
    network, points = _network(), torch.rand(4, 2, dtype=torch.float64)
    dde, line = _line()
    slope = Condition("slope", line, lambda: dde.icbc.NeumannBC(line, lambda x: 0 * x[:, :1], lambda _, on: on))
    slope.draw(4, _generator())

    def residual() -> None:
        mean_square(partial(burgers, viscosity=0.1), network, points, "burgers")

    def condition() -> None:
        slope.residual(network).square().sum().backward()

    for evaluate in (residual, condition):
        sizes = []
        for _ in range(2):
            for _ in range(500):
                evaluate()
            sizes.append(_live_tensors())
        assert sizes[1] == sizes[0]
    assert _grows(network), "deepxde keeps graphs no more; the clearing in Condition.residual can go"


def _grows(network: MLP) -> bool:
    """Whether deepxde's own derivatives keep the graphs of evaluations that are past."""
    dde = load_deepxde()
    before = _live_tensors()
    for _ in range(20):
        x = torch.rand(4, 2, dtype=torch.float64, requires_grad=True)
        dde.grad.jacobian(network(x), x, i=0, j=0)
    after = _live_tensors()
    dde.grad.clear()
    return after >= before + 20


def test_a_condition_follows_its_points() -> None:
    """deepxde keeps values by the address of the points; new ones may come to lie where old ones were."""
    dde, line = _line()
    condition = Condition(
        "wall", line, lambda: dde.icbc.DirichletBC(line, lambda x: 3 * x[:, 1:] + x[:, :1], lambda _, on: on)
    )
    generator = _generator()
    for _ in range(20):
        condition.draw(15, generator)
        gc.collect()
        missed = condition.residual(lambda x: 0 * x[:, :1])
        torch.testing.assert_close(missed, -(3 * condition.points[:, 1:] + condition.points[:, :1]))


def test_a_condition_follows_its_value_when_it_is_drawn_anew() -> None:
    dde, line = _line()
    level, built = [1.0], []

    def build() -> Any:
        built.append(dde.icbc.DirichletBC(line, lambda x: level[0] + 0 * x[:, :1], lambda _, on: on))
        return built[-1]

    condition = Condition("wall", line, build)
    for count, value in enumerate((1.0, -2.5, 4.0), start=1):
        level[0] = value
        condition.draw(6, _generator())
        torch.testing.assert_close(condition.residual(lambda x: 0 * x[:, :1]), torch.full((6, 1), -value).double())
        assert len(built) == count
    # the obstacle is there: a condition of deepxde keeps the value that it had
    nothing, points = torch.zeros(6, 1).double(), condition.points.numpy()
    before = built[-1].error(points, None, nothing, 0, 6)
    level[0] = 7.0
    assert torch.equal(before, built[-1].error(points, None, nothing, 0, 6))


def test_all_is_float64_from_points_to_gradients() -> None:
    dde, line = _line()
    network, generator = _network(), _generator()
    wall = Condition("wall", line, lambda: dde.icbc.DirichletBC(line, lambda x: x[:, :1] / 3, lambda _, on: on))
    wall.draw(50, generator)
    initial = Condition("initial", line, lambda: dde.icbc.IC(line, lambda x: x[:, :1] / 3, lambda _, on: on))
    initial.draw(50, generator)
    for condition in (wall, initial):
        missed = condition.residual(network)
        assert missed.dtype == torch.float64
        torch.testing.assert_close(missed, network(condition.points) - condition.points[:, :1] / 3, rtol=0, atol=1e-15)
        assert (condition.points.float().double() != condition.points).any()
    for points in (points_inside(line, 50, generator), points_on_boundary(line, 50, generator)):
        # as many digits as float64 has, and not float32's numbers in its clothes
        assert points.dtype == torch.float64 and (points.float().double() != points).any()
    x = points_inside(line, 5, generator).requires_grad_()
    assert derivative(network(x)[:, 0], x, 0, 0).dtype == torch.float64


@pytest.mark.parametrize("draw", [points_inside, points_on_boundary])
def test_a_geometry_without_an_inside_is_refused(draw: Callable[..., Tensor]) -> None:
    dde = load_deepxde()
    nothing = dde.geometry.Disk([0, 0], 0.5) - dde.geometry.Rectangle([-1, -1], [1, 1])
    for geometry in (nothing, dde.geometry.GeometryXTime(nothing, dde.geometry.TimeDomain(0, 1))):
        with pytest.raises(UserError, match="none of 100000 places .* Check its parts"):
            draw(geometry, 10, _generator())


def test_a_union_that_deepxde_knows_no_boundary_of_is_refused_and_ours_has_one() -> None:
    """deepxde would look for its points for ever."""
    dde = load_deepxde()
    square = dde.geometry.Rectangle([0, 0], [1, 1])
    with pytest.raises(UserError, match="CSGUnion has no boundary .* are two of them the same"):
        points_on_boundary(square | dde.geometry.Rectangle([0, 0], [1, 1]), 10, _generator())
    config = ShapeConfig("rectangle", (0.0, 0.0), (1.0, 1.0))
    twice = Domain(ShapeConfig("rectangle", (0.0, 0.0), (1.0, 1.0), plus=(config,)))
    points, _ = twice.boundary_points(10, _generator())
    assert square.on_boundary(points.numpy()).all()


def test_a_condition_for_nothing_and_one_without_a_value_are_refused() -> None:
    dde = load_deepxde()
    line = dde.geometry.Interval(-1, 1)
    nothing = Condition("inlet", line, lambda: dde.icbc.DirichletBC(line, lambda x: x, lambda x, on: on and x[0] > 5))
    with pytest.raises(UserError, match="Call `draw`"):
        nothing.residual(torch.nn.Identity())
    with pytest.raises(UserError, match="`inlet` is for none of 20 points"):
        nothing.draw(20, _generator())
    bad = Condition("inlet", line, lambda: dde.icbc.DirichletBC(line, lambda x: np.nan * x, lambda _, on: on))
    bad.draw(5, _generator())
    with pytest.raises(UserError, match="`inlet` is not finite at"):
        bad.residual(lambda x: x)
