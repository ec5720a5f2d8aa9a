"""Zips of any size: what is unpacked has to fit and to open."""

from __future__ import annotations

import collections
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5, remote

HEAD = b"\x89HDF\r\n\x1a\n"


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_bomb_is_not_unpacked(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a megabyte of zeros packs to a thousandth; the limit is a gigabyte otherwise, too much for a test
    monkeypatch.setattr(remote, "_HARMLESS_BYTES", 10**5)
    path = zip_of(tmp_path / "bomb.zip", a=HEAD + bytes(10**6))
    with pytest.raises(UserError, match="would unpack to 0.001 GB"):
        open_era5(path)
    assert not (cache / "weather").exists()


def test_room_is_needed(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2000, 1000, 1000))
    with pytest.raises(UserError, match="left. Make room, or choose another folder .* SCIML_CACHE"):
        open_era5(zip_of(tmp_path / "a.zip", a=HEAD + bytes(2000)))
    assert not (cache / "weather").exists()


def test_what_does_not_open_is_deleted(made: Callable[..., xr.Dataset], tmp_path: Path, cache: Path) -> None:
    made(("t2m",)).to_netcdf(tmp_path / "good.nc")
    good = (tmp_path / "good.nc").read_bytes()
    with pytest.raises(UserError, match="netCDF file is damaged"):
        open_era5(zip_of(tmp_path / "a.zip", a=good, b=HEAD + bytes(1000)))
    assert not list((cache / "weather").iterdir())
    open_era5(zip_of(tmp_path / "b.zip", a=good))
    assert len(list((cache / "weather").iterdir())) == 1


def test_long_names(made: Callable[..., xr.Dataset], tmp_path: Path, cache: Path) -> None:
    made(("t2m",)).to_netcdf(tmp_path / "good.nc")
    name = 60_000 * "é"
    assert "t2m" in open_era5(zip_of(tmp_path / "a.zip", **{name[:30_000]: (tmp_path / "good.nc").read_bytes()}))
    with pytest.raises(UserError, match=r"neither netCDF, GRIB nor Zarr, but é{50}\.$"):
        open_era5(zip_of(tmp_path / "b.zip", **{name[:30_000]: b"text"}))
