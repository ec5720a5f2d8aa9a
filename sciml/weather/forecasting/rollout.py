"""Forecasts written as they are made: canonical, to Zarr or netCDF, and continued where an earlier call stopped.

Beside the output lies `.NAME.part` while a forecast is made: the fields so far, and the state that they go on from. It
is renamed (or written as netCDF) at the end, so a reader finds the whole forecast or none.

Shapes: i initial times, m members, l lead times, h states, c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sciml.core.checkpoint import load_checkpoint, save_checkpoint
from sciml.core.errors import UserError
from sciml.train.seeding import mix
from sciml.weather.fields import Field
from sciml.weather.forecasting.saved import ForecastModel, windows_of
from sciml.weather.training.reading import FrameReader
from sciml.weather.variables import find_variable
from sciml.weather.writing import write_dataset

Progress = Callable[[int, int], None]

# seconds of work, about, that an interruption may cost: so many steps of all that is forecast together
_STEPS_A_PIECE = 4
_FIELDS, _STATE = "fields.zarr", "state.safetensors"


@dataclass(frozen=True)
class ForecastRequest:
    """What is asked for.

    Args:
        times: initial times, datetime64[ns].
        steps: of the roll-out.
        every: each so-many steps are written.
        fields: names of those that are written; all if empty.
        members: of an ensemble; 0 for a single forecast without the dimension `number`.
        perturbation: standard deviation of what is added to each member's start but the first, in units of the change
            within a step; smooth in space.
        seed: of members.

    Raises:
        UserError: fewer steps than there are between two that are written.
    """

    times: NDArray[Any]
    steps: int
    every: int = 1
    fields: tuple[str, ...] = ()
    members: int = 0
    perturbation: float = 0.0
    seed: int = 0
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < self.every:
            raise UserError(
                f"a forecast of {self.steps} steps has none to write when each {self.every}-th is. Forecast more "
                "steps, or write more of them."
            )


def initial_states(model: ForecastModel, data: xr.Dataset, times: NDArray[Any]) -> Float[np.ndarray, "i h c y x"]:
    """The states that forecasts start from, in physical units.

    Raises:
        UserError: a time that the data lack, another grid or unit, missing values.
    """
    history, step = model.data.history, np.timedelta64(model.data.step_hours, "h")
    wanted = times[:, None] - np.arange(history - 1, -1, -1) * step
    there = data["time"].values
    if (lacking := ~np.isin(wanted, there)).any():
        missing = np.datetime_as_string(wanted[lacking][0], unit="m")
        span = " to ".join(np.datetime_as_string(there[[0, -1]], unit="m"))
        raise UserError(
            f"a start needs the state at {missing}, which the data, {span}, do not have. Choose another time."
        )
    reader = FrameReader(data, model.statistics.fields)
    model.statistics.check(model.statistics.fields, reader.units, reader.grid, model.data.step_hours)
    known = windows_of(data)
    for name, hours in model.windows.items():
        if name in known and known[name] != hours:
            raise UserError(
                f"the model knows `{name}` summed over {hours} h, but the data have sums over {known[name]} h. "
                "Give data of that window."
            )
    states = np.empty((*wanted.shape, len(model.fields), *reader.grid.shape), np.float32)
    for place, frame in zip(states.reshape(-1, *states.shape[2:]), np.searchsorted(there, wanted.ravel()), strict=True):
        reader.read(np.array([frame]), [place])
    if not (finite := np.isfinite(states).all(axis=(0, 1, 3, 4))).all():
        raise UserError(f"`{model.fields[int(np.argmin(finite))]}` has missing values at the start. Fill them.")
    return states


def make_forecast(
    model: ForecastModel,
    states: Float[np.ndarray, "i h c y x"],
    request: ForecastRequest,
    output: Path,
    progress: Progress,
) -> Path:
    """Rolls forecasts out and writes them as `open_forecast` reads them.

    A stopped call that is made again with the same model, states and request goes on where it stopped.

    Raises:
        UserError: the roll-out blows up, or what it makes cannot be written.
        KeyboardInterrupt: what was forecast is kept for the next call.
    """
    part = _part_of(output)
    try:
        _make(model, states, request, part, progress)
        _finish(part, output)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {output}: {reason}. Free some space; the same command continues.") from error
    return output


def _make(
    model: ForecastModel,
    states: NDArray[np.float32],
    request: ForecastRequest,
    part: Path,
    progress: Progress,
) -> None:
    """The forecast in the folder of what is not finished, from the start or from where it is."""
    key = _key(model, states, request)
    state = _resumed(part, key)
    if state is None:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _template(model, request).to_zarr(part / _FIELDS, compute=False, zarr_format=2, consolidated=True)
        state = _Rolling(0, _started(model, states, request), _generators(request, "steps"))
    progress(state.step, request.steps)
    while state.step < request.steps:
        first = state.step
        made = _advance(model, state, request, min(_STEPS_A_PIECE * request.every, request.steps - first))
        _write(part / _FIELDS, model, request, first, made)
        _save(part / _STATE, key, state)
        progress(state.step, request.steps)


# --------------------------------------------------------------------------------------------------------- one roll-out


@dataclass
class _Rolling:
    """A roll-out under way: steps done, normalised states [i m, h, y, x, c], and the noise of each."""

    step: int
    states: Tensor
    generators: list[torch.Generator]


def _generators(request: ForecastRequest, purpose: str) -> list[torch.Generator]:
    """One for each member of each start, so that its noise is the same whatever is forecast beside it."""
    starts = request.times.astype("datetime64[ns]").astype(np.int64).tolist()
    numbers = range(max(request.members, 1))
    return [
        torch.Generator().manual_seed(mix(request.seed, start, number, *purpose.encode()))
        for start in starts
        for number in numbers
    ]


def _started(model: ForecastModel, states: Float[np.ndarray, "i h c y x"], request: ForecastRequest) -> Tensor:
    """Normalised states of all members, the perturbed ones after the first."""
    members = max(request.members, 1)
    start = model.normalise(states).movedim(2, -1)
    repeated = start[:, None].repeat(1, members, 1, 1, 1, 1)
    if request.perturbation and members > 1:
        noise = _smooth_noise(repeated.shape, _generators(request, "starts"))
        noise[:, 0] = 0
        repeated = repeated + request.perturbation * model.forecaster.change * noise
    return repeated.flatten(0, 1)


def _smooth_noise(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    """[i, m, h, y, x, c] of unit variance, alike for a history's states, with no scale below a few grid lengths."""
    i, m, _, y, x, c = shape
    size = c, max(y // 6, 2), max(x // 6, 2)
    coarse = torch.stack([torch.randn(size, generator=generator) for generator in generators])
    wrapped = torch.cat([coarse, coarse[..., :1]], dim=-1)
    fine = torch.nn.functional.interpolate(wrapped, (y, x + 1), mode="bicubic", align_corners=True)[..., :x]
    fine = fine / fine.std(dim=(-2, -1), keepdim=True)
    return fine.movedim(1, -1).reshape(i, m, 1, y, x, c)


def _advance(model: ForecastModel, state: _Rolling, request: ForecastRequest, steps: int) -> NDArray[np.float32]:
    """The next states, those that are written, in physical units: [i m, l, c, y, x]."""
    members = max(request.members, 1)
    step = np.timedelta64(model.data.step_hours, "h")
    kept = []
    for number in range(state.step + 1, state.step + steps + 1):
        now = [model.forcings(request.times + (number - back) * step) for back in (1, 0)]
        forcings = torch.stack(now, dim=1).movedim(-3, -1).repeat_interleave(members, 0)
        following = _step(model, state, forcings)
        state.states = torch.cat([state.states[:, 1:], following[:, None]], dim=1)
        state.step = number
        physical = model.denormalise(following.movedim(-1, 1))
        guard, hours = model.guard, number * model.data.step_hours
        for one in physical:
            guard.check(one, f"a lead time of {hours} h")
        if number % request.every == 0:
            kept.append(model.possible(physical))
    if not kept:
        return np.empty((len(state.states), 0, len(model.fields), *model.grid.shape), np.float32)
    return np.stack(kept, axis=1)


@torch.inference_mode()
def _step(model: ForecastModel, state: _Rolling, forcings: Tensor) -> Tensor:
    forecaster = model.forecaster
    # one forecast at a time takes little memory, and gives the same whatever is forecast beside it
    found = [
        forecaster.step(states[None], known[None], forecaster.draw(states[None], generator))
        for states, known, generator in zip(state.states, forcings, state.generators, strict=True)
    ]
    return torch.cat(found)


# -------------------------------------------------------------------------------------------------------------- writing


def _template(model: ForecastModel, request: ForecastRequest) -> xr.Dataset:
    """The forecast without its values, lazily."""
    import dask.array as da

    sizes: dict[str, Any] = {"time": request.times, "lead_time": _lead_times(model, request)}
    if request.members:
        sizes["number"] = np.arange(request.members)
    place = {"latitude": model.grid.latitude, "longitude": model.grid.longitude}
    variables = {}
    for name, fields in written_fields(model, request).items():
        levels = [one.level_hpa for one in fields]
        dims: dict[str, Any] = dict(sizes)
        if levels[0] is not None:
            dims["level"] = np.array(levels)
        dims |= place
        shape = tuple(len(values) for values in dims.values())
        chunks = (1, min(_STEPS_A_PIECE, shape[1])) + shape[2:]
        about: dict[str, Any] = {"units": model.statistics.units[model.fields.index(fields[0])]}
        if (known := find_variable(name)) is not None and known.standard_name:
            about["standard_name"] = known.standard_name
        if name in model.windows:
            about["accumulation_hours"] = model.windows[name]
        coords = {dim: (dim, values) for dim, values in dims.items()}
        zeros = da.zeros(shape, dtype=np.float32, chunks=chunks)
        variables[name] = xr.DataArray(zeros, coords=coords, dims=list(dims), attrs=about)
    dataset = xr.Dataset(variables, attrs={"Conventions": "CF-1.11", **request.notes})
    for dim, unit in {"latitude": "degrees_north", "longitude": "degrees_east", "level": "hPa"}.items():
        if dim in dataset.coords:
            dataset[dim].attrs["units"] = unit
    return dataset


def _lead_times(model: ForecastModel, request: ForecastRequest) -> NDArray[Any]:
    steps = np.arange(request.every, request.steps + 1, request.every)
    return (steps * model.data.step_hours * np.timedelta64(1, "h")).astype("timedelta64[ns]")


def written_fields(model: ForecastModel, request: ForecastRequest) -> dict[str, list[Field]]:
    """Fields that are written, by variable.

    Raises:
        UserError: one that the model does not have.
    """
    names = [str(one) for one in model.fields]
    if unknown := [name for name in request.fields if name not in names]:
        raise UserError(f"the model has no field `{unknown[0]}`; it has {', '.join(names)}.")
    chosen = [one for one in model.fields if not request.fields or str(one) in request.fields]
    variables = {one.variable for one in chosen}
    levels = {one.level_hpa for one in chosen}
    # variables on levels share these, so that all of them are there on each level that one is asked for on
    found: dict[str, list[Field]] = {}
    for one in model.fields:
        if one.variable in variables and one.level_hpa in levels:
            found.setdefault(one.variable, []).append(one)
    return found


def _write(place: Path, model: ForecastModel, request: ForecastRequest, first: int, made: NDArray[np.float32]) -> None:
    if not made.shape[1]:
        return
    leads = slice(first // request.every, first // request.every + made.shape[1])
    members = (request.members,) if request.members else ()
    variables = {}
    for name, fields in written_fields(model, request).items():
        numbers = [model.fields.index(one) for one in fields]
        values = made[:, :, numbers] if fields[0].level_hpa is not None else made[:, :, numbers[0]]
        values = values.reshape(len(request.times), *members, *values.shape[1:])
        if request.members:
            values = np.moveaxis(values, 1, 2)
        level = ("level",) if fields[0].level_hpa is not None else ()
        dims = ("time", "lead_time", *(("number",) if members else ()), *level, "latitude", "longitude")
        variables[name] = (dims, np.ascontiguousarray(values))
    xr.Dataset(variables).to_zarr(place, region={"lead_time": leads}, zarr_format=2)


def _finish(part: Path, output: Path) -> None:
    if output.suffix == ".nc":
        with xr.open_zarr(part / _FIELDS) as made:
            write_dataset(made, output)
    else:
        if output.is_dir():
            shutil.rmtree(output)
        output.unlink(missing_ok=True)
        (part / _FIELDS).replace(output)
    shutil.rmtree(part)


# ------------------------------------------------------------------------------------------------------------- resuming


def _key(model: ForecastModel, states: NDArray[np.float32], request: ForecastRequest) -> str:
    """Tells whether an unfinished forecast is the same one."""
    digest = hashlib.sha256(states.tobytes())
    for name, tensor in sorted(model.forecaster.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    about = [request.times.astype(str).tolist(), request.steps, request.every, request.fields]
    about += [request.members, request.perturbation, request.seed, asdict(model.data), model.statistics.to_json()]
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()


def _save(path: Path, key: str, state: _Rolling) -> None:
    generators = torch.stack([generator.get_state() for generator in state.generators])
    save_checkpoint(path, {"states": state.states, "generators": generators}, {"key": key, "step": state.step})


def _resumed(part: Path, key: str) -> _Rolling | None:
    # a state without fields is what is left when a call was stopped after its end
    if not _is_begun(part):
        return None
    try:
        tensors, metadata = load_checkpoint(part / _STATE)
    except UserError:
        return None
    if metadata.get("key") != key:
        return None
    generators = [torch.Generator() for _ in tensors["generators"]]
    for generator, saved in zip(generators, tensors["generators"], strict=True):
        # torch reads a state from where its memory begins, whatever row of a tensor it is
        generator.set_state(saved.clone())
    return _Rolling(int(metadata["step"]), tensors["states"], generators)


def spread_times(first: np.datetime64, last: np.datetime64, hours: int) -> NDArray[Any]:
    """Initial times so many hours apart, both ends included."""
    return np.arange(first, last + np.timedelta64(1, "ns"), np.timedelta64(hours, "h")).astype("datetime64[ns]")


def unfinished(output: Path) -> bool:
    """Whether a forecast of this name was begun and not ended."""
    return _is_begun(_part_of(output))


def _part_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.part")


def _is_begun(part: Path) -> bool:
    return all((part / name).exists() for name in (_FIELDS, _STATE))
