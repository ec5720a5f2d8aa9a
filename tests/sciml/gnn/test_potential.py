"""The configurations and the frame of potentials; what they compute is checked in tests/laws."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.gnn.potential import POTENTIALS, build_potential

FIELDS = [(name, field) for name, (config, _) in POTENTIALS.items() for field in config.__dataclass_fields__]
# harmonics of degree zero alone make sense
WITHOUT_SENSE = [(*field, value) for field in FIELDS for value in (-3, 0) if (field[1], value) != ("l_max", 0)]


def sized(config_class: Any, sizes: dict[str, int]) -> dict[str, float]:
    """Numbers of the type that each field has, as the command line converts them."""
    kinds = {field.name: type(field.default) for field in dataclasses.fields(config_class)}
    return {name: kinds[name](value) for name, value in sizes.items()}


@pytest.mark.parametrize(("name", "field", "value"), WITHOUT_SENSE)
def test_sizes_without_sense_are_refused(name: str, field: str, value: int) -> None:
    config_class, _ = POTENTIALS[name]
    with pytest.raises(UserError, match=f"`model.{field}` needs to be"):
        config_class(**sized(config_class, {field: value}))


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(POTENTIALS)), sizes=st.lists(st.integers(-1, 6), min_size=8, max_size=8))
def test_every_config_that_is_taken_can_be_built(name: str, sizes: list[int]) -> None:
    config_class, _ = POTENTIALS[name]
    try:
        config = config_class(**sized(config_class, dict(zip(config_class.__dataclass_fields__, sizes, strict=False))))
    except UserError:
        return
    potential = build_potential(config, (1, 8), [0.0, 0.0])
    assert sum(weight.numel() for weight in potential.parameters()) > 0


def test_reference_energies_belong_to_elements() -> None:
    config_class, _ = POTENTIALS["painn"]
    with pytest.raises(ValueError, match="2 elements needs as many reference energies, but got 1"):
        build_potential(config_class(), (1, 8), [0.0])


def test_an_unknown_config_is_refused() -> None:
    other: Any = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="a config of one of schnet, painn, qace is needed, but got Linear"):
        build_potential(other, (1,), [0.0])
