"""Laws of point sets and of weights."""

import math

import pytest
import torch
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pinn.constraints import largest_contradiction
from sciml.pinn.embeddings import Box
from sciml.pinn.sampling import by_residual, latin_points, retain_and_release, sobol_points, uniform_points
from sciml.pinn.weighting import (
    causal_point_weights,
    causal_weights,
    gradient_norm_weights,
    ntk_weights,
    residual_attention,
)

BOX = Box((-1.0, 0.0), (1.0, 10.0))


def _generator() -> Generator:
    return Generator().manual_seed(3)


@pytest.mark.parametrize("draw", [uniform_points, latin_points, sobol_points])
def test_points_fill_the_box_and_come_again_with_the_generator(draw) -> None:
    points = draw(BOX, 4000, _generator())
    assert points.dtype == torch.float64 and points.shape == (4000, 2)
    assert points[:, 0].min() > -1 and points[:, 0].max() < 1 and points[:, 1].max() < 10
    # four standard errors of a mean of 4000 uniform numbers
    assert (points.mean(0) - torch.tensor([0.0, 5.0])).abs()[0] < 4 * (2 / math.sqrt(12)) / math.sqrt(4000)
    torch.testing.assert_close(points, draw(BOX, 4000, _generator()), rtol=0, atol=0)
    with pytest.raises(UserError, match="at least one"):
        draw(BOX, 0, _generator())


def test_a_latin_hypercube_has_one_point_in_each_slice() -> None:
    points = latin_points(BOX, 50, _generator())
    for axis, (low, high) in enumerate(zip(BOX.low, BOX.high, strict=True)):
        slices = ((points[:, axis] - low) / (high - low) * 50).long()
        assert slices.sort().values.tolist() == list(range(50))


def test_points_are_drawn_as_often_as_the_residual_says() -> None:
    """Of two kinds of candidates, with residuals 1 and 3: power 2 and floor 0.5 give 1/5 + 0.5 to 9/5 + 0.5."""
    candidates = torch.arange(200_000).double()[:, None]
    residual = torch.where(torch.arange(200_000) % 2 == 0, 1.0, -3.0).double()
    drawn = by_residual(candidates, residual, 4000, _generator(), power=2.0, floor=0.5)
    share = (drawn % 2).mean().item()
    # four standard errors
    assert abs(share - 2.3 / 3.0) < 4 * math.sqrt(0.77 * 0.23 / 4000)
    assert len(drawn.unique()) == 4000, "none twice"


@pytest.mark.parametrize("scale", [0.0, 1e-200])
def test_residuals_of_nothing_draw_alike(scale: float) -> None:
    candidates = torch.arange(1000).double()[:, None]
    drawn = by_residual(candidates, torch.full((1000,), scale).double(), 500, _generator(), power=2.0)
    assert abs(drawn.mean().item() - 499.5) < 4 * 289 / math.sqrt(500)


def test_without_a_floor_points_without_a_residual_come_last() -> None:
    candidates = torch.arange(10).double()[:, None]
    residual = (torch.arange(10) >= 6).double()
    drawn = by_residual(candidates, residual, 5, _generator(), floor=0.0)
    assert {6.0, 7.0, 8.0, 9.0} < set(drawn.flatten().tolist())


def test_points_that_cannot_follow_are_refused() -> None:
    candidates, residual = torch.rand(5, 2).double(), torch.ones(5).double()
    with pytest.raises(UserError, match="between 1 and 5"):
        by_residual(candidates, residual, 6, _generator())
    with pytest.raises(UserError, match="power"):
        by_residual(candidates, residual, 2, _generator(), power=-1.0)
    residual[3] = math.nan
    for draw in (
        lambda: by_residual(candidates, residual, 2, _generator()),
        lambda: retain_and_release(candidates, residual, candidates),
    ):
        with pytest.raises(UserError, match="not finite at"):
            draw()


# -------------------------------------------------------------------------------------------------------------- weights


def test_later_times_wait() -> None:
    weights = causal_weights(torch.tensor([1.0, 2.0, 0.0, 5.0]).double(), 0.5)
    torch.testing.assert_close(weights, torch.exp(-0.5 * torch.tensor([0.0, 1.0, 3.0, 3.0]).double()))


