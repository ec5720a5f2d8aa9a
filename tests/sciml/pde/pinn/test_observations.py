"""Which observations belong to a part of the time."""

from __future__ import annotations

import torch

from sciml.pde.pinn.config import ObservationsConfig
from sciml.pde.pinn.observations import read_observations
from sciml.pde.pinn.space import DomainConfig


def test_those_on_the_border_count(tmp_path):
    """Of a border that is no number of float32."""
    file = tmp_path / "measured.csv"
    file.write_text("﻿x,t,u\n0.7,0.1,1\n0.7,0.7,2\n-0.9,0.4,3\n", encoding="utf-8")
    space = DomainConfig({"x": [-0.9, 0.7], "t": [0.1, 0.7]}, ["u"], time="t")
    found = read_observations(ObservationsConfig(file), space, 0)
    (term,) = found.terms(space.low, space.high)
    assert len(term.points) == 3
    assert term.points.dtype == torch.float64
