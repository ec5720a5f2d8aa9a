"""`sciml climatology`: what is normal for a day of the year and an hour, from many years of analyses."""

from __future__ import annotations

import argparse
import shlex

from sciml.cli.lists import add_reading, numbers, positive, whole_numbers, words
from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml climatology era5.zarr -o clim.nc --years 1990/2019
  sciml climatology 'era5/*.nc' -o clim.zarr --fields t2m,tp --quantiles 0.02,0.1,0.9,0.98 --hours 0,6,12,18"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("truth", metavar="ERA5", help="analyses of many years: file, glob, address or dataset")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="netCDF file, or folder ending in .zarr")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--fields", metavar="V,V,...", type=words, help="variables or fields, such as t2m,z500 (all)")
    parser.add_argument("--years", metavar="FIRST/LAST", help="such as 1990/2019, both included (default: all)")
    parser.add_argument(
        "--hours", metavar="H,H,...", type=whole_numbers, help="of the day, UTC (default: all there are)"
    )
    parser.add_argument(
        "--quantiles", metavar="Q,Q,...", type=numbers, default=(), help="such as 0.02,0.98, for extremes"
    )
    parser.add_argument(
        "--seeps-dry-mm", metavar="MM", type=positive, help="what SEEPS needs too; less rain is dry: 0.25 in 24 h"
    )
    parser.add_argument(
        "--window", metavar="DAYS", type=int, default=61, help="around a day, weighing less at its ends (61)"
    )
    parser.add_argument("--min-years", metavar="N", type=int, default=10, help="refuse fewer years than these (10)")
    parser.add_argument("--grid", metavar="GRID", help="bring the data to this grid first: 1.5deg, 64x32, N32")
    add_reading(parser.add_argument_group("what files do not say"))
    parser.add_argument("--memory", metavar="GB", type=positive, default=2.0, help="for sums and samples (default: 2)")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import needs_extra
    from sciml.cli.progress import bar

    output = user_path(arguments.output)
    if output.exists() and not arguments.overwrite:
        raise UserError(f"{output} is there already. Replace it with --overwrite, or choose another with -o.")
    with needs_extra("weather"):
        from sciml.weather.climatology import make_climatology, make_seeps_climatology
        from sciml.weather.era5 import open_era5
        from sciml.weather.fields import fields_of, parse_field
        from sciml.weather.regrid import regrid
        from sciml.weather.samples import source_of
        from sciml.weather.writing import write_dataset

    truth = open_era5(
        source_of(arguments.truth),
        units=arguments.units,
        accumulate_hours=arguments.accumulate_hours,
        accumulation=arguments.accumulation,
    )
    if arguments.fields:
        known = fields_of(truth)
        variables = {field.variable for field in known}
        chosen = [name if name in variables else parse_field(name, known).variable for name in arguments.fields]
        truth = truth[list(dict.fromkeys(chosen))]
    if arguments.grid is not None:
        truth = regrid(truth, arguments.grid)
    options = {
        "years": _years(arguments.years),
        "window_days": arguments.window,
        "hours": arguments.hours,
        "min_years": arguments.min_years,
        "memory_gb": arguments.memory,
    }
    with bar("climatology", "readings") as progress:
        climatology = make_climatology(truth, quantiles=arguments.quantiles, progress=progress, **options)
    if arguments.seeps_dry_mm is not None:
        if "tp" not in truth:
            raise UserError("--seeps-dry-mm needs rain, but there is no tp among the fields.")
        if "accumulation_hours" not in truth["tp"].attrs:
            raise UserError(
                "--seeps-dry-mm needs rain over a known window, which these files do not say: give it as "
                "--accumulation 1h or 6h, and --accumulate-hours 24 for the sums of days that 0.25 mm is made for."
            )
        with bar("climate of SEEPS", "readings") as progress:
            rain = make_seeps_climatology(
                truth["tp"], dry_threshold_mm=arguments.seeps_dry_mm, progress=progress, **options
            )
        climatology = climatology.merge(rain)
    write_dataset(climatology, output)
    print(f"climatology: {output}")
    given = shlex.join(["--truth", arguments.truth, "--climatology", str(output)])
    print(f"use:  sciml score FORECAST {given} -o scorecard")
    return 0


def _years(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, slash, last = text.partition("/")
    if not (slash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise UserError(f"--years needs FIRST/LAST, such as 1990/2019, but got {text!r}.")
    return int(first), int(last)
