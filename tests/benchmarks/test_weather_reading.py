"""The benchmark of reading runs on data of a few kilobytes, and values that differ stop it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import zarr

# xbatcher warns of how it is used with xarray
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("xbatcher")
    spec = importlib.util.spec_from_file_location("weather_reading", Path(__file__).with_name("weather_reading.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    # what it sets for a process of its own
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.setattr(zarr.config, "set", lambda values: None)
    return module


def test_a_round_of_every_row(benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    tiny = ["--rounds", "1", "--times", "48", "--degrees", "30", "--windows", "4"]
    benchmark.main([*tiny, "--folder", str(tmp_path), "--json", str(out)])
    rows = json.loads(out.read_text())
    assert [row["name"] for row in rows[:5]] == [row["name"] for row in rows[5:]]
    assert {row["store"] for row in rows} == set(benchmark.STORES)
    assert all(len(row["clock"]) == len(row["cpu"]) == 1 and row["clock"][0] > 0 for row in rows)
    assert "Zarr v2 blosc" in capsys.readouterr().out


def test_other_values_stop_it(benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = benchmark.xbatcher.BatchGenerator
    monkeypatch.setattr(benchmark.xbatcher, "BatchGenerator", lambda data, *rest, **more: made(data + 1, *rest, **more))
    tiny = ["--rounds", "1", "--times", "48", "--degrees", "30", "--windows", "4", "--stores", "v3 zstd"]
    with pytest.raises(RuntimeError, match="do not read the same values"):
        benchmark.main([*tiny, "--folder", str(tmp_path)])


def test_odd_options_are_refused(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["--times", "50"])
    assert "a multiple of 24" in capsys.readouterr().err
