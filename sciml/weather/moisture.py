"""Water vapour that the wind carries, the measure of atmospheric rivers.

IVT = 1/g |integral of q (u, v) dp| over the column, in kg/(m s) (Zhu & Newell 1998, Mon. Wea. Rev. 126:725). An
atmospheric river is a long band with 250 kg/(m s) or more (Ralph et al. 2019, Bull. Amer. Meteor. Soc. 100:269).

Shapes: k levels, y latitudes, x longitudes; anything may lead.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float

from sciml.core.errors import UserError

# standard acceleration of gravity, m/s2: 3rd CGPM 1901; CODATA 2022
_GRAVITY_M_S2 = 9.80665
_HPA_PA = 100.0


def vapour_transport(
    q: Float[np.ndarray, "*leading k y x"],
    u: Float[np.ndarray, "*leading k y x"],
    v: Float[np.ndarray, "*leading k y x"],
    level_hpa: Float[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, "*leading y x"], Float[np.ndarray, "*leading y x"]]:
    """Eastward and northward transport in kg/(m s), by the trapezoid rule in pressure between the first and last level.

    Args:
        q: specific humidity, kg/kg.
        u: eastward wind, m/s.
        v: northward wind, m/s.
        level_hpa: ascending.

    >>> q, u, v = (np.full((2, 1, 1), value) for value in (0.01, 20.0, 0.0))
    >>> east, north = vapour_transport(q, u, v, np.array([500.0, 1000.0]))
    >>> round(float(east[0, 0]), 3), float(north[0, 0])  # 0.01 x 20 x 50000 / 9.80665
    (1019.716, 0.0)
    """
    pressure_pa = level_hpa * _HPA_PA
    thickness = np.diff(pressure_pa)[:, None, None]

    def column(wind: Float[np.ndarray, "*leading k y x"]) -> Float[np.ndarray, "*leading y x"]:
        flux = q.astype(np.float64) * wind
        return (0.5 * (flux[..., 1:, :, :] + flux[..., :-1, :, :]) * thickness).sum(axis=-3) / _GRAVITY_M_S2

    return column(u), column(v)


def integrated_vapour_transport(dataset: xr.Dataset, top_hpa: float = 300.0) -> xr.Dataset:
    """`ivt`, `ivt_east` and `ivt_north` in kg m-1 s-1 of a canonical dataset with q, u and v on levels.

    The column goes from `top_hpa` to the lowest level at hand; above 300 hPa there is next to no vapour. Levels below
    the ground count as they are in the data. Lazy data stay lazy.

    Raises:
        UserError: a variable is missing, or fewer than two levels lie below `top_hpa`.
    """
    missing = [name for name in ("q", "u", "v") if name not in dataset or "level" not in dataset[name].dims]
    if missing:
        raise UserError(f"Vapour transport needs q, u and v on levels, but {', '.join(missing)} is missing.")
    column = dataset[["q", "u", "v"]].sel(level=slice(top_hpa, None))
    if column.sizes["level"] < 2:
        raise UserError(
            f"Vapour transport is an integral over the levels from {top_hpa:g} hPa down, of which only "
            f"{column.sizes['level']} is there. Open more levels, such as 1000, 925, 850, 700, 500 and 300 hPa."
        )
    level = column["level"].values.astype(np.float64)

    def transport_of(q: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q, u, v = (np.moveaxis(field, -1, -3) for field in (q, u, v))
        return vapour_transport(q, u, v, level)

    # dask works on whole columns
    columns = [column[name].chunk(level=-1) if column[name].chunks else column[name] for name in ("q", "u", "v")]
    east, north = xr.apply_ufunc(
        transport_of,
        *columns,
        input_core_dims=[["latitude", "longitude", "level"]] * 3,
        output_core_dims=[["latitude", "longitude"]] * 2,
        dask="parallelized",
        output_dtypes=[np.float64] * 2,
    )
    transport = xr.Dataset({"ivt": np.hypot(east, north), "ivt_east": east, "ivt_north": north})
    for name, words in (("ivt", "size"), ("ivt_east", "eastward part"), ("ivt_north", "northward part")):
        transport[name].attrs = {
            "units": "kg m-1 s-1",
            "long_name": f"vertically integrated water vapour transport, {words}",
        }
    return transport.astype(np.float32)
