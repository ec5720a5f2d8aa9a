"""What is printed, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sciml.train import progress_bar
from sciml.train.progress_bar import ProgressDisplay


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress_bar, "time", clock)
    return clock


def shown(clock: Clock, terminal: bool) -> list[str]:
    """Ten epochs of four seconds with ten steps each."""
    output = io.StringIO()
    display = ProgressDisplay(10, Console(file=output, force_terminal=terminal, width=110))
    display.start(0.0)
    for epoch in range(1, 11):
        for step in range(1, 11):
            clock.now += 0.4
            display.step(epoch - 1, (epoch - 1 + step / 10) / 10, {"loss": 0.125})
        display.epoch(epoch, epoch / 10, {"loss": 0.25}, {"forces_mae": 0.5 / epoch})
    display.stop()
    return output.getvalue().replace("\r", "\n").splitlines()


def test_plain_lines_now_and_then(clock: Clock) -> None:
    assert shown(clock, terminal=False) == [
        "epoch 1/10  loss 0.25  forces mae 0.5  36.0 s left",
        "epoch 4/10  loss 0.25  forces mae 0.125  24.0 s left",
        "epoch 7/10  loss 0.25  forces mae 0.07143  12.0 s left",
        "epoch 10/10  loss 0.25  forces mae 0.05  done",
    ]


def test_live_line_on_a_terminal(clock: Clock) -> None:
    lines = shown(clock, terminal=True)
    assert any("5/10" in line and "loss 0.125  forces mae 0.1" in line and "left" in line for line in lines)
    # 40 s at a redraw in 0.5 s and one an epoch; a line of rich's comes with lines of control codes
    assert sum("left" in line for line in lines) <= 90


def test_a_label_that_the_data_lack_is_left_out(clock: Clock) -> None:
    output = io.StringIO()
    display = ProgressDisplay(10, Console(file=output, force_terminal=False))
    display.start(0.0)
    display.epoch(10, 1.0, {"loss": 1.0}, {"energy_mae": 0.5, "forces_mae": float("nan")})
    assert output.getvalue() == "epoch 10/10  loss 1  energy mae 0.5  done\n"


def test_a_resumed_run_counts_its_own_speed(clock: Clock) -> None:
    output = io.StringIO()
    display = ProgressDisplay(10, Console(file=output, force_terminal=False))
    display.start(0.5)
    clock.now += 10
    display.epoch(6, 0.6, {"loss": 1.0}, {})
    assert "40.0 s left" in output.getvalue(), "ten seconds a tenth, and four tenths to go"
