"""report.html: the numbers of metrics.json, all sections, words for what is missing, nothing fetched or injected."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sciml.cli.main import main
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run
from sciml.pde.report import write_report

Files = Callable[..., Path]
SECTIONS = [
    "Errors",
    "Good to know",
    "Predicted and true fields",
    "Where the errors are",
    "Spectra",
    "What was trained on what",
    "Learning curves",
    "Reproduce",
]


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside == "h2":
            self.headings.append(data)
        self.inside = ""


@pytest.fixture
def run(heat_file: Files, tmp_path: Path) -> Callable[..., Run]:
    def make(**parts: Any) -> Run:
        shape = parts.pop("shape", {})
        raw = {
            "domain": "pde",
            "name": "a-run",
            "dataset": {"train": str(heat_file("a.nc", **shape)), "inputs": ["u"], "outputs": ["u"], "n_test": 3},
            "model": {"architecture": "fno", "modes": [4] * (2 if "n2" in shape else 1), "width": 4, "layers": 1},
            "train": {"epochs": 1, "warmup_steps": 0, "threads": 1},
            **parts,
        }
        (tmp_path / "experiment.yaml").write_text(dump_yaml(raw))
        assert main(["train", str(tmp_path / "experiment.yaml"), "--run", str(tmp_path / "run")]) == 0
        return Run(tmp_path / "run")

    return make


def test_a_map_along_a_line(run: Callable[..., Run]):
    made = run()
    page = made.report_file.read_text()
    read = Reader(page)
    assert read.headings == SECTIONS
    scores = made.scores()["test"]
    assert f'value="{scores["all"]["relative_l2_mean"]!r}"' in page
    assert f'value="{scores["baselines"]["persistence"]["u_rmse_K"]!r}"' in page
    assert f"sample {scores['worst_sample']}, the worst" in page
    # no script, and no address but those inside of the page
    assert not [tag for tag, _ in read.tags if tag in {"script", "link", "iframe"}]
    for tag, attributes in read.tags:
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)


def test_a_forecast_in_the_plane(run: Callable[..., Run]):
    made = run(rollout={"history": 2}, shape={"n_times": 6, "n2": 8})
    page = made.report_file.read_text()
    assert Reader(page).headings == [*SECTIONS[:2], "Error by time", *SECTIONS[2:]]
    # truth, prediction and error of the worst at four times, of the two others at the last, each with a colour bar
    assert page.count("data:image/png;base64,") >= 3 * (4 + 1 + 1)
    assert "forecast u from 2 frames, one frame at a time" in page


def test_what_is_missing_is_said(run: Callable[..., Run]):
    made = run()
    made.metrics_file.unlink()
    made.log_file.unlink()
    made.predictions("test").write_bytes(b"no checkpoint")
    page = write_report(made).read_text()
    assert Reader(page).headings == SECTIONS
    for words in ("not been evaluated yet", "no log of this training", "There are no predictions yet", "not a safe"):
        assert words in page
