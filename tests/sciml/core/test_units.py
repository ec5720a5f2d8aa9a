"""Constants against ase.units (an independent table), conversions against numbers worked out by hand."""

import ase.units
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core import units
from sciml.core.errors import UserError


def test_constants_agree_with_ase():
    # ase's default table is CODATA 2014, whose e differs from the exact value of 2019 by 2e-8
    assert 1 / ase.units.GPa == pytest.approx(units.EV_PER_ANGSTROM3_IN_GPA, rel=1e-7)


@pytest.mark.parametrize(
    ("unit", "target", "factor"),
    [
        ("eV", "eV", 1.0),
        ("meV", "eV", 1e-3),
        ("Hartree", "eV", 27.211386),
        ("Ha/Bohr", "eV/angstrom", 51.422067),
        ("kcal/mol", "eV", 0.0433641),
        ("kcal/mol/Ang", "eV/angstrom", 0.0433641),
        ("GPa", "eV/angstrom^3", 0.00624150907),
        ("kbar", "eV/angstrom**3", 0.000624150907),
        ("eV/Å^3", "eV/A^3", 1.0),
        ("kJ/mol", "kcal/mol", 1 / 4.184),
    ],
)
def test_known_factors(unit: str, target: str, factor: float):
    # the factors above are written to 7 digits or so
    assert units.conversion_factor(unit, target) == pytest.approx(factor, rel=2e-6)


@pytest.mark.parametrize(
    "unit", ["furlong", "eV/angstrom", "", "9**9**9", "degC", "eV/", "nonsense", "1e5 eV", "__class__"]
)
def test_what_is_no_energy_is_refused_in_one_line(unit: str):
    with pytest.raises(UserError) as raised:
        units.conversion_factor(unit, "eV")
    assert "\n" not in str(raised.value)
    assert "eV" in str(raised.value)


@given(st.text(max_size=30))
def test_any_text_gives_a_factor_or_a_user_error(unit: str):
    try:
        assert units.conversion_factor(unit, "eV") > 0
    except UserError as error:
        assert "eV" in str(error)


def test_units_that_would_take_for_ever_or_overflow_are_refused():
    with pytest.raises(UserError, match="is not a unit"):
        units.conversion_factor("K     " * 12 + "!", "K")
    with pytest.raises(UserError, match="out of the range of numbers"):
        units.conversion_factor("Qm^9 Qm^9 m^-9 m^-8", "m")
