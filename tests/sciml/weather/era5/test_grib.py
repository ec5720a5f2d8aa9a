"""ecCodes beside other libraries; the reading of GRIB itself is in test_forms, test_real_data and test_bad_input."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_a_process_that_loads_proj_later_ends_well() -> None:
    pytest.importorskip("pyproj")
    code = "from sciml.weather.era5.grib_messages import load_eccodes; load_eccodes(); import pyproj"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
