"""`sciml data` against a server on this machine's loopback address and a recipe that cooks nothing."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sciml.cli import data
from sciml.cli.main import main
from sciml.core import downloads
from sciml.core.downloads import download
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml

CONTENTS = b"atoms " * 100_000
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


def wheel() -> bytes:
    """A zip archive with a folder of two files, and what must not get out of it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code/__init__.py", "")
        archive.writestr("code/store/a", "one")
        archive.writestr("code/store/b/c", "two")
        archive.writestr("code/store/../../evil", "three")
        archive.writestr("code/storeroom", "four")
    return packed.getvalue()


# checksum of the two lines that sha256sum prints for `a` and `b/c`
FOLDER_SHA256 = hashlib.sha256(
    "".join(f"{hashlib.sha256(t).hexdigest()}  {n}\n" for n, t in [("a", b"one"), ("b/c", b"two")]).encode()
).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        contents = wheel() if self.path == "/x.whl" else CONTENTS
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents[:1000] if self.path == "/broken" else contents)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=functools.partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SCIML_DATA", raising=False)
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "cache"))
    # a proxy that the machine is set up with would be asked for 127.0.0.1 too
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


def describe(**facts: Any) -> None:
    folder = Path("datasets/wet")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.yaml").write_text(dump_yaml({"domain": "materials", "summary": "water [wet]", **facts}))


def test_get_downloads_once_and_show_says_so(here: Path, server: str, capsys: pytest.CaptureFixture[str]):
    describe(
        licence="MIT",
        variables={"energy": "eV"},
        files={"train": {"path": "sub/train.xyz", "url": f"{server}/train", "sha256": SHA256.upper()}},
    )
    assert main(["data", "show", "wet"]) == 0
    before = capsys.readouterr().out
    assert "not here" in before
    assert "water [wet]" in before
    assert "energy in eV" in before
    assert "next: sciml data get wet" in before

    assert main(["data", "get", "wet"]) == 0
    target = here / "cache/data/wet/sub/train.xyz"
    assert target.read_bytes() == CONTENTS
    assert list(target.parent.iterdir()) == [target], "no temporary file stays"

    written = target.stat().st_mtime_ns
    capsys.readouterr()
    assert main(["data", "get", "wet"]) == 0
    assert "is there" in capsys.readouterr().out
    assert target.stat().st_mtime_ns == written

    assert main(["data", "show", "wet"]) == 0
    after = capsys.readouterr().out
    assert "sha256 as published" in after
    assert "0.6 MB" in after
    assert "next" not in after


def test_a_damaged_download_is_fetched_again_but_a_file_of_ones_own_is_left(
    here: Path, server: str, capsys: pytest.CaptureFixture[str]
):
    describe(files={"train": {"path": "train.xyz", "url": f"{server}/train", "sha256": SHA256}})
    target = here / "cache/data/wet/train.xyz"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"half")
    assert main(["data", "show", "wet"]) == 0
    assert "damaged" in capsys.readouterr().out
    assert main(["data", "get", "wet"]) == 0
    assert target.read_bytes() == CONTENTS
    own = Path("datasets/wet/train.xyz")
    own.write_bytes(b"other")
    assert main(["data", "get", "wet"]) == 2
    assert "datasets/wet/train.xyz is damaged or another version" in capsys.readouterr().err
    assert own.read_bytes() == b"other"


