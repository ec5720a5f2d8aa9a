"""The packages do the same work in the benchmark of scores, and a result that differs stops it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

# `scores` and `xskillscore` warn of packages that they would like and of their use of numpy, pandas and xarray
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("weather_scores", Path(__file__).with_name("weather_scores.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _plain(results: dict[str, xr.DataArray]) -> dict[str, list[float]]:
    return {name: np.ravel(values.values).tolist() for name, values in results.items()}


def _coarse(data: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    return {
        name: array.isel({"latitude": slice(None, None, 9), "longitude": slice(None, None, 9)}, missing_dims="ignore")
        for name, array in data.items()
    }


def test_packages_agree_on_fields(benchmark: ModuleType) -> None:
    data = _coarse(benchmark.with_aligned_truth(benchmark.piece(3, 2)))
    ours = _plain(benchmark.sciml_check(data, "fields"))
    assert len(ours["rmse"]) == benchmark.LEADS
    benchmark.compare(ours, _plain(benchmark.scores_fields(data)), "scores")
    benchmark.compare(ours, _plain(benchmark.xskillscore_fields(data)), "xskillscore")


def test_packages_agree_on_ensembles(benchmark: ModuleType) -> None:
    data = _coarse(benchmark.ensemble_piece(3, 2))
    ours = _plain(benchmark.sciml_check(data, "crps"))
    benchmark.compare(ours, _plain(benchmark.scores_crps(data)), "scores")
    benchmark.compare(ours, _plain(benchmark.xskillscore_crps(data)), "xskillscore")


def test_a_difference_stops_the_benchmark(benchmark: ModuleType) -> None:
    ours = {"rmse": [2.0, 4.0], "bias": [1e-3, 0.0]}
    benchmark.compare(ours, {"rmse": [2.0, 4.0], "bias": [1e-3 + 1e-6, 0.0]}, "a peer")
    with pytest.raises(SystemExit, match="a peer: rmse differs from ours by 1.0e-05"):
        benchmark.compare(ours, {"rmse": [2.0, 4.00004]}, "a peer")
