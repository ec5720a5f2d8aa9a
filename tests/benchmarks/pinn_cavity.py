"""Velocities of a trained cavity on its centrelines, against the converged flow and against Ghia's tables.

python tests/benchmarks/pinn_cavity.py RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from sciml.core.runs import Run
from sciml.pde.pinn.comparison import fields_at
from sciml.pde.pinn.experiment import config_of, load_network
from sciml.pde.references import ghia
from sciml.pde.references.cavity import solve_cavity
from sciml.pde.references.timing import relative_error

# of the converged flow
POINTS = 65


def main(path: Path) -> None:
    run = Run(path)
    config = config_of(run)
    network, reynolds = load_network(run, config), 1 / float(config.equation.constants["viscosity"])
    flow = solve_cavity(reynolds, POINTS)
    inner = np.linspace(0, 1, 201)[1:-1]
    print("velocity against relative_l2")
    for column, name, tables, places in ((0, "u", ghia.U, ghia.U_PLACES), (1, "v", ghia.V, ghia.V_PLACES)):
        for source, at in (("converged", inner), ("Ghia", places)):
            middle = np.full_like(at, 0.5)
            points = np.stack([middle, at] if name == "u" else [at, middle], axis=1)
            if source == "Ghia" and round(reynolds) not in tables:
                continue
            wanted = flow.velocity(points)[:, column] if source == "converged" else tables[round(reynolds)]
            found = fields_at(network, points)[:, config.space.outputs.index(name)]
            known = np.isfinite(wanted)
            print(f"{name} {source} {relative_error(found[known], wanted[known]):.2e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