def test_points_wait_by_their_slice() -> None:
    time = torch.tensor([0.9, 0.1, 0.2, 1.0, 0.6]).double()
    residual = torch.tensor([5.0, 1.0, 3.0, 7.0, 2.0]).double().requires_grad_()
    weights = causal_point_weights(time, residual, 2, 0.1, 0.0, 1.0)
    # the mean square of the first slice is (1 + 9) / 2
    torch.testing.assert_close(weights, torch.tensor([math.exp(-0.5), 1, 1, math.exp(-0.5), math.exp(-0.5)]).double())
    assert not weights.requires_grad
    with pytest.raises(UserError, match="outside"):
        causal_point_weights(time, residual, 2, 0.1, 0.0, 0.5)
    with pytest.raises(UserError, match="slice"):
        causal_point_weights(time, residual, 0, 0.1, 0.0, 1.0)


def test_attention_grows_to_its_bound_where_the_residual_is_largest() -> None:
    weights, residual = torch.ones(3).double(), torch.tensor([0.0, -4.0, 2.0]).double()
    for _ in range(3000):
        weights = residual_attention(weights, residual, decay=0.99, rate=0.01)
    torch.testing.assert_close(weights, torch.tensor([0.0, 1.0, 0.5]).double(), rtol=0, atol=1e-9)
    faded = residual_attention(weights, torch.zeros(3).double(), decay=0.5)
    torch.testing.assert_close(faded, weights / 2)
    with pytest.raises(UserError, match="decay"):
        residual_attention(weights, residual, decay=1.0)


def test_weighted_terms_have_gradients_of_one_size() -> None:
    parameters = [torch.randn(3).double().requires_grad_(), torch.randn(2, 2).double().requires_grad_()]
    losses = _terms(parameters)
    weights = gradient_norm_weights(losses, parameters)
    norms = []
    for weight, loss in zip(weights, losses, strict=True):
        found = torch.autograd.grad(weight * loss, parameters, retain_graph=True, materialize_grads=True)
        norms.append(torch.cat([part.flatten() for part in found]).norm())
    torch.testing.assert_close(norms[0], norms[1])
    torch.testing.assert_close(norms[0], norms[2])
    alone = gradient_norm_weights([losses[0], 0 * losses[1]], parameters)
    torch.testing.assert_close(alone, torch.ones(2).double())
    with pytest.raises(UserError, match="none"):
        gradient_norm_weights([], parameters)
    with pytest.raises(UserError, match="term 1"):
        gradient_norm_weights([losses[0], math.inf * losses[1]], parameters)


def test_the_tangent_kernels_trace_is_that_of_all_gradients() -> None:
    parameters = [torch.randn(3).double().requires_grad_(), torch.randn(2, 2).double().requires_grad_()]
    matrix = torch.randn(40, 3).double()
    residuals = [matrix @ parameters[0], (parameters[1] @ parameters[1]).reshape(1, 4)]
    traces = []
    for residual in residuals:
        rows = [
            torch.autograd.grad(r, parameters, retain_graph=True, materialize_grads=True) for r in residual.flatten()
        ]
        traces.append(torch.stack([torch.cat([p.flatten() for p in row]).square().sum() for row in rows]).mean())
    expected = torch.stack(traces).sum() / torch.stack(traces)
    found = ntk_weights(residuals, parameters, _generator(), probes=3000)
    # 3000 probes of a relative spread near one
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0)
    with pytest.raises(UserError, match="points of each"):
        ntk_weights([residuals[0], residuals[1][:0]], parameters, _generator())


def test_conditions_without_a_common_place_are_refused() -> None:
    with pytest.raises(UserError, match="none"):
        largest_contradiction(lambda x: x, lambda x: x, torch.zeros(0, 2))


def _terms(parameters: list[Tensor]) -> list[Tensor]:
    return [
        parameters[0].square().sum(),
        1e6 * parameters[1].pow(4).sum(),
        1e-6 * (parameters[0][0] * parameters[1]).sum(),
    ]


def test_a_candidate_that_is_certain_is_always_drawn() -> None:
    candidates, residual = torch.arange(400).double()[:, None], torch.ones(400).double()
    residual[:50] = 1e6
    generator = _generator()
    for _ in range(50):
        drawn = by_residual(candidates, residual, 100, generator, floor=0.0)
        assert set(range(50)) <= set(drawn.flatten().long().tolist())
        assert len(drawn.unique()) == 100
