"""The whole of `sciml score`: opens what is to be scored, has it scored, and writes the folder of the scorecard."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sciml import __version__
from sciml.core.errors import UserError
from sciml.core.runs import command_line, now, write_json
from sciml.weather.cases import load_cases
from sciml.weather.climatology_files import open_climatology
from sciml.weather.era5 import open_era5, open_forecast
from sciml.weather.evaluation.cases import score_case
from sciml.weather.evaluation.execution import Pool
from sciml.weather.evaluation.execution import run as run_blocks
from sciml.weather.evaluation.measures import RAIN, Measures
from sciml.weather.evaluation.plan import BASELINES, Plan, ScoreOptions, make_plan
from sciml.weather.evaluation.results import headline, score_dataset
from sciml.weather.evaluation.scoring import DRY_FRACTION, QUANTILE, Scorer
from sciml.weather.evaluation.totals import Totals
from sciml.weather.regrid import regrid
from sciml.weather.samples import source_of
from sciml.weather.scorecard import write_scorecard
from sciml.weather.scores.precipitation import DRY_THRESHOLD_MM
from sciml.weather.scores.regions import REGIONS, region_weights
from sciml.weather.writing import write_dataset

Progress = Callable[[int, int], None]

# a map of every lead time would make a page that nobody looks through
_MAPS = 4
SCORES_FILE, FACTS_FILE = "scores.nc", "scores.json"


@dataclass(frozen=True)
class ScoreRequest:
    """What `sciml score` is asked for.

    Args:
        forecast: what `open_forecast` takes, or the name of a baseline.
        truth: what `open_era5` takes, or the name of a dataset.
        climatology: what `open_climatology` takes.
        name: of the forecast; its file's name if None.
        cases: what `load_cases` takes, or None.
        grid: what `regrid` takes; the files' own if None.
        method: of regridding.
        options: what is scored.
    """

    forecast: str
    truth: str
    climatology: str | None = None
    name: str | None = None
    cases: str | None = None
    grid: str | None = None
    method: str = "conservative"
    options: ScoreOptions = field(default_factory=ScoreOptions)


def evaluate(plan: Plan, workers: Pool, progress: Progress) -> xr.Dataset:
    """All scores of a plan, as `scores.nc` has them."""
    regions, weights = region_weights(plan.grid, _regions(plan))
    quantiles = _quantiles(plan)
    with_map = _leads_with_map(plan)
    map_number = np.full(len(plan.lead_times), -1)
    map_number[with_map] = np.arange(len(with_map))
    scorer = Scorer.of(plan, Measures(plan.grid, weights, quantiles, plan.options), map_number)
    totals = Totals(len(plan.initial_times), len(plan.lead_times), len(with_map))
    run_blocks(scorer, totals, workers, progress)
    return score_dataset(plan, totals.sums, tuple(regions), quantiles, plan.lead_times[with_map])


def score(request: ScoreRequest, output: Path, workers: Pool, progress: Progress) -> Path:
    """Scores forecasts and writes `scores.nc`, `scores.json`, `index.html` and the pages of cases into a new folder.

    The folder appears when all is written; nothing is left of a run that fails.

    Returns:
        the page to look at.

    Raises:
        UserError: data that cannot be read, that have nothing in common, or that lack what was asked for.
    """
    # a mistake in the list of cases is found before the long work
    wanted = () if request.cases is None else load_cases(source_of(request.cases))
    plan, facts = open_plan(request)
    scores = evaluate(plan, workers, progress)
    cases = [score_case(plan, case) for case in wanted]
    part = output.with_name(f".{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        write_dataset(scores, part / SCORES_FILE)
        write_json(part / FACTS_FILE, facts | {"headline": headline(plan, scores), "cases": cases})
        write_scorecard(part)
        if output.is_dir():
            shutil.rmtree(output)
        part.replace(output)
    except OSError as error:
        raise UserError(
            f"cannot write {output}: {error.strerror or error}. Free some space or choose another."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return output / "index.html"


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuses, with UserError, a folder that holds a scorecard (unless `overwrite`) or anything else."""
    if output.exists() and not output.is_dir():
        raise UserError(f"a scorecard needs a folder, but {output} is a file. Choose another with -o.")
    if output.is_dir() and any(output.iterdir()):
        if not (output / FACTS_FILE).is_file():
            raise UserError(f"{output} holds files that are no scorecard. Choose another folder with -o.")
        if not overwrite:
            raise UserError(
                f"{output} holds a scorecard already. Replace it with --overwrite, or choose another with -o."
            )


