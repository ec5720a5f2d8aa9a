"""What deepxde would do behind one's back is undone: each of its obstacles has a test."""

import gc

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

pytest.importorskip("deepxde")

from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box
from sciml.pinn.geometry import Condition, load_deepxde, points_inside, points_on_boundary
from sciml.pinn.networks import MLP, MLPConfig


def _generator() -> Generator:
    return Generator().manual_seed(5)


def test_torch_is_left_alone_and_deepxde_is_of_float64() -> None:
    dde = load_deepxde()
    assert torch.get_default_device() == torch.device("cpu") and torch.get_default_dtype() == torch.float32
    assert dde.config.real(np) == np.float64


def test_points_of_a_cut_out_shape_come_again_and_leave_numpys_numbers_alone() -> None:
    dde = load_deepxde()
    shape = dde.geometry.Rectangle([-1, -1], [1, 1]) - dde.geometry.Disk([0, 0], 0.5)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    inside, boundary = points_inside(shape, 300, _generator()), points_on_boundary(shape, 300, _generator())
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert inside.dtype == boundary.dtype == torch.float64
    assert inside.norm(dim=1).min() > 0.5 and inside.abs().max() < 1
    on_disk, on_square = (boundary.norm(dim=1) - 0.5).abs() < 1e-6, (boundary.abs().amax(1) - 1).abs() < 1e-6
    assert (on_disk | on_square).all() and on_disk.any() and on_square.any()
    torch.testing.assert_close(inside, points_inside(shape, 300, _generator()), rtol=0, atol=0)


def test_a_geometry_without_an_inside_is_refused() -> None:
    dde = load_deepxde()
    nothing = dde.geometry.Disk([0, 0], 0.5) - dde.geometry.Rectangle([-1, -1], [1, 1])
    for draw in (points_inside, points_on_boundary):
        with pytest.raises(UserError, match="none of 100000 places"):
            draw(nothing, 10, _generator())
    in_time = dde.geometry.GeometryXTime(nothing, dde.geometry.TimeDomain(0, 1))
    with pytest.raises(UserError, match="none of 100000 places"):
        points_inside(in_time, 10, _generator())


def test_a_condition_follows_its_points() -> None:
    """deepxde keeps values by the address of the points; new ones may come to lie where old ones were."""
    dde = load_deepxde()
    line = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    condition = Condition(
        "wall", line, lambda: dde.icbc.DirichletBC(line, lambda x: 3 * x[:, 1:] + x[:, :1], lambda _, on: on)
    )
    generator = _generator()
    for _ in range(20):
        condition.draw(15, generator)
        gc.collect()
        missed = condition.residual(lambda x: 0 * x[:, :1])
        torch.testing.assert_close(missed, -(3 * condition.points[:, 1:] + condition.points[:, :1]))


def test_initial_slope_and_periodic_conditions_are_those_of_the_fields() -> None:
    dde = load_deepxde()
    interval, time = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1)
    line = dde.geometry.GeometryXTime(interval, time)
    builds = {
        "initial": lambda: dde.icbc.IC(line, lambda x: x[:, :1] ** 2, lambda _, on: on),
        "slope": lambda: dde.icbc.NeumannBC(line, lambda x: 2 + 0 * x[:, :1], lambda _, on: on),
        "periodic": lambda: dde.icbc.PeriodicBC(line, 0, lambda _, on: on),
    }

    def fields(x: Tensor) -> Tensor:
        return x[:, :1] ** 2 * (1 + x[:, 1:])

    found = {}
    for name, build in builds.items():
        condition = Condition(name, line, build)
        condition.draw(10, _generator())
        found[name] = condition.residual(fields)
        if name == "slope":  # outwards: 2 |x| (1 + t)
            torch.testing.assert_close(found[name], 2 * condition.points[:, 1:])
    assert not found["initial"].any() and not found["periodic"].any()


def test_graphs_of_derivatives_do_not_pile_up() -> None:
    dde = load_deepxde()
    line = dde.geometry.Interval(-1, 1)
    network = MLP(MLPConfig(width=3, layers=1), Box((-1.0,), (1.0,)))
    condition = Condition("slope", line, lambda: dde.icbc.NeumannBC(line, lambda x: 0 * x, lambda _, on: on))
    condition.draw(4, _generator())
    sizes = []
    for _ in range(2):
        for _ in range(50):
            condition.residual(network).square().sum().backward()
        gc.collect()
        sizes.append(sum(isinstance(thing, Tensor) for thing in gc.get_objects()))
    assert sizes[1] == sizes[0]


def test_a_condition_for_nothing_and_one_without_a_value_are_refused() -> None:
    dde = load_deepxde()
    line = dde.geometry.Interval(-1, 1)
    nothing = Condition("inlet", line, lambda: dde.icbc.DirichletBC(line, lambda x: x, lambda x, on: on and x[0] > 5))
    with pytest.raises(UserError, match="Call `draw`"):
        nothing.residual(nn.Identity())
    with pytest.raises(UserError, match="`inlet` is for none of 20 points"):
        nothing.draw(20, _generator())
    bad = Condition("inlet", line, lambda: dde.icbc.DirichletBC(line, lambda x: np.nan * x, lambda _, on: on))
    bad.draw(5, _generator())
    with pytest.raises(UserError, match="`inlet` is not finite at"):
        bad.residual(lambda x: x)
