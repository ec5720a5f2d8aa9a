"""The course of a run: what happens when training starts, after each step, after each epoch, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.train.batches import Batch
from sciml.train.checkpoints import Checkpoints
from sciml.train.interruption import listen
from sciml.train.logs import CsvLog, TensorBoardLog
from sciml.train.module import TrainingModule
from sciml.train.progress_bar import ProgressDisplay
from sciml.train.ranks import rank
from sciml.train.seeding import restore_rng_state, seed_everything
from sciml.train.validation import Totals, validate


class Course(Callback):
    """Validation, schedule, early stopping, checkpoints and logs, in the order in which they depend on each other.

    Attributes:
        stopped: why training ended: "epochs", "time", "early stopping", "interrupted"; None while it goes on.
    """

    def __init__(
        self, module: TrainingModule, validation: DataLoader[Batch], run: Run, saved: dict[str, Any] | None
    ) -> None:
        """`saved` is the state to go on from, as `checkpoints.load_state` gives it."""
        self.module, self.validation, self.saved = module, validation, saved
        self.checkpoints = Checkpoints(run, module)
        self.csv, self.tensorboard = CsvLog(run.log_file), TensorBoardLog(run.tensorboard_dir)
        self.display = ProgressDisplay(module.config.epochs)
        self.stopped: str | None = None
        if saved is not None:
            module.restore(saved, run.last)
            self.stopped = self._finished()

    # -------------------------------------------------------------------------------------------- Lightning's hooks

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = self.module
        # here, because Lightning has moved the weights to their device and precision by now
        module.start_average(None if self.saved is None else self.saved["average"])
        if self.saved is not None:
            trainer.optimizers[0].load_state_dict(self.saved["optimizer"])
            if rank() == 0:
                restore_rng_state(self.saved["rng"])
            else:  # whose states no file has
                seed_everything(module.config.seed, module.progress.epoch, rank(), module.progress.step)
        elif rank() == 0:
            self.checkpoints.remove()
        if rank() == 0:
            self.csv.start(module.progress.step)
            self.tensorboard.start(module.progress.step)
            self.display.start(module.fraction_done)
        self.saved = None
        listen(module.progress)
        module.progress.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        progress = self.module.progress
        # the middle of an epoch goes on with the states that were restored
        if progress.batch == 0:
            seed_everything(self.module.config.seed, progress.epoch, rank())

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module, progress = self.module, self.module.progress
        if rank() == 0:
            self.display.step(progress.epoch, module.fraction_done, module.step_losses)
            if progress.step % module.config.log_every_steps == 0:
                losses = {f"train/{name}": value for name, value in module.step_losses.items()}
                self.tensorboard.add({**losses, "learning_rate": module.step_rate}, progress.step)
        if module.fraction_done >= 1:
            trainer.should_stop = True
        elif module.progress.interrupted:
            trainer.should_stop = True
            self.stopped = "interrupted"
        if rank() == 0 and (self.stopped or self.checkpoints.due):
            self.checkpoints.write(trainer.optimizers[0])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module, progress = self.module, self.module.progress
        if self.stopped == "interrupted":
            return  # in the middle of an epoch, which a resumed run completes
        progress.epoch, progress.batch = progress.epoch + 1, 0
        train = module.epoch_losses.means()
        module.epoch_losses = Totals()
        validation: dict[str, float] = {}
        module.tick()
        if module.fraction_done >= 1 or progress.epoch % module.config.validate_every_epochs == 0:
            validation = self._validate(trainer)
            module.tick()
        self.stopped = self._finished()
        if rank() == 0:
            self._log(train, validation)
            if self.stopped or self.checkpoints.due:
                self.checkpoints.write(trainer.optimizers[0])
        if self.stopped:
            trainer.should_stop = True

    def close(self) -> None:
        """Ends the display and the logs, also after an error."""
        self.display.stop()
        self.tensorboard.close()

    # -------------------------------------------------------------------------------------------- parts of an epoch

    def _validate(self, trainer: Trainer) -> dict[str, float]:
        """Scores the averaged weights, and takes them as the best if they are."""
        module, epoch = self.module, self.module.progress.epoch
        precision = trainer.precision_plugin.forward_context
        with nullcontext() if module.average is None else module.average.applied():
            metrics, score = validate(module.problem, self.validation, module.device, precision)
        if not math.isfinite(score):
            values = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            raise UserError(
                f"the validation score is {score} after epoch {epoch} ({values}); checkpoints written before are good. "
                "Check the validation data, or lower train.learning_rate."
            )
        improved = module.best.update(score, epoch)
        module.plateau.update(module.config, improved, epoch)
        if improved:
            self.checkpoints.keep_best(score)
        return {**metrics, "score": score}

    def _finished(self) -> str | None:
        """Why there is nothing more to do after this epoch, if so."""
        progress, config = self.module.progress, self.module.config
        if progress.batch:
            return None  # restored in the middle of an epoch
        if self.module.fraction_done >= 1:
            return "epochs" if progress.epoch >= config.epochs else "time"
        patience = config.early_stopping_epochs
        gave_up = patience is not None and progress.epoch - self.module.best.epoch >= patience
        return "early stopping" if gave_up else None

    def _log(self, train: Mapping[str, float], validation: Mapping[str, float]) -> None:
        module, progress = self.module, self.module.progress
        self.csv.add(
            {
                "epoch": progress.epoch,
                "step": progress.step,
                "seconds": round(progress.seconds, 3),
                "learning_rate": module.step_rate,
                **{f"train_{name}": value for name, value in train.items()},
                **{f"validation_{name}": value for name, value in validation.items()},
            }
        )
        self.tensorboard.add({f"validation/{name}": value for name, value in validation.items()}, progress.step)
        self.display.epoch(progress.epoch, 1.0 if self.stopped else module.fraction_done, train, validation)
