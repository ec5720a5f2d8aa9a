"""The kernel and numpy put the same numbers in the same places, whatever the layout."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core import native
from sciml.weather.training import planes
from sciml.weather.training.planes import copy_frames, normalise_into


@pytest.mark.parametrize("points", [1, 15, 64, 203])
@pytest.mark.parametrize("layout", ["plain", "reversed", "tile", "columns reversed", "float64", "big-endian"])
def test_the_kernel_agrees_with_numpy(points: int, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(points)
    piece = 250 + generator.standard_normal((5, 3, 4, points)).astype(
        {"float64": "f8", "big-endian": ">f4"}.get(layout, "f4")
    )
    piece = {"reversed": piece[:, :, ::-1], "columns reversed": piece[..., ::-1]}.get(layout, piece)
    found, wanted = (np.zeros((6, 4, 4, points + 3), np.float32) for _ in range(2))
    times, levels, rows = np.array([4, 0, 2]), np.array([2, 0]), np.array([1, 3])
    offset, scale = np.array([9, 250, 9, 251], np.float32), np.array([9, 2, 9, 0.3], np.float32)

    def run(out: np.ndarray) -> np.ndarray:
        width = slice(1, points + 1) if layout == "tile" else slice(0, points)
        return normalise_into(piece, times, levels, [out[i][..., width] for i in (1, 2, 5)], rows, offset, scale)

    sums = run(found)
    monkeypatch.setattr(native, "load", lambda source: None)
    other = run(wanted)
    np.testing.assert_array_equal(found, wanted)
    assert (wanted[[0, 3, 4]] == 0).all() and (wanted[:, [0, 2]] == 0).all() and (wanted[1, 1] != 0).any()
    # float32 sums of up to 1,600 values of order one
    np.testing.assert_allclose(sums, other, atol=1e-3)


def test_sums_tell_of_what_is_not_a_number() -> None:
    piece = np.zeros((3, 1, 2, 40), np.float32)
    piece[0, 0, 1, 39], piece[2, 0, 0, 17] = np.nan, np.inf
    frames = [np.empty((1, 2, 40), np.float32) for _ in range(3)]
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    sums = normalise_into(piece, np.arange(3), np.array([0]), frames, np.array([0]), zero, one)
    assert np.isfinite(sums).tolist() == [False, True, False]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("points", [0, 3, 5, 16, 77])
def test_frames_are_copied(points: int, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr(planes.native, "load", lambda source: None)
    pool = np.arange(6 * 4 * 3 * points, dtype=np.float32).reshape(6, 4, 3, points)
    slots = np.array([[5, 0], [2, 2], [1, 5]])
    whole = np.full(slots.size * 2 * 3 * points + 9, -1, np.float32)
    # not where a line of the cache begins
    out = whole[5:-4].reshape(3, 2, 2, 3, points)
    copy_frames(pool, slots, slice(1, 3), out)
    np.testing.assert_array_equal(out, pool[slots, 1:3])
    assert (whole[:5] == -1).all() and (whole[-4:] == -1).all()
