"""Forecasts in files: what the network says, canonical, whole or not there, and continued where they stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_forecast
from sciml.weather.forecasting import rollout
from sciml.weather.forecasting import unfinished as unfinished_module
from sciml.weather.forecasting.request import ForecastRequest
from sciml.weather.forecasting.rollout import make_forecast, unfinished
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.starts import InitialStates

# of some starts, a model and which of them it loses
Fragile = Callable[[np.ndarray], tuple[ForecastModel, np.ndarray]]


def quiet(done: int, total: int) -> None:
    pass


def made(
    model: ForecastModel, analyses: xr.Dataset, path: Path, request: ForecastRequest, progress: Any = quiet
) -> xr.Dataset:
    make_forecast(model, InitialStates(model, analyses, request.times), request, path, progress)
    return open_forecast(str(path)).load()


def test_a_forecast_is_the_forecaster_rolled_out(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    found = made(model, analyses, tmp_path / "fc.zarr", ForecastRequest(start, 3))
    assert dict(found.sizes) == {"time": 2, "lead_time": 3, "level": 3, "latitude": 24, "longitude": 48}
    states = model.normalise(InitialStates(model, analyses, start).between(0, 2)).movedim(2, -1)
    times = [start + step * np.timedelta64(6, "h") for step in range(4)]
    forcings = torch.stack([model.forcings(time) for time in times], 1).movedim(-3, -1)
    with torch.inference_mode():
        expected = model.possible(model.denormalise(model.forecaster(states, forcings, 3).movedim(-1, 2)))
    for number, field in enumerate(model.fields):
        values = found[field.variable] if field.level_hpa is None else found[field.variable].sel(level=field.level_hpa)
        # batches of another size add up in another order, float32
        assert np.allclose(values, expected[:, :, number], rtol=1e-5, atol=1e-5 * np.abs(expected[:, :, number]).max())
    assert found["tp"].attrs["accumulation_hours"] == 6
    assert (found["tp"] >= 0).all()


def test_netcdf_and_zarr_hold_the_same(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path):
    request = ForecastRequest(start[:1], 4, every=2, fields=("z500", "t2m"))
    one, other = (made(model, analyses, tmp_path / f"fc.{kind}", request) for kind in ("nc", "zarr"))
    xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())
    assert set(one.data_vars) == {"z", "t2m"}
    assert one["level"].values.tolist() == [500]
    assert (one["lead_time"].values / np.timedelta64(1, "h")).tolist() == [12, 24]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fc.nc", "fc.zarr"]


def test_fields_on_different_levels_share_them(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    request = ForecastRequest(start[:1], 1, fields=("z500", "t850"))
    found = made(model, analyses, tmp_path / "fc.zarr", request)
    assert found["level"].values.tolist() == [500, 850]
    assert np.isfinite(found["z"]).all()
    assert np.isfinite(found["t"]).all()


def test_stopped_and_continued(
    model: ForecastModel,
    analyses: xr.Dataset,
    start: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    request = ForecastRequest(start, 9, members=2, perturbation=0.5)
    whole = made(model, analyses, tmp_path / "whole.zarr", request)

    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(model, analyses, tmp_path / "fc.zarr", request, stop)
    assert unfinished(tmp_path / "fc.zarr")
    assert not (tmp_path / "fc.zarr").exists()
    seen: list[int] = []
    found = made(model, analyses, tmp_path / "fc.zarr", request, lambda done, total: seen.append(done))
    # four steps of two starts
    assert seen[0] == 8
    assert seen[-1] == 18
    xr.testing.assert_identical(found, whole)
    assert not unfinished(tmp_path / "fc.zarr")


def test_stopped_after_its_end(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The forecast is there, and so is the state that it no longer needs: the same call makes it anew."""
    request = ForecastRequest(start[:1], 2)

    def stop(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        unfinished_module.shutil, "rmtree", lambda path, ignore_errors=False: ignore_errors or stop(path)
    )
    with pytest.raises(KeyboardInterrupt):
        made(model, analyses, tmp_path / "fc.zarr", request)
    monkeypatch.undo()
    assert (tmp_path / ".fc.zarr.part" / "state.safetensors").is_file()
    assert not unfinished(tmp_path / "fc.zarr")
    found = made(model, analyses, tmp_path / "fc.zarr", request)
    assert np.isfinite(found["t2m"]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["fc.zarr"]


def test_groups_of_starts_do_not_matter(
    noisy: ForecastModel, analyses: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    times = analyses["time"].values[:5].astype("datetime64[ns]")
    request = ForecastRequest(times, 6, every=2, members=2, perturbation=0.5)
    whole = made(noisy, analyses, tmp_path / "whole.zarr", request)
    kept: list[int] = []
    start_rolling = rollout.start_rolling

    def counted(model: ForecastModel, states: np.ndarray, *arguments: Any) -> Any:
        kept.append(len(states))
        return start_rolling(model, states, *arguments)

    monkeypatch.setattr(rollout, "start_rolling", counted)
    # of two members: states twice, three lead times twice
    each = 4 * 2 * (2 + 2 * 3) * len(noisy.fields) * 24 * 48
    for room, groups in ((1.0, [1] * 5), (2.5 * each, [2, 2, 1])):
        kept.clear()
        monkeypatch.setattr(rollout, "_BYTES", room)
        xr.testing.assert_identical(made(noisy, analyses, tmp_path / "parts.zarr", request), whole)
        assert kept == groups


@pytest.mark.parametrize("stop_at", [4, 8, 9, 17, 18])
def test_stopped_within_and_between_groups(
    noisy: ForecastModel, analyses: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
):
    monkeypatch.setattr(rollout, "_BYTES", 1.0)

    def stop(done: int, total: int) -> None:
        if done >= stop_at:
            raise KeyboardInterrupt

    # two starts of nine steps
    request = ForecastRequest(analyses["time"].values[:2].astype("datetime64[ns]"), 9)
    whole = made(noisy, analyses, tmp_path / "whole.zarr", request)
    with pytest.raises(KeyboardInterrupt):
        made(noisy, analyses, tmp_path / "fc.zarr", request, stop)
    # a larger group does not forecast again what is there
    monkeypatch.setattr(rollout, "_BYTES", 1e9)
    seen: list[int] = []
    found = made(noisy, analyses, tmp_path / "fc.zarr", request, lambda done, total: seen.append(done))
    xr.testing.assert_identical(found, whole)
    # pieces of four steps end at 4, 8, 9, 13, 17 and 18
    assert seen[0] == stop_at
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["fc.zarr", "whole.zarr"]


class Conditioned(torch.nn.Module):
    """Each field changes by the first number of the noise."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.fields = fields

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return condition[:, :1, None, None].expand(*x.shape[:-1], self.fields)


@pytest.fixture
def noisy(model: ForecastModel) -> ForecastModel:
    """A model that its noise alone moves."""
    number = len(model.fields)
    forecaster = type(model.forecaster)(
        Conditioned(number), [0.1] * number, [False] * number, model.forecaster.static.movedim(-1, 0), noise=3
    )
    return dataclasses.replace(model, forecaster=forecaster)


@pytest.mark.parametrize("perturbation", [0.0, 0.5])
def test_noise_is_the_same_whatever_is_forecast_beside_it(
    noisy: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path, perturbation: float
):
    def ensemble(times: np.ndarray, members: int) -> np.ndarray:
        request = ForecastRequest(times, 2, members=members, perturbation=perturbation)
        return made(noisy, analyses, tmp_path / "fc.zarr", request)["t2m"].values

    both, alone, more = ensemble(start, 2), ensemble(start[1:], 2), ensemble(start[1:], 3)
    assert np.array_equal(both[1], alone[0])
    assert np.array_equal(more[0, :, :2], alone[0])
    # members, steps and starts have noise of their own
    moves = np.diff(alone[0].mean(axis=(-1, -2)), axis=0)
    assert len(np.unique(moves)) == moves.size
    assert not np.allclose(both[0, 1] - both[0, 0], both[1, 1] - both[1, 0])


def test_noise_goes_on_where_it_stopped(noisy: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path):
    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    request = ForecastRequest(start, 6, members=2)
    whole = made(noisy, analyses, tmp_path / "whole.zarr", request)
    with pytest.raises(KeyboardInterrupt):
        made(noisy, analyses, tmp_path / "fc.zarr", request, stop)
    xr.testing.assert_identical(made(noisy, analyses, tmp_path / "fc.zarr", request), whole)


def test_a_forecast_that_would_write_nothing(start: np.ndarray):
    with pytest.raises(UserError, match="4 steps has none to write when each 8-th is"):
        ForecastRequest(start, 4, every=8)


def test_another_request_does_not_continue_it(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(model, analyses, tmp_path / "fc.zarr", ForecastRequest(start, 8), stop)
    seen: list[int] = []
    made(model, analyses, tmp_path / "fc.zarr", ForecastRequest(start[:1], 8), lambda done, total: seen.append(done))
    assert seen[0] == 0


def test_members_start_apart_and_the_first_is_not_perturbed(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    single = made(model, analyses, tmp_path / "one.zarr", ForecastRequest(start[:1], 1))
    several = made(model, analyses, tmp_path / "many.zarr", ForecastRequest(start[:1], 1, members=3, perturbation=1.0))
    assert several["t2m"].dims == ("time", "lead_time", "number", "latitude", "longitude")
    assert np.allclose(several["t2m"].isel(number=0), single["t2m"], rtol=1e-5)
    spread = several["t2m"].std("number").mean()
    # about the usual change within six hours
    change = model.statistics.of("tendency_std", ["t2m"])[0]
    assert 0.3 * change < spread < 3 * change


def test_a_roll_out_that_blows_up_stops_and_leaves_no_forecast(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    class Exploding(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((*x.shape[:-1], len(model.fields)), 1e3)

    forecaster = type(model.forecaster)(
        Exploding(), [1.0] * len(model.fields), [False] * len(model.fields), torch.zeros(6, 24, 48)
    )
    broken = dataclasses.replace(model, forecaster=forecaster)
    with pytest.raises(UserError, match=r"blown up at a lead time of 6 h: z200 goes from"):
        made(broken, analyses, tmp_path / "fc.zarr", ForecastRequest(start, 3))
    assert not (tmp_path / "fc.zarr").exists()


@pytest.mark.parametrize("room", [1.0, 1e9])
def test_starts_that_blow_up_are_left_out(
    fragile: Fragile, analyses: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: float
):
    monkeypatch.setattr(rollout, "_BYTES", room)
    times = analyses["time"].values[:6].astype("datetime64[ns]")
    model, lost = fragile(times)
    request = ForecastRequest(times, 5, fields=("t2m",), leave_out=True)
    starts, output = InitialStates(model, analyses, times), tmp_path / "fc.zarr"
    blown_up = make_forecast(model, starts, request, output, quiet)
    assert [one.start for one in blown_up] == [str(time)[:16] for time in times[lost]]
    assert {one.field for one in blown_up} == {"t2m"}
    assert all(one.lead_hours > 0 and "in training from" in one.text for one in blown_up)
    found = open_forecast(str(output)).load()
    assert np.array_equal(found["time"].values, times[~lost])
    alone = made(model, analyses, tmp_path / "alone.zarr", ForecastRequest(times[~lost], 5, fields=("t2m",)))
    assert np.array_equal(found["t2m"], alone["t2m"])
    with pytest.raises(UserError, match="has blown up at a lead time of"):
        made(model, analyses, tmp_path / "strict.zarr", ForecastRequest(times, 5, fields=("t2m",)))
    with pytest.raises(UserError, match=r"all of 2 roll-outs have blown up, the first at a lead time of \d+ h: t2m"):
        made(model, analyses, tmp_path / "none.zarr", ForecastRequest(times[lost], 5, leave_out=True))


def test_what_blew_up_is_known_after_a_stop(
    fragile: Fragile, analyses: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rollout, "_BYTES", 1.0)
    request = ForecastRequest(analyses["time"].values[:6].astype("datetime64[ns]"), 5, leave_out=True)
    model, _ = fragile(request.times)
    starts = InitialStates(model, analyses, request.times)
    whole = make_forecast(model, starts, request, tmp_path / "whole.zarr", quiet)

    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_forecast(model, starts, request, tmp_path / "fc.zarr", stop)
    assert make_forecast(model, starts, request, tmp_path / "fc.zarr", quiet) == whole


def test_one_process_writes_an_output(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path):
    request, output = ForecastRequest(start, 1), tmp_path / "fc.zarr"

    def another(done: int, total: int) -> None:
        # a second call while the first is under way
        with pytest.raises(UserError, match=r"fc\.zarr is being written by another process \(process \d+ on "):
            made(model, analyses, output, request)

    made(model, analyses, output, request, another)
    assert [path.name for path in tmp_path.iterdir()] == ["fc.zarr"]


def test_humidity_far_below_zero_has_blown_up_though_none_would_be_written(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path
):
    dry = [str(field) for field in model.fields].index("q850")

    class Drying(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            change = torch.zeros(*x.shape[:-1], len(model.fields))
            change[:, 3, 4, dry] = -1e4
            return change

    forecaster = type(model.forecaster)(
        Drying(), [1.0] * len(model.fields), [False] * len(model.fields), model.forecaster.static.movedim(-1, 0)
    )
    with pytest.raises(UserError, match=r"blown up at a lead time of 6 h: q850 goes from -"):
        made(
            dataclasses.replace(model, forecaster=forecaster), analyses, tmp_path / "fc.zarr", ForecastRequest(start, 1)
        )


def test_a_field_that_is_not_there(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path):
    with pytest.raises(UserError, match="no field `z300`"):
        made(model, analyses, tmp_path / "fc.zarr", ForecastRequest(start, 1, fields=("z300",)))


def test_a_full_disk_is_said(
    model: ForecastModel, analyses: xr.Dataset, start: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(UserError, match="No space left"):
        made(model, analyses, tmp_path / "fc.zarr", ForecastRequest(start, 1))
