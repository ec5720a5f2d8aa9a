"""What lies beside a forecast while it is made: the fields so far, and the states that it goes on from.

The folder `.NAME.part` has the fields in `fields.zarr`, as the forecast will have them, and in `state.safetensors` the
roll-outs under way. At the end the fields are renamed (or written as netCDF), so a reader finds the whole forecast or
none.

Shapes: i initial times, m members, l lead times, c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.core.checkpoint import load_checkpoint, save_checkpoint
from sciml.core.errors import UserError
from sciml.weather.forecasting.request import ForecastRequest, written_fields
from sciml.weather.forecasting.rolling import BlowUp, Rolling
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.variables import find_variable
from sciml.weather.writing import write_dataset

# lead times of a chunk
LEADS_A_CHUNK = 4
_FIELDS, _STATE = "fields.zarr", "state.safetensors"


class Unfinished:
    """A forecast that is being made.

    Args:
        output: where it will be.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(f".{output.name}.part")
        self.fields, self.state = self.folder / _FIELDS, self.folder / _STATE

    def is_begun(self) -> bool:
        """Whether a forecast of this name was begun and not ended."""
        # a state without fields is what is left when a call was stopped after its end
        return self.fields.exists() and self.state.exists()

    def begin(self, model: ForecastModel, request: ForecastRequest) -> None:
        """Makes the folder with the forecast's coordinates, in place of what was there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _template(model, request).to_zarr(self.fields, compute=False, zarr_format=2, consolidated=True)

    def save(self, key: str, rolling: Rolling) -> None:
        """Keeps roll-outs under way, to go on from."""
        generators = torch.stack([generator.get_state() for generator in rolling.generators])
        lost = {str(number): asdict(blow_up) for number, blow_up in rolling.lost.items()}
        about = {"key": key, "first": rolling.first, "last": rolling.last, "step": rolling.step, "lost": lost}
        save_checkpoint(self.state, {"states": rolling.states, "generators": generators}, about)

    def resumed(self, key: str) -> Rolling | None:
        """The roll-outs that were under way; None where there are none of this key."""
        if not self.is_begun():
            return None
        try:
            tensors, metadata = load_checkpoint(self.state)
        except UserError:
            return None
        if metadata.get("key") != key:
            return None
        generators = [torch.Generator() for _ in tensors["generators"]]
        for generator, saved in zip(generators, tensors["generators"], strict=True):
            # torch reads a state from where its memory begins, whatever row of a tensor it is
            generator.set_state(saved.clone())
        lost = {int(number): BlowUp(**facts) for number, facts in metadata["lost"].items()}
        return Rolling(metadata["first"], metadata["last"], metadata["step"], tensors["states"], generators, lost)

    def write(
        self,
        model: ForecastModel,
        request: ForecastRequest,
        rolling: Rolling,
        first_step: int,
        made: Float[np.ndarray, "r l c y x"],
    ) -> None:
        """Puts what `advance` made after a step into its place."""
        if not made.shape[1]:
            return
        leads = slice(first_step // request.every, first_step // request.every + made.shape[1])
        members = (request.members,) if request.members else ()
        variables = {}
        for name, fields in written_fields(model, request).items():
            numbers = [model.fields.index(one) for one in fields]
            values = made[:, :, numbers] if fields[0].level_hpa is not None else made[:, :, numbers[0]]
            values = values.reshape(rolling.last - rolling.first, *members, *values.shape[1:])
            if members:
                values = np.moveaxis(values, 1, 2)
            level = ("level",) if fields[0].level_hpa is not None else ()
            dims = ("time", "lead_time", *(("number",) if members else ()), *level, "latitude", "longitude")
            variables[name] = (dims, np.ascontiguousarray(values))
        region = {"time": slice(rolling.first, rolling.last), "lead_time": leads}
        xr.Dataset(variables).to_zarr(self.fields, region=region, zarr_format=2)

    def finish(self, without: Collection[int]) -> None:
        """Puts the forecast into its place, without the starts of these numbers, and removes the folder."""
        output = self.output
        if without or output.suffix == ".nc":
            with xr.open_zarr(self.fields) as made:
                kept = [number for number in range(made.sizes["time"]) if number not in without]
                write_dataset(made.isel(time=kept) if without else made, output)
        else:
            if output.is_dir():
                shutil.rmtree(output)
            output.unlink(missing_ok=True)
            self.fields.replace(output)
        shutil.rmtree(self.folder)


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
        chunks = (1, min(LEADS_A_CHUNK, shape[1])) + shape[2:]
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
