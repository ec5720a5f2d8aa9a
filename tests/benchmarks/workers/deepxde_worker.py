"""deepxde's loss of Burgers' equation and its gradient, in the environment that it is in, on the PyTorch backend.

    python deepxde_worker.py float64

Requests are lines of JSON: {"file": ..., "width": ..., "layers": ...} builds a problem from `points` [n, 2] and the
weights and biases 0, 1, ... of a .npz and answers with loss and gradient; {"steps": ...} measures. Points, network,
equation and loss are the package's own, as its example "Burgers" has them, but without conditions, and a step is what
`Model.train_step` does but the optimiser's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ["DDE_BACKEND"] = "pytorch"
answers, sys.stdout = sys.stdout, sys.stderr  # deepxde talks

import deepxde as dde  # noqa: E402  # pyright: ignore[reportMissingImports]
import numpy as np  # noqa: E402
import torch  # noqa: E402


def burgers(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """As in the example."""
    dy_x = dde.grad.jacobian(y, x, i=0, j=0)
    dy_t = dde.grad.jacobian(y, x, i=0, j=1)
    dy_xx = dde.grad.hessian(y, x, i=0, j=0)
    return dy_t + y * dy_x - 0.01 / np.pi * dy_xx


class Problem:
    """A network at the points of a file."""

    def __init__(self, file: str, width: int, layers: int) -> None:
        arrays = np.load(file)
        points = arrays["points"].astype(dde.config.real(np))
        domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
        self.data = dde.data.TimePDE(domain, burgers, [], num_domain=0, anchors=points)
        self.network = dde.nn.FNN([2, *[width] * layers, 1], "tanh", "Glorot normal")
        with torch.no_grad():
            for number, layer in enumerate(self.network.linears):
                layer.weight.copy_(torch.as_tensor(arrays[f"weight{number}"]))
                layer.bias.copy_(torch.as_tensor(arrays[f"bias{number}"]))
        self.model = dde.Model(self.data, self.network)
        self.model.compile("adam", lr=1e-3)
        assert len(self.data.train_x) == len(points)

    def step(self) -> float:
        """The loss; its gradient stays with the weights."""
        losses = self.model.outputs_losses_train(self.data.train_x, self.data.train_y, self.data.train_aux_vars)[1]
        total = torch.sum(losses)
        self.model.opt.zero_grad()
        total.backward()
        return total.item()


def main() -> None:
    torch.set_num_threads(1)
    dde.config.set_default_float(sys.argv[1])
    problem = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "file" in request:
            problem = Problem(**request)
            loss = problem.step()
            slopes = [slope for layer in problem.network.linears for slope in (layer.weight.grad, layer.bias.grad)]
            gradient = torch.cat([slope.flatten() for slope in slopes])
            answer = {"loss": loss, "gradient": gradient.tolist(), "version": dde.__version__}
        else:
            assert problem is not None
            started = time.process_time()
            for _ in range(request["steps"]):
                problem.step()
            answer = {"cpu_seconds": (time.process_time() - started) / request["steps"]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
