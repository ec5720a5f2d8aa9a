"""`sciml train` on a domain of one line: folders, options, what is printed, resuming, several processes."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sciml.train.run
from sciml.cli import domains
from sciml.cli.main import main
from sciml.core.errors import UserError
from sciml.core.plain_yaml import parse_yaml
from sciml.core.runs import Run


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["train", *arguments]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


def test_a_run_from_start_to_report(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line", "--train.epochs=3"]) == 0
    out = capsys.readouterr().out
    run = Run.open(Path("runs/line"))
    record = run.record()
    assert record["status"] == "finished"
    assert record["epochs"] == 3
    assert record["parameters"] == 2
    assert record["command"], "this process's own, here pytest's"
    assert run.config()["train"]["epochs"] == 3
    assert run.config()["train"]["optimizer"] == "adam", "the defaults are written down too"
    table, after = out.split("report:")
    assert "y MAE (meV/atom)" in table
    assert "baseline" in table
    assert "3.00" in table
    assert "runs/line/report.html" in after
    assert "next:" in after
    for file in (run.best, run.last, run.log_file, run.metrics_file, run.report_file):
        assert file.is_file()


def test_print_config_is_complete_yaml_and_trains_nothing(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line", "--slope=5", "--print_config"]) == 0
    printed = parse_yaml(capsys.readouterr().out, "printed")
    assert printed["slope"] == 5
    assert printed["train"]["batch_size"] == 4
    assert "ema_decay" in printed["train"]
    assert not Path("runs").exists()


def test_the_printed_configuration_is_an_experiment(line: Path, capsys: pytest.CaptureFixture[str]):
    main(["train", "line", "--train.seed=3", "--print_config"])
    printed = capsys.readouterr().out
    Path("again.yaml").write_text(printed)
    assert main(["train", "again.yaml", "--print_config"]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["line", "--train.epoch=3"], "command line: `train.epoch` is not a key; did you mean `train.epochs`?"),
        (["line", "--train.epochs", "3"], "`--train.epochs` needs a value, as --train.epochs=VALUE"),
        (["line", "--train.learning_rate=-1"], "command line: `train.learning_rate` needs to be more than 0"),
        (["line", "--overwrit"], "sciml train has no `--overwrit`; did you mean `--overwrite`?"),
        (["line", "--resum=runs/line"], "sciml train has no `--resum=runs/line`; did you mean `--resume`?"),
        (["lime"], "there is no experiment `lime`; did you mean `line`?"),
        (["absent.yaml"], "absent.yaml: no such file"),
        (["line", "other"], "takes one experiment, but `other` came besides `line`"),
        (["line", "--domain=lines"], "`domain` must be one of materials, weather, pde, pinn, line, but is 'lines'"),
        (["--resume", "runs/none"], "there is no run at runs/none"),
        (["--resume", "runs/none", "line"], "leave out `line`"),
        (["--resume", "runs/none", "--slope=3"], "leave out `--slope=3`"),
        (["--resume", "runs/none", "--overwrite"], "leave out `--overwrite`"),
    ],
)
def test_each_mistake_is_one_line(line: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert said in refusal(capsys, *arguments)
    assert not Path("runs").exists()


def test_an_existing_run_is_refused_then_replaced(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line", "--run", "here"]) == 0
    marker = Path("here/notes.txt")
    marker.write_text("mine")
    capsys.readouterr()
    assert "here holds a run already" in refusal(capsys, "line", "--run", "here")
    assert marker.exists()
    assert main(["train", "line", "--run", "here", "--overwrite"]) == 0
    assert not marker.exists()


def test_the_home_folder_in_paths_of_runs(line: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(home := tmp_path / "home"))
    assert main(["train", "line", "--run", "~/a"]) == 0
    assert (home / "a" / "run.json").is_file()
    assert not Path("~").exists()
    for verb in ("evaluate", "report"):
        assert main([verb, "~/a"]) == 0


def test_a_broken_build_leaves_no_run_and_keeps_the_old_one(line: Path, monkeypatch: pytest.MonkeyPatch):
    assert main(["train", "line"]) == 0
    before = Path("runs/line/run.json").read_bytes()

    def refuse(config: Any) -> None:
        raise ValueError("no data")

    monkeypatch.setattr("line_domain.build", refuse)
    for arguments in (["line", "--overwrite"], ["line", "--run", "other"]):
        with pytest.raises(ValueError, match="no data"):
            main(["train", *arguments])
    assert Path("runs/line/run.json").read_bytes() == before
    assert not Path("other").exists()


def test_ctrl_c_saves_and_says_how_to_resume(
    line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    build, calls = domains.load_domain({"domain": "line"}, "").build, 0

    def build_that_is_interrupted(config: Any) -> Any:
        problem = build(config)

        def loss(network: Any, batch: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return problem.loss(network, batch)

        return replace(problem, loss=loss)

    monkeypatch.setattr("line_domain.build", build_that_is_interrupted)
    assert main(["train", "line", "--train.epochs=5"]) == 130
    assert "sciml: interrupted; `sciml train --resume runs/line` continues it." in capsys.readouterr().err
    assert Run.open(Path("runs/line")).record()["status"] == "interrupted"
    assert main(["train", "--resume", "runs/line"]) == 0
    assert Run.open(Path("runs/line")).record()["status"] == "finished"
    assert Run.open(Path("runs/line")).record()["epochs"] == 5
    assert "runs/line/report.html" in capsys.readouterr().out


def test_a_second_ctrl_c_stops_at_once_and_is_recorded(
    line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    build = domains.load_domain({"domain": "line"}, "").build

    def build_that_is_interrupted(config: Any) -> Any:
        def loss(network: Any, batch: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("training goes on")

        return replace(build(config), loss=loss)

    monkeypatch.setattr("line_domain.build", build_that_is_interrupted)
    assert main(["train", "line"]) == 130
    assert "sciml: interrupted; nothing was saved yet." in capsys.readouterr().err
    record = Run.open(Path("runs/line")).record()
    assert (record["status"], record["stopped"]) == ("interrupted", "interrupted")


def test_a_run_that_cannot_be_resumed_stays_and_the_remedy_works(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line", "--run", "here"]) == 0
    run = Run.open(Path("here"))
    run.last.unlink()
    before = run.record_file.read_bytes(), run.best.read_bytes()
    err = refusal(capsys, "--resume", "here")
    assert "here cannot be continued: it has no checkpoints/last.safetensors" in err
    assert (run.record_file.read_bytes(), run.best.read_bytes()) == before
    command = err.split("`")[1]
    assert command == "sciml train here/config.yaml --run here --overwrite"
    assert main(command.split()[1:]) == 0
    assert run.last.is_file()


def test_a_run_that_fails_says_so_and_why(
    line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    build = domains.load_domain({"domain": "line"}, "").build
    errors = iter([UserError("the loss is nan"), RuntimeError("out of memory")])

    def build_that_fails(config: Any) -> Any:
        def loss(network: Any, batch: Any) -> Any:
            raise next(errors)

        return replace(build(config), loss=loss)

    monkeypatch.setattr("line_domain.build", build_that_fails)
    run = Run(Path("runs/line"))
    assert "the loss is nan" in refusal(capsys, "line")
    assert (run.record()["status"], run.record()["stopped"]) == ("failed", "the loss is nan")
    with pytest.raises(RuntimeError, match="out of memory"):
        main(["train", "line", "--overwrite"])
    assert (run.record()["status"], run.record()["stopped"]) == ("failed", "out of memory")
    monkeypatch.setattr("line_domain.build", build)
    assert main(["train", "line", "--overwrite"]) == 0
    assert (run.record()["status"], run.record()["stopped"]) == ("finished", "epochs")


def test_a_damaged_record_is_one_line(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line"]) == 0
    Path("runs/line/run.json").write_text("[]")
    capsys.readouterr()
    assert "run.json should hold a JSON object, but is a list" in refusal(capsys, "--resume", "runs/line")


def test_resuming_a_finished_run_scores_it_again(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "line"]) == 0
    Path("runs/line/metrics.json").unlink()
    capsys.readouterr()
    assert main(["train", "--resume", "runs/line"]) == 0
    assert json.loads(Path("runs/line/metrics.json").read_text())["splits"]["test"]


def test_a_helping_process_writes_and_prints_nothing(
    line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    trained = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(sciml.train.run, "fit", lambda *arguments, **options: trained.append(arguments))
    assert main(["train", "line", "--overwrite"]) == 0
    assert len(trained) == 1
    assert not Path("runs").exists()
    assert capsys.readouterr().out == ""


def test_a_package_that_is_missing_is_named_with_its_extra(
    line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(domains.DOMAINS, "line", "no_such_package.experiment")
    assert "line needs the package no_such_package" in refusal(capsys, "line")
    monkeypatch.setitem(domains.DOMAINS, "line", "sciml.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        main(["train", "line"])
