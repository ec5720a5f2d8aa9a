"""Formats that are read, formats that are refused, and pickles, which never explode."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import ase.io
import pytest
from ase.io.formats import ioformats

from sciml.core.errors import UserError
from sciml.materials.formats import REFUSED_FORMATS, check_format
from sciml.materials.reading import read_structures


@pytest.mark.parametrize("kind", ["auto", "mlearn", "extxyz", "db", "json", "traj", "vasp-xml", "cif", "aims"])
def test_formats_that_are_read(kind: str) -> None:
    check_format(kind)
    # the usual ones are named without asking ASE
    assert kind in {"auto", "mlearn"} or ioformats[kind].can_read


def test_the_nearest_format_is_named() -> None:
    with pytest.raises(
        UserError, match=r"`extxzy` is no format .*; did you mean `extxyz`\? Known are auto, mlearn, ext"
    ):
        check_format("extxzy")


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["s.traj", "s.pckl", "s.pkl", "s.db", "s.xyz", "s.json", "s"])
def test_nothing_is_unpickled(name: str, protocol: int, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded"), protocol))
    for kind in ("auto", "traj"):
        with pytest.raises(UserError):
            read_structures(tmp_path / name, kind)
    assert not (tmp_path / "exploded").exists()


def test_the_formats_of_ase_that_unpickle_are_known() -> None:
    """A new version of ASE with another such module fails here, and someone looks."""
    modules = {path.stem for path in Path(ase.io.__file__).parent.glob("*.py") if "import pickle" in path.read_text()}
    assert modules == {"pickletrajectory"}
    users = {
        path.stem
        for path in Path(ase.io.__file__).parent.glob("*.py")
        if "pickletrajectory" in path.read_text().lower() and path.stem not in modules
    }
    # trajectory: read_structures looks at the file's first bytes; __init__ names it for export
    assert users == {"trajectory", "__init__"}


@pytest.mark.parametrize("kind", sorted(REFUSED_FORMATS))
def test_formats_that_are_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    with pytest.raises(UserError, match=f"the format `{kind}` is"):
        read_structures(tmp_path / "s", kind)


def test_a_format_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    for kind in ("extxy", "png"):
        with pytest.raises(UserError, match=f"`{kind}` is no format that ase.io reads"):
            read_structures(tmp_path / "s", kind)


def test_databases_on_servers_are_all_refused() -> None:
    servers = {name for name, kind in ioformats.items() if kind.module_name == "ase.io.db"} - {"db", "json"}
    assert servers <= set(REFUSED_FORMATS)


ONE = "1\nProperties=species:S:1:pos:R:3\nSi 0.0 0.0 0.0\n"


def test_structures_behind_an_empty_line_are_not_lost(tmp_path: Path) -> None:
    """ASE ends at an empty line without a word; several of them at the end of a file do no harm."""
    (file := tmp_path / "a.extxyz").write_text(ONE + ONE + "\n \n")
    assert len(read_structures(file)) == 2
    for text in (ONE + "\n" + ONE, "\n" + ONE):
        file.write_text(text)
        with pytest.raises(UserError, match="an empty line stands before a structure"):
            read_structures(file)


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    (file := tmp_path / "a.extxyz").write_text(ONE, encoding="utf-8-sig")
    with pytest.raises(UserError, match="byte order mark"):
        read_structures(file)


def test_lattice_vectors_behind_the_atoms(tmp_path: Path) -> None:
    vectors = "VEC1 5 0 0\nVEC2 0 5 0\nVEC3 0 0 5\n"
    (file := tmp_path / "a.xyz").write_text("1\n\nSi 0.0 0.0 0.0\n" + vectors)
    assert read_structures(file, "extxyz")[0].cell.diagonal().tolist() == [5, 5, 5]


@pytest.mark.parametrize("name", ["a.traj.gz", "a.db.gz", "a.extxyz"])
def test_packed_files_that_are_no_text_or_hide_it(name: str, tmp_path: Path) -> None:
    (file := tmp_path / name).write_bytes(gzip.compress(ONE.encode()))
    with pytest.raises(UserError, match="Unpack it first"):
        read_structures(file)
