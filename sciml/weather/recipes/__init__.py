"""Recipes that make a dataset of the weather domain from its dataset.yaml; `recipe.name` picks one here."""

from __future__ import annotations

from collections.abc import Callable

from sciml.weather.recipes.coastlines import make as make_coastlines
from sciml.weather.recipes.nature_run import make as make_nature_run

RECIPES: dict[str, Callable[..., None]] = {"coastlines": make_coastlines, "nature-run": make_nature_run}
