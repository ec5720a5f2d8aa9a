"""Regridding between latitude-longitude grids, first-order conservative and bilinear, as two sparse products.

On such grids both methods are separable: the target field is R f C^T, with sparse matrices R over latitudes and C over
longitudes that are made once for a pair of grids.

- `conservative` (Jones 1999, doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, without gradients): the mean of the
  source over the target cell. Weights are overlaps in sin(latitude) and in longitude, with the cells of `Grid`, so the
  integral is kept. Where the outermost cells end at the poles this is the definition of WeatherBench 2
  (google-research/weatherbench2, weatherbench2/regridding.py).
- `bilinear`: linear in latitude, then in longitude, periodic where the source is. Between the last row of a global grid
  and the pole it goes towards the mean of that row. Outside of a regional source there is no value.

Missing source values (NaN or infinite) and parts of a target cell outside of the source are left out, and the rest of
the weights is divided by its sum; where that sum is less than `min_valid_share` there is no value. A target value lies
between the smallest and the largest source value to the last bit, so a constant stays what it is and rain does not
become negative.

Shapes: y rows and x columns of the source, v rows and u columns of the target.
"""

from __future__ import annotations

import re
from typing import TypeVar, cast

import numpy as np
import xarray as xr
from jaxtyping import Float, Num

from sciml.core.errors import UserError
from sciml.weather.grid import Grid, gauss_legendre
from sciml.weather.regrid_weights import WEIGHTS, poles_to_add

Data = TypeVar("Data", xr.Dataset, xr.DataArray)

# half of a cell: the mask of the target then has about the area of the mask of the source
MIN_VALID_SHARE = 0.5
# WeatherBench (Rasp et al. 2020, arXiv:2002.00469, section 2.2) publishes these without points at the poles
_NO_POLES_DEG = (5.625, 2.8125, 1.40625)
# of ECMWF's finest Gaussian grid, N2560; a longer number is a slip
_MOST_ROWS = 5120
# weights and shares below are rounding of the edges
_NOTHING = 1e-9


class Regridder:
    """Carries fields from one grid to another.

    Args:
        source: the grid of the fields that come.
        target: the grid of the fields that go; where it reaches outside of the source, values are NaN.
        method: `conservative` or `bilinear`.
        min_valid_share: 0 to 1, the part of a target value's weight that has to be known. 0: any part is enough.

    Raises:
        UserError: an unknown method, or a share outside of 0 to 1.

    >>> coarse = Regridder(grid_named("8x4"), grid_named("4x2"))
    >>> coarse(np.tile([1.0, 2.0], (4, 4)))  # a coarse cell holds one column, and halves of its two neighbours
    array([[1.5, 1.5, 1.5, 1.5],
           [1.5, 1.5, 1.5, 1.5]])
    """

    def __init__(
        self, source: Grid, target: Grid, method: str = "conservative", *, min_valid_share: float = MIN_VALID_SHARE
    ) -> None:
        if method not in WEIGHTS:
            raise UserError(f"Fields are regridded by {' or '.join(WEIGHTS)}, but the method is {method!r}.")
        if not 0 <= min_valid_share <= 1:
            raise UserError(f"`min_valid_share` needs to be between 0 and 1, but is {min_valid_share}.")
        self.source = source
        self.target = target
        self.min_valid_share = float(min_valid_share)
        row_weights, column_weights = WEIGHTS[method]
        self._add_poles = poles_to_add(source) if method == "bilinear" else (False, False)
        self._rows_vy = row_weights(source, target)
        (joined, source_columns), (wanted, target_columns) = source.in_one_piece(), target.in_one_piece()
        columns_ux = column_weights(joined, wanted)
        self._columns_ux = columns_ux[np.argsort(target_columns)][:, np.argsort(source_columns)]
        self._coverage_vu = self._product(np.ones(source.shape))

    def __call__(self, fields: Num[np.ndarray, "*n y x"]) -> Float[np.ndarray, "*n v u"]:
        """[..., y, x] to [..., v, u], in the precision of the fields; sums are in double precision.

        Raises:
            UserError: fields that are not on the source grid.
        """
        if fields.shape[-2:] != self.source.shape:
            raise UserError(
                f"The regridder was made for fields of {' x '.join(map(str, self.source.shape))} points (latitude x "
                f"longitude), but the field has the shape {fields.shape}. Make one for the grid of this field."
            )
        kind = np.result_type(fields.dtype, np.float32)
        flat = fields.reshape(-1, *self.source.shape)
        out = np.empty((len(flat), *self.target.shape), kind)
        for index, field in enumerate(flat):
            out[index] = self._one(field)
        return out.reshape(*fields.shape[:-2], *self.target.shape)

    def _one(self, field: Num[np.ndarray, "y x"]) -> Float[np.ndarray, "v u"]:
        valid = np.isfinite(field)
        complete = valid.all()
        known = field if complete else field[valid]
        if not known.size:
            return np.full(self.target.shape, np.nan)
        # what lies above the smallest value is regridded, so that a constant, and no rain, are exact
        smallest, largest = float(known.min()), float(known.max())
        above = np.subtract(field, smallest, dtype=np.float64)
        if not complete:
            above[~valid] = 0
        share = self._coverage_vu if complete else self._product(valid.astype(np.float64))
        enough = (share > _NOTHING) & (share >= self.min_valid_share - _NOTHING)
        mean = smallest + self._product(above) / np.where(enough, share, 1)
        return np.where(enough, np.minimum(mean, largest), np.nan)

    def _product(self, field: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "v u"]:
        first, last = self._add_poles
        if first or last:
            ends = [field[:1], field[-1:]]
            poles = [np.broadcast_to(end.mean(), end.shape) for end in ends]
            field = np.concatenate([*poles[: int(first)], field, *poles[1 : 1 + int(last)]])
        return (self._columns_ux @ np.ascontiguousarray((self._rows_vy @ field).T)).T


