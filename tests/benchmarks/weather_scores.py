"""Our scores against `scores` and `xskillscore`, measured in alternation on pieces of a generated 1-degree year.

    .venv/bin/python tests/benchmarks/weather_scores.py [--rounds 5] [--initial-times 4] [--fields 4] [--json out.json]

A year of forecasts is larger than the memory, so it is scored in pieces, as an evaluation does: `--initial-times`
initial times with 40 lead times each for RMSE, ACC and bias, `--fields` fields of 50 members for the fair CRPS; a round
is one piece, another one each round. Every package stays loaded in a process of its own with one thread, which waits
while another is measured; a round measures all, forwards in one round and backwards in the next, and a ratio is taken
within a round. Making the data is not measured. What counts is processor time; the most memory that a process had is
its own. Before times count, the results of each peer are compared with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
LEADS, MEMBERS = 40, 50
# processes: name, environment
PROCESSES = {
    "sciml": {},
    "sciml, no compiler": {"SCIML_KERNELS": "0"},
    "scores": {},
    "xskillscore": {},
}
PEERS = ("scores", "xskillscore")
TASKS = {"fields": "RMSE + ACC + bias, 40 lead times", "crps": "CRPS, 50 members"}
# float32 in the sums of the peers leaves some 1e-7; what is compared with it is a mean over 65,160 points
TOLERANCE = 1e-6

Data = dict[str, xr.DataArray]


def piece(number: int, initial_times: int) -> Data:
    """Forecasts that err more and more, their truth by valid time, and a climatology."""
    random = np.random.default_rng(number)
    step = np.timedelta64(6, "h")
    latitude, longitude = np.linspace(-90, 90, 181), np.arange(360.0)
    lead = np.arange(1, LEADS + 1) * step.astype("timedelta64[ns]")
    first = np.datetime64("2020-01-01", "ns") + number * initial_times * 2 * step
    start = first + np.arange(initial_times) * 2 * step
    times = first + np.arange(2 * initial_times + LEADS) * step
    shape = (181, 360)
    normal = (290 - 40 * np.sin(np.radians(latitude))[:, None] ** 2 + np.zeros(shape)).astype(np.float32)
    truth = normal + 5 * random.standard_normal((len(times), *shape), np.float32)
    index = 2 * np.arange(initial_times)[:, None] + np.arange(1, LEADS + 1)
    forecast = random.standard_normal((initial_times, LEADS, *shape), np.float32)
    forecast *= (0.5 + 0.1 * np.arange(LEADS, dtype=np.float32))[:, None, None]
    forecast += truth[index]
    grid = {"latitude": latitude, "longitude": longitude}
    return {
        "forecast": xr.DataArray(forecast, {"time": start, "lead_time": lead, **grid}, name="t2m"),
        "truth": xr.DataArray(truth, {"time": times, **grid}, name="t2m"),
        "climatology": xr.DataArray(normal, grid, name="t2m"),
        "weights": np.cos(np.radians(xr.DataArray(latitude, {"latitude": latitude}))).clip(0),
    }


def with_aligned_truth(data: Data) -> Data:
    """With the truth copied out to all lead times, which peers need and get before the time is taken."""
    forecast = data["forecast"]
    aligned = data["truth"].sel(time=forecast["time"] + forecast["lead_time"]).transpose(*forecast.dims)
    return {**data, "aligned": aligned.drop_vars("time").assign_coords(time=forecast["time"])}


def ensemble_piece(number: int, fields: int) -> Data:
    """An ensemble [time, number, latitude, longitude] and its truth."""
    random = np.random.default_rng(1000 + number)
    latitude, longitude = np.linspace(-90, 90, 181), np.arange(360.0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(fields) * np.timedelta64(1, "D")
    members = 280 + 3 * random.standard_normal((fields, MEMBERS, 181, 360), np.float32)
    truth = 280 + 3 * random.standard_normal((fields, 181, 360), np.float32)
    grid = {"latitude": latitude, "longitude": longitude}
    return {
        "forecast": xr.DataArray(members, {"time": times, "number": np.arange(MEMBERS), **grid}, name="t2m"),
        "truth": xr.DataArray(truth, {"time": times, **grid}, name="t2m"),
        "weights": np.cos(np.radians(xr.DataArray(latitude, {"latitude": latitude}))).clip(0),
    }


# ------------------------------------------------------------------------------------- what each package is asked to do

Results = dict[str, xr.DataArray]


def sciml_fields(data: Data) -> Results:
    from sciml.weather.scores.fields import field_scores

    forecast, truth, climatology = data["forecast"], data["truth"], data["climatology"]
    scores = ("rmse", "acc", "bias")
    found = field_scores(forecast, truth, climatology=climatology, scores=scores, area="cosine")
    return {name: found[name] for name in scores}


def sciml_crps(data: Data) -> Results:
    from sciml.weather.scores.ensemble import crps

    return {"crps": crps(data["forecast"], data["truth"], area="cosine")}


def sciml_check(data: Data, task: str) -> Results:
    """Ours in the definitions of peers that have no other."""
    from sciml.weather.scores.ensemble import crps
    from sciml.weather.scores.fields import acc

    forecast, truth = data["forecast"], data["truth"]
    if task == "crps":
        return {**sciml_crps(data), "classic crps": crps(forecast, truth, fair=False, area="cosine")}
    return {**sciml_fields(data), "centred acc": acc(forecast, truth, data["climatology"], centred=True, area="cosine")}


def scores_fields(data: Data) -> Results:
    """It has no ACC with weights: its weighted means of the products of anomalies give one."""
    from scores.continuous import mean_error, rmse
    from scores.processing import aggregate

    forecast, truth, weights = data["forecast"], data["aligned"], data["weights"]
    space, reduce = ["latitude", "longitude"], ["time", "latitude", "longitude"]
    a, b = forecast - data["climatology"], truth - data["climatology"]
    product, first, second = (aggregate(x, reduce_dims=space, weights=weights) for x in (a * b, a * a, b * b))
    return {
        "rmse": rmse(forecast, truth, reduce_dims=reduce, weights=weights),
        "bias": mean_error(forecast, truth, reduce_dims=reduce, weights=weights),
        "acc": (product / np.sqrt(first * second)).mean("time"),
    }


def scores_crps(data: Data) -> Results:
    from scores.probability import crps_for_ensemble

    score = crps_for_ensemble(data["forecast"], data["truth"], "number", method="fair", weights=data["weights"])
    return {"crps": score}


def xskillscore_fields(data: Data) -> Results:
    """Its correlation takes the mean anomaly out."""
    import xskillscore

    forecast, truth = data["forecast"], data["aligned"]
    space, reduce = ["latitude", "longitude"], ["time", "latitude", "longitude"]
    weights = data["weights"].broadcast_like(forecast.isel(lead_time=0, drop=True))
    a, b = forecast - data["climatology"], truth - data["climatology"]
    return {
        "rmse": xskillscore.rmse(forecast, truth, dim=reduce, weights=weights),
        "bias": xskillscore.me(forecast, truth, dim=reduce, weights=weights),
        "centred acc": xskillscore.pearson_r(a, b, dim=space, weights=weights.isel(time=0)).mean("time"),
    }


def xskillscore_crps(data: Data) -> Results:
    """It has the classic CRPS alone, which without numba takes M^2 numbers a point: a row of latitude at a time."""
    import xskillscore

    rows = [
        xskillscore.crps_ensemble(
            data["truth"].isel(latitude=[row]), data["forecast"].isel(latitude=[row]), member_dim="number", dim=[]
        )
        for row in range(data["truth"].sizes["latitude"])
    ]
    weights = data["weights"].broadcast_like(data["truth"])
    return {"classic crps": xr.concat(rows, "latitude").weighted(weights).mean()}


RUNS: dict[str, dict[str, Callable[[Data], Results]]] = {
    "sciml": {"fields": sciml_fields, "crps": sciml_crps},
    "sciml, no compiler": {"fields": sciml_fields, "crps": sciml_crps},
    "scores": {"fields": scores_fields, "crps": scores_crps},
    "xskillscore": {"fields": xskillscore_fields, "crps": xskillscore_crps},
}


def work(name: str, initial_times: int, fields: int) -> None:
    """Answers requests, one line of JSON each, until there are no more."""
    if name in PEERS:
        # they warn of numba, of dask and of their own deprecations
        warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        task, number = request["task"], request["piece"]
        data = piece(number, initial_times) if task == "fields" else ensemble_piece(number, fields)
        if task == "fields" and name in PEERS:
            data = with_aligned_truth(data)
        if request["check"]:
            found = sciml_check(data, task) if name.startswith("sciml") else RUNS[name][task](data)
            answer: dict[str, Any] = {key: np.ravel(value.values).tolist() for key, value in found.items()}
        else:
            begin = time.process_time(), time.perf_counter()
            for value in RUNS[name][task](data).values():
                value.load()
            answer = {"cpu_s": time.process_time() - begin[0], "wall_s": time.perf_counter() - begin[1]}
            answer["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------------------------------------------------- the driver


def ask(process: subprocess.Popen[str], **request: Any) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(request), file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a process has ended; its message stands above")
    return json.loads(line)


def compare(ours: dict[str, list[float]], theirs: dict[str, list[float]], name: str) -> None:
    """Stops where a score is not ours: bias is compared on the scale of the RMSE, as it is about zero."""
    for key, values in theirs.items():
        scale = np.abs(ours["rmse" if key == "bias" else key])
        off = float(np.max(np.abs(np.subtract(values, ours[key])) / scale))
        if not off < TOLERANCE:
            raise SystemExit(f"{name}: {key} differs from ours by {off:.1e} of itself")


def measure(task: str, rounds: int, options: list[str], names: list[str]) -> dict[str, Any]:
    with ExitStack() as stack:
        processes = {}
        for name in names:
            command = [sys.executable, str(Path(__file__)), "--worker", name, *options]
            environment = {**os.environ, **ONE_THREAD, **PROCESSES[name]}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            processes[name] = stack.enter_context(subprocess.Popen(command, text=True, env=environment, **pipes))
        checks = {name: ask(process, task=task, piece=0, check=True) for name, process in processes.items()}
        for name in names[1:]:
            compare(checks["sciml"], checks[name], name)
        answers: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(rounds + 1):
            for name in names if number % 2 else reversed(names):
                answer = ask(processes[name], task=task, piece=number, check=False)
                # the first round warms up
                if number > 0:
                    answers[name].append(answer)
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
    return {
        name: {
            "ms": [1000 * answer["cpu_s"] for answer in each],
            "ratio": [answer["cpu_s"] / one["cpu_s"] for answer, one in zip(each, answers["sciml"], strict=True)],
            "peak_gb": max(answer["peak_gb"] for answer in each),
        }
        for name, each in answers.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--initial-times", type=int, default=4)
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without", nargs="*", default=[], choices=list(PROCESSES)[1:])
    parser.add_argument("--worker", choices=list(PROCESSES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.initial_times, options.fields)
        return
    names = [name for name in PROCESSES if name not in options.without]
    passed = ["--initial-times", str(options.initial_times), "--fields", str(options.fields)]
    results = {}
    for task, label in TASKS.items():
        results[task] = measure(task, options.rounds, passed, names)
        count = options.initial_times * LEADS if task == "fields" else options.fields
        print(f"\n{label}: {count} fields of 181 x 360\n")
        print("| package | ms a field (median, range) | time / ours | most memory, GB |\n|---|---|---|---|")
        for name, each in results[task].items():
            ms = [value / count for value in each["ms"]]
            median, ratio = statistics.median(ms), statistics.median(each["ratio"])
            print(f"| {name} | {median:.3g} ({min(ms):.3g} - {max(ms):.3g}) | {ratio:.3g} | {each['peak_gb']:.2f} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
