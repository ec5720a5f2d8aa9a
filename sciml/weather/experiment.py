"""The weather domain: from an experiment's configuration to a problem for the trainer, and from a run to scores.

Called by the command line for `domain: weather`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciml.core.architectures import experiment_class
from sciml.core.checkpoint import load_checkpoint, load_weights, network_tensors
from sciml.core.checks import check_ranges
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.runs import Run, write_json
from sciml.core.trained import find_weights
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem
from sciml.weather.fields import Field
from sciml.weather.forecasting.climate import Climate, find_climate
from sciml.weather.forecasting.data import EpochsOf, EveryNth, ForecastData, WeatherDataConfig, open_analyses, sphere_of
from sciml.weather.forecasting.forecaster import BOUNDS, Forecaster
from sciml.weather.forecasting.objective import (
    ForecastLoss,
    ForecastLossConfig,
    ForecastMetrics,
    Tails,
    find_tails,
    headline_fields,
)
from sciml.weather.forecasting.request import ForecastRequest
from sciml.weather.forecasting.rollout import make_forecast
from sciml.weather.forecasting.saved import build_forecaster, describe_model, fields_from, load_model, windows_of
from sciml.weather.forecasting.starts import InitialStates
from sciml.weather.forecasting.verification import EvaluationConfig, evaluate_model
from sciml.weather.networks.networks import NETWORKS
from sciml.weather.samples import source_of
from sciml.weather.training.samples import ForecastSamples
from sciml.weather.training.statistics import Statistics
from sciml.weather.training.values import collate

logger = logging.getLogger(__name__)

# the verb for a trained run
NEXT = "sciml forecast {run} --init ANALYSES -o FORECAST.zarr"
# data may be files, patterns, addresses and names of data sets
find_data = source_of

# frames of the training period that the climate is found from: a few a month for years of data
_CLIMATE_FRAMES = 240
# share of the range of these frames, which miss the rarest values, that a forecast may go beyond it
_BEYOND_RANGE = 0.15
# a quantile of 0.98 has some fifteen of these beyond it
_TAIL_FRAMES = 800
# statistics of the same data in other chunks are the same to this
_SAME_NORMALISATION = 1e-5


@dataclass(frozen=True)
class WeatherExperiment:
    """An experiment on a forecasting model; `config_class` has one kind for each architecture.

    Attributes:
        dataset: analyses.
        model: the network's sizes.
        loss: what is learnt.
        train: how.
        evaluation: what is scored at the end.
        noise: numbers, drawn anew each step, that the network is conditioned on, for ensembles; 0 for none.
        dynamics: whether the network sees what the equations of motion say of a state, and gives winds by vorticity
            and divergence; see `sciml.weather.networks.dynamics`.
        bounded: whether no value of a forecast leaves the range that the training period has at its latitude, with 15 %
            of it beyond on both sides, rain aside: for roll-outs of months, which rare runaway values end otherwise.
        start_from: a run, checkpoint or trained model whose weights are where training begins; of the same model, or of
            one without noise.
    """

    dataset: WeatherDataConfig
    model: Any
    loss: ForecastLossConfig = field(default_factory=ForecastLossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    noise: int = 0
    dynamics: bool = False
    bounded: bool = False
    start_from: str | None = None

    def __post_init__(self) -> None:
        check_ranges("experiment", self, {"noise": (0, 4096)})
        if self.loss.kind == "crps" and not self.noise:
            raise UserError("`loss.kind: crps` needs an ensemble: give `noise`, such as 16.")


def config_class(raw: Mapping[str, Any]) -> type[WeatherExperiment]:
    """The dataclass whose `model` has the fields of the architecture that `raw` names.

    Raises:
        UserError: no model, or an architecture that is not among NETWORKS.
    """
    return experiment_class(WeatherExperiment, NETWORKS, raw, "weather-sfno")


def build(config: WeatherExperiment) -> Problem:
    """Opens and checks the data, normalises them, and builds the forecaster with fresh or given weights.

    Raises:
        UserError: what is wrong with which data, or weights of another model.
    """
    data = ForecastData(config.dataset)
    statistics = data.statistics
    train = data.samples("train", config.loss.steps)
    validation = data.samples("validation", config.loss.steps)
    for split, samples in (("training", train), ("validation", validation)):
        if samples.skipped > config.loss.steps + config.dataset.history - 1:
            logger.warning("%s data: %d times start no sample, for lack of neighbours", split, samples.skipped)
    fields = fields_from(statistics.fields, config.dataset)
    grid = sphere_of(train.reader.grid)
    torch.manual_seed(config.train.seed)
    forecaster = build_forecaster(
        config.model, config.dataset, statistics, train.static, config.noise, config.dynamics, config.bounded
    )
    climate, bounds = _climate(train, fields)
    if config.bounded:
        forecaster.set_bounds(*bounds)
    if config.start_from is not None:
        _start_from(config, forecaster, statistics)
    tails = _tails(train, config) if config.loss.exceedance_weight else None
    loss = ForecastLoss(config.loss, fields, grid, tails)
    windows = windows_of(data.open("train")[list(config.dataset.surface)])
    return Problem(
        network=forecaster,
        loss=loss,
        metrics=ForecastMetrics(loss, statistics.fields, headline_fields(statistics.fields)),
        train_data=EpochsOf(train),
        validation_data=EveryNth(validation, config.dataset.validation_every),
        collate=collate,
        validation_loss=_weighted_error,
        on_progress=loss.on_progress,
        metadata={
            **describe_model(
                config.model,
                config.dataset,
                statistics,
                climate,
                config.noise,
                windows,
                config.dynamics,
                config.bounded,
            ),
            "data_fingerprint": statistics.fingerprint,
            "data_counts": {"train": len(train), "validation": len(validation)},
            "started_from": config.start_from,
        },
    )


def _weighted_error(means: dict[str, float]) -> float:
    # one member's error would favour ensembles without spread
    return means["weighted_crps"] if "weighted_crps" in means else means["weighted_rmse"]


def _start_from(config: WeatherExperiment, forecaster: Forecaster, statistics: Statistics) -> None:
    """Takes the weights of a trained model, which must have learnt from the same channels, normalised alike."""
    file = find_weights(str(config.start_from))
    tensors, metadata = load_checkpoint(file)
    if metadata.get("domain") != "weather" or "statistics" not in metadata:
        raise UserError(
            f"{file}: `start_from` needs a forecasting model, but this is one of {metadata.get('domain')!r}."
        )
    known = Statistics.from_json(metadata["statistics"])
    if metadata.get("dynamics", False) != config.dynamics:
        raise UserError(f"{file}: `start_from` needs a model with `dynamics: {str(config.dynamics).lower()}`, as this.")
    settings = metadata.get("data", {})
    for name in ("history", "forcings", "static_fields", "direct"):
        ours = getattr(config.dataset, name)
        if settings.get(name) != (list(ours) if isinstance(ours, tuple) else ours):
            raise UserError(
                f"{file}: `start_from` needs a model with the same `dataset.{name}`, but its is {settings.get(name)}."
            )
    for name, theirs, ours in (
        ("fields", known.fields, statistics.fields),
        ("latitudes", known.latitude, statistics.latitude),
        ("longitudes", known.longitude, statistics.longitude),
        ("normalisation", _moments(known), _moments(statistics)),
    ):
        if len(theirs) != len(ours) or (
            theirs != ours if name == "fields" else not np.allclose(theirs, ours, rtol=_SAME_NORMALISATION)
        ):
            raise UserError(
                f"{file}: `start_from` needs a model of the same fields, grid and normalisation as the training data, "
                f"but its {name} differ. Train it on these data, or train on those that it was made with."
            )
    # bounds are those of these data, not of that run's
    tensors = {name: tensor for name, tensor in network_tensors(tensors).items() if name not in BOUNDS}
    for name, tensor in forecaster.state_dict().items():
        # what hears the noise is new: an ensemble begins as the forecast without it
        if name in BOUNDS or (config.noise and not metadata["noise"] and name not in tensors):
            tensors[name] = tensor
    load_weights(forecaster, tensors, file)


def _moments(statistics: Statistics) -> tuple[float, ...]:
    return (*statistics.mean, *statistics.std, *statistics.tendency_std)


def _spread(samples: ForecastSamples, number: int) -> list[int]:
    """So many samples, evenly spread, or all of them."""
    return np.unique(np.linspace(0, len(samples) - 1, min(number, len(samples))).round().astype(int)).tolist()


def _tails(samples: ForecastSamples, config: WeatherExperiment) -> Tails:
    fields = fields_from(samples.statistics.fields, config.dataset)
    one_sided = [one.variable in config.dataset.direct for one in fields]
    frames = torch.stack([samples[number].inputs[-1] for number in _spread(samples, _TAIL_FRAMES)])
    return find_tails(frames, config.loss.exceedance_quantile, one_sided)


def _climate(samples: ForecastSamples, fields: tuple[Field, ...]) -> tuple[Climate, tuple[Tensor, Tensor]]:
    """The training period's, and the least and largest normalised values of forecasts, [y, c]."""
    statistics, chosen = samples.statistics, _spread(samples, _CLIMATE_FRAMES)
    lowest = torch.full((len(fields), len(statistics.latitude)), math.inf)
    highest = -lowest

    # one at a time: all of them are many gigabytes on a fine grid
    def frame(number: int) -> np.ndarray:
        state = samples[chosen[number]].inputs[-1]
        torch.minimum(lowest, state.amin(-1), out=lowest)
        torch.maximum(highest, state.amax(-1), out=highest)
        return samples.denormalise(state).double().numpy()

    extremes = (statistics.minimum, statistics.maximum)
    climate = find_climate(frame, len(chosen), fields, statistics.units, extremes, samples.reader.grid)
    beyond = _BEYOND_RANGE * (highest - lowest)
    return climate, ((lowest - beyond).T, (highest + beyond).T)


