"""Laws of Muon: what its steps are, for which shapes, and that it learns faster where Adam neglects directions."""

import math

import pytest
import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from sciml.core.errors import UserError
from sciml.train.muon import NOTHING, Muon, orthogonalised


@pytest.mark.parametrize("shape", [(6, 6), (4, 12), (12, 4), (3, 2, 8, 5)])
def test_singular_vectors_stay_and_values_come_near_one(shape: tuple[int, ...]) -> None:
    u, s, vh = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    # from 1 to a thirtieth of the largest
    s = torch.logspace(0, -1.5, s.shape[-1], dtype=torch.float64).expand_as(s)
    found = orthogonalised(u * s.unsqueeze(-2) @ vh)
    in_their_basis = u.mT @ found @ vh.mT
    values = in_their_basis.diagonal(dim1=-2, dim2=-1)
    assert values.min() > 0.6 and values.max() < 1.3
    torch.testing.assert_close(in_their_basis, torch.diag_embed(values), rtol=0, atol=1e-10)


def test_half_precision_is_enough_for_it() -> None:
    matrix = torch.randn(32, 64)
    exact, half = orthogonalised(matrix), orthogonalised(matrix, half=True)
    assert half.dtype == torch.float32
    # bfloat16 has three digits, and fifteen products follow one another
    assert (half - exact).norm() < 0.05 * exact.norm()


def test_the_size_of_a_step_does_not_depend_on_the_gradients() -> None:
    gradient = torch.randn(8, 32)
    steps = []
    for scale in (1e-6, 1.0, 1e6):
        weight = torch.zeros(8, 32, requires_grad=True)
        weight.grad = gradient * scale
        Muon([weight], lr=0.1).step()
        steps.append(weight.detach())
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(steps[2], steps[1], rtol=1e-4, atol=1e-6)
    # 0.2 of the learning rate, as Adam's steps are, for singular values about 1
    assert 0.7 * 0.02 < steps[1].square().mean().sqrt() < 1.2 * 0.02


def test_the_steps_are_those_of_the_papers() -> None:
    """Momentum, Nesterov's look ahead, and weights that decay first, written down once more with exact matrices."""
    gradients = torch.randn(5, 4, 3, dtype=torch.float64)
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    expected, optimizer = weight.detach().clone(), Muon([weight], lr=0.1, momentum=0.8, weight_decay=0.5)
    mean = torch.zeros_like(expected)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        mean = 0.8 * mean + 0.2 * gradient
        expected = 0.95 * expected - 0.1 * 0.2 * 2 * orthogonalised(0.8 * mean + 0.2 * gradient)
    torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_vectors_and_complex_numbers_take_the_steps_of_adamw(dtype: torch.dtype) -> None:
    start = torch.randn(5, dtype=dtype)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    options = {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.1}
    for parameter, optimizer in ((ours, Muon([ours], **options)), (theirs, AdamW([theirs], **options))):
        for _ in range(20):
            optimizer.zero_grad()
            parameter.abs().pow(4).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_parts_of_complex_weights_are_columns_of_one_matrix() -> None:
    pairs = torch.randn(3, 4, 5, 2)
    steps = []
    for shape in ((3, 4, 5, 2), (3, 4, 10)):
        weight = torch.zeros(shape, requires_grad=True)
        weight.grad = pairs.reshape(shape)
        Muon([weight]).step()
        steps.append(weight.detach().reshape(3, 4, 10))
    torch.testing.assert_close(*steps)


@pytest.mark.parametrize("size", [1e-10, 1e-24, 1e-36, 1e-44])
@pytest.mark.parametrize("half", [False, True])
def test_next_to_nothing_stays_finite(size: float, half: bool) -> None:
    found = orthogonalised(torch.full((3, 4), size), half)
    assert torch.isfinite(found).all()
    if size < NOTHING / 1000:
        assert found.abs().max() < 0.1


