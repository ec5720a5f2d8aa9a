from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.pde.formulas import FUNCTIONS, evaluate, with_formulas
from sciml.pde.reading import read_pde

X = np.array([0.25, 0.5, 1.0])


def test_formulas_give_what_numpy_gives():
    found = evaluate("-2.5 * sin(2 * pi * x) ** 2 / exp(x) + sqrt(x) - abs(-x)", {"x": X}, "f")
    assert np.allclose(found, -2.5 * np.sin(2 * np.pi * X) ** 2 / np.exp(X) + np.sqrt(X) - X, rtol=1e-15)
    assert evaluate("3", {"x": X}, "f").tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sin(z)", "there is no `z`"),
        ("sinn(x)", r"but this has `sinn\(x\)`"),
        ("x.real", r"but this has `x.real`"),
        ("__import__('os')", "but this has `__import__"),
        ("(lambda: 1)()", "but this has"),
        ("[x][0]", "but this has"),
        ("x if x else 1", "but this has"),
        ("True", "but this has `True`"),
        ("sin(x, x)", "but this has"),
        ("2 * ", "is not a formula"),
        ("", "is not a formula"),
    ],
)
def test_anything_else_than_a_formula_is_refused(text: str, message: str):
    with pytest.raises(UserError, match=message):
        evaluate(text, {"x": X}, "dataset.formulas.forcing")


@given(st.text(max_size=30))
def test_any_text_gives_numbers_or_one_message(text: str):
    try:
        found = evaluate(text, {"x": X}, "f")
    except UserError:
        return
    assert found.shape == X.shape


def test_a_formula_is_read_as_a_field_that_does_not_change(heat_file: Callable[..., Path]):
    data = with_formulas(read_pde(heat_file("a.nc", n_times=3), None), {"wave": "cos(2 * pi * x)"})
    assert data.names == ("u", "wave")
    found = data.read(["wave", "u"], [4, 2], slice(1, 3), every=2)
    assert found.shape == (2, 2, 8, 2)
    assert np.allclose(found[..., 0], np.cos(2 * np.pi * np.arange(8) / 8), atol=1e-7)


@pytest.mark.parametrize(
    ("formulas", "message"),
    [
        ({"u": "x"}, "has a field `u` itself"),
        ({"f": "1 / x"}, "has no value at some of the points"),
        ({"f": "1 / 0"}, "has no value"),
        ({"f": "9 ** 9 ** 99"}, "has no value"),
    ],
)
def test_formulas_that_do_not_fit_the_file(heat_file: Callable[..., Path], formulas: dict[str, str], message: str):
    with pytest.raises(UserError, match=message):
        with_formulas(read_pde(heat_file("a.nc"), None), formulas)


def test_every_function_takes_a_field():
    for name in FUNCTIONS:
        assert np.isfinite(evaluate(f"{name}(x)", {"x": X}, "f")).all()
