"""Laws of embeddings, networks and exact constraints."""

import math

import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.pinn.constraints import HardConstraint, between, to_wall, to_walls
from sciml.pinn.derivatives import derivative, gradient
from sciml.pinn.embeddings import Box, Embedding
from sciml.pinn.networks import NETWORKS, FactorisedLinear, MLPConfig, PirateNet, PirateNetConfig

BOX = Box((-1.0, 0.0), (3.0, 0.5), (True, False))


def _points(n: int = 30) -> Tensor:
    return torch.tensor(BOX.low) + (torch.tensor(BOX.high) - torch.tensor(BOX.low)) * torch.rand(n, 2).double()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("options", [{}, {"fourier": 5, "factorised": True, "activation": "sin"}])
def test_networks_are_of_float64_and_periodic_with_their_derivatives(name: str, options: dict[str, object]) -> None:
    config, kind = NETWORKS[name]
    network = kind(config(width=10, layers=2, waves=2, **options), BOX, 3)
    assert all(tensor.dtype == torch.float64 for tensor in network.state_dict().values())
    if name == "piratenet":  # closed at first
        for block in network.blocks:
            nn.init.constant_(block.openness, 0.7)
    x = _points().requires_grad_()
    y = (x.detach() + torch.tensor([4.0, 0.0]).double()).requires_grad_()
    at_x, at_y = network(x), network(y)
    assert at_x.shape == (30, 3)
    for field in range(3):
        assert at_x[:, field].std() > 1e-3, "not constant"
        # angles of 1 + 4 pi have their last digits elsewhere
        torch.testing.assert_close(at_x[:, field], at_y[:, field], rtol=0, atol=1e-12)
        pair = (derivative(at_x[:, field], x, 0, 0, 0), derivative(at_y[:, field], y, 0, 0, 0))
        torch.testing.assert_close(*pair, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_at_a_point_depends_on_that_point_alone(name: str) -> None:
    config, kind = NETWORKS[name]
    network, x = kind(config(width=6, layers=2), BOX), _points()
    torch.testing.assert_close(network(x)[7:9], network(x[7:9]), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_saved_make_the_same_network_though_its_features_are_random(name: str) -> None:
    config, kind = NETWORKS[name]
    x, networks = _points(), [kind(config(width=6, layers=2, fourier=4), BOX) for _ in range(2)]
    assert not torch.allclose(networks[0](x), networks[1](x))
    networks[1].load_state_dict(networks[0].state_dict())
    torch.testing.assert_close(networks[0](x), networks[1](x), rtol=0, atol=0)


def test_an_embedding_without_periods_is_the_unit_box() -> None:
    embedding = Embedding(Box((-1.0, 2.0), (3.0, 4.0)))
    corners = torch.tensor([[-1.0, 2.0], [3.0, 4.0], [1.0, 3.0]]).double()
    torch.testing.assert_close(embedding(corners), torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]).double())


def test_a_factorised_layer_is_its_product_and_its_scale_is_trained() -> None:
    layer = FactorisedLinear(4, 3)
    x = torch.randn(5, 4).double()
    weight = torch.diag(layer.scale.exp()) @ layer.direction
    torch.testing.assert_close(layer(x), x @ weight.T + layer.bias)
    layer(x).square().sum().backward()
    assert layer.scale.grad is not None and layer.scale.grad.abs().min() > 0
    # Glorot's spread of 120 000 numbers, the scales being made up for: its standard error is 0.2 %
    large = FactorisedLinear(400, 300)
    product = large.scale.exp()[:, None] * large.direction
    assert product.std().item() == pytest.approx(math.sqrt(2 / 700), rel=0.01)


def test_a_piratenet_starts_linear_in_its_features_and_at_what_is_known() -> None:
    network = PirateNet(PirateNetConfig(width=40, layers=2, fourier=20, fourier_scale=2.0), Box((-1.0,), (1.0,)))
    x = torch.linspace(-1, 1, 200).double()[:, None]
    torch.testing.assert_close(network.features(x), network.embedding(x))
    wanted = torch.sin(3 * x)
    before = (network(x) - wanted).norm()
    network.start_from(x, wanted)
    assert (network(x) - wanted).norm() < 1e-4 * before
    with pytest.raises(UserError, match="fields"):
        network.start_from(x, torch.zeros(200, 2).double())
    with pytest.raises(UserError, match="factorised"):
        PirateNet(PirateNetConfig(width=4, factorised=True), Box((-1.0,), (1.0,))).start_from(x, wanted)


