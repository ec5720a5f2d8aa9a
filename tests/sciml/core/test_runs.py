"""A run's folder: made once, never half written, refused when it is not one."""

import errno
import json
from pathlib import Path

import pytest

from sciml.core.errors import UserError
from sciml.core.runs import Run, check_free, read_json, write_json

CONFIG = {"name": "wet", "domain": "materials", "train": {"epochs": 3}}


def test_create_then_open(tmp_path: Path):
    run = Run.create(tmp_path / "runs/wet", CONFIG)
    assert Run.open(tmp_path / "runs/wet") == run
    assert run.config() == CONFIG
    record = run.record()
    assert record["name"] == "wet"
    assert record["status"] == "started"
    assert {"python", "torch", "numpy"} <= record["versions"].keys()
    run.update(status="finished", seconds=1.5)
    assert run.record() == {**record, "status": "finished", "seconds": 1.5}
    assert run.predictions("test") == run.path / "predictions/test.safetensors"


def test_an_existing_run_is_kept_unless_told(tmp_path: Path):
    run = Run.create(tmp_path / "wet", CONFIG)
    run.best.write_bytes(b"weights")
    with pytest.raises(UserError, match="holds a run already. Continue it with --resume .*--overwrite"):
        Run.create(run.path, CONFIG)
    assert run.best.read_bytes() == b"weights"
    Run.create(run.path, CONFIG, overwrite=True)
    assert not run.best.exists()


def test_files_that_are_no_run_are_never_overwritten(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds files that are not a run"):
        Run.create(tmp_path, CONFIG, overwrite=True)
    assert (tmp_path / "thesis.tex").is_file()
    with pytest.raises(UserError, match=r"thesis\.tex is a file"):
        check_free(tmp_path / "thesis.tex", overwrite=True)
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", CONFIG).config_file.is_file()


def test_a_linked_folder_and_the_current_one_are_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "scratch"
    Run.create(folder, CONFIG)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "data.txt").write_text("mine")
    for path in (tmp_path / "link", Path()):
        (folder / "old").mkdir()
        (folder / "linked").symlink_to(kept)
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(folder)
        monkeypatch.chdir(folder)
        run = Run.create(path, CONFIG, overwrite=True)
        assert run.config() == CONFIG
        assert {entry.name for entry in folder.iterdir()} == {"checkpoints", "config.yaml", "run.json"}
    assert (tmp_path / "link").is_symlink()
    assert (kept / "data.txt").is_file(), "what a link in the folder leads to stays"


def test_a_link_to_nowhere_is_refused(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(UserError, match="cannot write the run's folder"):
        Run.create(tmp_path / "link", CONFIG)


@pytest.mark.parametrize(("text", "said"), [("[1]", "a list"), ("null", "empty"), ("3", "3")])
def test_a_record_that_is_no_mapping_is_refused(tmp_path: Path, text: str, said: str):
    run = Run.create(tmp_path / "wet", CONFIG)
    run.record_file.write_text(text)
    for use in (run.record, run.update):
        with pytest.raises(UserError, match=rf"run\.json should hold a JSON object, but is {said}\. Put back"):
            use()


def test_what_is_no_run_is_not_opened(tmp_path: Path):
    with pytest.raises(UserError, match="there is no run at"):
        Run.open(tmp_path / "absent")
    with pytest.raises(UserError, match=r"is not a run: it has no config\.yaml"):
        Run.open(tmp_path)


def test_a_run_that_cannot_be_made_says_why(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the run's folder"):
        Run.create(tmp_path / "file/run", CONFIG)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "metrics.json"
    write_json(file, {"old": 1})

    def full(self: Path, *_: object, **__: object) -> int:
        self.write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*metrics\.json: No space left on device"):
        write_json(file, {"new": 2})
    assert json.loads(file.read_bytes()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("splits", ["[]", "3", "null", '"test"'])
def test_scores_that_are_no_mapping(tmp_path: Path, splits: str):
    run = Run(tmp_path)
    assert run.scores() == {}
    run.metrics_file.write_text(f'{{"splits": {splits}}}')
    with pytest.raises(UserError, match=r"metrics\.json: `splits` should be a mapping of scores by split, but is "):
        run.scores()
    run.metrics_file.write_text('{"splits": {"test": {}}}')
    assert run.scores() == {"test": {}}


def test_json_that_is_none(tmp_path: Path):
    with pytest.raises(UserError, match="cannot read"):
        read_json(tmp_path / "absent.json")
    for text in ("{", "[" * 100_000, "\udcff"):
        (tmp_path / "bad.json").write_text(text, errors="surrogateescape")
        with pytest.raises(UserError, match="is not valid JSON"):
            read_json(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "nan.json", float("nan"))
