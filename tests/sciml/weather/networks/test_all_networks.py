"""Laws of every weather network: what it starts from, what it depends on, what it refuses, and that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.networks.convgru import ConvGRU, ConvGRUConfig
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.mesh_geometry import grid_places
from sciml.weather.networks.mesh_gnn import MeshGNN, MeshGNNConfig
from sciml.weather.networks.swin import Swin, SwinConfig

SMALL: dict[str, tuple[Any, type[nn.Module]]] = {
    "swin": (
        SwinConfig(channels=16, patch_points=2, window_levels=2, window_latitudes=3, window_longitudes=4),
        Swin,
    ),
    "swin without merging": (SwinConfig(channels=16, coarse_blocks=0, bias="relative"), Swin),
    "convgru": (ConvGRUConfig(channels=16, fine_channels=12), ConvGRU),
    "mesh gnn": (MeshGNNConfig(channels=24, layers=2, refinement=1), MeshGNN),
}
GRID = Grid((16, 32), (False, True), "gauss-legendre")
# three levels, which make no whole patches of two
LAYOUT = ChannelLayout(upper=("z", "u", "v"), n_levels=3, surface=("t2m", "u10"), history=2, n_forcings=1, n_statics=2)


def build(name: str, layout: ChannelLayout = LAYOUT, grid: Grid = GRID, n_conditions: int = 0) -> Any:
    torch.manual_seed(0)
    config, network = SMALL[name]
    return network(config, layout, grid, layout.n_inputs, n_conditions)


def some(layout: ChannelLayout = LAYOUT, grid: Grid = GRID, batch: int = 2) -> Tensor:
    return torch.randn(batch, *grid.shape, layout.n_inputs, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("n_conditions", [0, 3])
def test_starts_near_persistence_and_learns_with_every_parameter(name: str, n_conditions: int) -> None:
    network = build(name, n_conditions=n_conditions)
    change = network(some(), torch.randn(2, n_conditions) if n_conditions else None)
    assert change.shape == (2, *GRID.shape, LAYOUT.n_state)
    # the domain normalises changes to 1; nearly none is predicted, yet not exactly none
    assert 1e-4 < change.square().mean().sqrt() < 0.05
    change.square().mean().backward()
    still = [key for key, parameter in network.named_parameters() if not parameter.grad.any()]
    assert not still


@pytest.mark.parametrize("name", SMALL)
def test_the_condition_counts_and_samples_of_a_batch_do_not_mix(name: str) -> None:
    network = build(name, n_conditions=3).double()
    x, condition = some().double(), torch.randn(2, 3, generator=torch.Generator().manual_seed(2)).double()
    change = network(x, condition)
    assert (network(x, -condition) - change).abs().max() > 0.01 * change.abs().max()
    for i in range(2):
        alone = network(x[i : i + 1], condition[i : i + 1])
        # matrix products of other sizes add up in another order
        assert (alone[0] - change[i]).abs().max() < 1e-12


@pytest.mark.parametrize("name", SMALL)
def test_precisions(name: str) -> None:
    network = build(name)
    single = network(some())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(some())
    half.float().square().mean().backward()
    double = network.double()(some().double())
    assert double.dtype == torch.float64
    size = double.abs().max()
    assert (single - double).abs().max() < 1e-4 * size
    # bf16 rounds to 2^-9 of a value; a dozen layers in a row add some of it up
    assert (half - double).abs().max() < 0.1 * size


@pytest.mark.parametrize("name", SMALL)
def test_inference_gives_what_training_does(name: str) -> None:
    """Without gradients a network may take a fused route."""
    network, x = build(name).double(), some().double()
    with torch.no_grad():
        assert (network(x) - network(x).detach()).abs().max() == 0
        without = network(x)
    assert (without - network(x)).abs().max() < 1e-13


@pytest.mark.parametrize("name", SMALL)
def test_weights_know_nothing_of_a_buffer(name: str) -> None:
    network = build(name)
    assert set(network.state_dict()) == {key for key, _ in network.named_parameters()}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "grid",
    [
        Grid((13, 24), (False, True), "equiangular"),
        Grid((9, 40), (False, True), "equiangular-offset"),
    ],
    ids=["odd rows with poles", "odd rows without poles"],
)
@pytest.mark.parametrize(
    "layout",
    [
        ChannelLayout(upper=("z",), n_levels=1, surface=()),
        ChannelLayout(upper=("z", "u"), n_levels=2, surface=(), n_statics=1),
    ],
    ids=["one channel", "no surface variable"],
)
def test_other_grids_and_layouts(name: str, grid: Grid, layout: ChannelLayout) -> None:
    network = build(name, layout, grid)
    change = network(some(layout, grid))
    assert change.shape == (2, *grid.shape, layout.n_state)
    change.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_what_does_not_fit_is_refused(name: str) -> None:
    config, network = SMALL[name]
    with pytest.raises(UserError, match=r"25 inputs \(2 states of 11 channels.* asked for 26"):
        network(config, LAYOUT, GRID, 26)
    with pytest.raises(UserError, match="is a box"):
        network(config, LAYOUT, Grid((16, 32), (False, True)), LAYOUT.n_inputs)
    built = build(name, n_conditions=2)
    with pytest.raises(UserError, match=r"\(16, 32, 25\), but got \(16, 36, 25\)"):
        built(torch.zeros(1, 16, 36, 25), torch.zeros(1, 2))
    with pytest.raises(UserError, match="condition of 2 numbers, but got 0"):
        built(some())
    with pytest.raises(UserError, match="condition of 2 numbers, but got 3"):
        built(some(), torch.zeros(2, 3))


def rotations(grid: Grid, size: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Smooth z and t2m with the wind of a solid-body rotation about any axis, and their change in 20 degrees of it."""

    def smooth(points: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(points, -1, 0)
        terms = [x, y, z, x * y, y * z, x * z, x**2 - y**2, z**2 - 1 / 3, x * y * z, x**3, y**3, z**3]
        return np.stack(terms, axis=-1) @ coefficients

    places = grid_places(grid)
    axis = random.normal(size=(size, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    coefficients = random.normal(size=(size, 12, 2))
    start = smooth(places.points)
    end = smooth(np.stack([Rotation.from_rotvec(-np.radians(20) * a).apply(places.points) for a in axis]))
    wind = np.cross(axis[:, None], places.points)
    wind = np.stack([(wind * places.east).sum(-1), (wind * places.north).sum(-1)], axis=-1)
    shape = (size, *grid.shape, 4)
    x = torch.from_numpy(np.concatenate([start, wind], axis=-1)).float().view(shape)
    return x, torch.from_numpy(np.concatenate([end - start, 0 * wind], axis=-1)).float().view(shape)


# Where the root mean square error over that of persistence has to be after a hundred steps; measured: 0.61, 0.49 and
# 0.81. What a point can know by itself, without its neighbours, is 0.98.
LEARNERS: dict[str, tuple[Any, type[nn.Module], float]] = {
    "swin": (
        SwinConfig(channels=32, fine_blocks=1, coarse_blocks=1, patch_levels=1, patch_points=2, window_latitudes=4),
        Swin,
        0.7,
    ),
    "convgru": (ConvGRUConfig(channels=24, fine_channels=16, layers=1), ConvGRU, 0.6),
    "mesh gnn": (MeshGNNConfig(channels=32, layers=2, refinement=2), MeshGNN, 0.9),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_learns_to_move_what_the_wind_moves_also_over_the_poles(name: str) -> None:
    config, network_type, enough = LEARNERS[name]
    layout = ChannelLayout(upper=("z",), n_levels=1, surface=("t2m", "u10", "v10"))
    torch.manual_seed(0)
    network = network_type(config, layout, GRID, layout.n_inputs)
    random, steps = np.random.default_rng(0), 100
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps, pct_start=0.2)
    for _ in range(steps):
        x, change = rotations(GRID, 8, random)
        loss = (network(x) - change).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    x, change = rotations(GRID, 32, random)
    with torch.no_grad():
        error = ((network(x) - change).square().mean() / change.square().mean()).sqrt()
    assert error < enough
