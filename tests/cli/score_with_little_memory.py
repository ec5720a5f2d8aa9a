"""Run by a test as a program: makes forecasts, then scores them with less memory than a fifth of them."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

TIMES, LEADS, ROWS, COLUMNS = 740, 10, 200, 300
GROWTH_BYTES = 350_000_000


def write(path: Path, kelvin: float, chunks: tuple[int, ...], **times: np.ndarray) -> None:
    """Temperature that is the same everywhere, written chunk by chunk."""
    import dask.array
    import xarray as xr

    places = {"latitude": np.linspace(30.0, 70.0, ROWS), "longitude": np.linspace(0.0, 60.0, COLUMNS)}
    shape = (*map(len, times.values()), ROWS, COLUMNS)
    t2m = dask.array.full(shape, np.float32(kelvin), dtype=np.float32, chunks=(*chunks, ROWS, COLUMNS))
    data = xr.Dataset({"t2m": ((*times, *places), t2m, {"units": "K"})}, {**times, **places})
    data.to_zarr(path, zarr_format=2, consolidated=True)


def main(folder: Path) -> None:
    """Prints the bytes of data and those that the process was allowed to grow by."""
    from sciml.cli.main import main as sciml
    from sciml.core import native
    from sciml.weather.evaluation import run
    from sciml.weather.kernels import SOURCE

    # what is loaded and compiled once is no data
    assert run
    native.load(SOURCE)
    step = np.timedelta64(6, "h").astype("timedelta64[ns]")
    times = np.datetime64("2001-01-01", "ns") + 2 * step * np.arange(TIMES)
    leads = step * np.arange(1, LEADS + 1)
    write(folder / "fc.zarr", 281.0, (2, LEADS), time=times, prediction_timedelta=leads)
    write(folder / "era5.zarr", 280.0, (8,), time=times[0] + step * np.arange(2 * TIMES + LEADS))

    here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + GROWTH_BYTES,) * 2)
    command = ["score", str(folder / "fc.zarr"), "--truth", str(folder / "era5.zarr"), "-o", str(folder / "card")]
    status = sciml([*command, "--memory", "0.05", "--baselines", "none"])
    print(4 * TIMES * LEADS * ROWS * COLUMNS, GROWTH_BYTES)
    sys.exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
