"""Trained forecasting models from files: what a checkpoint says, and the model that it describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sciml.core.architectures import architecture_of
from sciml.core.checkpoint import load_checkpoint, load_weights
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.trained import find_weights
from sciml.weather.fields import Field
from sciml.weather.forecasting.climate import Climate, Guard
from sciml.weather.forecasting.data import WeatherDataConfig, layout_of, sphere_of
from sciml.weather.forecasting.forecaster import Forecaster
from sciml.weather.grid import Grid
from sciml.weather.networks.dynamics import Dynamics, StateScales
from sciml.weather.networks.networks import NETWORKS, build_network
from sciml.weather.training.forcings import forcing_channels, forcing_fields, relative_radiation
from sciml.weather.training.static import static_channel_names
from sciml.weather.training.statistics import Statistics

DOMAIN = "weather"


@dataclass(frozen=True)
class ForecastModel:
    """A forecaster and all that it needs to know of the world.

    Attributes:
        forecaster: of normalised states.
        data: what its data were.
        statistics: that states are normalised with.
        climate: of the training period.
        windows: hours that sums such as rain are over, by variable.
    """

    forecaster: Forecaster
    data: WeatherDataConfig
    statistics: Statistics
    climate: Climate
    windows: Mapping[str, int] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields_from(self.statistics.fields, self.data)

    @property
    def grid(self) -> Grid:
        return Grid(np.array(self.statistics.latitude), np.array(self.statistics.longitude))

    @property
    def guard(self) -> Guard:
        return Guard(self.climate, self.fields, self.grid)

    def normalise(self, values: NDArray[Any]) -> Tensor:
        """[..., c, y, x] physical units to normalised ones, float32."""
        mean, std = self._moments()
        return torch.from_numpy(((values - mean) / std).astype(np.float32))

    def denormalise(self, values: Tensor) -> NDArray[np.float32]:
        """The inverse of `normalise`."""
        mean, std = self._moments()
        return (values.detach().cpu().double().numpy() * std + mean).astype(np.float32)

    def possible(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., c, y, x] physical values, those that cannot be negative at least zero."""
        return np.maximum(values, _least(self.statistics, self.fields).astype(np.float32)[:, None, None])

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        statistics = self.statistics
        return np.array(statistics.mean)[:, None, None], np.array(statistics.std)[:, None, None]

    def forcings(self, times: NDArray[Any]) -> Float[Tensor, "t f y x"]:
        """What is known in advance of these valid times, UTC."""
        names, grid = self.data.forcings, self.grid
        found = np.empty((len(times), len(forcing_channels(names)), *grid.shape), np.float32)
        radiation = np.empty(grid.shape, np.float32)
        for time, place in zip(times, found, strict=True):
            if "toa_radiation" in names:
                relative_radiation(grid, time, self.data.step_hours, radiation)
            forcing_fields(names, grid, time, radiation, place)
        return torch.from_numpy(found)


def fields_from(names: tuple[str, ...], data: WeatherDataConfig) -> tuple[Field, ...]:
    """Fields by name, those on levels first."""
    on_levels = names[: len(names) - len(data.surface)]
    number = len(on_levels) // max(len(data.upper), 1)
    upper = [
        Field(variable, float(name.removeprefix(variable)))
        for position, variable in enumerate(data.upper)
        for name in on_levels[position * number : (position + 1) * number]
    ]
    return (*upper, *(Field(name) for name in data.surface))


def _least(statistics: Statistics, fields: Sequence[Field]) -> NDArray[np.float64]:
    """What each field has at least, in physical units: rain and humidity nothing, others no bound."""
    amounts = np.array([field.variable in ("tp", "q") for field in fields])
    return np.where(amounts & (np.array(statistics.minimum) >= 0), 0.0, -np.inf)


