from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.pde.data import PdeData, PdeField

RANDOM = np.random.RandomState(0)
U = RANDOM.normal(size=(6, 4, 8, 5)).astype(np.float32)
A = RANDOM.normal(size=(6, 1, 8, 5)).astype(np.float32)


def field(name: str, values: NDArray[np.float32], varies: bool) -> PdeField:
    return PdeField(name, "1", lambda samples, times, grid: values[(samples, times, *grid)], varies)


def data(u: NDArray[np.float32] = U, **changes: object) -> PdeData:
    facts = {
        "source": "made.nc",
        "fields": (field("u", u, True), field("a", A, False)),
        "n_samples": 6,
        "times": np.arange(4.0),
        "axes": ("x", "y"),
        "coordinates": {"x": np.arange(8) / 8, "y": np.linspace(0, 1, 5)},
        "periodic": (True, False),
        "parameters": {"viscosity": np.full(6, 0.1)},
        "attributes": {},
    }
    return PdeData(**{**facts, **changes})  # pyright: ignore[reportArgumentType]


def test_all_of_it():
    values = data().read()
    assert data().names == ("u", "a") and data().shape == (8, 5)
    np.testing.assert_array_equal(values[..., 0], U)
    np.testing.assert_array_equal(values[..., 1], np.broadcast_to(A, U.shape))


@pytest.mark.parametrize("samples", [[3], [1, 2, 4], [5, 0, 1], slice(1, 5), slice(None, None, 2), slice(4, None, -1)])
def test_some_of_it(samples: slice | list[int]):
    values = data().read(["a", "u"], samples, slice(1, 3), every=4)
    np.testing.assert_array_equal(values[..., 1], U[samples, 1:3, ::4, ::4])
    np.testing.assert_array_equal(values[..., 0], np.broadcast_to(A[samples, :, ::4, ::4], values.shape[:-1]))


def test_a_field_that_is_not_there_is_named_with_the_nearest():
    named = data(fields=(field("vorticity", U, True),))
    with pytest.raises(UserError, match=r"made.nc has no field `vortcity`; did you mean `vorticity`\?"):
        named.read(["vortcity"])


def test_nan_is_named_with_its_sample_and_field():
    broken = U.copy()
    broken[4, 2, 1, 1] = np.nan
    assert data(broken).read(["u"], [0, 3]).shape == (2, 4, 8, 5, 1)
    with pytest.raises(UserError, match="field `u` of sample 4 has NaN"):
        data(broken).read(["a", "u"], [5, 0, 4])


def test_samples_and_strides_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="samples 0 to 5, but 6 was asked for"):
        data().read(samples=[2, 6])
    with pytest.raises(UserError, match="No sample"):
        data().read(samples=slice(6, None))
    with pytest.raises(UserError, match=r"every 8th of 5 points along `y` .* a divisor of 4"):
        data().read(every=8)
    with pytest.raises(UserError, match="needs to be 1 or more"):
        data().read(every=0)


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(UserError, match="values of `time` need to ascend"):
        data(times=np.array([0.0, 2.0, 1.0, 3.0]))
    with pytest.raises(UserError, match="values of `y` need to ascend"):
        data(coordinates={"x": np.arange(8) / 8, "y": np.array([0, 1, 2, np.nan, 4])})
    with pytest.raises(UserError, match="`viscosity` has 2 numbers for 6 samples"):
        data(parameters={"viscosity": np.ones(2)})
    with pytest.raises(UserError, match="no field on a grid"):
        data(fields=())