def open_plan(request: ScoreRequest) -> tuple[Plan, dict[str, Any]]:
    """Opens all that a request names, and what there is to say of it."""
    truth = open_era5(source_of(request.truth))
    forecast = None if request.forecast in BASELINES else open_forecast(source_of(request.forecast))
    climatology = None if request.climatology is None else open_climatology(source_of(request.climatology))
    if request.forecast == "climatology" and climatology is None:
        raise UserError("scoring climatology needs one: give it as --climatology; `sciml climatology` makes one.")
    repairs = [line for data in (truth, forecast) if data is not None for line in _repairs(data)]
    if request.grid is not None:
        truth = regrid(truth, request.grid, request.method)
        forecast = None if forecast is None else regrid(forecast, request.grid, request.method)
        climatology = None if climatology is None else regrid(climatology, request.grid, request.method)
    name = request.name or _name(request.forecast)
    plan = make_plan(name, forecast, truth, climatology, _with_dry_limit(request.options, climatology))
    grid = plan.grid
    return plan, {
        "forecast": name,
        "truth": request.truth,
        "climatology": request.climatology,
        "period": [str(plan.initial_times[0])[:16], str(plan.initial_times[-1])[:16]],
        "initial_times": int((plan.truth_at >= 0).any(1).sum()),
        "members": plan.members,
        "grid": {
            "kind": grid.kind,
            "latitudes": grid.shape[0],
            "longitudes": grid.shape[1],
            "south": float(grid.latitude.min()),
            "north": float(grid.latitude.max()),
            "west": float(grid.longitude[0]),
            "east": float(grid.longitude[-1]),
        },
        "repairs": repairs,
        "version": __version__,
        "command": command_line(),
        "created": now(),
    }


def _with_dry_limit(options: ScoreOptions, climatology: xr.Dataset | None) -> ScoreOptions:
    """The limit of dry weather that the climatology was made with."""
    if climatology is None or RAIN + DRY_FRACTION not in climatology:
        return options
    about = climatology[RAIN + DRY_FRACTION].attrs
    # files of WeatherBench 2 do not say it, but have these two
    usual_mm = 0.1 if about.get("accumulation_hours") == 6 else DRY_THRESHOLD_MM
    return replace(options, seeps_dry_mm=float(about.get("dry_threshold_mm", usual_mm)))


def _name(source: str) -> str:
    return source if source in BASELINES else Path(source.rstrip("/")).stem.strip("*?_- ") or "forecast"


def _repairs(dataset: xr.Dataset) -> list[str]:
    return [line for line in str(dataset.attrs.get("repairs", "")).splitlines() if line]


def _regions(plan: Plan) -> dict[str, Any]:
    """The whole grid first, then the regions asked for, or all that have points on it."""
    whole = "global" if plan.grid.kind != "regional" else "domain"
    chosen = {whole: REGIONS["global"]}
    unknown = [name for name in plan.options.regions if name not in REGIONS and name != whole]
    if unknown:
        raise UserError(f"there is no region `{unknown[0]}`; there are {', '.join(REGIONS)}.")
    for name, boxes in REGIONS.items():
        asked = name in plan.options.regions
        if asked or (not plan.options.regions and any(box.contains(plan.grid).any() for box in boxes)):
            chosen.setdefault(name, boxes)
    return chosen


def _quantiles(plan: Plan) -> tuple[float, ...]:
    names = [variable + QUANTILE for variable in plan.variables]
    if plan.climatology is None or not any(name in plan.climatology for name in names):
        return ()
    return tuple(map(float, plan.climatology["quantile"].values))


def _leads_with_map(plan: Plan) -> np.ndarray:
    """Positions of the lead times that maps are made of: those asked for, or up to four, evenly spread."""
    hours = plan.lead_times / np.timedelta64(1, "h")
    if plan.options.map_hours:
        return np.unique([int(np.abs(hours - wanted).argmin()) for wanted in plan.options.map_hours])
    # whole days, where there are enough of them
    days = np.flatnonzero(hours % 24 == 0)
    there = days if len(days) >= _MAPS else np.arange(len(hours))
    return there[np.unique(np.linspace(0, len(there) - 1, min(_MAPS, len(there))).round().astype(int))]
