"""`sciml list`."""

from pathlib import Path

import pytest

from sciml.cli.main import main
from sciml.core.catalogue import KINDS, entries


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_is_listed(kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list", kind]) == 0
    out = capsys.readouterr().out
    assert entries(kind)
    for name in entries(kind):
        assert f" {name} " in out


def test_ones_own_are_listed_too_and_a_broken_one_is_named(line: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["list", "experiments"]) == 0
    assert " line " in capsys.readouterr().out
    Path("experiments/broken.yaml").write_text("a: [")
    assert main(["list", "experiments"]) == 2
    assert "experiments/broken.yaml: line 1" in capsys.readouterr().err
