"""Predictions as netCDF: the same axes as the source, with coordinates, units and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float, Float32
from torch import nn

from sciml.core.errors import UserError
from sciml.core.runs import Run, now, versions
from sciml.core.writing import replaced
from sciml.pde.samples import FieldSamples
from sciml.pde.scores import batches
from sciml.pde.surrogate import Surrogate


def predict_file(
    surrogate: Surrogate,
    network: nn.Module,
    samples: FieldSamples,
    frames: Float[np.ndarray, " t"],
    run: Run,
    output: Path,
) -> str:
    """Writes what the network predicts, whole or not at all, and says so in a line.

    Args:
        samples: inputs of a map, or the history of a forecast.
        frames: times of the source; a forecast without `rollout.frames` goes as far as these do.
        run: for where the numbers come from.
        output: the file; one that is there is replaced.

    Raises:
        UserError: another suffix than .nc, no frames to predict, or the file cannot be written.
    """
    if output.suffix != ".nc":
        raise UserError(f"{output}: predictions are written as netCDF; name the file .nc.")
    times = _times(surrogate, samples, frames)
    predicted = np.concatenate(list(_predictions(surrogate, network, samples, len(times))))
    names, axes = surrogate.outputs.names, samples.domain.axes
    has_time = surrogate.rollout is not None
    dims = ("sample", "time", *axes) if has_time else ("sample", *axes)
    described = {
        name: xr.Variable(dims, predicted[..., i] if has_time else predicted[:, 0, ..., i], _attributes(samples, name))
        for i, name in enumerate(names)
    }
    coordinates = {
        axis: xr.Variable(axis, values, {"units": "1", "periodic": int(periodic)})
        for axis, values, periodic in zip(axes, samples.domain.coordinates, samples.domain.periodic, strict=True)
    }
    if has_time:
        coordinates["time"] = xr.Variable("time", times, {"units": "1"})
    dataset = xr.Dataset(
        described,
        coordinates,
        {
            "title": f"{', '.join(names)} predicted by {run.path.resolve().name}",
            "source": f"sciml {versions().get('sciml-surrogates', '')}, run {run.path}".strip(),
            "input": samples.source,
            "history": f"{now()}: sciml predict",
            **{f"input_{key}": _plain(value) for key, value in samples.attributes.items()},
        },
    )
    _write(dataset, output)
    size = " x ".join(str(n) for n in samples.domain.grid.shape)
    what = f"{len(times)} times of {len(samples)}" if has_time else str(len(samples))
    return f"{output}: {', '.join(names)} of {what} samples on {size} points"


def _predictions(
    surrogate: Surrogate, network: nn.Module, samples: FieldSamples, n: int
) -> Iterator[Float32[np.ndarray, "b n *grid o"]]:
    import torch

    for _, batch in batches(samples):
        history = batch.targets if surrogate.rollout is not None else None
        with torch.no_grad():
            yield surrogate.predict(network, batch.inputs, history, batch.parameters, n).float().numpy()


def _times(surrogate: Surrogate, samples: FieldSamples, frames: Float[np.ndarray, " t"]) -> Float[np.ndarray, " n"]:
    """Of what is predicted: those of the source, and on in its steps; of a map, one that nothing says."""
    if surrogate.rollout is None:
        return np.zeros(1)
    h, wanted = surrogate.rollout.history, surrogate.rollout.frames
    n = wanted if wanted is not None else max(len(frames) - h, surrogate.rollout.steps)
    step = samples.domain.time_step or 1.0
    return samples.times[h - 1] + step * np.arange(1, n + 1)


def _attributes(samples: FieldSamples, name: str) -> dict[str, str]:
    return {"units": samples.units.get(name) or "1", "long_name": f"predicted {name}"}


def _plain(value: object) -> object:
    """What netCDF can hold as an attribute."""
    return value if isinstance(value, str | int | float | np.number | np.ndarray) else str(value)


def _write(dataset: xr.Dataset, output: Path) -> None:
    with replaced(output) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4", format="NETCDF4")
