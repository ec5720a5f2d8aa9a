"""How to train: every number that the trainer takes, checked when it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError

Precision = Literal["float32", "float64", "bf16-mixed"]
# methods with a step length of their own, of problems that offer them: no learning rate, clipping or average
SECOND_ORDER = ("levenberg-marquardt", "ssbroyden", "ssbfgs", "bfgs", "limited-ssbroyden", "l-bfgs")


@dataclass(frozen=True)
class TrainConfig:
    """The `train:` part of an experiment.

    Attributes:
        epochs: passes over the training data, at most.
        max_minutes: wall-clock budget. The schedule follows whichever is further, epochs or minutes, so that a cosine
            anneals fully within the budget on any machine; such a run is not reproducible bit for bit.
        batch_size: samples a step and process.
        learning_rate: the largest, after the warm-up.
        weight_decay: Adam's L2 penalty, or the decoupled one of AdamW, SOAP and Muon; matrices alone decay.
        optimizer: adam, adamw, or soap and muon, whose steps cost more and of which they need fewer. Physics-informed
            networks in float64 have levenberg-marquardt, ssbroyden, ssbfgs, bfgs, limited-ssbroyden and l-bfgs too,
            which choose their steps themselves: learning rate, schedule, clipping, decay and average do nothing then.
        schedule: constant; cosine (to minimum_learning_rate); plateau (times plateau_factor when the validation score
            has not improved for more than plateau_patience_epochs).
        warmup_steps: steps over which the learning rate grows linearly from zero.
        minimum_learning_rate: where cosine ends and below which plateau does not go.
        ema_decay: of the exponential moving average of the weights, which validation and the best checkpoint use;
            null turns it off.
        gradient_clip: largest norm of the gradient; null turns clipping off.
        early_stopping_epochs: stop when the validation score has not improved for so many epochs; null never stops.
        precision: float32, float64, or bf16-mixed (autocast to bfloat16, weights in float32).
        seed: of the weights, the shuffling and everything random.
        deterministic: refuse operations whose result may differ from run to run (slower).
        devices: processes, each with one device; they share a step, each with its own batch.
        accelerator: cpu, gpu, or auto (gpu when there is one).
        threads: CPU threads a process; null leaves torch's choice.
        workers: processes that prepare batches; 0 prepares them between the steps.
        validate_every_epochs: validation happens after every so many epochs and at the end.
        save_every_minutes: how much work a killed run may lose.
        log_every_steps: steps between two points in TensorBoard.
    """

    epochs: int = 100
    max_minutes: float | None = None
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    optimizer: Literal[
        "adam",
        "adamw",
        "soap",
        "muon",
        "levenberg-marquardt",
        "ssbroyden",
        "ssbfgs",
        "bfgs",
        "limited-ssbroyden",
        "l-bfgs",
    ] = "adam"
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_steps: int = 100
    minimum_learning_rate: float = 1e-6
    plateau_factor: float = 0.5
    plateau_patience_epochs: int = 10
    ema_decay: float | None = 0.999
    gradient_clip: float | None = 10.0
    early_stopping_epochs: int | None = None
    precision: Precision = "float32"
    seed: int = 0
    deterministic: bool = False
    devices: int = 1
    accelerator: Literal["cpu", "gpu", "auto"] = "cpu"
    threads: int | None = None
    workers: int = 0
    validate_every_epochs: int = 1
    save_every_minutes: float = 1.0
    log_every_steps: int = 50

    def __post_init__(self) -> None:
        check_ranges(
            "train",
            self,
            {
                "epochs": (1, math.inf),
                "max_minutes": (Excluded(0), math.inf),
                "batch_size": (1, math.inf),
                "learning_rate": (Excluded(0), 1e3),
                "weight_decay": (0, math.inf),
                "warmup_steps": (0, math.inf),
                "minimum_learning_rate": (0, math.inf),
                "plateau_factor": (Excluded(0), Excluded(1)),
                "plateau_patience_epochs": (0, math.inf),
                "ema_decay": (0, Excluded(1)),
                "gradient_clip": (Excluded(0), math.inf),
                "early_stopping_epochs": (1, math.inf),
                # torch's generators take seeds up to this
                "seed": (0, 2**63 - 1),
                "devices": (1, 4096),
                "threads": (1, 4096),
                "workers": (0, 4096),
                "validate_every_epochs": (1, math.inf),
                "save_every_minutes": (0, math.inf),
                "log_every_steps": (1, math.inf),
            },
        )
        if self.is_second_order and self.precision != "float64":
            raise UserError(f"`train.optimizer: {self.optimizer}` needs `train.precision: float64`.")
        if self.minimum_learning_rate > self.learning_rate:
            raise UserError(
                f"`train.minimum_learning_rate` needs to be at most learning_rate, {self.learning_rate:g}, but is "
                f"{self.minimum_learning_rate}."
            )

    @property
    def is_second_order(self) -> bool:
        """Whether the optimiser chooses its steps itself."""
        return self.optimizer in SECOND_ORDER
