"""scipy.fft for a type checker: by its own annotations, transforms return a tuple."""

from __future__ import annotations

from typing import Any

import scipy.fft

fft: Any = scipy.fft
