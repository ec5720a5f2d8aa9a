"""The one LightningModule: a step, its loss terms checked and summed, and what happens to the gradient and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sciml.core.checkpoint import load_weights
from sciml.core.errors import UserError
from sciml.train.batches import Batch, map_tensors
from sciml.train.config import TrainConfig
from sciml.train.ema import ExponentialAverage
from sciml.train.matrices import is_matrix
from sciml.train.muon import Muon
from sciml.train.problem import Problem
from sciml.train.progress import Progress
from sciml.train.ranks import largest_over_ranks, rank, world_size
from sciml.train.schedule import Best, Plateau, fraction_done, learning_rate
from sciml.train.soap import SOAP
from sciml.train.validation import Totals, to_numbers

OPTIMIZERS = {"adam": Adam, "adamw": AdamW, "soap": SOAP, "muon": Muon}


class TrainingModule(LightningModule):
    """A problem on its way through the steps.

    Attributes:
        progress: epochs, steps and seconds.
        plateau: state of the plateau schedule.
        best: the best validation score so far.
        average: the moving average of the weights, or None.
        epoch_losses: the loss terms summed over the samples of the epoch under way.
        step_losses: the loss terms of the last step.
        step_rate: the learning rate of the last step.
    """

    def __init__(self, problem: Problem, config: TrainConfig, progress: Progress, batches_per_epoch: int) -> None:
        super().__init__()
        self.network = problem.network
        self.problem, self.config, self.progress = problem, config, progress
        self.batches_per_epoch = batches_per_epoch
        self.plateau = Plateau()
        self.best = Best()
        self.average: ExponentialAverage | None = None
        self.epoch_losses = Totals()
        self.step_losses: dict[str, float] = {}
        self.step_rate = 0.0

    def state(self) -> dict[str, Any]:
        """All that changes while training, apart from the network and the optimiser."""
        return {
            "progress": self.progress.state(),
            "plateau": asdict(self.plateau),
            "best": asdict(self.best),
            "average": None if self.average is None else self.average.average,
            "epoch_losses": self.epoch_losses.totals,
            "step_rate": self.step_rate,
            "problem": None if self.problem.state is None else self.problem.state.state_dict(),
        }

    def restore(self, state: dict[str, Any], source: Path) -> None:
        """The inverse of `state`, and the network's weights; `start_average` takes the average later.

        Raises:
            UserError: the weights are another network's.
        """
        load_weights(self.network, state["network"], source)
        self.progress.restore(state["progress"])
        self.plateau = Plateau(**state["plateau"])
        self.best = Best(**state["best"])
        self.epoch_losses = Totals(state["epoch_losses"])
        self.step_rate = state["step_rate"]
        if self.problem.state is not None:
            self.problem.state.load_state_dict(state["problem"])

    def start_average(self, saved: list[Tensor] | None) -> None:
        """Averages the weights from here on, or from where a saved average was."""
        if self.config.ema_decay is None or self.config.is_second_order:
            return
        self.average = ExponentialAverage(self.network, self.config.ema_decay)
        if saved is not None:
            self.average.restore(saved)

    @property
    def fraction_done(self) -> float:
        return fraction_done(self.config, self.progress, self.batches_per_epoch)

    def configure_optimizers(self) -> Optimizer:
        if self.config.is_second_order:
            assert self.problem.second_order is not None, "`check_processes` has refused others"
            return self.problem.second_order(self.config.optimizer)
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        # biases and scales set sizes that nothing else does: only matrices decay
        decay = self.config.weight_decay
        matrices = [parameter for parameter in parameters if is_matrix(parameter)]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay},
            {"params": [parameter for parameter in parameters if not is_matrix(parameter)], "weight_decay": 0.0},
        ]
        options: dict[str, Any] = {"lr": self.config.learning_rate}
        if self.config.optimizer in ("soap", "muon"):
            kernels = _kernels(self.network)
            groups[0]["params"] = [parameter for parameter in matrices if id(parameter) not in kernels]
            chosen = [parameter for parameter in matrices if id(parameter) in kernels]
            groups.append({"params": chosen, "weight_decay": decay, "kernels": True})
            if self.config.optimizer == "muon":
                options["half"] = self.config.precision == "bf16-mixed"
        else:
            # the fused kernel is the fastest for many small tensors; it does not know complex numbers
            options["fused"] = all(parameter.is_floating_point() for parameter in parameters)
        return OPTIMIZERS[self.config.optimizer]([group for group in groups if group["params"]], **options)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        if device.type == "cpu":
            return batch
        return Batch(map_tensors(lambda tensor: tensor.to(device, non_blocking=True), batch.data), batch.samples)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if self.problem.on_progress is not None:
            self.problem.on_progress(self.fraction_done)
        losses = self.problem.loss(self.network, batch.data)
        if "loss" not in losses:
            raise KeyError(f"Problem.loss must return a scalar called 'loss', but returned {sorted(losses)}.")
        values = to_numbers(losses)
        if self.config.is_second_order:  # which try steps that are too long, and refuse the place they start from
            self.tick()
        else:
            self._refuse_not_finite(values)
        self.step_losses = values
        self.epoch_losses.add({name: (batch.samples * value, batch.samples) for name, value in values.items()})
        return losses["loss"]

    def configure_gradient_clipping(self, optimizer: Optimizer, *_: Any, **__: Any) -> None:
        if self.config.is_second_order:
            return  # whose line searches need the gradient as it is
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        largest = math.inf if self.config.gradient_clip is None else self.config.gradient_clip
        norm = torch.nn.utils.clip_grad_norm_(parameters, largest)
        if not math.isfinite(norm.item()):
            raise UserError(
                f"the gradient of the loss is {norm.item()} in {self._where()}, though the loss is finite. "
                "Does the loss take the root of zero or divide by it?"
            )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        progress = self.progress
        self.step_rate = learning_rate(self.config, progress.step, self.fraction_done, self.plateau.scale)
        for group in optimizer.param_groups:
            group["lr"] = self.step_rate
        optimizer.step(closure=optimizer_closure)
        if self.average is not None:
            self.average.update(progress.step)
        progress.step += 1
        progress.batch += 1

    def tick(self, flags: Sequence[bool] = ()) -> list[bool]:
        """Brings the clock up to date. Processes agree on it (the first one's), on an interruption, and on flags."""
        progress = self.progress
        seconds = progress.tick()
        if world_size() == 1:
            return list(flags)
        mine = [seconds if rank() == 0 else 0.0, float(progress.interrupted), *map(float, flags)]
        agreed = largest_over_ranks(torch.tensor(mine, dtype=torch.float64)).tolist()
        progress.seconds, progress.interrupted = agreed[0], agreed[1] > 0
        return [flag > 0 for flag in agreed[2:]]

    def _refuse_not_finite(self, values: dict[str, float]) -> None:
        """Stops all processes when a loss term of one is not finite."""
        bad = self.tick([not math.isfinite(value) for value in values.values()])
        if not any(bad):
            return
        # the sum is not finite because one of its terms is not: name the term
        names = [name for name, is_bad in zip(values, bad, strict=True) if is_bad]
        name = next((name for name in names if name != "loss"), "loss")
        value = "not finite in another process" if math.isfinite(values[name]) else values[name]
        raise UserError(
            f"the loss term `{name}` is {value} in {self._where()}; training stopped before the weights changed. "
            "Check the data of that term, or lower train.learning_rate or train.gradient_clip; "
            "checkpoints written before are good."
        )

    def _where(self) -> str:
        return f"epoch {self.progress.epoch + 1}, step {self.progress.step + 1}"


def _kernels(network: nn.Module) -> set[int]:
    """Which parameters are kernels of convolutions, whose last dimensions are places."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.modules.conv._ConvNd)]
    return {id(module.weight) for module in convolutions}
