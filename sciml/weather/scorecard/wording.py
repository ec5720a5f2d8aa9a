"""Words and numbers of the scorecard: lead times, units, digits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# up to two days forecasters count hours
_LONGEST_IN_HOURS = 48.0
_RAIN = {"tp", "cp", "lsp", "sf"}
_MOST_DIGITS = 4


@dataclass(frozen=True)
class LeadTimes:
    """Lead times in hours, and how to show them: in hours up to two days, else in days."""

    hours: Array

    @property
    def in_days(self) -> bool:
        return bool(self.hours.max() > _LONGEST_IN_HOURS)

    @property
    def unit(self) -> str:
        return "days" if self.in_days else "hours"

    @property
    def values(self) -> Array:
        """In `unit`."""
        return self.hours / 24 if self.in_days else self.hours

    def text(self, hours: float) -> str:
        """One of them as text.

        >>> leads = LeadTimes(np.array([6.0, 72.0]))
        >>> leads.text(6.0), leads.text(36.0), leads.text(72.0)
        ('6 h', '36 h', '3 d')
        """
        return f"{hours / 24:g} d" if self.in_days and hours % 24 == 0 and hours > 0 else f"{hours:g} h"

    @property
    def texts(self) -> list[str]:
        return [self.text(float(hours)) for hours in self.hours]

    def chosen(self, most: int) -> list[int]:
        """Indices of at most so many lead times above zero, spread from the first to the last, whole days if there are.

        >>> LeadTimes(np.arange(0.0, 246.0, 6.0)).chosen(3)  # 24, 120 and 240 hours
        [4, 20, 40]
        """
        several = len(self.hours) > 1
        found = [i for i, hours in enumerate(self.hours) if hours > 0 or not several]
        days = [i for i in found if self.hours[i] % 24 == 0]
        if len(found) > most and len(days) >= most:
            found = days
        if len(found) <= most:
            return found
        return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))]


def plain_unit(unit: str) -> str:
    """A unit as it is printed.

    >>> plain_unit("m**2 s**-2"), plain_unit("K"), plain_unit("1"), plain_unit("kg m-2")
    ('m² s⁻²', 'K', '', 'kg m⁻²')
    """
    words = []
    for word in unit.replace("**", "^").split():
        letters = word.rstrip("-0123456789")
        power = word[len(letters) :]
        words.append(letters.removesuffix("^") + power.translate(_POWERS) if letters and power else word)
    return "" if unit in {"1", "dimensionless"} else " ".join(words)


def shown_unit(field: str, unit: str) -> tuple[float, str]:
    """What to multiply a field by, and the unit that it has then: rain in mm, pressure in hPa, as forecasters do.

    >>> shown_unit("tp", "m"), shown_unit("msl", "Pa"), shown_unit("t2m", "K")
    ((1000.0, 'mm'), (0.01, 'hPa'), (1.0, 'K'))
    """
    if unit == "m" and field in _RAIN:
        return 1000.0, "mm"
    return (0.01, "hPa") if unit == "Pa" else (1.0, plain_unit(unit))


def decimals_within(value: float, decimals: int) -> int:
    """Digits after the point, but no more than make four significant ones, and none for zero.

    >>> decimals_within(0.16894, 5), decimals_within(1013.25, 3), decimals_within(0.0, 4)
    (4, 0, 0)
    """
    if value == 0:
        return 0
    return max(0, min(decimals, _MOST_DIGITS - 1 - math.floor(math.log10(abs(value)))))


def floats(values: Any) -> Array:
    """A list of numbers, or of lists of them, with null as NaN."""
    return np.array(values, np.float64)


def with_unit(name: str, unit: str) -> str:
    """An axis label.

    >>> with_unit("RMSE", "K"), with_unit("ACC", "")
    ('RMSE (K)', 'ACC')
    """
    return f"{name} ({unit})" if unit else name


def region_text(name: str) -> str:
    """A region's name as words.

    >>> region_text("northern_hemisphere")
    'northern hemisphere'
    """
    return name.replace("_", " ")


def in_words(text: str) -> str:
    """The first letter large, the rest as it is.

    >>> in_words("heat wave")
    'Heat wave'
    """
    return text[:1].upper() + text[1:].replace("_", " ")
