"""Forecasts written as they are made: canonical, to Zarr or netCDF, and continued where an earlier call stopped.

Starts are rolled out in groups that fit into the memory, each group to its end and a few steps at a time. What comes
out does not depend on the groups.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core.errors import UserError
from sciml.core.writing import locked
from sciml.weather.forecasting.request import ForecastRequest
from sciml.weather.forecasting.rolling import BlowUp, Rolling, advance, start_rolling
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.starts import InitialStates
from sciml.weather.forecasting.unfinished import LEADS_A_CHUNK, Unfinished

Progress = Callable[[int, int], None]

# of the states that are rolled out together and of what they give between two writings
_BYTES = 256e6


def make_forecast(
    model: ForecastModel, starts: InitialStates, request: ForecastRequest, output: Path, progress: Progress
) -> list[BlowUp]:
    """Rolls forecasts out and writes them as `open_forecast` reads them.

    A stopped call that is made again with the same model, states and request goes on where it stopped.

    Args:
        model: that forecasts.
        starts: the states at the request's times.
        request: what is asked for.
        output: a name that ends in .zarr or .nc.
        progress: called with the steps done and all there are, those of all starts added up.

    Returns:
        the starts that were left out, in the order of their times.

    Raises:
        UserError: a roll-out blows up and is not to be left out, or all do; what is made cannot be written, or another
            process writes it.
        KeyboardInterrupt: what was forecast is kept for the next call.
    """
    assert np.array_equal(starts.times, request.times)
    part = Unfinished(output)
    try:
        with locked(output):
            lost = _make(model, starts, request, part, progress)
            if len(lost) == len(starts):
                first = min(lost.values(), key=lambda blow_up: blow_up.lead_hours)
                raise UserError(
                    f"all of {len(starts)} roll-outs have blown up, the first at a lead time of {first.lead_hours} h: "
                    f"{first.text}. Forecast fewer steps, or train longer or with longer roll-outs (`loss.steps`)."
                )
            part.finish(lost)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {output}: {reason}. Free some space; the same command continues.") from error
    return [lost[number] for number in sorted(lost)]


def unfinished(output: Path) -> bool:
    """Whether a forecast of this name was begun and not ended."""
    return Unfinished(output).is_begun()


def _make(
    model: ForecastModel, starts: InitialStates, request: ForecastRequest, part: Unfinished, progress: Progress
) -> dict[int, BlowUp]:
    """The forecast in the folder of what is not finished, from the start or from where it is; starts that are lost."""
    key = _key(model, starts, request)
    rolling = part.resumed(key)
    if rolling is None:
        part.begin(model, request)
        rolling = _group(model, starts, request, 0)
    size = len(starts) * request.steps
    while True:
        width = rolling.last - rolling.first
        progress(rolling.first * request.steps + width * rolling.step, size)
        if rolling.step < request.steps:
            first = rolling.step
            made = advance(model, rolling, request, min(LEADS_A_CHUNK * request.every, request.steps - first))
            part.write(model, request, rolling, first, made)
            part.save(key, rolling)
        elif rolling.last < len(starts):
            lost = rolling.lost
            rolling = _group(model, starts, request, rolling.last)
            rolling.lost = lost
        else:
            return rolling.lost


def _group(model: ForecastModel, starts: InitialStates, request: ForecastRequest, first: int) -> Rolling:
    """Roll-outs of as many starts as there is memory for, from number `first` on."""
    # of a roll-out: its states, twice as a group begins, and the fields that are written, twice as they are
    fields = 2 * model.data.history + 2 * min(LEADS_A_CHUNK, request.steps // request.every)
    bytes_each = 4 * request.members_each * fields * len(model.fields) * int(np.prod(model.grid.shape))
    last = min(len(starts), first + max(1, int(_BYTES / bytes_each)))
    return start_rolling(model, starts.between(first, last), request, first)


def _key(model: ForecastModel, starts: InitialStates, request: ForecastRequest) -> str:
    """Tells whether an unfinished forecast is the same one."""
    digest = hashlib.sha256(starts.digest.encode())
    for name, tensor in sorted(model.forecaster.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    about: list[Any] = [request.times.astype(str).tolist(), request.steps, request.every, request.fields]
    about += [request.members, request.perturbation, request.seed, request.leave_out]
    about += [asdict(model.data), model.statistics.to_json()]
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()