def describe_model(
    config: Any,
    data: WeatherDataConfig,
    statistics: Statistics,
    climate: Climate,
    noise: int,
    windows: Mapping[str, int],
    dynamics: bool = False,
    bounded: bool = False,
) -> dict[str, Any]:
    """What a checkpoint must say, in JSON, for `load_model` to build the same model."""
    kept = ("upper", "levels_hpa", "surface", "direct", "accumulate_hours", "history", "step_hours", "forcings")
    described = {name: getattr(data, name) for name in (*kept, "static_fields")}
    return {
        "domain": DOMAIN,
        "architecture": architecture_of(config, NETWORKS),
        "model": asdict(config),
        "noise": noise,
        "dynamics": dynamics,
        "bounded": bounded,
        "data": {name: list(value) if isinstance(value, tuple) else value for name, value in described.items()},
        "statistics": statistics.to_json(),
        "climate": climate.to_json(),
        "accumulation_hours": dict(windows),
    }


def windows_of(data: xr.Dataset) -> dict[str, int]:
    """The hours that sums such as rain are over, by variable, where the data say it."""
    found = {str(name): values.attrs.get("accumulation_hours") for name, values in data.data_vars.items()}
    return {name: int(hours) for name, hours in found.items() if hours is not None}


def build_forecaster(
    config: Any,
    data: WeatherDataConfig,
    statistics: Statistics,
    static: Float[Tensor, "s y x"],
    noise: int = 0,
    dynamics: bool = False,
    bounded: bool = False,
) -> Forecaster:
    """A forecaster with fresh weights.

    Args:
        config: sizes of the network.
        data: what the fields are.
        statistics: that states are normalised with.
        static: static fields, of order one.
        noise: numbers that the network is conditioned on in each step.
        dynamics: whether it sees what the equations of motion say, and gives winds by vorticity and divergence.
        bounded: whether it has bounds, which are its user's to set.

    Raises:
        UserError: sizes that do not fit the grid, a grid that is none of the whole sphere, or fields that the equations
            of motion need and the state lacks.
    """
    grid = sphere_of(Grid(np.array(statistics.latitude), np.array(statistics.longitude)))
    layout = layout_of(data, statistics, len(static), len(forcing_channels(data.forcings)))
    motion = None
    if dynamics:
        scales = StateScales(statistics.mean, statistics.std, statistics.tendency_std, data.step_hours)
        motion = Dynamics(layout, scales, grid)
        layout = replace(layout, n_features=motion.n_features)
    change = [size / std for size, std in zip(statistics.tendency_std, statistics.std, strict=True)]
    fields = fields_from(statistics.fields, data)
    direct = [field.variable in data.direct for field in fields]
    least = (_least(statistics, fields) - np.array(statistics.mean)) / np.array(statistics.std)
    network = build_network(config, layout, grid, noise)
    return Forecaster(network, change, direct, static, noise, motion, least.tolist(), bounded)


def load_model(path: str | Path) -> tuple[ForecastModel, dict[str, Any]]:
    """The model of a run (its best weights), of a checkpoint or of the catalogue, and the checkpoint's metadata.

    Raises:
        UserError: no checkpoint there, or not one of a forecasting model with weights that fit it and are finite.
    """
    file = find_weights(path)
    tensors, metadata = load_checkpoint(file)
    architecture = metadata.get("architecture")
    if metadata.get("domain") != DOMAIN or architecture not in NETWORKS:
        raise UserError(
            f"{file}: a forecasting model is needed ({', '.join(NETWORKS)}), but this is a checkpoint of domain "
            f"{metadata.get('domain')!r}, architecture {architecture!r}."
        )
    try:
        config = parse(NETWORKS[architecture][0], metadata["model"], str(file))
        data = parse(WeatherDataConfig, metadata["data"], str(file))
        statistics = Statistics.from_json(metadata["statistics"])
        climate = Climate.from_json(metadata["climate"])
        windows = {str(name): int(hours) for name, hours in metadata["accumulation_hours"].items()}
        places = len(statistics.latitude), len(statistics.longitude)
        static = torch.zeros(len(static_channel_names(data.static_fields)), *places)
        forecaster = build_forecaster(
            config,
            data,
            statistics,
            static,
            metadata["noise"],
            metadata.get("dynamics", False),
            metadata.get("bounded", False),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: the checkpoint does not describe its model ({error!r}).") from error
    load_weights(forecaster, tensors, file)
    return ForecastModel(forecaster.eval(), data, statistics, climate, windows), metadata
