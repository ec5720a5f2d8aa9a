"""The compiled sums against the same in numpy: other code, other order of additions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sciml.core import native
from sciml.weather import kernels
from sciml.weather.scores.categories import contingency

# sums of some thousand float64 in two orders; terms differ in sign in some of them
CLOSE = {"rtol": 1e-11, "atol": 1e-9}

Sums = Callable[..., tuple[np.ndarray, ...]]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sums], None]:
    """Runs a function with the compiled sums and without, and compares."""
    if native.load(kernels.SOURCE) is None:
        pytest.skip("no compiler")

    def compare(function: Sums) -> None:
        compiled = function()
        with monkeypatch.context() as patch:
            patch.setattr(native, "load", lambda source: None)
            plain = function()
        for one, other in zip(compiled, plain, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, **CLOSE)

    return compare


def _fields(shape: tuple[int, ...], dtype: str = "f4", gaps: bool = True, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(280, 5, shape).astype(dtype)
    if gaps:
        values[random.random(shape) < 0.01] = np.nan
    return values


def _weights(regions: int, height: int, width: int) -> np.ndarray:
    """A region with one weight a row, one that begins within a row, one with a weight at each point, one with none."""
    weights = np.ones((4, height, width)) * np.linspace(0.2, 1.8, height)[:, None]
    weights[1, :, : width // 3] = 0
    weights[2] *= np.random.default_rng(9).random((height, width))
    weights[3] = 0
    return np.ascontiguousarray(weights[:regions])


# widths around the 16 lanes and the 128 points of a block
@pytest.mark.parametrize("width", [1, 5, 16, 127, 129, 300])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_field_sums(both: Callable, width: int, dtype: str) -> None:
    forecast, truth = _fields((2, 3, 7, width), dtype), _fields((4, 7, width), dtype, seed=1)
    climatology = _fields((7, width), dtype, seed=2)
    index = np.array([[0, 3, 2], [-1, 0, 1]])
    weights = _weights(4, 7, width)
    both(lambda: (kernels.field_sums(forecast, truth, None, index, None, weights, 1),))
    both(lambda: (kernels.field_sums(forecast, truth, climatology, index, None, weights, 2),))
    missing = np.array([[0, -1, 0], [0, 0, 0]])
    both(lambda: (kernels.field_sums(forecast, truth, climatology[None], index, missing, weights, 1),))


def test_fields_are_read_where_they_are(both: Callable) -> None:
    forecast, truth = _fields((5, 2, 6, 20)), _fields((6, 20), seed=1)
    weights = _weights(2, 6, 20)
    turned, copied = forecast.transpose(1, 0, 2, 3), np.ascontiguousarray(forecast.transpose(1, 0, 2, 3))
    assert kernels._alike(turned)[0] is turned
    for view in (turned, forecast[::2, 1:], forecast[:, :, ::-1], forecast[..., ::3]):
        w, t = (np.ascontiguousarray(weights[..., : view.shape[-1]]), truth[:, : view.shape[-1]])
        both(lambda view=view, w=w, t=t: (kernels.field_sums(view, t, None, None, None, w, 1),))
    one, other = (kernels.field_sums(each, truth, None, None, None, weights, 1) for each in (turned, copied))
    np.testing.assert_array_equal(one, other)


def test_map_sums(both: Callable) -> None:
    forecast, truth = _fields((4, 3, 9, 40)), _fields((5, 9, 40), seed=1)
    index = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, -1]])

    def maps() -> tuple[np.ndarray]:
        out = np.zeros((3, 3, 9, 40))
        kernels.map_sums(forecast, truth, index, np.arange(3), out, 1)
        return (out,)

    both(maps)


# around the runs of 8 members that go through registers
@pytest.mark.parametrize("members", [1, 2, 3, 7, 8, 9, 16, 17, 50, 130])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_ensemble_sums(both: Callable, members: int, dtype: str) -> None:
    ensemble, truth = _fields((3, members, 5, 37), dtype), _fields((3, 5, 37), dtype, seed=1)
    # ties, among members and with the truth
    ensemble, truth = np.round(ensemble), np.round(truth)
    lower = np.stack([np.full((5, 37), 280.0), _fields((5, 37), "f8", seed=3)]).astype(dtype)
    upper = np.full_like(lower, np.inf)
    upper[1] = lower[1] + 4
    weights, index, thresholds = _weights(4, 5, 37), np.array([0, 2, -1]), np.array([[0, 1], [1, 0], [0, 0]])
    for lowest in (True, False):
        both(
            lambda lowest=lowest: kernels.ensemble_sums(
                ensemble, truth, index, lower, upper, thresholds, weights, True, lowest, 2
            )
        )


def test_members_may_stand_behind_other_dimensions(both: Callable) -> None:
    ensemble, truth = _fields((4, 6, 2, 5, 20)), _fields((4, 2, 5, 20), seed=1)
    view = ensemble.transpose(0, 2, 1, 3, 4)
    weights = _weights(1, 5, 20)
    both(lambda: kernels.ensemble_sums(view, truth, None, None, None, None, weights, False, False, 1)[:1])


def test_members_in_any_order_of_bits(both: Callable) -> None:
    # negative numbers, both zeros, numbers too small to be normal, the largest
    values = np.array([-3e38, -1.0, -1e-40, -0.0, 0.0, 1e-40, 1.0, 3e38], np.float32)
    ensemble = np.random.default_rng(0).permuted(np.tile(values, (20, 1)), axis=1).T.reshape(8, 1, 20)
    truth = np.zeros((1, 20), np.float32)
    weights = np.ones((1, 1, 20))
    both(lambda: kernels.ensemble_sums(ensemble, truth, None, None, None, None, weights, True, False, 1))


def test_without_a_compiler_the_plain_route_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIML_KERNELS", "0")
    native.load.cache_clear()
    try:
        ones = np.ones((1, 3, 4), np.float32)
        sums = kernels.field_sums(ones, 0 * ones, None, None, None, np.ones((1, 3, 4)), 1)
        assert sums.tolist() == [[[12.0, 12.0, 12.0, 12.0]]]
    finally:
        native.load.cache_clear()


@pytest.mark.parametrize("width", [1, 16, 127, 129, 300])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_tables(both: Callable, width: int, dtype: str, inclusive: bool) -> None:
    # whole numbers, so that many are equal to a threshold
    forecast, truth = (np.round(_fields((5, 7, width), dtype, seed=seed), 0) for seed in (0, 1))
    limits = np.stack([np.full((5, 7, width), 281, dtype), np.round(_fields((5, 7, width), dtype, seed=2), 0)])

    def tables() -> tuple[np.ndarray, ...]:
        weights = _weights(4, 7, width)
        table = contingency(forecast, truth, limits, weights, above=[True, False], inclusive=inclusive)
        alone = contingency(forecast, truth, 281.0, weights, inclusive=inclusive)
        return table.hits, table.misses, table.false_alarms, table.correct_negatives, alone.hits, alone.misses

    both(tables)
