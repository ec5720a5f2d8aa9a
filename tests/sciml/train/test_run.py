"""`fit`: it learns, stops when it should, leaves the right files, and goes on exactly where it was stopped."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sciml.core.checkpoint import load_checkpoint, load_weights, network_tensors
from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem
from sciml.train.run import fit

NewRun = Callable[[str], Run]

# 20 samples in batches of 8: three steps an epoch, the last one of four samples
QUICK = TrainConfig(epochs=4, learning_rate=0.01, warmup_steps=3, threads=1, ema_decay=0.9)


def rows(run: Run) -> list[dict[str, str]]:
    with run.log_file.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def after_steps(problem: Problem, steps: int, act: Callable[[dict[str, Tensor]], None]) -> Problem:
    """The problem with something that happens in the loss of one step, counted from 1."""
    count = 0

    def loss(network: nn.Module, batch: Any) -> dict[str, Tensor]:
        nonlocal count
        losses = problem.loss(network, batch)
        count += network.training
        if count == steps and network.training:
            act(losses)
        return losses

    return dataclasses.replace(problem, loss=loss)


def assert_same_end(unbroken: Run, resumed: Run) -> None:
    """Bit for bit the same weights, averages, moments and random states; the same log but for the time it took."""
    for name in ("best", "last"):
        expected, expected_metadata = load_checkpoint(getattr(unbroken, name))
        found, found_metadata = load_checkpoint(getattr(resumed, name))
        assert expected.keys() == found.keys()
        for key, tensor in expected.items():
            assert torch.equal(found[key], tensor), f"{key} of {name} differs"
        assert found_metadata["training"] == expected_metadata["training"]
    for expected_row, row in zip(rows(unbroken), rows(resumed), strict=True):
        assert {**expected_row, "seconds": ""} == {**row, "seconds": ""}


# ------------------------------------------------------------------------------------------------ what it learns


def test_learns_and_writes_what_it_says(toy: ModuleType, new_run: NewRun, capfd: pytest.CaptureFixture[str]) -> None:
    run, problem = new_run("a"), toy.make_problem(dropout=0.0)
    result = fit(problem, dataclasses.replace(QUICK, epochs=40, log_every_steps=10), run)
    assert (result.epochs, result.steps, result.stopped) == (40, 120, "epochs")

    log = rows(run)
    assert list(log[0]) == [
        *("epoch", "step", "seconds", "learning_rate", "train_loss", "train_energy", "train_force"),
        *("validation_energy_mae", "validation_force_rmse", "validation_score"),
    ]
    assert [int(row["epoch"]) for row in log] == list(range(1, 41))
    assert float(log[-1]["train_loss"]) < 0.3 * float(log[0]["train_loss"])
    scores = [float(row["validation_score"]) for row in log]
    assert result.best_score == min(scores) == scores[result.best_epoch - 1]
    assert float(log[-1]["learning_rate"]) < 2e-5, "the cosine ends near its minimum, 1e-6"

    tensors, metadata = load_checkpoint(run.best)
    assert metadata["domain"] == "toy"
    assert metadata["training"] == {
        "epoch": result.best_epoch,
        "step": 3 * result.best_epoch,
        "precision": "float32",
        "score": result.best_score,
    }
    # the best checkpoint holds the weights that gave the best score
    load_weights(problem.network, tensors, run.best)
    problem.network.eval()
    sums = [problem.metrics(problem.network, toy.collate([sample]))["force_rmse"] for sample in problem.validation_data]
    again = math.sqrt(sum(float(total) for total, _ in sums) / sum(float(count) for _, count in sums))
    assert again == pytest.approx(result.best_score, rel=1e-5)  # float32, summed in another order

    assert network_tensors(load_checkpoint(run.last)[0]).keys() == tensors.keys()
    assert sorted(entry.name for entry in run.checkpoint_dir.iterdir()) == ["best.safetensors", "last.safetensors"]
    assert any(entry.stat().st_size > 0 for entry in run.tensorboard_dir.iterdir())
    printed = capfd.readouterr()
    assert printed.err == "", "Lightning's notices are not for the user"
    assert printed.out.splitlines()[-1].startswith("epoch 40/40  loss ")
    assert len(printed.out.splitlines()) <= 3, "off a terminal, at most a line in ten seconds"


def test_tensorboard_curves(toy: ModuleType, new_run: NewRun) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = new_run("a")
    fit(toy.make_problem(), dataclasses.replace(QUICK, log_every_steps=4), run)
    curves = EventAccumulator(str(run.tensorboard_dir))
    curves.Reload()
    assert [point.step for point in curves.Scalars("train/force")] == [4, 8, 12]
    assert [point.step for point in curves.Scalars("validation/force_rmse")] == [3, 6, 9, 12]


def test_average_of_validation_does_not_depend_on_batches(toy: ModuleType, new_run: NewRun) -> None:
    """The first validation, after one step of one batch with everything in it, in batches of 7 and, by loss, of 20."""
    problem = toy.make_problem(dropout=0.0)
    whole = dataclasses.replace(problem, train_data=problem.train_data[:2])
    scores = {}
    for batch_size in (2, 7):
        config = dataclasses.replace(QUICK, epochs=1, batch_size=batch_size)
        fit(
            dataclasses.replace(whole, network=toy.make_problem(dropout=0.0).network),
            config,
            run := new_run(f"{batch_size}"),
        )
        scores[batch_size] = {name: float(value) for name, value in rows(run)[0].items() if "validation" in name}
    # float32 sums in another order
    assert scores[2] == pytest.approx(scores[7], rel=1e-5)


def test_score_by_loss(toy: ModuleType, new_run: NewRun) -> None:
    run, problem = new_run("a"), toy.make_problem(dropout=0.0, score="loss")
    result = fit(problem, dataclasses.replace(QUICK, epochs=1, ema_decay=None), run)
    problem.network.eval()
    expected = toy.loss(problem.network, toy.collate(problem.validation_data))["loss"].item()
    assert result.best_score == pytest.approx(expected, rel=1e-5)  # float32, in batches


@pytest.mark.parametrize("precision", ["float64", "bf16-mixed"])
def test_precision(toy: ModuleType, new_run: NewRun, precision: Any) -> None:
    """Forces are derivatives inside of the loss, in any precision; all precisions go about the same way."""
    reference = toy.make_problem(dropout=0.0)
    config = dataclasses.replace(QUICK, epochs=10)
    single = fit(reference, config, new_run("single"))
    run, problem = new_run("other"), toy.make_problem(dropout=0.0)
    other = fit(problem, dataclasses.replace(config, precision=precision), run)
    weights = network_tensors(load_checkpoint(run.best)[0])
    assert {tensor.dtype for tensor in weights.values()} == {torch.float64 if precision == "float64" else torch.float32}
    # bfloat16 has eight bits, 0.4 per cent, and errors of thirty steps add up
    assert other.best_score == pytest.approx(single.best_score, rel=1e-4 if precision == "float64" else 0.05)
    assert other.best_score != single.best_score


def test_bf16_gradients_of_forces_reach_all_weights(toy: ModuleType, new_run: NewRun) -> None:
    """Autocast's cache of weights made without gradients once cut such graphs; the force alone must train them."""
    problem = toy.make_problem(dropout=0.0)

    def force_only(network: nn.Module, batch: Any) -> dict[str, Tensor]:
        return {"loss": toy.loss(network, batch)["force"]}

    before = {name: tensor.clone() for name, tensor in problem.network.state_dict().items()}
    fit(
        dataclasses.replace(problem, loss=force_only),
        dataclasses.replace(QUICK, epochs=2, precision="bf16-mixed"),
        new_run("a"),
    )
    changed = {name for name, tensor in problem.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == set(before) - {"layers.5.bias"}, "an energy's constant has no force"


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "soap", "muon"])
def test_every_schedule_and_optimiser(toy: ModuleType, new_run: NewRun, optimizer: Any) -> None:
    for schedule in ("constant", "plateau"):
        config = dataclasses.replace(
            QUICK, schedule=schedule, optimizer=optimizer, weight_decay=0.01, ema_decay=None, plateau_patience_epochs=0
        )
        fit(toy.make_problem(), config, run := new_run(f"{schedule}-{optimizer}"))
        assert float(rows(run)[0]["learning_rate"]) == 0.01