def test_weights_without_a_gradient_come_to_rest() -> None:
    weight = torch.randn(2, 4, 5, requires_grad=True)
    optimizer = Muon([weight], lr=0.01)
    for step in range(1300):
        weight.grad = torch.randn(2, 4, 5)
        if step > 5:
            weight.grad[1] = 0
        if step == 1200:
            before = weight.detach().clone()
        optimizer.step()
    assert torch.isfinite(weight).all()
    assert (weight.detach() - before)[1].abs().max() < 1e-6 < (weight.detach() - before)[0].abs().max()


def test_kernels_are_matrices_of_outputs_by_all_else() -> None:
    gradient = torch.randn(6, 4, 3, 3)
    steps = []
    for shape in ((6, 4, 3, 3), (6, 36)):
        weight = torch.zeros(shape, requires_grad=True)
        weight.grad = gradient.reshape(shape)
        Muon([{"params": [weight], "kernels": True}]).step()
        steps.append(weight.detach().reshape(6, 36))
    torch.testing.assert_close(*steps)


def test_a_stack_of_matrices_is_trained_as_each_alone() -> None:
    gradients = torch.randn(3, 4, 5)
    together = torch.zeros(3, 4, 5, requires_grad=True)
    alone = [torch.zeros(4, 5, requires_grad=True) for _ in range(3)]
    together.grad = gradients
    for weight, gradient in zip(alone, gradients, strict=True):
        weight.grad = gradient
    Muon([together]).step()
    Muon(alone).step()
    torch.testing.assert_close(together.detach(), torch.stack(alone).detach())


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (300, 2), (2, 300), (3, 5, 2, 4), ()])
def test_every_shape_learns(shape: tuple[int, ...]) -> None:
    parameter = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    optimizer = Muon([parameter], lr=0.1)
    before = parameter.square().sum().item()
    for _ in range(60):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    assert parameter.square().sum().item() < 0.3 * before


def test_a_gradient_of_zeros_changes_nothing() -> None:
    parameter = torch.ones(4, 3, requires_grad=True)
    optimizer = Muon([parameter])
    for _ in range(3):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.ones(4, 3))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_is_refused(bad: float) -> None:
    parameter = torch.ones(3, 3, requires_grad=True)
    parameter.grad = torch.full_like(parameter, bad)
    with pytest.raises(UserError, match="not finite"):
        Muon([parameter]).step()
    torch.testing.assert_close(parameter.detach(), torch.ones(3, 3))


def test_where_inputs_differ_in_size_muon_needs_fewer_steps_than_adam() -> None:
    """Least squares whose inputs span a factor of a thousand in turned directions."""
    turned = torch.linalg.qr(torch.randn(16, 16)).Q
    inputs = torch.randn(256, 16) * torch.logspace(0, -3, 16) @ turned
    wanted = inputs @ torch.randn(16, 8) * 3
    best = {}
    for kind in (Muon, Adam):
        losses = []
        for rate in (0.1, 0.3, 1.0):
            weight = torch.zeros(16, 8, requires_grad=True)
            losses.append(_trained(weight, kind([weight], lr=rate), inputs, wanted))
        best[kind] = min(losses)
    assert best[Muon] < 0.5 * best[Adam]


def test_state_saved_and_restored_goes_on_alike() -> None:
    gradients = torch.randn(6, 2, 4, 5)
    ends = []
    for stopped in (False, True):
        parameters = [torch.ones(4, 5, requires_grad=True), torch.ones(5, requires_grad=True)]
        optimizer = Muon(parameters, weight_decay=0.1)
        for number, (of_matrix, of_vector) in enumerate(gradients):
            if stopped and number == 3:
                again = Muon(parameters, weight_decay=0.1)
                again.load_state_dict(optimizer.state_dict())
                optimizer = again
            parameters[0].grad, parameters[1].grad = of_matrix, of_vector[0]
            optimizer.step()
        ends.append(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def _trained(weight: Tensor, optimizer: Optimizer, inputs: Tensor, wanted: Tensor, steps: int = 150) -> float:
    first = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        for group, rate in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        loss = (inputs @ weight - wanted).square().mean()
        loss.backward()
        optimizer.step()
    return (inputs @ weight - wanted).square().mean().item()
