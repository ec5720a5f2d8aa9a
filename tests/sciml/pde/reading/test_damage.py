from __future__ import annotations

from pathlib import Path

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from sciml.core.catalogue import find_dataset
from sciml.core.errors import UserError
from sciml.pde.reading import read_pde

OURS = find_dataset("burgers-1d") / "sample-test.nc"


def pdebench(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["tensor"] = np.ones((4, 3, 64), np.float32)
        file["x-coordinate"] = np.arange(64.0)
        file["t-coordinate"] = np.arange(3.0)
    return path


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), is_ours=st.booleans())
def test_a_file_cut_short_anywhere_is_refused_in_words(tmp_path: Path, share: float, is_ours: bool):
    whole = OURS if is_ours else pdebench(tmp_path / "whole.h5")
    contents = whole.read_bytes()
    cut = tmp_path / f"cut{whole.suffix}"
    cut.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(UserError, match=f"{cut.name} .*(cut short|get it again)"):
        read_pde(cut).read()
