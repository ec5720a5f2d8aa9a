"""Recipes that make a dataset from its dataset.yaml; `recipe.name` picks one here."""

from __future__ import annotations

from collections.abc import Callable

from sciml.materials.recipes.silicon_gpaw import make as make_silicon_gpaw

RECIPES: dict[str, Callable[..., None]] = {"silicon-gpaw": make_silicon_gpaw}
