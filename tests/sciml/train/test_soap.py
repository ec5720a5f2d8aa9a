"""Laws of SOAP: what it is for vectors, that a turn of a matrix turns its steps, and that it learns faster so."""

import math

import pytest
import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from sciml.core.errors import UserError
from sciml.train.soap import SOAP

SIDE = 6


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_vectors_and_complex_numbers_take_the_steps_of_adamw(dtype: torch.dtype) -> None:
    start = torch.randn(5, dtype=dtype)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    options = {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.1}
    for parameter, optimizer in ((ours, SOAP([ours], **options)), (theirs, AdamW([theirs], **options))):
        for _ in range(20):
            optimizer.zero_grad()
            parameter.abs().pow(4).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_the_steps_are_those_of_the_papers_algorithm() -> None:
    """Written down once more, with whole eigenbases for as long as none is corrected."""
    gradients = torch.randn(9, 4, 3, dtype=torch.float64)
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    expected, optimizer = weight.detach().clone(), SOAP([weight], lr=0.1, betas=(0.9, 0.8), eps=0.0)
    left = torch.linalg.eigh(gradients[0] @ gradients[0].T).eigenvectors
    right = torch.linalg.eigh(gradients[0].T @ gradients[0]).eigenvectors
    mean, square = torch.zeros_like(expected), torch.zeros_like(expected)
    for step, gradient in enumerate(gradients):
        weight.grad = gradient.clone()
        optimizer.step()
        if step == 0:
            continue
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.8 * square + 0.2 * (left.T @ gradient @ right) ** 2
        adam = (left.T @ mean @ right) / (1 - 0.9**step) / (square / (1 - 0.8**step)).sqrt()
        expected -= 0.1 * left @ adam @ right.T
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-9, atol=1e-9)


def test_float32_takes_the_steps_of_float64() -> None:
    """The first gradient is diagonal in its own eigenvectors; its rounding must not become steps of full size."""
    start, gradients = torch.randn(32, 32, dtype=torch.float64), torch.randn(6, 32, 32, dtype=torch.float64)
    ends = []
    for dtype in (torch.float64, torch.float32):
        parameter = start.to(dtype, copy=True).requires_grad_()
        optimizer = SOAP([parameter], lr=0.1)
        for gradient in gradients:
            parameter.grad = gradient.to(dtype)
            optimizer.step()
        ends.append(parameter.detach().double() - start)
    assert torch.cosine_similarity(ends[0].flatten(), ends[1].flatten(), dim=0) > 0.99


def test_directions_without_a_gradient_are_left_alone() -> None:
    """Inputs span 4 of 32 directions: the rounding of the others' gradients must not move the weights there."""
    inputs = torch.zeros(64, 32)
    inputs[:, :4] = torch.randn(64, 4)
    inputs = inputs @ torch.linalg.qr(torch.randn(32, 32)).Q
    unseen = torch.linalg.svd(inputs).Vh[4:]
    weight = torch.randn(16, 32, requires_grad=True)
    before, optimizer = weight.detach().clone(), SOAP([weight], lr=0.01)
    target = torch.randn(64, 16)
    for _ in range(300):
        optimizer.zero_grad()
        (inputs @ weight.T - target).square().mean().backward()
        optimizer.step()
    moved = weight.detach() - before
    assert (moved @ unseen.T).norm() < 0.02 * moved.norm()


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_first_gradient_that_is_no_number_is_refused(bad: float) -> None:
    parameter = torch.ones(3, 3, requires_grad=True)
    parameter.grad = torch.full_like(parameter, bad)
    with pytest.raises(UserError, match="not finite"):
        SOAP([parameter]).step()


def test_a_matrix_takes_the_same_steps_in_a_turned_basis() -> None:
    start, target, left, right = _problem()
    plain = _minimise(SOAP, start, target, torch.eye(SIDE).double(), torch.eye(SIDE).double(), steps=40)
    turned = _minimise(SOAP, start, target, left, right, steps=40)
    # the first step made changes nothing, so the second has the same gradient, diagonal but for floored rounding
    torch.testing.assert_close(left.T @ turned @ right, plain, rtol=0, atol=1e-4)
    of_adam = _minimise(Adam, start, target, torch.eye(SIDE).double(), torch.eye(SIDE).double(), steps=40)
    turned = _minimise(Adam, start, target, left, right, steps=40)
    assert (left.T @ turned @ right - of_adam).abs().max() > 1e-2, "Adam's steps do depend on the basis"


