"""`fit`: trains a problem in a run's folder, from the start or from where a stopped run was."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.train.batches import Loaders
from sciml.train.config import Precision, TrainConfig
from sciml.train.interruption import handlers_restored
from sciml.train.precision import double
from sciml.train.problem import BatchSource, Problem
from sciml.train.progress import Progress

_LIGHTNING_PRECISION: dict[Precision, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "float32": "32-true",
    "float64": "64-true",
    "bf16-mixed": "bf16-mixed",
}


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        best_score: the smallest validation score, and `best_epoch` the epoch after which it came.
        epochs: epochs done, also a part of the last one.
        steps: optimiser steps done.
        seconds: wall-clock time of training and validation, over all resumed parts.
        stopped: "epochs", "time", "early stopping", or "interrupted" by a signal; only the last leaves work to resume.
    """

    best_score: float
    best_epoch: int
    epochs: int
    steps: int
    seconds: float
    stopped: str


def fit(problem: Problem, config: TrainConfig, run: Run, *, resume: bool = False) -> FitResult:
    """Trains `problem.network` in place and leaves it with the weights of the last step.

    Writes checkpoints/best.safetensors (to evaluate with) and last.safetensors, log.csv and tensorboard/ into the
    run's folder. The first Ctrl-C (or SIGTERM) ends training after the step under way and saves; the second at once.

    With `config.devices` > 1 Lightning starts this program once more for each further device, with LOCAL_RANK set.

    Args:
        problem: what to train.
        config: how to train.
        run: the folder.
        resume: go on from last.safetensors. Killed and resumed on a CPU, a run without `max_minutes`
            ends with the same weights, bit for bit, as one that was never stopped.

    Raises:
        UserError: too little data, a loss that is not finite, a full disk; to resume, a checkpoint that is missing, no
            good, or of other data.
        KeyboardInterrupt: a second Ctrl-C.
    """
    check_processes(problem, config)
    with _quiet(), _torch_settings(config):
        return _fit(problem, config, run, resume)


def check_processes(problem: Problem, config: TrainConfig) -> None:
    """Refuses more processes than the data are enough for, and an optimiser that the problem does not offer.

    Raises:
        UserError: fewer samples than processes, too few for a batch of each, or one of SECOND_ORDER without need.
    """
    if config.is_second_order and problem.second_order is None:
        raise UserError(
            f"`train.optimizer: {config.optimizer}` is for physics-informed networks. Take adam, adamw, soap or muon."
        )
    for name, data in (("training", problem.train_data), ("validation", problem.validation_data)):
        if len(data) < config.devices:
            raise UserError(
                f"training with {config.devices} process(es) needs as many {name} samples at least, but there are "
                f"{len(data)}. Give more data, or a larger validation share."
            )
    if isinstance(problem.train_data, BatchSource):
        problem.train_data.batches_per_epoch(config.batch_size, config.devices)


def _fit(problem: Problem, config: TrainConfig, run: Run, resume: bool) -> FitResult:
    # Lightning takes seconds to import
    from lightning.pytorch import Trainer
    from lightning.pytorch.strategies import DDPStrategy

    from sciml.train.checkpoints import load_state
    from sciml.train.course import Course
    from sciml.train.module import TrainingModule

    if config.precision == "float64":
        double(problem.network)  # before a checkpoint's weights come, which would be rounded otherwise
    progress = Progress()
    loaders = Loaders(problem, config, progress)
    module = TrainingModule(problem, config, progress, loaders.batches_per_epoch)
    course = Course(module, loaders.validation, run, load_state(run, problem.metadata) if resume else None)
    if not course.stopped:
        trainer = Trainer(
            callbacks=[course],
            accelerator=config.accelerator,
            devices=config.devices,
            # a loss without stress, say, may not reach all of a network's weights
            strategy=DDPStrategy(find_unused_parameters=True) if config.devices > 1 else "auto",
            precision=_LIGHTNING_PRECISION[config.precision],
            deterministic=config.deterministic,
            max_epochs=-1,  # the course decides when training ends
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        problem.network.train()
        try:
            with handlers_restored():
                trainer.fit(module, loaders.train)
        except SystemExit as stop:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from stop
        finally:
            course.close()
    assert course.stopped, "the course says why it ended"
    return FitResult(
        best_score=module.best.score,
        best_epoch=module.best.epoch,
        epochs=progress.epoch,
        steps=progress.step,
        seconds=progress.seconds,
        stopped=course.stopped,
    )


@contextmanager
def _torch_settings(config: TrainConfig) -> Iterator[None]:
    """Inside, torch has the config's threads; afterwards threads and determinism are as they were."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, Lightning keeps its tips and notices to itself; its errors still come."""
    import lightning.pytorch  # noqa: F401  sets its own log level when it is imported

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        # a hint on the speed of several processes, about layouts that a double derivative gives
        warnings.filterwarnings("ignore", message="Grad strides do not match")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