def evaluate(run: Run, data: Path | str | None) -> dict[str, Any]:
    """Scores of the best weights over the test period, or over analyses of one's own: a file, pattern or address.

    Forecasts go to forecasts/<split>.zarr in the run, the scorecard to scorecards/<split>, the scores to metrics.json.

    Raises:
        UserError: data that cannot be read, that are too short for a forecast, or of another grid or unit.
    """
    config, scored_before = _config_of(run), run.scores()
    model, _ = load_model(run.path)
    source = str(data) if data is not None else config.dataset.source("test")
    if source is None:
        raise UserError(
            "there are no test data. Give `dataset.test`, or name a file: `sciml evaluate RUN --data FILE`."
        )
    split = "test" if data is None else f"own_{_stem(source)}"
    analyses = open_analyses(source, config.dataset) if data is not None else ForecastData(config.dataset).open("test")
    found = {split: evaluate_model(model, config.dataset, analyses, source, run, split, config.evaluation)}
    write_json(run.metrics_file, {"splits": {**scored_before, **found}})
    return found


def _stem(source: str) -> str:
    """What to call a file, pattern or address in names of folders.

    >>> _stem("s3://bucket/era5-2020.zarr/"), _stem("/data/era5_*.nc")
    ('era5-2020', 'era5')
    """
    name = source.rstrip("/").rpartition("/")[2].split(".")[0]
    return re.sub(r"[^\w-]+", "", name).strip("_-") or "data"


def predict(run: Run, source: Path | str, output: Path) -> str:
    """Forecasts ten days from the last state of analyses; `sciml forecast` has all the choices.

    Raises:
        UserError: another suffix than .zarr or .nc, or data that the model does not know.
    """
    if output.suffix not in {".zarr", ".nc"}:
        raise UserError(f"{output}: forecasts are written as Zarr or netCDF; name it .zarr or .nc.")
    model, _ = load_model(run.path)
    analyses = open_analyses(str(source), model.data)
    times = analyses["time"].values[-1:].astype("datetime64[ns]")
    request = ForecastRequest(times, 240 // model.data.step_hours)
    make_forecast(model, InitialStates(model, analyses, times), request, output, lambda done, total: None)
    return f"{output}: ten days from {str(times[0])[:16]}"


def report(run: Run) -> Path:
    """Writes report.html into the run."""
    from sciml.weather.forecasting.report import write_report

    return write_report(run)


def _config_of(run: Run) -> WeatherExperiment:
    raw = run.config()
    return parse(config_class(raw), raw, str(run.config_file))
