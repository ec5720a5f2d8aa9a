"""The whole of `sciml score`: opens what is to be scored, has it scored, and writes the folder of the scorecard."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
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
from sciml.weather.era5.accumulations import is_sum
from sciml.weather.evaluation.agreement import BASELINES, ScoreOptions, window_of
from sciml.weather.evaluation.cases import score_case
from sciml.weather.evaluation.execution import Pool
from sciml.weather.evaluation.execution import run as run_blocks
from sciml.weather.evaluation.measures import RAIN, Measures
from sciml.weather.evaluation.plan import Plan, make_plan
from sciml.weather.evaluation.results import headline, notes, score_dataset
from sciml.weather.evaluation.scoring import DRY_FRACTION, QUANTILE, Scorer
from sciml.weather.evaluation.totals import Totals
from sciml.weather.regrid import Regridder, as_grid, regrid
from sciml.weather.samples import source_of
from sciml.weather.scorecard import write_scorecard
from sciml.weather.scores.precipitation import DRY_THRESHOLD_MM
from sciml.weather.scores.regions import REGIONS, region_weights
from sciml.weather.variables import find_variable
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
        accumulate_hours: window that rain and other sums are brought to, as `open_era5` has it.
        accumulation, forecast_accumulation: windows of the truth and the forecast that their files do not say.
        units: of variables that have none, as `open_era5` has it.
        options: what is scored.
    """

    forecast: str
    truth: str
    climatology: str | None = None
    name: str | None = None
    cases: str | None = None
    grid: str | None = None
    method: str = "conservative"
    accumulate_hours: int | None = None
    accumulation: str | None = None
    forecast_accumulation: str | None = None
    units: Mapping[str, str] | str | None = None
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
    areas = dict(zip(regions, weights.sum((1, 2)).tolist(), strict=True))
    return score_dataset(plan, totals.sums, areas, quantiles, plan.lead_times[with_map])


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
        found = {"notes": notes(plan, scores), "headline": headline(plan, scores), "cases": cases}
        write_json(part / FACTS_FILE, facts | found)
        write_scorecard(part)
        _put(part, output)
    except OSError as error:
        raise UserError(
            f"cannot write {output}: {error.strerror or error}. Free some space or choose another."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return output / "index.html"


def _put(part: Path, output: Path) -> None:
    """The new folder in place of the old one, whose other files it keeps."""
    old = output.with_name(f".{output.name}.old")
    if output.is_dir():
        for file in output.iterdir():
            if file.name not in (SCORES_FILE, FACTS_FILE, "index.html", "cases"):
                shutil.move(file, part / file.name)
        shutil.rmtree(old, ignore_errors=True)
        output.replace(old)
    part.replace(output)
    shutil.rmtree(old, ignore_errors=True)


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
    options: dict[str, Any] = {
        "variables": _variables(request.options.fields),
        "accumulate_hours": request.accumulate_hours,
        "units": request.units,
    }
    truth = open_era5(source_of(request.truth), accumulation=request.accumulation, **options)
    forecast = climatology = None
    if request.forecast not in BASELINES:
        source = source_of(request.forecast, BASELINES)
        forecast = open_forecast(source, accumulation=request.forecast_accumulation, **options)
    if request.climatology is not None:
        climatology = open_climatology(source_of(request.climatology))
    if request.forecast == "climatology" and climatology is None:
        raise UserError("scoring climatology needs one: give it as --climatology; `sciml climatology` makes one.")
    repairs = _repairs("truth", truth) + ([] if forecast is None else _repairs("forecast", forecast))
    if request.grid is not None:
        truth = _on_grid(truth, request.grid, request.method)
        forecast = None if forecast is None else _on_grid(forecast, request.grid, request.method)
        climatology = None if climatology is None else _on_grid(climatology, request.grid, request.method)
    name = request.name or _name(request.forecast)
    plan = make_plan(name, forecast, truth, climatology, _with_dry_limit(request.options, truth, climatology))
    grid = plan.grid
    return plan, {
        "forecast": plan.models[0],
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
        "windows": {name: window_of(plan.truth[name]) for name in plan.variables if is_sum(name)},
        "version": __version__,
        "command": command_line(),
        "created": now(),
    }


def _with_dry_limit(options: ScoreOptions, truth: xr.Dataset, climatology: xr.Dataset | None) -> ScoreOptions:
    """The limit of dry weather that the climatology was made with."""
    if climatology is None or RAIN + DRY_FRACTION not in climatology:
        return options
    about = climatology[RAIN + DRY_FRACTION].attrs
    window = None if RAIN not in truth else window_of(truth[RAIN])
    made_for = window_of(climatology[RAIN + DRY_FRACTION])
    if RAIN in truth and None not in (window, made_for) and window != made_for:
        raise UserError(
            f"rain is the sum of {window}, but the climatology's for SEEPS is of {made_for}. Bring rain to that window "
            "with --accumulate-hours, or make another climatology."
        )
    # files of WeatherBench 2 do not say it, but have these two
    usual_mm = 0.1 if about.get("accumulation_hours") == 6 else DRY_THRESHOLD_MM
    return replace(options, seeps_dry_mm=float(about.get("dry_threshold_mm", usual_mm)))


def _name(source: str) -> str:
    return source if source in BASELINES else Path(source.rstrip("/")).stem.strip("*?_- ") or "forecast"


def _variables(fields: tuple[str, ...]) -> list[str] | None:
    """What has to be read of files for these fields; all of it if none are named."""
    names = []
    for text in fields:
        stem = text.rstrip("0123456789.")
        # a name such as t2m or u10 has digits of its own
        names.append(text if find_variable(text) is not None or find_variable(stem) is None else stem)
    return list(dict.fromkeys(names)) or None


def _on_grid(dataset: xr.Dataset, target: str, method: str) -> xr.Dataset:
    """On the grid of this name or, of a region, on the points of it that the region has."""
    source, goal = as_grid(dataset), as_grid(target)
    on_goal = regrid(dataset, goal, method)
    if source.kind != "regional":
        return on_goal
    known = np.isfinite(Regridder(source, goal, method)(np.ones(source.shape)))
    if not known.any():
        raise UserError(f"no point of the grid {target} lies in the region of the data. Choose a finer one.")
    return on_goal.isel(latitude=np.flatnonzero(known.any(1)), longitude=np.flatnonzero(known.any(0)))


def _repairs(what: str, dataset: xr.Dataset) -> list[str]:
    return [f"{what}: {line}" for line in str(dataset.attrs.get("repairs", "")).splitlines() if line]


def _regions(plan: Plan) -> dict[str, Any]:
    """The whole grid first, then the regions asked for, or all that have points on it."""
    whole = "global" if plan.grid.kind != "regional" else "domain"
    chosen = {whole: REGIONS["global"]}
    named = {name: boxes for name, boxes in REGIONS.items() if name != "global"}
    unknown = [name for name in plan.options.regions if name not in named and name != whole]
    if unknown:
        raise UserError(f"there is no region `{unknown[0]}`; there are {', '.join([whole, *named])}.")
    for name, boxes in named.items():
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
