"""deepxde's own example of Burgers' equation, trained in the environment that it is in, on the PyTorch backend.

    python deepxde_burgers.py SEED POINTS.npy FIELDS.npy

Geometry, conditions, network, numbers of points and both optimisers are those of the package's
examples/pinn_forward/Burgers.py. Writes u at the points [n, 2] and prints a line of JSON with the processor time.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from deepxde_worker import answers, burgers, dde  # beside this file; chooses the backend and keeps deepxde quiet


def main() -> None:
    seed, points, fields = sys.argv[1:]
    torch.set_num_threads(1)
    dde.config.set_random_seed(int(seed))
    started = time.process_time()
    space, time_domain = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 0.99)
    domain = dde.geometry.GeometryXTime(space, time_domain)
    boundary = dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on_boundary: on_boundary)
    initial = dde.icbc.IC(domain, lambda x: -np.sin(np.pi * x[:, 0:1]), lambda _, on_initial: on_initial)
    data = dde.data.TimePDE(domain, burgers, [boundary, initial], num_domain=2540, num_boundary=80, num_initial=160)
    model = dde.Model(data, dde.nn.FNN([2, 20, 20, 20, 1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3)
    model.train(iterations=15000)
    adam = time.process_time() - started
    model.compile("L-BFGS")
    model.train()
    seconds = time.process_time() - started
    np.save(fields, model.predict(np.load(points).astype(np.float32)))
    print(json.dumps({"adam_seconds": adam, "cpu_seconds": seconds, "version": dde.__version__}), file=answers)


if __name__ == "__main__":
    main()
