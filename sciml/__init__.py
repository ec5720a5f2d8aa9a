"""sciml: neural surrogates of the equations of physics, trained from experiment files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sciml.materials.calculator import load_calculator
    from sciml.weather.era5 import open_era5, open_forecast

__version__ = "0.1.0"
__all__ = ["__version__", "load_calculator", "open_era5", "open_forecast"]

# public name -> module that has it, imported when the name is first used: `import sciml` itself takes no time
_HOMES = {
    "load_calculator": "sciml.materials.calculator",
    "open_era5": "sciml.weather.era5",
    "open_forecast": "sciml.weather.era5",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sciml' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
