"""Units of weather files: what they say, in the many ways they say it, and the way to the units of the project.

A conversion is affine, value x scale + offset, because degrees Celsius have an offset.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from sciml.core.errors import UserError

if TYPE_CHECKING:
    import pint

# spellings of weather files that pint does not know, after lower case
_SPELLINGS = {
    "(0 - 1)": "dimensionless",
    "0-1": "dimensionless",
    "0 - 1": "dimensionless",
    "1": "dimensionless",
    "~": "dimensionless",
    "numeric": "dimensionless",
    "fraction": "dimensionless",
    "proportion": "dimensionless",
    "%": "percent",
    "c": "degC",
    "degc": "degC",
    "deg c": "degC",
    "deg_c": "degC",
    "°c": "degC",
    "celsius": "degC",
    "degree c": "degC",
    "degree_c": "degC",
    "degrees_c": "degC",
    "degrees c": "degC",
    "degrees celsius": "degC",
    "degree celsius": "degC",
    "degree_celsius": "degC",
    "degrees_celsius": "degC",
    "deg celsius": "degC",
    "deg_celsius": "degC",
    "f": "degF",
    "k": "kelvin",
    "kelvin": "kelvin",
    "kelvins": "kelvin",
    "deg k": "kelvin",
    "deg_k": "kelvin",
    "degk": "kelvin",
    "degrees k": "kelvin",
    "degree_kelvin": "kelvin",
    "degrees_kelvin": "kelvin",
    "degree kelvin": "kelvin",
    "degrees kelvin": "kelvin",
    "millibars": "millibar",
    "mb": "millibar",
    "gpm": "meter",
    "m of water equivalent": "meter",
    "m of water": "meter",
    "mm of water equivalent": "millimeter",
    "m w.e.": "meter",
    "degree true": "degree",
    "degrees true": "degree",
    "degrees_north": "degree",
    "degrees_east": "degree",
    "knots": "knot",
    "kt": "knot",
    "kts": "knot",
}
# m s-1, m2 s-2: CF writes powers without a sign for them
_BARE_POWER = re.compile(r"(?<![A-Za-z0-9*^_.])([A-Za-z]+)(-?[0-9]+)(?![0-9.])")
# powers of names, `kg/(m**2 s)`: the parser evaluates what it is given, and 9**9**9 takes it longer than a life
_POWER = r"[A-Za-z_µ°]+(?: ?(?:\*\*|\^) ?[+-]?[0-9]{1,2})?"
_BETWEEN = r"(?: ?[*/] ?| )"
_PRODUCT = rf"{_POWER}(?:{_BETWEEN}{_POWER})*"
_FACTOR = rf"(?:{_POWER}|\( ?{_PRODUCT} ?\))"
_EXPRESSION = re.compile(rf"(?:1{_BETWEEN})?{_FACTOR}(?:{_BETWEEN}{_FACTOR})*")
_LONGEST = 60

# ISO 80000-4: a layer of water of 1 m has this mass per area, to the three digits that matter for packed rain
WATER_DENSITY_KG_M3 = 1000.0


class Conversion(NamedTuple):
    """To other units: value x scale + offset."""

    scale: float
    offset: float

    @property
    def is_identity(self) -> bool:
        return self.scale == 1.0 and self.offset == 0.0


@functools.cache
def _registry() -> pint.UnitRegistry:
    import pint  # takes half a second

    return pint.UnitRegistry()


@functools.cache
def conversion(unit: str, target: str) -> Conversion:
    """How values in `unit` become values in `target`.

    Mass of water per area is taken as its depth: 1 kg m**-2 is 1 mm.

    >>> conversion("degC", "K")
    Conversion(scale=1.0, offset=273.15)
    >>> conversion("hPa", "Pa"), conversion("mm", "m"), conversion("%", "1")
    (Conversion(scale=100.0, offset=0.0), Conversion(scale=0.001, offset=0.0), Conversion(scale=0.01, offset=0.0))
    >>> conversion("m s-1", "m s**-1"), conversion("kg m-2", "m")
    (Conversion(scale=1.0, offset=0.0), Conversion(scale=0.001, offset=0.0))

    Raises:
        UserError: a unit that is not known, or of another quantity than the target.
    """
    import pint

    if unit == target:
        return Conversion(1.0, 0.0)
    registry = _registry()
    given, wanted = _parse(unit), _parse(target)
    if given.dimensionality != wanted.dimensionality:
        water = registry.Quantity(WATER_DENSITY_KG_M3, "kg/m**3")
        per_area = registry.Quantity(1.0, given)
        if per_area.check("[mass]/[length]**2") and wanted.dimensionality == "[length]":
            return Conversion(_rounded((per_area / water).m_as(wanted)), 0.0)
    try:
        at_zero = registry.Quantity(0.0, given).m_as(wanted)
        at_one = registry.Quantity(1.0, given).m_as(wanted)
    except pint.DimensionalityError as error:
        raise UserError(f"`{unit}` does not measure the same quantity as `{target}`.") from error
    except OverflowError as error:
        raise UserError(f"`{unit}` is too many `{target}` for a number. Give the values in {target}.") from error
    return Conversion(_rounded(at_one - at_zero), _rounded(at_zero))


def _rounded(value: float) -> float:
    # binary fractions leave 1e-16 behind: 274.15 - 273.15 is not 1
    return float(f"{value:.12g}")


def _parse(unit: str) -> pint.Unit:
    text = " ".join(unit.split())
    # "(Code table 4.213)": numbers of kinds
    spelled = "dimensionless" if text.startswith("(Code table") else _SPELLINGS.get(text.lower(), text)
    expression = _BARE_POWER.sub(r"\1**\2", spelled)
    if len(spelled) <= _LONGEST and _EXPRESSION.fullmatch(expression):
        try:
            return _registry().parse_units(expression)
        except Exception:  # pint's parser raises anything, AssertionError too, over what is no unit
            pass
    raise UserError(f"`{unit[:40]}` is not a unit. Write it as K, Pa, hPa, m, mm, m s**-1, kg kg**-1, 1, ...")
