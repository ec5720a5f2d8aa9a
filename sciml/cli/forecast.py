"""`sciml forecast`: rolls a trained forecasting model out from analyses."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from sciml.cli.lists import count, words
from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

EXAMPLES = """\
  sciml forecast speedy-sfno --init speedy-t31/test.zarr --time 2005-06-01 --steps 40 -o fc.zarr
  sciml forecast runs/speedy-sfno --init speedy-t31/test --time 2005-01-02 --steps 20 -o fc.zarr    # a dataset's file
  sciml forecast runs/speedy-sfno --init era5.nc --time 2005-06-01T12 --members 20 --perturbation 0.3 -o fc.nc
  sciml forecast runs/speedy-sfno --init test.zarr --time 2005-01-01/2005-12-20/72 --steps 40 --every 4 -o fc.zarr
  sciml score fc.zarr --truth test.zarr --climatology clim.nc -o scorecard"""

# of one start
_WARNINGS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` wrote, or a trained model's name")
    parser.add_argument("--init", metavar="ERA5", required=True, help="analyses: file, glob, address or dataset")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="folder ending in .zarr, or netCDF file")
    parser.add_argument("--overwrite", action="store_true", help="replace a forecast that is there")
    parser.add_argument("--steps", metavar="N", type=count, default=40, help="of the roll-out (default: 40)")
    parser.add_argument(
        "--time", metavar="T", help="of the start: one, T,T,... or FIRST/LAST/HOURS apart (default: the last there is)"
    )
    parser.add_argument("--every", metavar="N", type=count, default=1, help="write each N-th step (default: 1)")
    parser.add_argument("--fields", metavar="F,F,...", type=words, default=(), help="such as z500,t2m (default: all)")
    ensemble = parser.add_argument_group("ensemble")
    ensemble.add_argument("--members", metavar="M", type=count, help="forecasts from each start")
    ensemble.add_argument(
        "--perturbation",
        metavar="S",
        type=float,
        default=0.0,
        help="added to members' starts, in standard deviations of the change within a step (default: 0)",
    )
    ensemble.add_argument("--seed", metavar="N", type=int, default=0, help="of the members (default: 0)")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import needs_extra
    from sciml.cli.main import INTERRUPTED
    from sciml.cli.progress import bar

    output = user_path(arguments.output).absolute()
    if output.suffix not in {".zarr", ".nc"}:
        raise UserError(f"{output}: forecasts are written as Zarr or netCDF; name it .zarr or .nc.")
    if output.exists() and not arguments.overwrite:
        raise UserError(f"{output} is there already. Replace it with --overwrite, or choose another with -o.")
    if "://" not in arguments.init and user_path(arguments.init).absolute() == output:
        raise UserError(f"{output} holds the analyses to start from. Choose another place for the forecast with -o.")
    if not 0 <= arguments.perturbation < 100:
        raise UserError(f"--perturbation needs to be from 0 to 100, but is {arguments.perturbation}.")
    if arguments.perturbation and (arguments.members or 1) < 2:
        raise UserError("--perturbation needs --members of two at least: the first one's start is left as it is.")
    with needs_extra("weather"):
        from sciml.weather.forecasting.data import open_analyses
        from sciml.weather.forecasting.request import ForecastRequest, written_fields
        from sciml.weather.forecasting.rollout import make_forecast, unfinished
        from sciml.weather.forecasting.saved import load_model
        from sciml.weather.forecasting.starts import InitialStates
        from sciml.weather.samples import source_of

    model, metadata = load_model(arguments.run)
    if arguments.members and not (arguments.perturbation or model.forecaster.noise):
        raise UserError(
            f"the members would all be alike: {arguments.run} draws no noise of its own. Give --perturbation, or train "
            "with `noise`."
        )
    data = open_analyses(source_of(arguments.init), model.data)
    times = _times(arguments.time, data)
    request = ForecastRequest(
        times=times,
        steps=arguments.steps,
        every=arguments.every,
        fields=arguments.fields,
        members=arguments.members or 0,
        perturbation=arguments.perturbation,
        seed=arguments.seed,
        notes={"source": f"sciml, {metadata['architecture']}", "history": f"sciml forecast {arguments.run}"},
    )
    written_fields(model, request)
    starts, guard = InitialStates(model, data, times), model.guard
    for time, states in zip(times, starts, strict=True):
        oddities = guard.oddities(states[-1])
        for oddity in oddities[:_WARNINGS]:
            print(f"warning: start {str(time)[:16]}: outside of the training climate: {oddity}", file=sys.stderr)
        if len(oddities) > _WARNINGS:
            print(f"warning: and {len(oddities) - _WARNINGS} more of the kind", file=sys.stderr)
    if unfinished(output):
        print("continuing an unfinished forecast, if it is the same one", file=sys.stderr)
    try:
        with bar("forecast", "steps") as progress:
            make_forecast(model, starts, request, output, progress)
    except KeyboardInterrupt:
        print("sciml: interrupted; the same command continues.", file=sys.stderr)
        return INTERRUPTED
    print(f"forecast: {output}")
    known = data["time"].values[-1].astype("datetime64[ns]") > times[0]
    truth = shlex.quote(arguments.init) if known else "ANALYSES_OF_THESE_DAYS"
    print(f"use:      sciml score {shlex.quote(str(output))} --truth {truth} -o scorecard")
    return 0


def _times(text: str | None, data: xr.Dataset) -> Any:
    """Initial times."""
    import numpy as np

    from sciml.weather.forecasting.request import spread_times

    if text is None:
        return data["time"].values[-1:].astype("datetime64[ns]")
    first, slash, rest = text.partition("/")
    try:
        if slash:
            last, _, hours = rest.partition("/")
            found = spread_times(np.datetime64(first, "ns"), np.datetime64(last, "ns"), int(hours))
        else:
            found = np.unique(np.array(text.split(","), "datetime64[ns]"))
        if np.isnat(found).any():
            raise ValueError("no time")
    except (ValueError, OverflowError):
        raise UserError(
            f"--time needs a time such as 2005-06-01T12, several with commas, or FIRST/LAST/HOURS, but got {text!r}."
        ) from None
    if not len(found):
        raise UserError(f"--time {text} has no time: the first comes after the last.")
    return found
