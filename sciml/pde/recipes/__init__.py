"""Recipes that make a dataset of the domain pde from its dataset.yaml; `recipe.name` picks one here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sciml.pde.recipes.burgers import BurgersRecipe
from sciml.pde.recipes.darcy import DarcyRecipe
from sciml.pde.recipes.making import make
from sciml.pde.recipes.navier_stokes import NavierStokesRecipe

RECIPES: dict[str, Callable[..., None]] = {
    "burgers": partial(make, BurgersRecipe),
    "darcy": partial(make, DarcyRecipe),
    "navier-stokes": partial(make, NavierStokesRecipe),
}
