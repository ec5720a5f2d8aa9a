"""From sigma levels to pressure levels and mean sea level, in hydrostatic balance.

Between two sigma levels temperature, wind and humidity are linear in the logarithm of pressure, and geopotential is the
parabola through both of its values that such a temperature asks for: d2(geopotential)/d(ln p)2 = -R dT/d(ln p). Below
the lowest level temperature goes on with the lapse rate of the standard atmosphere, geopotential with it (the formulas
of Trenberth et al. 1993, NCAR/TN-396, section 3, without their exceptions for cold and warm ground), wind and humidity
as they are there.

Shapes: l sigma levels from the top, p pressure levels, ... points and times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

Array = NDArray[np.float64]

# dry air (2/7 x 1004.64) and gravity as the model jcm 3.0 has them (jcm/constants.py) and makes its geopotential with
GAS_CONSTANT_J_KG_K = 287.04
GRAVITY_M_S2 = 9.81
# ICAO standard atmosphere, Doc 7488: up to 11 km
LAPSE_RATE_K_M = 6.5e-3


@dataclass(frozen=True)
class SigmaColumn:
    """Columns on sigma levels, their levels first.

    Attributes:
        sigma: pressure over surface pressure, ascending.
        surface_pressure_pa: of each point.
    """

    sigma: Float[np.ndarray, " l"]
    surface_pressure_pa: Float[np.ndarray, "*points"]

    def _place(self, pressure_pa: float) -> tuple[Int[np.ndarray, "*points"], Array]:
        """The upper one of the two levels around, and the part of the way to the lower one, in ln p."""
        wanted = pressure_pa / self.surface_pressure_pa
        upper = np.clip(np.searchsorted(self.sigma, wanted) - 1, 0, len(self.sigma) - 2)
        log = np.log(self.sigma)
        return upper, (np.log(wanted) - log[upper]) / (log[upper + 1] - log[upper])

    def linear(self, values: Float[np.ndarray, "l *points"], pressure_pa: float) -> Float[np.ndarray, "*points"]:
        """Wind or humidity at a pressure."""
        upper, part = self._place(pressure_pa)
        part = np.minimum(part, 1.0)
        above, below = _take(values, upper), _take(values, upper + 1)
        return above + part * (below - above)

    def temperature(self, kelvin: Float[np.ndarray, "l *points"], pressure_pa: float) -> Float[np.ndarray, "*points"]:
        """Temperature at a pressure."""
        lowest = self.sigma[-1] * self.surface_pressure_pa
        return np.where(
            pressure_pa > lowest, kelvin[-1] * _warming(pressure_pa / lowest), self.linear(kelvin, pressure_pa)
        )

    def geopotential(
        self, geopotential: Float[np.ndarray, "l *points"], kelvin: Float[np.ndarray, "l *points"], pressure_pa: float
    ) -> Float[np.ndarray, "*points"]:
        """Geopotential at a pressure, m2 s-2."""
        upper, part = self._place(pressure_pa)
        log = np.log(self.sigma)
        thickness = log[upper + 1] - log[upper]
        above, below = _take(geopotential, upper), _take(geopotential, upper + 1)
        warming = _take(kelvin, upper + 1) - _take(kelvin, upper)
        bend = 0.5 * GAS_CONSTANT_J_KG_K * warming * thickness * part * (1 - part)
        lowest = self.sigma[-1] * self.surface_pressure_pa
        rise = GRAVITY_M_S2 * kelvin[-1] / LAPSE_RATE_K_M * (_warming(pressure_pa / lowest) - 1)
        return np.where(pressure_pa > lowest, geopotential[-1] - rise, above + part * (below - above) + bend)

    def mean_sea_level_pressure(
        self, geopotential: Float[np.ndarray, "l *points"], kelvin: Float[np.ndarray, "l *points"]
    ) -> Float[np.ndarray, "*points"]:
        """Pressure in Pa where the geopotential is zero, the lowest level's air continued downwards."""
        height_m = geopotential[-1] / GRAVITY_M_S2
        exponent = GRAVITY_M_S2 / (GAS_CONSTANT_J_KG_K * LAPSE_RATE_K_M)
        return self.sigma[-1] * self.surface_pressure_pa * (1 + LAPSE_RATE_K_M * height_m / kelvin[-1]) ** exponent


def to_levels(
    column: SigmaColumn, fields: dict[str, Float[np.ndarray, "l *points"]], levels_hpa: Sequence[float]
) -> dict[str, Float[np.ndarray, "p *points"]]:
    """`z`, `t` and whatever else there is, such as `u`, `v` and `q`, at pressure levels."""
    pressures = [100.0 * level for level in levels_hpa]
    found = {
        name: np.stack([column.linear(values, pressure) for pressure in pressures])
        for name, values in fields.items()
        if name not in ("z", "t")
    }
    found["t"] = np.stack([column.temperature(fields["t"], pressure) for pressure in pressures])
    found["z"] = np.stack([column.geopotential(fields["z"], fields["t"], pressure) for pressure in pressures])
    return found


def _warming(pressure_ratio: Array) -> Array:
    """How much warmer, as a factor, air is at a pressure this many times higher."""
    return pressure_ratio ** (GAS_CONSTANT_J_KG_K * LAPSE_RATE_K_M / GRAVITY_M_S2)


def _take(values: Array, level: NDArray[np.integer]) -> Array:
    return np.take_along_axis(values, level[None], axis=0)[0]
