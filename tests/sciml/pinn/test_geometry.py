"""Points and conditions of deepxde's geometries."""

import numpy as np
import torch
from torch import Generator, Tensor

from sciml.pinn.geometry import Condition, load_deepxde, points_inside, points_on_boundary


def _generator() -> Generator:
    return Generator().manual_seed(5)


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