@pytest.mark.parametrize(
    ("low", "high", "periodic"),
    [
        ((), (), ()),
        ((0.0,), (1.0, 2.0), ()),
        ((1.0,), (1.0,), ()),
        ((0.0,), (math.nan,), ()),
        ((0.0,), (1.0,), (True, True)),
    ],
)
def test_a_box_without_an_inside_is_refused(
    low: tuple[float, ...], high: tuple[float, ...], periodic: tuple[bool, ...]
) -> None:
    with pytest.raises(UserError, match="box"):
        Box(low, high, periodic)


def test_sizes_out_of_range_and_other_coordinates_are_refused() -> None:
    with pytest.raises(UserError, match="model.width"):
        MLPConfig(width=0)
    with pytest.raises(UserError, match="fourier_scale"):
        MLPConfig(fourier_scale=0.0)
    with pytest.raises(UserError, match="waves"):
        Embedding(BOX, waves=0)
    config, kind = NETWORKS["mlp"]
    with pytest.raises(UserError, match="2 coordinates a point, but got 3"):
        kind(config(), BOX)(torch.zeros(4, 3).double())


# ---------------------------------------------------------------------------------------------------- exact constraints


def test_initial_state_and_walls_hold_for_any_weights() -> None:
    """u = -sin(pi x) at t = 0 and 0 at both walls, with a network that is far from both."""
    network = HardConstraint(
        _Large(),
        value=lambda x: -torch.sin(math.pi * x[:, :1]),
        distance=lambda x: to_wall(x, 1, 0.0, 2.0) * to_walls(x, 0, -1.0, 1.0),
    )
    place = torch.linspace(-1, 1, 11).double()
    initial = network(torch.stack([place, torch.zeros_like(place)], dim=1))
    torch.testing.assert_close(initial[:, 0], -torch.sin(math.pi * place), rtol=0, atol=0)
    for wall in (-1.0, 1.0):
        # the sine of pi is 1e-16
        at_wall = network(torch.stack([torch.full_like(place, wall), place + 1], dim=1))
        torch.testing.assert_close(at_wall, torch.zeros_like(at_wall), rtol=0, atol=1e-15)
    inside = torch.tensor([[0.3, 0.5]]).double()
    assert (network(inside) + torch.sin(math.pi * inside[:, :1])).abs() > 1, "free elsewhere"


def test_a_zero_of_second_order_keeps_the_first_derivative() -> None:
    """A wave's initial speed."""
    network = HardConstraint(_Large(), lambda x: x[:, :1] * (1 + 3 * x[:, 1:]), lambda x: to_wall(x, 1, 0.0) ** 2)
    x = torch.tensor([[0.2, 0.0], [0.9, 0.0]]).double().requires_grad_()
    torch.testing.assert_close(gradient(network(x)[:, 0], x)[:, 1], 3 * x[:, 0], rtol=0, atol=0)


def test_two_walls_have_the_values_of_each() -> None:
    x = torch.tensor([[-1.0, 0.7], [1.0, 0.4]]).double()
    found = between(x, 0, -1.0, x[:, 1:] ** 2, 1.0, torch.cos(x[:, 1:]))
    torch.testing.assert_close(found[:, 0], torch.tensor([0.7**2, math.cos(0.4)]).double())


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(UserError, match=r"a value of \(4, 1\)"):
        HardConstraint(_Large(), lambda x: x[:, 0], lambda x: x[:, 1:])(torch.ones(4, 2).double())
    with pytest.raises(UserError, match="distance"):
        HardConstraint(_Large(), lambda x: x[:, :1], lambda x: x[:, 1])(torch.ones(4, 2).double())


class _Large(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 1e3 * torch.exp(x.sum(dim=1, keepdim=True))
