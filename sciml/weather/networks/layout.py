"""Which channel of a weather network is what.

The input of a network holds `history` states, oldest first, then forcings, features of the last state, and static
fields. A state holds the variables on levels, one after another, each from the top of the atmosphere down, then the
variables of the surface. The output is one state.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.weather.variables import find_variable, split_window


@dataclass(frozen=True)
class ChannelLayout:
    """The channels of a state and what comes with it.

    Args:
        upper: variables on levels.
        n_levels: of each of them, from the top of the atmosphere down.
        surface: variables with one field.
        history: states that the input begins with, oldest first.
        n_forcings: fields that are known in advance, as sunlight is.
        n_statics: fields that are constant in time.
        n_features: fields that are worked out of the last state.

    Raises:
        UserError: no variable, a variable twice, or numbers out of range.

    >>> layout = ChannelLayout(upper=("z", "u"), n_levels=3, surface=("t2m",), history=2, n_statics=1)
    >>> layout.n_state, layout.n_inputs, layout.state_channels[2:5]
    (7, 15, ('z[2]', 'u[0]', 'u[1]'))
    """

    upper: tuple[str, ...]
    n_levels: int
    surface: tuple[str, ...]
    history: int = 1
    n_forcings: int = 0
    n_statics: int = 0
    n_features: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            "layout",
            self,
            {
                "n_levels": (0, 1000),
                "history": (1, 100),
                "n_forcings": (0, 10_000),
                "n_statics": (0, 10_000),
                "n_features": (0, 10_000),
            },
        )
        names = self.upper + self.surface
        if not names:
            raise UserError("A layout needs at least one variable, but has neither upper-air nor surface ones.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(f"A layout needs each variable once, but has {', '.join(twice)} twice. Drop one of them.")
        if bool(self.upper) != bool(self.n_levels):
            raise UserError(
                f"A layout needs levels for its {len(self.upper)} upper-air variables and none without such, but "
                f"`n_levels` is {self.n_levels}."
            )

    @property
    def n_upper(self) -> int:
        """Channels of a state that are on levels."""
        return len(self.upper) * self.n_levels

    @property
    def n_state(self) -> int:
        return self.n_upper + len(self.surface)

    @property
    def n_others(self) -> int:
        """Channels of the input after the states."""
        return self.n_forcings + self.n_features + self.n_statics

    @property
    def n_inputs(self) -> int:
        return self.history * self.n_state + self.n_others

    @property
    def state_channels(self) -> tuple[str, ...]:
        on_levels = tuple(f"{name}[{level}]" for name in self.upper for level in range(self.n_levels))
        return on_levels + self.surface

    @property
    def state_signs(self) -> tuple[float, ...]:
        """By channel of a state, -1 for components of a vector along east and north, whose axes turn around at a pole.

        A variable that is not in the project's table counts as a scalar.
        """
        on_levels = tuple(_sign(name) for name in self.upper for _ in range(self.n_levels))
        return on_levels + tuple(_sign(name) for name in self.surface)

    @property
    def input_signs(self) -> tuple[float, ...]:
        """The same by channel of the input; all after the states count as scalars."""
        return self.state_signs * self.history + (1.0,) * self.n_others

    def split(
        self, x: Float[Tensor, "*points i"]
    ) -> tuple[Float[Tensor, "*points history state"], Float[Tensor, "*points others"]]:
        """The states of an input, and what comes after them."""
        states, others = x.split([self.history * self.n_state, self.n_others], dim=-1)
        return states.unflatten(-1, (self.history, self.n_state)), others


def _sign(name: str) -> float:
    variable = find_variable(split_window(name)[0])
    is_component = variable is not None and any(word in variable.standard_name for word in ("eastward", "northward"))
    return -1.0 if is_component else 1.0
