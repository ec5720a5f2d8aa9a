"""What a network's numbers mean: a surrogate maps fields in their own units to fields in theirs.

Of two kinds. A map takes input fields to output fields. A forecast steps from the last states to the next, beside input
fields that do not change; see `sciml.fno.rollout`.

Shapes: b samples, grid points along each axis, i input and o output channels, t times, n predicted times (one of a
map), k parameters of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.operators import build_operator
from sciml.fno.rollout import MOST_STEPS, Drivers, RolloutConfig, Update, calls_at, rollout, unroll
from sciml.pde.normalisation import Scaling
from sciml.pde.symmetries import Symmetries, symmetries_from


@dataclass(frozen=True)
class Rollout(RolloutConfig):
    """The `rollout:` part of an experiment, which makes it one of forecasts.

    Attributes:
        frames: that are predicted and scored after the history; null for all that the data have.
        residual: the network predicts how far each frame is from the last one that it sees.
    """

    frames: int | None = None
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges("rollout", self, {"frames": (1, MOST_STEPS)})


class FieldBatch(NamedTuple):
    """Samples in their own units.

    Attributes:
        inputs: [b, *grid, i] fields that do not change, i may be 0.
        targets: [b, t, *grid, o] output fields; of a forecast the history is the first of them.
        parameters: [b, k] numbers of each sample, k may be 0.
    """

    inputs: Tensor
    targets: Tensor
    parameters: Tensor


def collate(samples: Sequence[FieldBatch]) -> FieldBatch:
    """Samples without their axis b, as a batch."""
    return FieldBatch(*(torch.stack(parts) for parts in zip(*samples, strict=True)))


@dataclass(frozen=True, eq=False)
class Surrogate:
    """All of a surrogate but its network.

    Attributes:
        grid: that it is trained on.
        inputs: scaling of the input fields.
        outputs: scaling of the output fields.
        parameters: scaling of the numbers of each sample.
        changes: standard deviation of a frame's distance from the last one seen, by output channel, in units of theirs.
        rollout: of a forecast; None for a map.
        averaged: symmetries that predictions are made to have: the mean over all their combinations, of what is
            predicted from the transformed input and transformed back; None for one prediction.
    """

    grid: Grid
    inputs: Scaling
    outputs: Scaling
    parameters: Scaling
    changes: tuple[float, ...]
    rollout: Rollout | None
    averaged: Symmetries | None = None

    def build_network(self, model_config: Any) -> nn.Module:
        """A network with fresh weights, whose channels fit.

        Raises:
            UserError: sizes that do not fit the grid.
        """
        i, o = len(self.inputs.names), len(self.outputs.names)
        if self.rollout is not None:
            i, o = self.rollout.input_channels(o, i), self.rollout.output_channels(o)
        return build_operator(model_config, i, o, self.grid, len(self.parameters.names))

    # -------------------------------------------------------------------------------------------------- prediction

    def predict(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b *grid i"],
        history: Float[Tensor, "b h *grid o"] | None,
        parameters: Float[Tensor, "b k"],
        n_steps: int = 1,
    ) -> Float[Tensor, "b n *grid o"]:
        """Output fields: one of a map, `n_steps` of a forecast, whose history is needed."""
        if self.averaged is None:
            return self._predict(network, inputs, history, parameters, n_steps)
        names = self.inputs.names, self.outputs.names
        found = []
        for some in self.averaged.combinations():
            x, h = inputs, history
            for symmetry in some:
                x = self.averaged.apply(symmetry, x, names[0])
                h = None if h is None else self.averaged.apply(symmetry, h, names[1])
            one = self._predict(network, x, h, parameters, n_steps)
            for symmetry in reversed(some):
                one = self.averaged.undo(symmetry, one, names[1])
            found.append(one)
        return torch.stack(found).mean(dim=0)

    def _predict(
        self, network: nn.Module, inputs: Tensor, history: Tensor | None, parameters: Tensor, n_steps: int
    ) -> Tensor:
        dtype = next(network.parameters()).dtype
        x, condition = self.inputs.encode(inputs.to(dtype)), self._condition(parameters.to(dtype))
        if self.rollout is None or history is None:
            return self.outputs.decode(network(x, condition)).unsqueeze(1)
        states = self.outputs.encode(history.to(dtype))
        found = rollout(network, self.rollout, states, n_steps, self._drivers(x, condition), self._update())
        return self.outputs.decode(found)

    def predict_batch(self, network: nn.Module, batch: FieldBatch) -> Float[Tensor, "b n *grid o"]:
        """Predictions of what `truth` gives."""
        if self.rollout is None:
            return self.predict(network, batch.inputs, None, batch.parameters)
        h = self.rollout.history
        return self.predict(network, batch.inputs, batch.targets[:, :h], batch.parameters, self.n_steps(batch.targets))

    def truth(self, batch: FieldBatch) -> Float[Tensor, "b n *grid o"]:
        """The output fields that are compared with predictions."""
        if self.rollout is None:
            return batch.targets
        h = self.rollout.history
        return batch.targets[:, h : h + self.n_steps(batch.targets)]

    def n_steps(self, targets: Tensor) -> int:
        """Predicted times of trajectories of so many frames."""
        if self.rollout is None:
            return 1
        after = targets.shape[1] - self.rollout.history
        return after if self.rollout.frames is None else min(self.rollout.frames, after)

    # ---------------------------------------------------------------------------------------------------- training

    def most_calls(self, frames: int) -> int:
        """Calls of the network that trajectories of so many frames have truths for."""
        assert self.rollout is not None
        return (frames - self.rollout.history) // self.rollout.bundle

    def window(self, batch: FieldBatch, fraction_done: float) -> FieldBatch:
        """What of a batch is trained on: of a forecast as many frames as the calls that are due need.

        They begin anywhere in a trajectory, drawn anew for each sample.
        """
        if self.rollout is None:
            return batch
        calls = min(calls_at(self.rollout, fraction_done), self.most_calls(batch.targets.shape[1]))
        length = self.rollout.history + calls * self.rollout.bundle
        return batch._replace(targets=_random_windows(batch.targets, length))

    def training_pair(
        self, network: nn.Module, batch: FieldBatch
    ) -> tuple[Float[Tensor, "m *grid o"], Float[Tensor, "m *grid o"]]:
        """Prediction and truth in units of their deviation, from zero; times of a forecast stand among the samples.

        A forecast is rolled out over all frames of the batch; see `window`.
        """
        x, condition = self.inputs.encode(batch.inputs), self._condition(batch.parameters)
        if self.rollout is None:
            prediction, truth = network(x, condition), self.outputs.encode(batch.targets[:, 0])
        else:
            calls = self.most_calls(batch.targets.shape[1])
            now = replace(self.rollout, first_calls=calls, calls=calls)
            states = self.outputs.encode(batch.targets)
            history, targets = states[:, : now.history], states[:, now.history :]
            drivers = self._drivers(x, condition)
            prediction, truth = unroll(network, now, history, targets, 1.0, drivers, self._update())
            prediction, truth = prediction.flatten(0, 1), truth.flatten(0, 1)
        return self.outputs.from_zero(prediction), self.outputs.from_zero(truth)

    def _condition(self, parameters: Tensor) -> Tensor | None:
        return self.parameters.encode(parameters) if self.parameters.names else None

    def _drivers(self, x: Tensor, condition: Tensor | None) -> Drivers:
        return Drivers(constants=x if self.inputs.names else None, condition=condition)

    def _update(self) -> Update | None:
        if self.rollout is None or not self.rollout.residual:
            return None

        def from_last(last: Tensor, output: Tensor) -> Tensor:
            return last.unsqueeze(1) + output * torch.tensor(self.changes, dtype=output.dtype, device=output.device)

        return from_last

    # -------------------------------------------------------------------------------------------------- checkpoint

    def described(self) -> dict[str, Any]:
        """What a checkpoint must say, in JSON, for `surrogate_from` to make the same."""
        return {
            "grid": {"shape": list(self.grid.shape), "periodic": list(self.grid.periodic)},
            "rollout": None if self.rollout is None else asdict(self.rollout),
            "averaged": None if self.averaged is None else asdict(self.averaged),
            "normalisation": {
                "inputs": self.inputs.described(),
                "outputs": self.outputs.described(),
                "parameters": self.parameters.described(),
                "changes": list(self.changes),
            },
        }


def surrogate_from(metadata: Mapping[str, Any], source: str) -> Surrogate:
    """The surrogate that a checkpoint's metadata describe.

    Raises:
        UserError: they do not describe one.
    """
    try:
        grid, normalisation = metadata["grid"], metadata["normalisation"]
        return Surrogate(
            grid=Grid(tuple(grid["shape"]), tuple(grid["periodic"])),
            inputs=Scaling.from_description(normalisation["inputs"], source),
            outputs=Scaling.from_description(normalisation["outputs"], source),
            parameters=Scaling.from_description(normalisation["parameters"], source),
            changes=tuple(float(change) for change in normalisation["changes"]),
            rollout=None if metadata["rollout"] is None else Rollout(**metadata["rollout"]),
            averaged=None if metadata.get("averaged") is None else symmetries_from(metadata["averaged"]),
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{source}: the checkpoint does not describe its surrogate ({error!r}).") from error


def _random_windows(targets: Float[Tensor, "b t *grid o"], length: int) -> Float[Tensor, "b l *grid o"]:
    """Frames one after the other, of each sample from a place of its own on."""
    b, t = targets.shape[:2]
    if t == length:
        return targets
    start = torch.randint(0, t - length + 1, (b, 1), device=targets.device)
    frames = start + torch.arange(length, device=targets.device)
    return targets[torch.arange(b, device=targets.device)[:, None], frames]
