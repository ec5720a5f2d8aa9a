"""Channels are where the layout says, and layouts that cannot be are refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sciml.core.errors import UserError
from sciml.weather.networks.layout import ChannelLayout

LAYOUT = ChannelLayout(
    upper=("z", "u"), n_levels=3, surface=("t2m", "v10", "tp_6h"), history=2, n_forcings=2, n_statics=1
)


def test_numbers_add_up() -> None:
    assert LAYOUT.n_upper == 6
    assert LAYOUT.n_state == 9
    assert LAYOUT.n_inputs == 2 * 9 + 2 + 1
    assert LAYOUT.state_channels == ("z[0]", "z[1]", "z[2]", "u[0]", "u[1]", "u[2]", "t2m", "v10", "tp_6h")


def test_an_input_is_split_in_time_order() -> None:
    states, others = LAYOUT.split(torch.arange(21.0).expand(1, 2, 2, 21))
    assert states[0, 0, 0].tolist() == [list(range(9)), list(range(9, 18))]
    assert others[0, 0, 0].tolist() == [18, 19, 20]


def test_wind_components_change_sign_across_a_pole_and_nothing_else_does() -> None:
    assert LAYOUT.state_signs == (1, 1, 1, -1, -1, -1, 1, -1, 1)
    assert LAYOUT.input_signs == LAYOUT.state_signs * 2 + (1, 1, 1)


@pytest.mark.parametrize("name", ["u", "v100", "10m_u_component_of_wind", "viwve", "ewss", "nsss", "ewss_6h"])
def test_every_vector_of_the_table_has_a_sign(name: str) -> None:
    assert ChannelLayout(upper=(), n_levels=0, surface=(name,)).state_signs == (-1,)


@pytest.mark.parametrize("name", ["si10", "vo", "d", "w", "ws", "something of a user's own"])
def test_sizes_of_vectors_and_unknown_variables_are_scalars(name: str) -> None:
    assert ChannelLayout(upper=(), n_levels=0, surface=(name,)).state_signs == (1,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"upper": (), "surface": (), "n_levels": 0}, "at least one variable"),
        ({"surface": ("t2m", "z")}, "z twice"),
        ({"n_levels": 0}, "`n_levels` is 0"),
        ({"upper": ()}, "`n_levels` is 3"),
        ({"history": 0}, "`layout.history` needs to be between 1 and 100, but is 0"),
        ({"n_forcings": -1}, "`layout.n_forcings`"),
    ],
)
def test_layouts_that_cannot_be_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(LAYOUT, **changes)
