"""Stores that ask for pickle are refused before anything of them is run."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5

PICKLE = {"id": "pickle", "protocol": 5}


class Poison:
    """Unpickled, it makes a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.place), "w")


def poisoned(folder: Path, filters: list[dict] | None, compressor: dict | None, dtype: str = "|O") -> Path:
    """A store of Zarr 2 by hand, whose times are a pickle that writes the file `ran` beside it."""
    (folder / "time").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    array = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": dtype, "fill_value": None, "order": "C"}
    (folder / "time" / ".zarray").write_text(json.dumps({**array, "filters": filters, "compressor": compressor}))
    (folder / "time" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time"]}')
    (folder / "time" / "0").write_bytes(pickle.dumps(Poison(folder.parent / "ran")))
    return folder


@pytest.mark.parametrize(
    ("filters", "compressor", "dtype"),
    [
        ([{"id": "vlen-utf8"}, PICKLE], None, "|O"),
        ([PICKLE], None, "|O"),
        (None, PICKLE, "<i8"),
    ],
)
def test_a_poisoned_store_runs_nothing(
    filters: list[dict] | None, compressor: dict | None, dtype: str, tmp_path: Path
) -> None:
    store = poisoned(tmp_path / "a.zarr", filters, compressor, dtype)
    with pytest.raises(UserError, match="by pickle, which runs any code"):
        open_era5(store)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in store.rglob("*"):
            archive.write(file, Path("a.zarr") / file.relative_to(store))
    with pytest.raises(UserError, match="by pickle, which runs any code"):
        open_era5(tmp_path / "a.zip")
    fsspec.filesystem("memory").put(str(store), "/poisoned.zarr", recursive=True)
    with pytest.raises(UserError, match="by pickle, which runs any code"):
        open_era5("memory://poisoned.zarr")
    fsspec.filesystem("memory").rm("/poisoned.zarr", recursive=True)
    assert not (tmp_path / "ran").exists()
    # it is poison indeed
    pickle.loads((store / "time" / "0").read_bytes()).close()  # noqa: S301  written above
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("where", ["a/zarr.json", "zarr.json"])
def test_the_newer_format_and_consolidated_metadata(where: str, tmp_path: Path) -> None:
    array = {"node_type": "array", "codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
    inline = {"consolidated_metadata": {"metadata": {"a": array}}} if where == "zarr.json" else {}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "zarr.json").write_text(json.dumps(array if where == "a/zarr.json" else {}))
    (tmp_path / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", **inline}))
    with pytest.raises(UserError, match="by pickle"):
        open_era5(tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_attributes_may_say_pickle(version: int, made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    file = made(("t2m",)).assign_attrs(id="pickle", name="pickle")
    file["t2m"].attrs["id"] = "pickle"
    file.to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=version == 2)
    np.testing.assert_array_equal(open_era5(tmp_path / "a.zarr")["t2m"], file["t2m"])


@pytest.mark.parametrize(("version", "consolidated"), [(2, True), (2, False), (3, False)])
def test_a_store_of_a_server(version: int, consolidated: bool, made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    made(("t2m",)).to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=consolidated)
    server = fsspec.filesystem("memory")
    server.put(str(tmp_path / "a.zarr"), "/plain.zarr", recursive=True)
    np.testing.assert_array_equal(open_era5("memory://plain.zarr")["t2m"], made(("t2m",))["t2m"])
    server.rm("/plain.zarr", recursive=True)
