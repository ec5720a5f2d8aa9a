"""Constants of nature, each with its source, and factors between units as users write them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from sciml.core.errors import UserError

if TYPE_CHECKING:
    import pint

# SI Brochure, 9th edition (2019), section 2.2: exact by definition
ELEMENTARY_CHARGE_C = 1.602176634e-19
# from the one above: 1 eV is e joule, 1 angstrom^3 is 1e-30 m^3
EV_PER_ANGSTROM3_IN_GPA = ELEMENTARY_CHARGE_C * 1e30 / 1e9

# names that the field writes otherwise than pint does
_SPELLINGS = {
    "Ha": "hartree",
    "Hartree": "hartree",
    "Ry": "rydberg",
    "Rydberg": "rydberg",
    "Bohr": "bohr",
    "A": "angstrom",
    "Ang": "angstrom",
    "Angstrom": "angstrom",
    "Å": "angstrom",
}
# a product of powers of names: `kcal/mol/Ang`, `eV/angstrom^3`, `m s**-1`; any other expression is not evaluated
_NAME = r"[A-Za-zÅµμΩ°_]+[0-9]?"
_POWER = r"(?:\s*(?:\^|\*\*)\s*-?[0-9])?"
_UNIT = re.compile(rf"(?:1\s*/\s*)?{_NAME}{_POWER}(?:\s*[*/ ]\s*{_NAME}{_POWER})*")


@functools.cache
def _registry() -> pint.UnitRegistry:
    import pint  # takes half a second

    return pint.UnitRegistry()


@functools.cache
def conversion_factor(unit: str, target: str) -> float:
    """What a number in `unit` is multiplied with to be in `target`.

    A unit per mole is taken as per particle when the target is not per mole.

    >>> round(conversion_factor("eV/angstrom^3", "GPa"), 7)  # 1.602176634e-19 J / 1e-30 m^3 / 1e9
    160.2176634
    >>> round(conversion_factor("kcal/mol", "eV"), 6)  # 4184 J / 6.02214076e23 / 1.602176634e-19 J
    0.043364

    Raises:
        UserError: a unit that is not known, or of another dimension than the target.
    """
    import pint

    registry = _registry()
    given, wanted = _parse(unit), _parse(target)
    try:
        factor = registry.Quantity(1.0, given)
        if (factor / registry.Quantity(1.0, wanted)).check("1/[substance]"):
            factor = factor / registry.Quantity(1.0, "avogadro_constant")
        return float(factor.m_as(wanted))
    except pint.OffsetUnitCalculusError as error:
        raise UserError(
            f"`{unit}` has an offset, so no factor leads to {target}. Give the values in {target}."
        ) from error
    except OverflowError as error:
        raise UserError(f"`{unit[:40]}` is out of the range of numbers. Give the values in {target}.") from error
    except pint.DimensionalityError as error:
        raise UserError(
            f"`{unit}` does not measure the same quantity as {target}. Give the values in {target}."
        ) from error


def _parse(unit: str) -> pint.Unit:
    import pint

    # runs of spaces would be tried in every division
    unit = " ".join(unit.split())
    if len(unit) <= 80 and _UNIT.fullmatch(unit):
        spelled = re.sub(r"[A-Za-zÅ]+", lambda word: _SPELLINGS.get(word[0], word[0]), unit)
        try:
            return _registry().parse_units(spelled)
        except (pint.PintError, ValueError, TypeError, AttributeError, RecursionError):
            pass
    raise UserError(f"`{unit[:40]}` is not a unit. Write it as eV, eV/angstrom, GPa, kcal/mol, ...")
