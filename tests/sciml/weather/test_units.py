"""Units as weather files write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.units import Conversion, conversion
from sciml.weather.variables import VARIABLES


@pytest.mark.parametrize(
    ("unit", "target", "scale", "offset"),
    [
        ("celsius", "K", 1, 273.15),
        ("Celsius", "K", 1, 273.15),
        ("degC", "K", 1, 273.15),
        ("degrees_Celsius", "K", 1, 273.15),
        ("degree_Celsius", "K", 1, 273.15),
        ("Kelvin", "degC", 1, -273.15),
        ("kg/(m2 s)", "kg m**-2 s**-1", 1, 0),
        ("1/day", "s**-1", 1 / 86400, 0),
        ("°C", "K", 1, 273.15),
        ("degF", "K", 5 / 9, 255.372222222),
        ("millibars", "hPa", 1, 0),
        ("m of water equivalent", "m", 1, 0),
        ("kg m**-2", "m", 1e-3, 0),
        ("(0 - 1)", "1", 1, 0),
        ("gpm", "m", 1, 0),
        ("kt", "m s**-1", 1852 / 3600, 0),
        ("K m2 kg-1 s-1", "K m**2 kg**-1 s**-1", 1, 0),
        ("hours", "second", 3600, 0),
    ],
)
def test_conversions(unit: str, target: str, scale: float, offset: float) -> None:
    found = conversion(unit, target)
    # twelve digits are kept
    assert found.scale == pytest.approx(scale, rel=1e-11)
    assert found.offset == pytest.approx(offset, rel=1e-11)


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_the_units_of_the_table_are_units(variable: object) -> None:
    units = variable.units  # type: ignore[attr-defined]
    assert conversion(f" {units}", units) == Conversion(1.0, 0.0)


@given(st.text(max_size=30))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        conversion(text, "K")
    except UserError as error:
        assert "is not a unit" in str(error) or "does not measure the same quantity" in str(error)


@pytest.mark.parametrize(
    "text",
    ["9**9**9*K", "10**1000000000 K", "K**9**9**9", "(K**99)**99", "K**100", "1e99999999 K", "K " * 29 + "!", "K" * 61],
)
def test_what_would_take_a_life_to_evaluate_is_no_unit(text: str) -> None:
    with pytest.raises(UserError, match="is not a unit"):
        conversion(text, "K")


def test_a_factor_beyond_numbers() -> None:
    with pytest.raises(UserError, match="is too many `m` for a number"):
        conversion("quettameter**99 m**-98", "m")
