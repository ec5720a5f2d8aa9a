"""`sciml evaluate`, `predict` and `report` on a run of the one-line domain."""

from pathlib import Path

import pytest

from sciml.cli.main import main
from sciml.core.runs import Run


@pytest.fixture
def trained(line: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["train", "line"]) == 0
    capsys.readouterr()
    return "runs/line"


def test_evaluate_prints_the_split_or_the_file(trained: str, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", trained]) == 0
    assert "test split" in capsys.readouterr().out
    Path("other.csv").write_text("")
    assert main(["evaluate", trained, "--data", "other.csv"]) == 0
    assert "other" in capsys.readouterr().out


def test_predict_writes_the_output(trained: str, capsys: pytest.CaptureFixture[str]):
    Path("input.txt").write_text("1 2 3")
    assert main(["predict", trained, "input.txt", "-o", "output.txt"]) == 0
    assert capsys.readouterr().out == "output.txt: predicted\n"
    assert Path("output.txt").read_text() == "1 2 3"
    Path("input.txt").write_text("4")
    assert main(["predict", trained, "input.txt", "-o", "output.txt"]) == 2
    assert "output.txt is there already. Replace it with --overwrite" in capsys.readouterr().err
    assert Path("output.txt").read_text() == "1 2 3"
    assert main(["predict", trained, "input.txt", "-o", "output.txt", "--overwrite"]) == 0
    assert Path("output.txt").read_text() == "4"


def test_the_home_folder_is_known_where_a_shell_leaves_it(trained: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    Path("input.txt").write_text("1 2 3")
    assert main(["predict", trained, "~/input.txt", "--output=~/output.txt"]) == 0
    assert Path("output.txt").read_text() == "1 2 3"
    assert main(["evaluate", trained, "--data=~/input.txt"]) == 0


def test_report_prints_where_it_is(trained: str, capsys: pytest.CaptureFixture[str]):
    Path("runs/line/report.html").unlink()
    assert main(["report", trained]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "RUN", "--data", "none.csv"], "none.csv: no such file"),
        (["evaluate", "."], "is not a run: it has no config.yaml"),
        (["predict", "RUN", "none.txt", "-o", "out.txt"], "none.txt: no such file"),
        (["predict", "RUN", "experiments/line.yaml", "-o", "experiments/line.yaml"], "is the input; give another file"),
        (["predict", "RUN", "experiments/line.yaml", "-o", "no/folder.txt"], "no: no such folder"),
        (["predict", "RUN", "experiments/line.yaml", "-o", "runs"], "runs is a folder; name a file with -o"),
        (["evaluate", "RUN", "--data", "~no-such-user/x"], "~no-such-user/x: no such file"),
        (["report", "runs"], "runs is not a run"),
    ],
)
def test_each_mistake_is_one_line(trained: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert main([trained if argument == "RUN" else argument for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("verb", [["evaluate"], ["report"]])
def test_a_run_without_a_checkpoint_is_refused(trained: str, capsys: pytest.CaptureFixture[str], verb: list[str]):
    run = Run.open(Path(trained))
    run.best.unlink()
    again = "Train it first: `sciml train runs/line/config.yaml --run runs/line --overwrite`"
    assert main([*verb, trained]) == 2
    assert f"runs/line has no checkpoints/best.safetensors. {again}" in capsys.readouterr().err
    run.update(status="interrupted")
    assert main([*verb, trained]) == 2
    assert "Train it first: `sciml train --resume runs/line`" in capsys.readouterr().err
    run.last.unlink()
    assert main([*verb, trained]) == 2
    assert again in capsys.readouterr().err