def regrid(
    data: Data,
    target: Grid | str | xr.Dataset | xr.DataArray,
    method: str = "conservative",
    *,
    min_valid_share: float = MIN_VALID_SHARE,
) -> Data:
    """Canonical data on another grid, lazily where they are lazy.

    Args:
        data: dimensions latitude and longitude and any others; variables without both stay as they are.
        target: a grid, the name of one (`grid_named`), or data on it.
        method: `conservative` (the integral is kept) or `bilinear`.
        min_valid_share: 0 to 1, the part of a target value's weight that has to be known.

    Raises:
        UserError: an unknown method or grid, or a variable with only one of latitude and longitude.
    """
    source, goal = as_grid(data), as_grid(target)
    if np.array_equal(source.latitude, goal.latitude) and np.array_equal(source.longitude, goal.longitude):
        return data
    regridder = Regridder(source, goal, method, min_valid_share=min_valid_share)
    if isinstance(data, xr.DataArray):
        return _regrid_array(data, regridder)
    fields: dict[object, xr.DataArray] = {}
    for name, array in data.data_vars.items():
        horizontal = {"latitude", "longitude"} & set(array.dims)
        if len(horizontal) == 1:
            raise UserError(f"A field needs latitude and longitude, but {name} has only {horizontal.pop()}. Drop it.")
        fields[name] = _regrid_array(array, regridder) if horizontal else array
    return cast("Data", xr.Dataset(fields, attrs=data.attrs))


def as_grid(target: Grid | str | xr.Dataset | xr.DataArray) -> Grid:
    """The grid itself, by its name, or of data that have `latitude` and `longitude`.

    Raises:
        UserError: no such name, or no such coordinates.
    """
    if isinstance(target, Grid):
        return target
    if isinstance(target, str):
        return grid_named(target)
    if missing := [name for name in ("latitude", "longitude") if name not in target.coords]:
        raise UserError(
            f"A grid needs the coordinates latitude and longitude, but the data have no {' and no '.join(missing)}. "
            "Read them by `open_era5` or `open_forecast`, which name coordinates."
        )
    return Grid(target["latitude"].values.astype(np.float64), target["longitude"].values.astype(np.float64))


def grid_named(name: str) -> Grid:
    """A global grid by name: ascending latitudes, longitudes from 0.

    - `240x121` (longitudes x latitudes, in either order): regular. Latitudes are half as many as longitudes, the
      outermost half a step from the poles, or one more than that, with points at the poles.
    - `1.5deg`: regular with points at the poles, as ECMWF archives it; 5.625, 2.8125 and 1.40625 degrees without, as
      WeatherBench.
    - `N32` or `F32`: regular Gaussian, 64 latitudes x 128 longitudes.

    Raises:
        UserError: another name, or a step that does not divide 180 degrees.

    >>> [grid_named(name).shape for name in ("64x32", "1.5deg", "5.625deg", "N32")]
    [(32, 64), (121, 240), (32, 64), (64, 128)]
    """
    wanted = name.strip().lower()
    if match := re.fullmatch(r"[nf](\d{1,5})", wanted):
        half = int(match[1])
        if 4 <= 2 * half <= _MOST_ROWS:
            return Grid(np.degrees(np.arcsin(gauss_legendre(2 * half)[0])), _longitudes(4 * half))
    elif match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", wanted):
        rows, columns = sorted((int(match[1]), int(match[2])))
        if 2 <= rows <= _MOST_ROWS and columns in (2 * rows, 2 * (rows - 1)):
            return Grid(_regular_latitudes(rows, poles=columns != 2 * rows), _longitudes(columns))
    elif match := re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(?:deg|degrees?|°)", wanted):
        step_deg = float(match[1])
        steps = round(180 / step_deg) if step_deg > 180 / _MOST_ROWS else 0
        if steps >= 2 and abs(steps * step_deg - 180) < 1e-6:
            poles = step_deg not in _NO_POLES_DEG
            return Grid(_regular_latitudes(steps + int(poles), poles=poles), _longitudes(2 * steps))
    raise UserError(
        f"There is no grid named {name!r}. Grids have names like 64x32 or 240x121 (longitudes x latitudes, twice as "
        "many longitudes as latitudes, or as steps between these), 1.5deg (a step that divides 180 degrees) or N32 "
        "(Gaussian)."
    )


def _longitudes(count: int) -> np.ndarray:
    return 360.0 * np.arange(count) / count


def _regular_latitudes(count: int, *, poles: bool) -> np.ndarray:
    if poles:
        return 180.0 * np.arange(count) / (count - 1) - 90
    return 180.0 * (np.arange(count) + 0.5) / count - 90


def _regrid_array(array: xr.DataArray, regridder: Regridder) -> xr.DataArray:
    horizontal = ["latitude", "longitude"]
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(horizontal, -1))
    sizes = dict(zip(horizontal, regridder.target.shape, strict=True))
    out = xr.apply_ufunc(
        regridder,
        array,
        input_core_dims=[horizontal],
        output_core_dims=[horizontal],
        exclude_dims=set(horizontal),
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": sizes},
        output_dtypes=[np.result_type(array.dtype, np.float32)],
        keep_attrs=True,
    )
    coordinates = {
        "latitude": ("latitude", regridder.target.latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", regridder.target.longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return out.assign_coords(coordinates)
