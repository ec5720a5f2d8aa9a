"""The frame of all verbs: help, speed, one line for a mistake, exit status."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sciml import __version__
from sciml.cli import main as cli
from sciml.cli.main import VERBS, main
from sciml.core.errors import UserError


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `sciml ARGUMENTS` says on stderr: a single line, with exit status 2 and nothing on stdout."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def test_help_lists_every_verb_and_each_verb_shows_examples(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for verb in VERBS:
        assert f"  {verb} " in overview
        assert main([verb, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"usage: sciml {verb}")
        assert f"examples:\n  sciml {verb} " in text
        assert max(map(len, text.splitlines())) <= 120
    assert main([]) == 0
    assert capsys.readouterr().out == overview
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sciml {__version__}\n"


def test_help_answers_within_half_a_second():
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sciml", "--help"], check=True, capture_output=True)
        return time.perf_counter() - start

    # the least of some: what the program takes, not what else the machine does
    assert min(seconds() for _ in range(5)) < 0.5


def test_nothing_heavy_is_imported_for_help_and_lists():
    code = (
        "import sys; from sciml.cli.main import main; "
        "main(['list', 'models']); main(['train', '--help']); print(sorted(sys.modules))"
    )
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for heavy in ("torch", "lightning", "ase", "numpy"):
        assert f"'{heavy}'" not in modules.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "`trian` is not a verb; did you mean `train`?"),
        (["?"], "`?` is not a verb; `sciml --help` lists the verbs."),
        (["evaluate"], "the following arguments are required: RUN. `sciml evaluate --help` shows how."),
        (["evaluate", "runs/none"], "there is no run at runs/none"),
        (["evaluate", "x", "--dat=y"], "sciml evaluate has no `--dat=y`; did you mean `--data`?"),
        (["predict", "run", "input"], "the following arguments are required: -o/--output"),
        (["list", "things"], "invalid choice: 'things'"),
        (["data", "get", "mlearn-is"], "there is no dataset `mlearn-is`; did you mean `mlearn-si`?"),
        (["data", "make", "mlearn-si", "--workers=0"], "needs a whole number above zero, but got '0'"),
        (["data", "show", "mlearn-si", "--limit=2"], "belong to `sciml data make`"),
        (["train"], "sciml train needs an experiment"),
    ],
)
def test_each_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert said in refusal(capsys, *arguments)


def test_the_traceback_is_there_when_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCIML_DEBUG", "1")
    with pytest.raises(UserError, match="is not a verb"):
        main(["trian"])


def test_an_error_of_ours_is_no_error_of_the_user(monkeypatch: pytest.MonkeyPatch):
    def broken(argv: list[str]) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli, "_dispatch", broken)
    with pytest.raises(ZeroDivisionError):
        main(["list", "models"])


def test_an_interrupt_is_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", interrupted)
    assert main(["list", "models"]) == 130
    assert capsys.readouterr().err == "sciml: interrupted.\n"


def test_a_reader_that_leaves_early_makes_no_traceback(tmp_path: Path):
    (tmp_path / "experiments").mkdir()
    for number in range(3000):
        (tmp_path / f"experiments/e{number}.yaml").write_text("domain: materials\n")
    listing = subprocess.Popen(
        [sys.executable, "-m", "sciml", "list", "experiments"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.readline()
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    listing.wait()