def test_complex_weights(toy: ModuleType, new_run: NewRun) -> None:
    """Spectral layers have complex weights."""

    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, dtype=torch.complex64))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            force = (x * self.weight).real
            return force.sum(-1), force

    run = new_run("a")
    problem = dataclasses.replace(toy.make_problem(), network=Spectral())
    fit(problem, dataclasses.replace(QUICK, epochs=2), run)
    fit(problem, QUICK, run, resume=True)
    assert load_checkpoint(run.best)[0]["weight"].is_complex()


def test_torch_is_left_as_it_was(toy: ModuleType, new_run: NewRun) -> None:
    fit(toy.make_problem(), dataclasses.replace(QUICK, epochs=1, deterministic=True, precision="float64"), new_run("a"))
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ------------------------------------------------------------------------------------------------ when it stops


def test_early_stopping(toy: ModuleType, new_run: NewRun) -> None:
    problem = toy.make_problem()
    scores = iter([3.0, 2.0, 2.0, 2.5, 2.0])
    problem = dataclasses.replace(problem, validation_loss=lambda averages: next(scores))
    result = fit(problem, dataclasses.replace(QUICK, epochs=100, early_stopping_epochs=3), new_run("a"))
    assert (result.stopped, result.epochs, result.best_epoch) == ("early stopping", 5, 2)


