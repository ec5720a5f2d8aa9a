"""An MLP's jets, gradient and Jacobian, compiled and by torch, against nested automatic differentiation."""

import os
import subprocess
import sys

import mpmath
import pytest
import torch
from torch import Tensor

from sciml.core import native
from sciml.pinn import kernels, mlp_jets
from sciml.pinn.jets import Indices

# what the equations use, their coordinates and fields
SETS = {
    "burgers": ([(2, 0), (0, 1)], 2, 1),
    "kdv": ([(3, 0), (0, 1)], 2, 1),
    "kuramoto-sivashinsky": ([(4, 0), (0, 1)], 2, 1),
    "navier-stokes": ([(2, 0), (0, 2)], 2, 3),
    "navier-stokes in time": ([(2, 0, 0), (0, 2, 0), (0, 0, 1)], 3, 3),
    "mixed": ([(2, 2)], 2, 2),
    "value": ([], 1, 1),
}
FUNCTIONS = {"tanh": torch.tanh, "sin": torch.sin}


@pytest.fixture(params=["compiled", "torch"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setattr(mlp_jets, "library_for", lambda *_: None)
    elif native.load(kernels.SOURCE) is None:
        pytest.skip("no compiler")
    return request.param


class Case:
    """A random network whose features are the coordinates."""

    def __init__(self, name: str, activation: str, n: int, width: int, layers: int, scale: float = 1.0) -> None:
        wanted, dims, fields = SETS[name]
        generator = torch.Generator().manual_seed(n + width)
        sizes = [dims, *[width] * layers, fields]
        self.indices, self.activation = Indices.with_lower(wanted, dims), activation
        shapes = [shape for i, o in zip(sizes[:-1], sizes[1:], strict=True) for shape in ((o, i), (o,))]
        numbers = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        self.weights = [scale * weight / weight.shape[1] ** 0.5 for weight in numbers[::2]]
        self.biases = [0.3 * bias for bias in numbers[1::2]]
        self.x = torch.rand(n, dims, generator=generator, dtype=torch.float64)
        self.cotangent = torch.randn(n, len(self.indices), fields, generator=generator, dtype=torch.float64)
        self.features = torch.zeros(n, len(self.indices), dims, dtype=torch.float64)
        for place, index in enumerate(self.indices.all):
            if sum(index) == 0:
                self.features[:, place] = self.x
            elif sum(index) == 1:
                self.features[:, place, index.index(1)] = 1

    def jets(self) -> tuple[Tensor, mlp_jets.Pulled]:
        found, back = mlp_jets.mlp_jets(
            self.indices, self.features, self.weights, self.biases, self.activation, way_back=True
        )
        assert back is not None
        return found, back

    def nested(self) -> tuple[Tensor, Tensor]:
        """The jet and each point's row of the Jacobian, by automatic differentiation."""
        parameters = [
            part.clone().requires_grad_() for pair in zip(self.weights, self.biases, strict=True) for part in pair
        ]
        x = self.x.clone().requires_grad_()
        h = x
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            h = FUNCTIONS[self.activation](h @ weight.T + bias)
        fields = h @ parameters[-2].T + parameters[-1]
        columns = []
        for field in range(fields.shape[1]):
            known: dict[tuple[int, ...], Tensor] = {(0,) * x.shape[1]: fields[:, field]}
            for index in self.indices.all[1:]:
                axis = next(axis for axis, order in enumerate(index) if order)
                below = tuple(order - (place == axis) for place, order in enumerate(index))
                (found,) = torch.autograd.grad(known[below].sum(), x, create_graph=True)
                known[index] = found[:, axis]
            columns.append(torch.stack([known[index] for index in self.indices.all], dim=1))
        jet = torch.stack(columns, dim=2)
        rows = []
        for total in (jet * self.cotangent).sum((1, 2)):
            slopes = torch.autograd.grad(total, parameters, retain_graph=True, materialize_grads=True)
            rows.append(torch.cat([slope.flatten() for slope in slopes]))
        return jet.detach(), torch.stack(rows)


def _close(found: Tensor, expected: Tensor) -> None:
    # sums of up to 33 products, four layers and fourth derivatives deep
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(("n", "width", "layers"), [(1, 1, 1), (13, 7, 2), (5, 33, 3), (70, 8, 1)])
def test_jets_gradient_and_jacobian_are_those_of_nested_differentiation(
    route, name, activation, n, width, layers
) -> None:
    case = Case(name, activation, n, width, layers)
    expected, rows = case.nested()
    jet, back = case.jets()
    _close(jet, expected)
    _close(back.jacobian(case.cotangent), rows)
    _close(back.gradient(case.cotangent), rows.sum(0))
    _close(back.gradient(-3 * case.cotangent), -3 * rows.sum(0))  # again, of the same way forward
    alone, nothing = mlp_jets.mlp_jets(
        case.indices, case.features, case.weights, case.biases, activation, way_back=False
    )
    assert nothing is None
    _close(alone, expected)


def test_rows_are_scaled_and_go_where_they_are_wanted(route) -> None:
    case = Case("kdv", "tanh", 21, 9, 2)
    _, back = case.jets()
    rows = back.jacobian(case.cotangent)
    scale = torch.linspace(-1, 2, 21, dtype=torch.float64)
    p = rows.shape[1]
    out = torch.full((21, 2, p + 3), torch.nan, dtype=torch.float64)
    found = back.jacobian(case.cotangent, scale, out[:, 1, :p])
    assert found.data_ptr() == out[:, 1].data_ptr()
    _close(out[:, 1, :p], scale[:, None] * rows)
    assert out[:, 0].isnan().all() and out[:, 1, p:].isnan().all(), "nothing else is written"
    turned = torch.empty(p, 21, dtype=torch.float64).T
    assert back.jacobian(case.cotangent, None, turned) is turned
    _close(turned, rows)


def test_memory_in_another_order_is_read_rightly(route) -> None:
    case = Case("navier-stokes", "sin", 21, 9, 2)
    jet, back = case.jets()
    expected = back.jacobian(case.cotangent)
    case.features = case.features.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    case.weights = [weight.T.contiguous().T for weight in case.weights]
    again, back = case.jets()
    _close(again, jet)
    _close(back.jacobian(case.cotangent.flip(0).flip(0).transpose(0, 2).contiguous().transpose(0, 2)), expected)


def test_the_number_of_threads_changes_no_bit() -> None:
    if native.load(kernels.SOURCE) is None:
        pytest.skip("no compiler")
    case = Case("burgers", "tanh", 1237, 20, 3)
    found, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            jet, back = case.jets()
            found.append([jet, back.gradient(case.cotangent), back.jacobian(case.cotangent)])
    finally:
        torch.set_num_threads(threads)
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_large_arguments_stay_finite(route, activation) -> None:
    case = Case("kuramoto-sivashinsky", activation, 40, 6, 1, scale=1e7)
    jet, back = case.jets()
    assert jet.isfinite().all()
    assert back.jacobian(case.cotangent).isfinite().all()
    assert back.gradient(case.cotangent).isfinite().all()


def test_what_is_not_a_number_is_passed_on_to_its_point_alone(route) -> None:
    case = Case("burgers", "tanh", 12, 5, 2)
    case.features[7, 0, 1] = torch.nan
    jet, back = case.jets()
    rows = back.jacobian(case.cotangent)
    for found in (jet[:, 0, 0], rows[:, 0]):
        assert found.isnan().nonzero().flatten().tolist() == [7]


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_activations_are_right_to_the_last_digits(route, activation) -> None:
    generator = torch.Generator().manual_seed(0)
    size = 10 ** (640 * torch.rand(3000, generator=generator, dtype=torch.float64) - 320)
    near = torch.linspace(-50, 50, 3001, dtype=torch.float64)
    turns = torch.arange(1, 2000, dtype=torch.float64) * torch.pi / 2  # where a sine or cosine is nearly zero
    x = torch.cat([size, -size, near, 1e-3 * near, turns])
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    y, _ = mlp_jets.mlp_jets(
        Indices.with_lower([], 1), x[:, None, None], [one, one], [zero, zero], activation, way_back=False
    )
    # 2 pi to more digits than the largest number has
    mpmath.mp.prec = 1400
    exact = [getattr(mpmath, activation)(mpmath.mpf(value)) for value in x.tolist()]
    errors = [
        abs(float((found - true) / true))
        for found, true in zip(map(mpmath.mpf, y.flatten().tolist()), exact, strict=True)
    ]
    # a number below the normal ones has fewer digits
    assert max(error for error, value in zip(errors, x.tolist(), strict=True) if abs(value) > 1e-300) < 1e-15


def test_other_numbers_take_torchs_route() -> None:
    case = Case("burgers", "tanh", 9, 5, 2)
    expected, _ = case.nested()
    single = [tensor.float() for tensor in (case.features, *case.weights)]
    assert kernels.library_for(single[0], single[1:], case.indices, "tanh") is None
    assert kernels.library_for(case.features[:0], case.weights, case.indices, "tanh") is None
    found, _ = mlp_jets.mlp_jets(
        case.indices, single[0], single[1:], [bias.float() for bias in case.biases], "tanh", way_back=True
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)


def test_without_kernels_the_same_is_found() -> None:
    program = (
        "import torch\n"
        "from sciml.pinn import kernels, mlp_jets\n"
        "from sciml.pinn.jets import Indices\n"
        "indices, number = Indices.with_lower([(2,)], 1), torch.full((1, 1), 0.5, dtype=torch.float64)\n"
        "features = torch.tensor([[[0.5], [1.0], [0.0]]], dtype=torch.float64)\n"
        "given = [features, [number, number], [number[0], number[0]], 'tanh']\n"
        "jet, back = mlp_jets.mlp_jets(indices, *given, way_back=True)\n"
        "print(type(back).__name__, jet.flatten().tolist(), back.gradient(torch.ones_like(jet)).tolist())\n"
    )
    found = {}
    for switch in ("0", "1"):
        environment = {**os.environ, "SCIML_KERNELS": switch}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
        )
        kind, _, numbers = done.stdout.partition(" ")
        found[kind] = [
            float(number) for number in numbers.replace("[", "").replace("]", ",").split(",") if number.strip()
        ]
    assert "_Layers" in found
    if native.load(kernels.SOURCE) is not None:
        assert found["JetKernel"] == pytest.approx(found["_Layers"], rel=1e-14)