def test_a_stack_of_matrices_is_trained_as_each_alone() -> None:
    start, target, left, right = _problem()
    alone = [_minimise(SOAP, start + k, target, left, right, steps=25) for k in range(3)]
    stack = torch.stack([start, start + 1, start + 2])
    together = _minimise(SOAP, stack, target, left, right, steps=25)
    # Adam divides the smallest entries by their own size, which enlarges rounding
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "matrix", "kernels"), [((3, 4, 5, 2), (3, 4, 10), False), ((6, 4, 3, 3), (6, 36), True)]
)
def test_parts_and_kernels_are_trained_as_their_matrices(
    shape: tuple[int, ...], matrix: tuple[int, ...], kernels: bool
) -> None:
    gradients = [torch.randn(shape, dtype=torch.float64) for _ in range(13)]
    ends = []
    for form, marked in ((shape, kernels), (matrix, False)):
        weight = torch.zeros(form, dtype=torch.float64, requires_grad=True)
        optimizer = SOAP([{"params": [weight], "kernels": marked}], lr=0.05)
        for gradient in gradients:
            weight.grad = gradient.reshape(form)
            optimizer.step()
        ends.append(weight.detach().reshape(matrix))
    torch.testing.assert_close(*ends, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (2000, 2), (2, 2000), (3, 5, 2, 4), ()])
def test_every_shape_learns(shape: tuple[int, ...]) -> None:
    parameter = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    optimizer = SOAP([parameter], lr=0.05)
    before = parameter.square().sum().item()
    for _ in range(30):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    assert parameter.square().sum().item() < 0.3 * before


def test_a_gradient_of_zeros_changes_nothing() -> None:
    parameter = torch.ones(4, 3, requires_grad=True)
    optimizer = SOAP([parameter])
    for _ in range(12):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.ones(4, 3))


def test_where_the_axes_are_turned_soap_needs_fewer_steps_than_adam() -> None:
    start, target, left, right = _problem()
    losses = [
        _loss(_minimise(kind, start, target, left, right, steps=200), target, left, right).item()
        for kind in (SOAP, Adam)
    ]
    assert losses[0] < 0.1 * losses[1]


def test_state_saved_and_restored_goes_on_alike() -> None:
    start, target, left, right = _problem()
    whole = _minimise(SOAP, start, target, left, right, steps=35)
    parameter = start.clone().requires_grad_()
    first = SOAP([parameter], lr=0.05)
    _train(parameter, first, target, left, right, 17, turned=True)
    second = SOAP([parameter], lr=0.05)
    second.load_state_dict(first.state_dict())
    _train(parameter, second, target, left, right, 18, turned=False)
    torch.testing.assert_close(parameter.detach(), whole, rtol=0, atol=0)


def _problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A start, a target and two random rotations."""
    turns = [torch.linalg.qr(torch.randn(SIDE, SIDE, dtype=torch.float64)).Q for _ in range(2)]
    return torch.randn(SIDE, SIDE, dtype=torch.float64), torch.randn(SIDE, SIDE, dtype=torch.float64), *turns


def _loss(weight: Tensor, target: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Badly scaled along both turned axes: condition number 10^4."""
    scale = torch.logspace(0, -1, SIDE, dtype=torch.float64)
    return (scale[:, None] * (left.T @ weight @ right - target) * scale).square().sum()


def _minimise(kind: type[Optimizer], start: Tensor, target: Tensor, left: Tensor, right: Tensor, steps: int) -> Tensor:
    parameter = (left @ start @ right.T).requires_grad_()
    _train(parameter, kind([parameter], lr=0.05), target, left, right, steps, turned=False)  # pyright: ignore[reportCallIssue]
    return parameter.detach()


def _train(
    parameter: Tensor, optimizer: Optimizer, target: Tensor, left: Tensor, right: Tensor, steps: int, *, turned: bool
) -> None:
    if turned:
        with torch.no_grad():
            parameter.copy_(left @ parameter @ right.T)
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(parameter, target, left, right).backward()
        optimizer.step()
