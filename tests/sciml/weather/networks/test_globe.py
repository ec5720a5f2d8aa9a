"""Rows beyond a pole are where the meridian goes on, for scalars and for vectors; columns go around."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.fno.grids import Grid, SphereKind
from sciml.weather.grid import gaussian_latitudes_match
from sciml.weather.networks.globe import latitudes_deg, pad_globe

KINDS: list[SphereKind] = ["equiangular", "equiangular-offset", "gauss-legendre"]


def globe(rows: int, columns: int, kind: SphereKind) -> Grid:
    return Grid((rows, columns), (False, True), kind)


def test_latitudes_of_each_kind() -> None:
    assert gaussian_latitudes_match(latitudes_deg(globe(48, 96, "gauss-legendre")))
    assert latitudes_deg(globe(5, 8, "equiangular")).tolist() == [-90, -45, 0, 45, 90]
    assert latitudes_deg(globe(4, 8, "equiangular-offset")).tolist() == [-67.5, -22.5, 22.5, 67.5]
    for kind in KINDS:
        assert (np.diff(latitudes_deg(globe(7, 8, kind))) > 0).all()
    with pytest.raises(UserError, match="is a box"):
        latitudes_deg(Grid((8, 8), (True, True)))


def beyond_the_poles(latitude: np.ndarray, rows: int, has_poles: bool) -> np.ndarray:
    """Latitudes that go on beyond +-90 degrees along a meridian."""
    inner = latitude[1:-1] if has_poles else latitude
    return np.concatenate([(-180 - inner[:rows])[::-1], latitude, (180 - inner[-rows:])[::-1]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [12, 13])
def test_padding_is_the_field_on_the_meridian_beyond_the_pole(kind: SphereKind, columns: int) -> None:
    """A smooth scalar and a smooth vector in space, evaluated on latitudes beyond the poles, are what padding gives."""
    rows = 3
    latitude = latitudes_deg(globe(10, columns, kind))
    phi = np.radians(beyond_the_poles(latitude, rows, kind == "equiangular"))[:, None]
    lam = 2 * np.pi * np.arange(-2, columns + 2) / columns
    # the position, and the axes of the meridian that is followed; beyond a pole "north" leads on, to the south
    point = np.stack(np.broadcast_arrays(np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))
    east = np.stack(np.broadcast_arrays(-np.sin(lam), np.cos(lam), 0 * phi))
    north = np.stack(np.broadcast_arrays(-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)))
    vector = np.stack([point[1] + 0.5, 0.3 - point[2], point[0] * point[1]])
    scalar = point[0] + 2 * point[1] * point[2] + point[2] ** 2
    truth = torch.from_numpy(np.stack([scalar, (vector * east).sum(0), (vector * north).sum(0)], axis=-1))
    given = truth[None, rows:-rows, 2:-2]
    padded = pad_globe(given, rows, rows, 2, torch.tensor([1.0, -1.0, -1.0]).double(), kind == "equiangular")[0]
    # an odd number of columns is interpolated across the pole, by half a column: the second derivative over 8 is what
    # it misses; of waves of number 2 at most, (2 x 2 pi / 13)^2 / 8 = 0.12 of their amplitude, which is about 1
    assert (padded - truth).abs().max() < (1e-12 if columns % 2 == 0 else 0.12)
    # rounding of sines of angles that differ by a full circle
    assert (padded - truth)[rows:-rows].abs().max() < 1e-14


def test_more_rows_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match="by 4 rows needs more rows than the 3 given"):
        pad_globe(torch.zeros(1, 3, 4, 1), 4, 4, 0, None, False)
