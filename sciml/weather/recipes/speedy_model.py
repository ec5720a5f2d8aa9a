"""Runs the SPEEDY-physics model jcm and writes what it computes, chunk by chunk; a program of its own.

It runs in an environment that has jcm 3.0 (https://pypi.org/project/jcm) and imports nothing of sciml:

    python speedy_model.py run WORK --start 1999-07-01 --days 2376
    python speedy_model.py twin WORK --from 2005-01-02 --days 40 --amplitude_kelvin 0.5 --seed 1

`run` integrates from rest, with climatological sea surface temperature, sea ice, snow and soil of every year alike, and
continues from WORK/checkpoint where an earlier call stopped. `twin` starts from the checkpoint kept for the first day
of a month and adds to the temperature a random field of large scales: how two states that differ by so much part.
A line on standard output is a chunk that is done.

Shapes of what is written: t times six hours apart, l levels from the top, x longitudes, y latitudes from the south.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

STEP_MINUTES = 30
OUTPUT_HOURS = 6
CHUNK_DAYS = 5
TRUNCATION = 31
LAYERS = 8
# of the file with boundary conditions that jcm carries: 96 x 48 points, monthly
BOUNDARIES = "jcm.data.bc.t30.clim"


def build_model(start: date) -> tuple[Any, Any]:
    """The model at rest on a day, and its boundary conditions."""
    from importlib import resources

    from jcm.forcing import ForcingData  # pyright: ignore[reportMissingImports]
    from jcm.model import Model  # pyright: ignore[reportMissingImports]
    from jcm.physics.speedy.speedy_coords import get_speedy_coords  # pyright: ignore[reportMissingImports]
    from jcm.terrain import TerrainData  # pyright: ignore[reportMissingImports]

    coords = get_speedy_coords(layers=LAYERS, spectral_truncation=TRUNCATION)
    files = resources.files(BOUNDARIES)
    terrain = TerrainData.from_file(str(files / "terrain.nc"), coords=coords)
    forcing = ForcingData.from_file(str(files / "forcing.nc"), coords=coords, align_mode="wrap_year")
    model = Model(coords=coords, terrain=terrain, time_step=STEP_MINUTES, start_time=start.isoformat())
    model.bootstrap_state()
    return model, forcing


def integrate(model: Any, forcing: Any, days: int) -> dict[str, np.ndarray]:
    """Moves the model on; its state every six hours, and the rain of the six hours before.

    Every step is taken out of the model, because rain is added up over the steps.
    """
    steps = OUTPUT_HOURS * 60 // STEP_MINUTES
    predictions = model.resume(forcing=forcing, save_interval=f"{STEP_MINUTES} minutes", total_time=f"{days} days")
    state, physics = predictions.dynamics, predictions.physics
    last = slice(steps - 1, None, steps)
    surface = physics["_surface_flux"]
    found = {
        "u": state.u_wind[last],
        "v": state.v_wind[last],
        "t": state.temperature[last],
        "q": state.specific_humidity[last],
        "z": state.geopotential[last],
        "normalized_surface_pressure": state.normalized_surface_pressure[last],
        "t2m": surface.t0[last],
        "u10": surface.u0[last],
        "v10": surface.v0[last],
    }
    # grams a square metre and second
    rain = np.asarray(physics["_convection"].precnv) + np.asarray(physics["_condensation"].precls)
    summed = rain.reshape(-1, steps, *rain.shape[1:]).sum(1, dtype=np.float64)
    written: dict[str, np.ndarray] = {name: np.asarray(values, np.float32) for name, values in found.items()}
    written["rain_kg_m2"] = (summed * STEP_MINUTES * 60 * 1e-3).astype(np.float32)
    written["time"] = np.asarray(predictions.time_labels()[last], "datetime64[s]").astype(np.int64)
    if not all(np.isfinite(values).all() for values in written.values()):
        sys.exit(f"the model is not finite any more before {np.datetime64(int(written['time'][-1]), 's')}")
    return written


def write_chunk(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes to a temporary name and renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".npz.part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_grid(model: Any, path: Path) -> None:
    """Coordinates, surface geopotential and land mask."""
    horizontal = model.coords.horizontal
    terrain = model.terrain
    write_chunk(
        path,
        {
            "latitude": np.degrees(np.asarray(horizontal.latitudes, np.float64)),
            "longitude": np.degrees(np.asarray(horizontal.longitudes, np.float64)),
            "sigma": np.asarray(model.coords.vertical.centers, np.float64),
            "orography_m": np.asarray(terrain.orog, np.float32),
            "land_fraction": np.asarray(terrain.fmask, np.float32),
        },
    )


def run(arguments: argparse.Namespace) -> None:
    """Integrates on, from rest or from the last checkpoint."""
    from jcm.checkpoint import load_checkpoint, save_checkpoint  # pyright: ignore[reportMissingImports]

    work, start = arguments.work, date.fromisoformat(arguments.start)
    model, forcing = build_model(start)
    write_grid(model, work / "grid.npz")
    checkpoint = work / "checkpoint"
    done = 0
    if checkpoint.exists():
        done = round(load_checkpoint(model, checkpoint))
    for first in range(done, arguments.days, CHUNK_DAYS):
        day = start + timedelta(days=first)
        # what twins start from: the first chunk of each month
        if day.month != (day - timedelta(days=CHUNK_DAYS)).month:
            save_checkpoint(model, work / "months" / day.isoformat())
        write_chunk(work / "chunks" / f"{day.isoformat()}.npz", integrate(model, forcing, CHUNK_DAYS))
        save_checkpoint(model, checkpoint)
        print(json.dumps({"day": day.isoformat(), "days": first + CHUNK_DAYS}), flush=True)


def smooth_noise(model: Any, seed: int) -> np.ndarray:
    """[m, n] spectral coefficients of a random field of unit variance with total wavenumbers from 1 to 20."""
    horizontal = model.coords.horizontal
    rng = np.random.default_rng(seed)
    field = rng.standard_normal(horizontal.nodal_shape)
    modal = np.array(horizontal.to_modal(field))
    _, total = horizontal.modal_mesh
    modal = np.where((total >= 1) & (total <= 20), modal, 0.0)
    nodal = np.asarray(horizontal.to_nodal(modal))
    weights = np.cos(np.asarray(horizontal.latitudes))
    return modal / np.sqrt((nodal**2 * weights).sum() / (weights.sum() * nodal.shape[0]))


def twin(arguments: argparse.Namespace) -> None:
    """Integrates from a disturbed state."""
    from jcm.checkpoint import load_checkpoint  # pyright: ignore[reportMissingImports]

    day = date.fromisoformat(arguments.start)
    model, forcing = build_model(date.fromisoformat(arguments.run_start))
    load_checkpoint(model, arguments.work / "months" / day.isoformat())
    if arguments.amplitude_kelvin > 0:
        state = model.run_state
        noise = np.asarray(smooth_noise(model, arguments.seed), np.float32)
        dynamics = state.dynamics
        # the model's unit of temperature is the kelvin
        warmer = dynamics.temperature_variation + arguments.amplitude_kelvin * noise[None]
        model._record_state(dynamics.replace(temperature_variation=warmer), state.physics, state.time, state.step)
    name = f"{day.isoformat()}-{arguments.amplitude_kelvin:g}-{arguments.seed}"
    parts = [integrate(model, forcing, CHUNK_DAYS) for _ in range(0, arguments.days, CHUNK_DAYS)]
    write_chunk(
        arguments.work / "twins" / f"{name}.npz", {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    )
    print(json.dumps({"twin": name}), flush=True)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    running = verbs.add_parser("run")
    running.add_argument("work", type=Path)
    running.add_argument("--start", required=True)
    running.add_argument("--days", type=int, required=True)
    running.set_defaults(function=run)
    parting = verbs.add_parser("twin")
    parting.add_argument("work", type=Path)
    parting.add_argument("--run_start", required=True, help="the --start of the run")
    parting.add_argument("--start", required=True, help="a day of WORK/months")
    parting.add_argument("--days", type=int, required=True)
    parting.add_argument("--amplitude_kelvin", type=float, required=True)
    parting.add_argument("--seed", type=int, default=0)
    parting.set_defaults(function=twin)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
