"""Recipe `nature-run`: years of weather of a SPEEDY-physics model, as canonical datasets for training and testing.

The model, jcm, needs packages that ours must not have, so it runs in an environment of its own: the interpreter that
`SCIML_JCM_PYTHON` names, or one that is made in the cache folder. Its chunks are brought to pressure levels and written
year by year of each split; what is there already is not made again.
"""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import xarray as xr

from sciml.core.catalogue import cache_dir, user_path
from sciml.core.errors import UserError
from sciml.core.runs import write_json
from sciml.weather.fields import fields_of, parse_field
from sciml.weather.recipes.nature_fields import canonical, chunks, static_fields, twins
from sciml.weather.recipes.twins import part_by_lead_time
from sciml.weather.regrid import regrid
from sciml.weather.writing import write_dataset

MODEL = Path(__file__).with_name("speedy_model.py")
# as speedy_model.py has it
CHUNK_DAYS = 5
# times in a chunk of Zarr: two days
_TIMES = 8


@dataclass(frozen=True)
class NatureRun:
    """The `recipe:` of a nature run's dataset.yaml.

    Attributes:
        packages: with versions, of the model's environment.
        start: the day on which the model is at rest.
        years: first and last one by split.
        levels_hpa: pressure levels.
        sample: a part small enough to be shipped: its grid, levels_hpa, and how many times of each split.
        twins: how the predictability limit is found: the split whose months they start in, their days,
            amplitude_kelvin and seed, and the fields that are compared.
    """

    packages: tuple[str, ...]
    start: date
    years: dict[str, tuple[int, int]]
    levels_hpa: tuple[float, ...]
    sample: Mapping[str, Any]
    twins: Mapping[str, Any]

    @classmethod
    def of(cls, recipe: dict[str, Any]) -> NatureRun:
        return cls(
            tuple(recipe["packages"]),
            date.fromisoformat(str(recipe["start"])),
            {split: (int(years[0]), int(years[1])) for split, years in recipe["years"].items()},
            tuple(float(level) for level in recipe["levels_hpa"]),
            recipe["sample"],
            recipe["twins"],
        )

    @property
    def days(self) -> int:
        """To integrate, in whole chunks."""
        last = date(max(year for _, year in self.years.values()), 12, 31)
        return -(-((last - self.start).days + 1) // CHUNK_DAYS) * CHUNK_DAYS

    def times(self, split: str, days: int) -> int:
        """How many times of a split there are after so many days of the model."""
        first, last = self.years[split]
        # the model gives six-hourly times from six hours after its start on, the end of its last day among them
        begin = (date(first, 1, 1) - self.start).days * 4
        end = min((date(last + 1, 1, 1) - self.start).days * 4 - 1, days * 4)
        return max(end - max(begin, 1) + 1, 0)


def make(
    dataset_yaml: dict[str, Any], out_dir: Path, work_dir: Path, *, workers: int = 1, limit: int | None = None
) -> None:
    """Integrates the model and its twins, and writes `<split>.zarr`, `static.nc`, the sample and `twin-limit.json`.

    A stopped run continues from its last five days. What is there with all its times is kept, and where all is, the
    model is not started. `workers` is not used: one state follows from the other.

    Args:
        limit: days after the first day of the first split, for a trial; only times up to there are written.

    Raises:
        UserError: the environment of the model cannot be made, or the model stops.
    """
    run = NatureRun.of(dataset_yaml["recipe"])
    days = run.days if limit is None else _trial_days(run, limit)
    targets = {split: out_dir / f"{split}.zarr" for split in run.years}
    lacking = [split for split, target in targets.items() if _times_written(target) < run.times(split, days)]
    if lacking or not (out_dir / "static.nc").is_file():
        _integrate(model_python(run.packages), work_dir, run, days)
        write_dataset(static_fields(work_dir), out_dir / "static.nc")
    for split in lacking:
        first, last = run.years[split]
        weather = canonical(work_dir, run.levels_hpa).sel(time=slice(f"{first}-01-01", f"{last}-12-31"))
        # a trial wrote fewer times
        if weather.sizes["time"] > _times_written(targets[split]):
            write_dataset(_described(weather, dataset_yaml), targets[split])
    if limit is None:
        write_sample(out_dir, run.sample)
        if lacking or not (out_dir / "twin-limit.json").is_file():
            _write_twin_limit(run, out_dir, work_dir)


def _write_twin_limit(run: NatureRun, out_dir: Path, work_dir: Path) -> None:
    _integrate_twins(model_python(run.packages), work_dir, run)
    with xr.open_zarr(out_dir / f"{run.twins['split']}.zarr") as control:
        known = fields_of(control)
        fields = [parse_field(name, known) for name in run.twins["fields"]]
        limits = part_by_lead_time(twins(work_dir, run.levels_hpa), control, fields)
    write_json(out_dir / "twin-limit.json", {"amplitude_kelvin": run.twins["amplitude_kelvin"], **limits})


def _times_written(target: Path) -> int:
    if not target.exists():
        return 0
    with xr.open_zarr(target) as written:
        return written.sizes["time"]


def write_sample(folder: Path, sample: Mapping[str, Any]) -> None:
    """Writes sample-<split>.nc and sample-static.nc: the first times of each split on a coarse grid and a few levels.

    Args:
        folder: with the splits.
        sample: `recipe.sample` of dataset.yaml.
    """
    grid, levels = sample["grid"], [float(level) for level in sample["levels_hpa"]]
    for split, number in sample["times"].items():
        with xr.open_zarr(folder / f"{split}.zarr") as whole:
            part = regrid(whole.isel(time=slice(0, number)).sel(level=levels).load(), grid)
        write_dataset(part, folder / f"sample-{split}.nc", packed=True)
    with xr.open_dataset(folder / "static.nc", engine="netcdf4") as whole:
        write_dataset(regrid(whole.load(), grid), folder / "sample-static.nc")


def model_python(packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment with the model.

    Raises:
        UserError: it cannot be made.
    """
    if chosen := os.environ.get("SCIML_JCM_PYTHON"):
        if not (python := user_path(chosen)).is_file():
            raise UserError(f"SCIML_JCM_PYTHON needs to name a Python interpreter with jcm, but there is no {python}.")
        return python
    place = cache_dir() / "environments" / "-".join(packages).replace("==", "-")
    python, ready = place / "bin" / "python", place / "ready"
    if ready.is_file():
        return python
    print(f"making an environment with {' and '.join(packages)} in {place}", flush=True)
    try:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"cannot install {' '.join(packages)} in {place}: {error}. Install it in an environment of your own and "
            "name its interpreter in SCIML_JCM_PYTHON."
        ) from error
    ready.touch()
    return python


def _trial_days(run: NatureRun, limit: int) -> int:
    first = date(min(year for year, _ in run.years.values()), 1, 1)
    return -(-((first - run.start).days + limit) // CHUNK_DAYS) * CHUNK_DAYS


def _integrate_twins(python: Path, work: Path, run: NatureRun) -> None:
    """One from the first checkpoint of each month, where it is not there yet."""
    settings = run.twins
    first, last = run.years[settings["split"]]
    starts = [path.name for path in sorted((work / "months").iterdir()) if first <= int(path.name[:4]) <= last]
    common = ["--run_start", run.start.isoformat(), "--days", str(settings["days"]), "--seed", str(settings["seed"])]
    common += ["--amplitude_kelvin", str(settings["amplitude_kelvin"])]
    for start in starts:
        name = f"{start}-{settings['amplitude_kelvin']:g}-{settings['seed']}.npz"
        late = date.fromisoformat(start) + timedelta(days=settings["days"]) > date(last, 12, 31)
        if late or (work / "twins" / name).is_file():
            continue
        print(f"twin from {start}", flush=True)
        with (work / "model.log").open("a") as errors:
            command = [str(python), str(MODEL), "twin", str(work), "--start", start, *common]
            if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=errors).returncode:
                raise UserError(f"the twin from {start} stopped; {work / 'model.log'} says why.")


def _integrate(python: Path, work: Path, run: NatureRun, days: int) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    work.mkdir(parents=True, exist_ok=True)
    log = work / "model.log"
    command = [str(python), str(MODEL), "run", str(work), "--start", run.start.isoformat(), "--days", str(days)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        log.open("a") as errors,
        Progress(*columns, TimeRemainingColumn()) as progress,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        bar = progress.add_task("days of the model", total=days, completed=len(chunks(work)) * CHUNK_DAYS)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                progress.update(bar, completed=json.loads(line)["days"])
        except KeyboardInterrupt:
            process.terminate()
            raise
    if process.returncode:
        last = (log.read_text().strip().splitlines() or ["no message"])[-1]
        raise UserError(f"the model stopped: {last}. All of its words are in {log}.")


def _described(weather: xr.Dataset, dataset_yaml: dict[str, Any]) -> xr.Dataset:
    about = {
        "title": dataset_yaml["summary"],
        "source": "jcm 3.0, SPEEDY physics, T31, 8 levels",
        "Conventions": "CF-1.11",
    }
    return weather.assign_attrs(about).chunk(time=_TIMES, level=-1, latitude=-1, longitude=-1)
