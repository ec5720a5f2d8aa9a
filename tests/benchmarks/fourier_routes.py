"""Partial Fourier transforms by matrices and by FFT: where which is quicker, behind `sciml.fno.fourier.few_modes`.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/fourier_routes.py

Prints, for each grid and number of modes, the processor time of either route (to the modes, back, and the gradient),
their ratio, and what the rule chooses.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from sciml.fno import fourier

POINTS = 65536
CHANNELS = 32
GRIDS = [(64,), (256,), (1024,), (8192,), (32, 32), (64, 64), (85, 85), (128, 128), (256, 256), (16,) * 3, (32,) * 3]
MODES = (8, 16, 24, 32, 48, 64, 96, 128, 256, 512)


def milliseconds(work: Callable[[], object], rounds: int = 7) -> float:
    """Median processor time, after one round to warm up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    """Measures and prints."""
    torch.set_num_threads(1)
    for grid in GRIDS:
        for m in (m for m in MODES if m <= grid[0]):
            modes = (m,) * len(grid)
            x = torch.randn(max(1, POINTS // math.prod(grid)), *grid, CHANNELS, requires_grad=True)

            def by_matrices(x: Tensor = x, modes: tuple[int, ...] = modes, grid: tuple[int, ...] = grid) -> None:
                spectrum = fourier._matrix_transform(x, modes)
                fourier._matrix_inverse(spectrum, modes, grid).backward(x)

            def by_fft(x: Tensor = x, modes: tuple[int, ...] = modes, grid: tuple[int, ...] = grid) -> None:
                fourier._fft_inverse(fourier._fft_transform(x, modes), modes, grid).backward(x)

            matrices, fft = milliseconds(by_matrices), milliseconds(by_fft)
            chosen = "matrices" if fourier.few_modes(modes, grid) else "FFT"
            name = " x ".join(map(str, grid))
            print(
                f"{name:14} {m:4} modes: {matrices:6.1f} ms, FFT {fft:6.1f}: {fft / matrices:5.2f} -> {chosen}",
                flush=True,
            )


if __name__ == "__main__":
    main()