def test_a_folder_that_a_wheel_carries(here: Path, server: str, capsys: pytest.CaptureFixture[str]):
    spec = {"path": "sub/store", "url": f"{server}/x.whl", "member": "code/store", "sha256": FOLDER_SHA256}
    describe(files={"sample": spec})
    assert main(["data", "get", "wet"]) == 0
    target = here / "cache/data/wet/sub/store"
    assert {file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file()} == {"a", "b/c"}
    assert list(target.parent.iterdir()) == [target], "no temporary file stays"
    assert not list(here.rglob("evil"))
    assert main(["data", "show", "wet"]) == 0
    assert "sha256 as published" in capsys.readouterr().out
    # one that lost a file is brought anew
    (target / "a").unlink()
    assert main(["data", "get", "wet"]) == 0
    assert (target / "a").read_bytes() == b"one"
    shutil.rmtree(target)
    describe(files={"sample": {**spec, "member": "code/other"}})
    assert main(["data", "get", "wet"]) == 2
    assert "has no `code/other`" in capsys.readouterr().err
    describe(files={"sample": {**spec, "url": f"{server}/train"}})
    assert main(["data", "get", "wet"]) == 2
    assert "is not a zip file" in capsys.readouterr().err
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("page", "sha256", "said"),
    [
        ("/missing", SHA256, "answered 404 Not Found"),
        ("/broken", SHA256, "the transfer broke off after 1000 of 600000 bytes"),
        ("/train", "0" * 64, "but what came has"),
    ],
)
def test_a_failed_download_leaves_nothing(
    here: Path, server: str, capsys: pytest.CaptureFixture[str], page: str, sha256: str, said: str
):
    describe(files={"train": {"path": "train.xyz", "url": server + page, "sha256": sha256}})
    assert main(["data", "get", "wet"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert list((here / "cache/data/wet").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        # port 9 (discard) has no listener on a machine without such a service
        ("http://127.0.0.1:9/x", "cannot be reached"),
        ("file:///etc/hostname", "only http and https"),
        ("http://[", "http://["),
    ],
)
def test_an_address_that_is_none(here: Path, capsys: pytest.CaptureFixture[str], url: str, said: str):
    describe(files={"train": {"path": "train.xyz", "url": url}})
    assert main(["data", "get", "wet"]) == 2
    assert said in capsys.readouterr().err


def test_a_full_disk(here: Path, server: str, monkeypatch: pytest.MonkeyPatch):
    def full(place: Path, path: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "contents_sha256", full)
    with pytest.raises(UserError, match="cannot download .* No space left on device"):
        download(f"{server}/train", here / "train.xyz", SHA256)
    assert list(here.iterdir()) == []


def test_files_that_are_not_described(here: Path, capsys: pytest.CaptureFixture[str]):
    for files in (None, ["train.xyz"], {"train": "train.xyz"}, {"train": {"url": "x"}}):
        describe(files=files)
        assert main(["data", "show", "wet"]) == 2
        assert "`files` must map each split to a mapping with `path`" in capsys.readouterr().err


def test_make_calls_the_recipe(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    calls: list[Any] = []
    recipes = ModuleType("sciml.materials.recipes")
    recipes.RECIPES = {"boil": lambda *arguments, **options: calls.append((arguments, options))}  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "sciml.materials.recipes", recipes)
    describe(recipe={"name": "boil", "minutes": 3}, files={})
    assert main(["data", "make", "wet"]) == 0
    assert main(["data", "make", "wet", "-o", "out", "--work", "tmp", "--workers", "2", "--limit", "5"]) == 0
    (facts, *first), options = calls[0]
    assert facts["recipe"]["minutes"] == 3
    assert first == [Path("wet"), Path("wet/work")]
    assert options == {"workers": 1, "limit": None}
    assert calls[1][0][1:] == (Path("out"), Path("tmp"))
    assert calls[1][1] == {"workers": 2, "limit": 5}
    describe(recipe={"name": "fry"})
    assert main(["data", "make", "wet"]) == 2
    assert "there is no recipe `fry`; known: boil" in capsys.readouterr().err
    describe(files={})
    assert main(["data", "make", "wet"]) == 2
    assert "has no recipe. Run `sciml data get wet`" in capsys.readouterr().err


def test_make_says_how_to_use_what_it_made(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def boil(facts: Any, output: Path, work: Path, **options: Any) -> None:
        output.mkdir(exist_ok=True)
        for split in made:
            (output / f"{split}.xyz").touch()

    monkeypatch.setattr(data, "_recipes", lambda domain: {"boil": boil})
    splits = ("train", "test", "test_hot")
    describe(recipe={"name": "boil"}, files={split: {"path": f"{split}.xyz"} for split in splits})
    made = ["test"]
    assert main(["data", "make", "wet"]) == 0
    assert capsys.readouterr().out == "made: wet\n"
    made += ["train", "test_hot"]
    assert main(["data", "make", "wet", "-o", "a b"]) == 0
    use = "sciml train EXPERIMENT --dataset=wet '--dataset.train=a b/train.xyz' '--dataset.test=a b/test.xyz'"
    assert capsys.readouterr().out == f"made: a b\nuse:  {use}\n"


def test_a_stopped_make_says_how_it_continues(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def stopped(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "_recipes", lambda domain: {"boil": stopped})
    describe(recipe={"name": "boil"}, files={})
    assert main(["data", "make", "wet"]) == 130
    assert "interrupted; the same command continues from wet/work" in capsys.readouterr().err