def test_budget_of_time(toy: ModuleType, new_run: NewRun) -> None:
    """The cosine is through when the time is, whatever the number of epochs."""
    run, budget_s = new_run("a"), 1.0
    config = dataclasses.replace(QUICK, epochs=10**6, max_minutes=budget_s / 60)
    result = fit(toy.make_problem(), config, run)
    assert result.stopped == "time"
    # a step and a validation of seven samples after the budget, on a busy machine
    assert budget_s <= result.seconds < budget_s + 2
    rates = [float(row["learning_rate"]) for row in rows(run)]
    assert rates[-1] < 0.002, "the last step began before the end, and had a rate near the minimum"
    assert rates == sorted(rates[:1]) + sorted(rates[1:], reverse=True)

    again = fit(toy.make_problem(), config, run, resume=True)
    assert again == result, "there is no time left to go on"


def test_validation_every_few_epochs_and_at_the_end(toy: ModuleType, new_run: NewRun) -> None:
    run = new_run("a")
    fit(toy.make_problem(), dataclasses.replace(QUICK, epochs=5, validate_every_epochs=2), run)
    assert [bool(row["validation_score"]) for row in rows(run)] == [False, True, False, True, True]


# ------------------------------------------------------------------------------------------------ going on


@pytest.fixture(scope="module")
def unbroken(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Dropout, averaging, plateau and early-stopping states all matter for how this ends."""
    run = Run.create(tmp_path_factory.mktemp("unbroken") / "run", {})
    fit(toy.make_problem(score="worse"), RESUMABLE, run)
    return run


RESUMABLE = dataclasses.replace(
    QUICK, epochs=6, schedule="plateau", plateau_patience_epochs=0, early_stopping_epochs=5, validate_every_epochs=2
)


def test_same_seed_same_end(toy: ModuleType, new_run: NewRun, unbroken: Run) -> None:
    torch.rand(5)  # what the generators did before does not matter
    fit(toy.make_problem(score="worse"), RESUMABLE, again := new_run("a"))
    assert_same_end(unbroken, again)
    fit(toy.make_problem(score="worse"), dataclasses.replace(RESUMABLE, seed=1), other := new_run("b"))
    weights, other_weights = load_checkpoint(again.last)[0], load_checkpoint(other.last)[0]
    assert any(not torch.equal(tensor, other_weights[name]) for name, tensor in weights.items())


def test_killed_and_resumed(toy: ModuleType, toy_file: Path, new_run: NewRun, unbroken: Run) -> None:
    """SIGKILL leaves a process no time for anything, here in the middle of an epoch."""
    run = new_run("a")
    config = dataclasses.asdict(dataclasses.replace(RESUMABLE, save_every_minutes=0.0))
    program = (
        "import runpy, sys, time, torch\n"
        "step = torch.optim.Adam.step\n"
        "def slow(*arguments, **keywords):\n"
        "    time.sleep(0.2)\n"
        "    return step(*arguments, **keywords)\n"
        "torch.optim.Adam.step = slow\n"
        f"sys.argv = {['toy.py', str(run.path), json.dumps(config), json.dumps({'score': 'worse'})]!r}\n"
        f"runpy.run_path({str(toy_file)!r}, run_name='__main__')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    # after the first epoch's row there is a checkpoint after each step; wait for one in the second epoch's middle
    while not (run.log_file.is_file() and len(rows(run)) >= 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = load_checkpoint(run.last)[1]["training"]["step"]
    assert 3 < done < 18

    result = fit(toy.make_problem(score="worse"), RESUMABLE, run, resume=True)
    assert result.steps == 18
    assert_same_end(unbroken, run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 9, 11, 16])
def test_interrupted_and_resumed(
    toy: ModuleType, new_run: NewRun, unbroken: Run, number: signal.Signals, step: int
) -> None:
    """Ctrl-C ends the step under way and saves: the first, an epoch's last, one in the middle, one past a plateau."""
    run = new_run("a")
    problem = after_steps(toy.make_problem(score="worse"), step, lambda losses: os.kill(os.getpid(), number))
    result = fit(problem, RESUMABLE, run)
    assert (result.stopped, result.steps) == ("interrupted", step)
    fit(toy.make_problem(score="worse"), RESUMABLE, run, resume=True)
    assert_same_end(unbroken, run)


def test_interrupted_and_resumed_with_soap(toy: ModuleType, new_run: NewRun) -> None:
    """Its eigenvectors and moments come back too; step 10 corrects the eigenvectors."""
    config = dataclasses.replace(RESUMABLE, optimizer="soap")
    fit(toy.make_problem(), config, unbroken := new_run("a"))
    run = new_run("b")
    fit(after_steps(toy.make_problem(), 9, lambda losses: os.kill(os.getpid(), signal.SIGINT)), config, run)
    fit(toy.make_problem(), config, run, resume=True)
    assert_same_end(unbroken, run)


def with_sources(toy: ModuleType, problem: Problem) -> Problem:
    return dataclasses.replace(
        problem,
        train_data=toy.Source(problem.train_data),
        validation_data=toy.Source(problem.validation_data),
        collate=None,
    )


def test_data_that_make_their_own_batches(toy: ModuleType, new_run: NewRun, unbroken: Run) -> None:
    """The same batches give the same weights, also when stopped in the middle of an epoch."""
    fit(with_sources(toy, toy.make_problem(score="worse")), RESUMABLE, whole := new_run("whole"))
    assert_same_end(unbroken, whole)
    problem = after_steps(toy.make_problem(score="worse"), 8, lambda losses: os.kill(os.getpid(), signal.SIGINT))
    fit(with_sources(toy, problem), RESUMABLE, run := new_run("a"))
    fit(with_sources(toy, toy.make_problem(score="worse")), RESUMABLE, run, resume=True)
    assert_same_end(unbroken, run)


def test_a_source_in_double_precision(toy: ModuleType, new_run: NewRun) -> None:
    config = dataclasses.replace(QUICK, precision="float64")
    fit(toy.make_problem(), config, of_samples := new_run("samples"))
    fit(with_sources(toy, toy.make_problem()), config, of_source := new_run("source"))
    assert_same_end(of_samples, of_source)


def test_the_loss_hears_how_far_training_is(toy: ModuleType, new_run: NewRun) -> None:
    heard: list[float] = []
    fit(dataclasses.replace(toy.make_problem(), on_progress=heard.append), QUICK, new_run("a"))
    steps = len(heard)
    assert heard == [step / steps for step in range(steps)]


def test_interrupted_between_steps(toy: ModuleType, new_run: NewRun, unbroken: Run) -> None:
    """SIGTERM in the middle of a validation: it is done with, logged, and the next step is the last."""
    run, problem = new_run("a"), toy.make_problem(score="worse")
    asked = False

    def metrics(network: nn.Module, batch: Any) -> dict[str, tuple[Tensor, Tensor]]:
        nonlocal asked
        if not asked:
            os.kill(os.getpid(), signal.SIGTERM)
            asked = True
        return problem.metrics(network, batch)

    result = fit(dataclasses.replace(problem, metrics=metrics), RESUMABLE, run)
    assert (result.stopped, result.steps) == ("interrupted", 7)
    fit(toy.make_problem(score="worse"), RESUMABLE, run, resume=True)
    assert_same_end(unbroken, run)


def test_second_interrupt_ends_at_once(toy: ModuleType, new_run: NewRun) -> None:
    def twice(losses: dict[str, Tensor]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(after_steps(toy.make_problem(), 5, twice), QUICK, new_run("a"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_double_precision_resumes_exactly(toy: ModuleType, new_run: NewRun) -> None:
    config = dataclasses.replace(QUICK, precision="float64")
    fit(toy.make_problem(), config, whole := new_run("whole"))
    run = new_run("a")
    fit(after_steps(toy.make_problem(), 4, lambda losses: os.kill(os.getpid(), signal.SIGINT)), config, run)
    fit(toy.make_problem(), config, run, resume=True)
    assert_same_end(whole, run)


def test_finished_run_stays_as_it_is_and_more_epochs_go_on(toy: ModuleType, new_run: NewRun) -> None:
    run = new_run("a")
    config = dataclasses.replace(QUICK, schedule="constant")
    first = fit(toy.make_problem(), dataclasses.replace(config, epochs=2), run)
    before = run.last.read_bytes(), run.log_file.read_bytes()
    assert fit(toy.make_problem(), dataclasses.replace(config, epochs=2), run, resume=True) == first
    assert (run.last.read_bytes(), run.log_file.read_bytes()) == before
    fit(toy.make_problem(), config, run, resume=True)
    fit(toy.make_problem(), config, whole := new_run("whole"))
    assert_same_end(whole, run)


def test_resume_without_a_checkpoint_is_refused_and_keeps_the_best(toy: ModuleType, new_run: NewRun) -> None:
    run = new_run("a")
    fit(toy.make_problem(), dataclasses.replace(QUICK, epochs=1), run)
    run.last.unlink()
    best, log = run.best.read_bytes(), run.log_file.read_bytes()
    with pytest.raises(UserError, match=r"it has no checkpoints/last\.safetensors\. Train again .* --overwrite"):
        fit(toy.make_problem(), QUICK, run, resume=True)
    assert (run.best.read_bytes(), run.log_file.read_bytes()) == (best, log)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_fingerprint": "b"}, "`data_fingerprint` of last"),
        ({"elements": ["Si"]}, "`elements` of last"),
        ({"elements": ["Ge"], "data_fingerprint": "b"}, "`data_fingerprint`, `elements` of last"),
        ({"normalisation": {"scale_ev": 0.5001, "references_ev": [0.0, 1.0]}}, "`normalisation` of last"),
        ({"normalisation": {"scale_ev": 0.5}}, "`normalisation` of last"),
        ({"architecture": "schnet"}, "`architecture` of last"),
        ({"model": {"channels": 9}}, "`model` of last"),
    ],
)
def test_resume_refuses_other_data_and_another_model(
    toy: ModuleType, new_run: NewRun, changes: dict[str, Any], named: str
) -> None:
    run, metadata = new_run("a"), LASTING
    fit(dataclasses.replace(toy.make_problem(), metadata=metadata), dataclasses.replace(QUICK, epochs=1), run)
    before = run.last.read_bytes()
    with pytest.raises(UserError, match=f"{named}.* Put back those that it was trained with. .*--overwrite"):
        fit(dataclasses.replace(toy.make_problem(), metadata={**metadata, **changes}), QUICK, run, resume=True)
    assert run.last.read_bytes() == before


LASTING = {
    "data_fingerprint": "a",
    "elements": ["Si", "O"],
    "normalisation": {"scale_ev": 0.5, "references_ev": [0.0, 1.0]},
    "architecture": "painn",
    "model": {"channels": 8},
}


def test_resume_takes_rounding_tuples_and_what_only_one_side_says(toy: ModuleType, new_run: NewRun) -> None:
    run = new_run("a")
    fit(dataclasses.replace(toy.make_problem(), metadata=LASTING), dataclasses.replace(QUICK, epochs=1), run)
    present = {
        "elements": ("Si", "O"),
        "normalisation": {"scale_ev": 0.5 + 1e-9, "references_ev": [-1e-16, 1]},
        "notes": ["new"],
    }
    assert fit(dataclasses.replace(toy.make_problem(), metadata=present), QUICK, run, resume=True).epochs == 4


def test_resume_reads_no_pickle(toy: ModuleType, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run("a")
    fit(toy.make_problem(), dataclasses.replace(QUICK, epochs=1), run)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, forbidden)
    assert fit(toy.make_problem(), QUICK, run, resume=True).epochs == 4


def test_resume_refuses_another_network_and_weights_alone(toy: ModuleType, new_run: NewRun) -> None:
    run = new_run("a")
    fit(toy.make_problem(), dataclasses.replace(QUICK, epochs=1), run)
    with pytest.raises(UserError, match=r"needs shape \(16, 2\), but has \(8, 2\)"):
        fit(toy.make_problem(width=16), QUICK, run, resume=True)
    run.last.write_bytes(run.best.read_bytes())
    with pytest.raises(UserError, match="has weights only"):
        fit(toy.make_problem(), QUICK, run, resume=True)


# ------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("term", ["force", "loss"])
def test_loss_that_is_not_finite(toy: ModuleType, new_run: NewRun, term: str) -> None:
    run, problem = new_run("a"), toy.make_problem()

    def spoil(losses: dict[str, Tensor]) -> None:
        losses[term] = losses[term] * math.nan
        losses["loss"] = losses["loss"] + losses[term]

    config = dataclasses.replace(QUICK, save_every_minutes=0.0)
    with pytest.raises(UserError, match=rf"the loss term `{term}` is nan in epoch 2, step 5;"):
        fit(after_steps(problem, 5, spoil), config, run)
    assert load_checkpoint(run.last)[1]["training"]["step"] == 4
    assert all(tensor.isfinite().all() for tensor in problem.network.state_dict().values())
    assert fit(toy.make_problem(), config, run, resume=True).steps == 12, "the last checkpoint is good"


def test_gradient_that_is_not_finite(toy: ModuleType, new_run: NewRun) -> None:
    run, problem = new_run("a"), toy.make_problem()

    def spoil(losses: dict[str, Tensor]) -> None:
        losses["loss"] = losses["loss"] + (0 * losses["loss"]).sqrt()

    with pytest.raises(UserError, match=r"the gradient of the loss is nan in epoch 2, step 5, though"):
        fit(after_steps(problem, 5, spoil), dataclasses.replace(QUICK, save_every_minutes=0.0), run)
    # also where nothing is clipped
    config = dataclasses.replace(QUICK, save_every_minutes=0.0, gradient_clip=None)
    with pytest.raises(UserError, match=r"the gradient of the loss is nan in epoch 2, step 5, though"):
        fit(after_steps(toy.make_problem(), 5, spoil), config, new_run("b"))


def test_score_that_is_not_finite(toy: ModuleType, new_run: NewRun) -> None:
    problem = dataclasses.replace(toy.make_problem(), validation_loss=lambda averages: math.nan)
    with pytest.raises(UserError, match=r"the validation score is nan after epoch 1 \(energy_mae"):
        fit(problem, QUICK, new_run("a"))


def test_no_data(toy: ModuleType, new_run: NewRun) -> None:
    problem = toy.make_problem()
    with pytest.raises(UserError, match="as many validation samples at least, but there are 0"):
        fit(dataclasses.replace(problem, validation_data=[]), QUICK, new_run("a"))


def test_full_disk_while_curves_are_written(toy: ModuleType, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard writes in a thread of its own, whose error comes a little later."""
    run = new_run("a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(losses: dict[str, Tensor]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))

    config = dataclasses.replace(QUICK, epochs=200, log_every_steps=1)
    try:
        with pytest.raises(UserError, match=r"cannot write .*: File too large\. Free some space"):
            fit(after_steps(toy.make_problem(), 5, fill), config, run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_keeps_the_last_checkpoint(toy: ModuleType, new_run: NewRun) -> None:
    """From step 5 on the system takes no file as large as a checkpoint (80 kB), only logs."""
    run = new_run("a")
    problem = toy.make_problem(width=64)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(losses: dict[str, Tensor]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))

    try:
        with pytest.raises(UserError, match=r"cannot write .*last\.safetensors: File too large\. Free some space"):
            fit(after_steps(problem, 5, fill), dataclasses.replace(QUICK, save_every_minutes=0.0), run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_checkpoint(run.last)[1]["training"]["step"] == 4
    assert sorted(entry.name for entry in run.checkpoint_dir.iterdir()) == ["best.safetensors", "last.safetensors"]
    assert fit(toy.make_problem(width=64), QUICK, run, resume=True).steps == 12
