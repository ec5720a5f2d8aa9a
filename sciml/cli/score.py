"""`sciml score`: how good forecasts are, against analyses and baselines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciml.cli.lists import add_reading, numbers, positive, words
from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

if TYPE_CHECKING:
    from sciml.weather.evaluation.run import ScoreRequest

EXAMPLES = """\
  sciml score persistence --truth era5-1deg -o scorecard          real ERA5, after `sciml data get era5-1deg`
  sciml score fc.zarr --truth era5.zarr --climatology clim.nc -o scorecard --fields z500,t850,t2m --leads 24,72,120
  sciml score 'fc/*.nc' --truth gs://bucket/era5.zarr --grid 1.5deg --cases extreme-weather-cases -o scorecard
  sciml score fc.zarr --truth era5.zarr -o scorecard --scheduler tcp://host:8786"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "forecast", metavar="FORECAST", help="file, folder, glob or address; or `persistence` or `climatology`"
    )
    parser.add_argument("--truth", metavar="ERA5", required=True, help="analyses: file, glob, address or dataset")
    parser.add_argument("--climatology", metavar="CLIM", help="what `sciml climatology` wrote: for ACC and extremes")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder for the scorecard")
    parser.add_argument("--overwrite", action="store_true", help="replace a scorecard that is there")
    parser.add_argument("--name", metavar="NAME", help="what to call the forecast (default: its file's name)")
    what = parser.add_argument_group("what is scored (default: all that forecast and truth have in common)")
    what.add_argument("--fields", metavar="F,F,...", type=words, help="such as z500,t850,t2m,tp")
    what.add_argument("--leads", metavar="H,H,...", type=numbers, help="lead times in hours")
    what.add_argument("--period", metavar="FIRST/LAST", type=_period, help="of initial times: 2020-01-01/2020-12-31")
    what.add_argument("--regions", metavar="R,R,...", type=words, help="such as tropics,europe")
    what.add_argument("--baselines", metavar="B,B", type=_baselines, help="persistence,climatology (default) or none")
    what.add_argument(
        "--cases", metavar="CASES", help="named events: a dataset such as extreme-weather-cases, or a file"
    )
    what.add_argument("--rain-mm", metavar="T,T,...", type=numbers, help="amounts of rain (default: 1,5,10,25)")
    what.add_argument("--maps", metavar="H,H,...", type=numbers, help="lead times with maps (default: four of them)")
    grid = parser.add_argument_group("grid")
    grid.add_argument("--grid", metavar="GRID", help="bring all data to this grid first: 1.5deg, 64x32, N32")
    grid.add_argument("--method", choices=("conservative", "bilinear"), default="conservative", help="of doing so")
    files = parser.add_argument_group("what files do not say")
    add_reading(files)
    files.add_argument("--forecast-accumulation", metavar="W", help="the same of the forecast, or since-start")
    work = parser.add_argument_group("how it is done")
    work.add_argument("--memory", metavar="GB", type=positive, default=2.0, help="for data (default: 2)")
    work.add_argument("--threads", metavar="N", type=int, default=1, help="blocks scored at a time (default: 1)")
    work.add_argument("--scheduler", metavar="ADDRESS", help="of a dask scheduler whose workers do it")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import needs_extra
    from sciml.cli.progress import bar

    if arguments.threads < 1:
        raise UserError(f"--threads needs a whole number above zero, but got {arguments.threads}.")
    output = user_path(arguments.output).absolute()
    with needs_extra("weather"):
        from sciml.weather.evaluation.execution import pool
        from sciml.weather.evaluation.run import check_output, score

    check_output(output, overwrite=arguments.overwrite)
    with pool(arguments.scheduler, arguments.threads) as workers, bar("scoring", "blocks") as progress:
        page = score(_request(arguments), output, workers, progress)
    _print_headline(output)
    print(f"scorecard: {page}")
    return 0


def _request(arguments: argparse.Namespace) -> ScoreRequest:
    from sciml.weather.evaluation.agreement import ScoreOptions
    from sciml.weather.evaluation.run import ScoreRequest

    chosen: dict[str, Any] = {
        "fields": arguments.fields,
        "lead_hours": arguments.leads,
        "period": arguments.period,
        "regions": arguments.regions,
        "baselines": arguments.baselines,
        "rain_thresholds_mm": arguments.rain_mm,
        "map_hours": arguments.maps,
        "memory_gb": arguments.memory,
        "threads": arguments.threads,
    }
    return ScoreRequest(
        forecast=arguments.forecast,
        truth=arguments.truth,
        climatology=arguments.climatology,
        name=arguments.name,
        cases=arguments.cases,
        grid=arguments.grid,
        method=arguments.method,
        accumulate_hours=arguments.accumulate_hours,
        accumulation=arguments.accumulation,
        forecast_accumulation=arguments.forecast_accumulation,
        units=arguments.units,
        options=ScoreOptions(**{key: value for key, value in chosen.items() if value is not None}),
    )


def _print_headline(output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from sciml.core.runs import read_json
    from sciml.weather.scorecard.wording import plain_unit, with_unit

    facts = read_json(output / "scores.json")
    rows = facts["headline"]
    models = list(dict.fromkeys(model for row in rows for model in row["rmse"]))
    console = Console()
    for score in ("rmse", "acc", "crps"):
        # of a forecast without members the CRPS is the mean absolute error
        if not any(score in row for row in rows) or (score == "crps" and not facts["members"]):
            continue
        table = Table(title=f"{score.upper()} of {facts['forecast']}, whole grid", title_justify="left")
        for column in ("field", "lead", "forecasts", *models):
            table.add_column(column, justify="left" if column == "field" else "right", overflow="fold")
        for row in rows:
            values = [row.get(score, {}).get(model) for model in models]
            shown = ["-" if value is None else f"{value:#.4g}".rstrip(".") for value in values]
            unit = plain_unit(row["unit"]) if score != "acc" else ""
            table.add_row(with_unit(row["field"], unit), f"{row['lead_hours']:g} h", str(row["forecasts"]), *shown)
        console.print(table)
    for note in facts["notes"]:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def _period(text: str) -> tuple[str, str]:
    first, slash, last = text.partition("/")
    if not (slash and first and last):
        raise argparse.ArgumentTypeError(f"needs FIRST/LAST, such as 2020-01-01/2020-12-31, but got {text!r}")
    return first.strip(), last.strip()


def _baselines(text: str) -> tuple[str, ...]:
    names = () if text == "none" else words(text)
    if unknown := set(names) - {"persistence", "climatology"}:
        raise argparse.ArgumentTypeError(f"there is no baseline {unknown.pop()!r}: persistence, climatology or none")
    return names
