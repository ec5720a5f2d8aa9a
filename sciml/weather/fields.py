"""A field: one variable, at one pressure level if it has levels, and what it is called."""

from __future__ import annotations

import re
from dataclasses import dataclass

import xarray as xr

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

# fields that a message names
_SHOWN = 12
_NAME = re.compile(r"(?P<variable>[A-Za-z_]+?)(?P<level>[0-9]+)")


@dataclass(frozen=True, order=True)
class Field:
    """A variable, at one pressure level if it has levels: `t2m`, `z500`.

    >>> str(Field("z", 500.0)), str(Field("t2m"))
    ('z500', 't2m')
    """

    variable: str
    level_hpa: float | None = None

    def __str__(self) -> str:
        return self.variable if self.level_hpa is None else f"{self.variable}{self.level_hpa:g}"


def fields_of(dataset: xr.Dataset) -> list[Field]:
    """All fields of a canonical dataset that lie on its grid."""
    found = []
    for name, array in dataset.data_vars.items():
        if {"time", "latitude", "longitude"} <= set(array.dims):
            levels = dataset["level"].values.tolist() if "level" in array.dims else [None]
            found += [Field(str(name), level) for level in levels]
    return found


def parse_field(text: str, known: list[Field]) -> Field:
    """The field that is called so.

    Raises:
        UserError: none is; the message has the nearest name and others.
    """
    names = {str(candidate): candidate for candidate in known}
    if text in names:
        return names[text]
    of_name = [field.level_hpa for field in known if field.variable == text and field.level_hpa is not None]
    if of_name:
        raise UserError(f"`{text}` has levels: write {', '.join(f'{text}{level:g}' for level in of_name[:6])}.")
    match = _NAME.fullmatch(text)
    if match:
        levels = [f"{f.level_hpa:g}" for f in known if f.variable == match["variable"] and f.level_hpa is not None]
        if levels:
            raise UserError(f"`{text}`: {match['variable']} is there at {', '.join(levels)} hPa only.")
    hint = suggest(text, names)
    shown = ", ".join(sorted(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    raise UserError(f"there is no field `{text}`{'; ' + hint if hint else '.'} There are {shown}.")
