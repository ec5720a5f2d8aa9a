"""What a user can do wrong with `pair_style sciml` ends in one line that says what to do, on one process and on two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from ase import Atoms

from sciml.materials.potential_file import potential_bytes
from tests.lammps.conftest import Exported, Lammps

ATOMS = Atoms("SiO", [[0, 0, 0], [1.7, 0, 0]], cell=[9.0] * 3, pbc=True)
INPUT = """
units metal
atom_modify map yes
read_data two.data
pair_style sciml
pair_coeff * * painn.sciml Si O
run 0
"""


@pytest.fixture
def painn(lammps: Lammps, export: Callable[..., Exported]) -> Exported:
    lammps.write("two.data", ATOMS)
    return export("painn", channels=8, layers=1)


def refusal(lammps: Lammps, script: str, ranks: int = 1) -> str:
    """The line that begins with ERROR; the exit status must not be zero."""
    done = lammps(script, ranks=ranks, check=False)
    assert done.returncode != 0, done.stdout
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
    assert lines, done.stdout + done.stderr
    assert len(set(lines)) == 1, lines
    return lines[0]


def rewritten(exported: Exported, tensors: dict[str, np.ndarray] | None = None, **changes: Any) -> None:
    """Writes the file anew with another description and a digest that fits, as an attacker or another version would."""
    import torch

    data = exported.file.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = {**json.loads(header["__metadata__"]["sciml"]), **changes}
    about.pop("sha256")
    stored = {**safetensors.numpy.load(data), **(tensors or {})}
    exported.file.write_bytes(potential_bytes({name: torch.from_numpy(array) for name, array in stored.items()}, about))


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def cut_in_its_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:500])


def altered(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(bytes(data))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    file.write_bytes(safetensors.numpy.save({"weight": np.zeros(3, np.float32)}))


def text(file: Path) -> None:
    file.write_text("pair_style sw needs a table like this one\n" * 5)


def pickled(file: Path) -> None:
    import torch

    torch.save({"a": 1}, file)


SPOILT = {
    truncated: "truncated",
    cut_in_its_header: "truncated",
    altered: "altered or damaged",
    empty: "is empty",
    foreign: "is not a potential for LAMMPS",
    text: "is not a potential for LAMMPS",
    pickled: "is not a potential for LAMMPS",
    Path.unlink: "cannot open the potential file",
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_file_that_is_not_what_it_should_be(
    lammps: Lammps, painn: Exported, spoil: Callable[[Path], None], ranks: int
):
    spoil(painn.file)
    line = refusal(lammps, INPUT, ranks)
    assert SPOILT[spoil] in line
    assert "painn.sciml" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 99}, "has potential format 99, but this plugin reads 1"),
        ({"format_version": "1"}, "has potential format"),
        ({"backend": "quantum"}, "needs the back end `quantum`"),
        ({"architecture": "qace"}, "which this plugin has no native code for"),
        ({"elements": []}, "cannot be"),
        ({"elements": ["Si", "Si"]}, "cannot be"),
        ({"elements": ["Si\nERROR: pair_style sciml: all is well", "O"]}, "cannot be"),
        ({"elements": ["NULL", "O"]}, "cannot be"),
        ({"elements": "Si"}, "does not describe"),
        ({"cutoff_angstrom": 1e9}, "cannot be"),
        ({"cutoff_angstrom": None}, "does not describe"),
        ({"layers": -1}, "cannot be"),
        ({"layers": 2}, "lacks the tensor `network.messages.1.context.0.weight`. Export it again"),
        ({"sizes": {"channels": 10**9, "radial": 20}}, "cannot be"),
        ({"sizes": {"channels": 16, "radial": 20}}, "of another shape than its architecture needs. Export it again"),
        ({"sizes": {"channels": 8, "radial": 4000}}, "cannot be"),
        ({"sizes": {}}, "does not describe"),
        ({"energy_scale_ev": -1.0}, "cannot be"),
        ({"reference_energies_ev": [0.0]}, "cannot be"),
        ({"units": {"length": "bohr", "energy": "hartree"}}, "other units"),
    ],
)
def test_a_description_that_cannot_be(lammps: Lammps, painn: Exported, changes: dict[str, Any], said: str):
    rewritten(painn, **changes)
    line = refusal(lammps, INPUT)
    assert said in line
    assert "painn.sciml" in line


def test_tensors_that_share_their_bytes(lammps: Lammps, painn: Exported):
    """A small file must not become large in memory."""
    data = painn.file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    digest = json.loads(header["__metadata__"]["sciml"])["sha256"]
    header["network.extra"] = header["network.embedding.weight"]
    text = json.dumps(header).encode().replace(digest.encode(), b"0" * 64)
    data = len(text).to_bytes(8, "little") + text + data[end:]
    painn.file.write_bytes(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1))
    assert "is not a potential for LAMMPS" in refusal(lammps, INPUT)


def test_radial_functions_that_would_fill_the_memory(lammps: Lammps, painn: Exported):
    rewritten(painn, layers=64, sizes={"channels": 1024, "radial": 500})
    line = refusal(lammps, INPUT.replace("pair_style sciml", "pair_style sciml float64"))
    assert "needs more memory for its radial functions" in line


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_no_description_makes_lammps_crash(lammps: Lammps, painn: Exported, seed: int):
    """Bytes of the header are changed and the digest is made to fit, as someone would who means harm."""
    random = np.random.default_rng(seed)
    data = bytearray(painn.file.read_bytes())
    end = 8 + int.from_bytes(data[:8], "little")
    digest = data.index(json.loads(json.loads(data[8:end])["__metadata__"]["sciml"])["sha256"].encode())
    spared = range(digest, digest + 64)
    for _ in range(int(random.integers(1, 4))):
        place = int(random.integers(0 if seed % 4 == 0 else 8, end))
        if place not in spared:
            data[place] = int(random.choice(list(b'0123456789,:{}[]"-eE.\\\xff')))
    data[digest : digest + 64] = b"0" * 64
    data[digest : digest + 64] = hashlib.sha256(data).hexdigest().encode()
    painn.file.write_bytes(data)
    done = lammps(INPUT, check=False)
    # a change may be harmless; what is refused is refused with words, not by a signal
    assert done.returncode in {0, 1}, (done.returncode, done.stdout, done.stderr)
    assert (done.returncode == 0) != ("ERROR: pair_style sciml:" in done.stdout), done.stdout


def test_weights_that_are_not_finite(lammps: Lammps, painn: Exported):
    rewritten(painn, {"network.embedding.weight": np.full((2, 8), np.nan)})
    assert "weights that are not finite numbers, in `network.embedding.weight`" in refusal(lammps, INPUT)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Si O", "Si", "needs '* * FILE' and one element (or NULL) for each of the 2 atom types"),
        ("Si O", "Si O C", "needs '* * FILE' and one element"),
        ("Si O", "Si C", "knows Si O, but pair_coeff asks for C as atom type 2"),
        # LAMMPS' own words
        ("* * painn", "1 2 painn", "pair"),
        ("units metal", "units lj", "needs 'units metal' or 'units real', but the input has 'units lj'"),
        ("units metal", "units si", "but the input has 'units si'"),
        ("pair_style sciml", "pair_style sciml painn.sciml", "The file of the potential goes to pair_coeff"),
        ("pair_style sciml", "pair_style sciml float16", "float32 or float64"),
        ("Si O", "Si NULL", "has no element for atom type 2: NULL is for types"),
    ],
)
def test_an_input_that_asks_for_what_cannot_be(
    lammps: Lammps, painn: Exported, old: str, new: str, said: str, ranks: int
):
    assert said in refusal(lammps, INPUT.replace(old, new), ranks)


@pytest.mark.parametrize("ranks", [1, 2])
def test_two_atoms_on_one_point(lammps: Lammps, painn: Exported, ranks: int):
    atoms = Atoms("SiOSi", [[1, 1, 1], [3, 3, 3], [3, 3, 3]], cell=[9.0] * 3, pbc=True)
    lammps.write("two.data", atoms)
    line = refusal(lammps, INPUT, ranks)
    assert "on one point at step 0" in line


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_force_that_is_not_finite_names_the_atom_and_the_step(lammps: Lammps, painn: Exported, ranks: int):
    # weights of 1e38 overflow, in float32, as soon as two atoms see each other
    rewritten(
        painn, {"network.readout.2.weight": np.full((1, 4), 1e38), "network.readout.0.weight": np.full((4, 8), 1e38)}
    )
    line = refusal(lammps, INPUT.replace("pair_style sciml", "pair_style sciml float32"), ranks)
    assert "is not finite at step 0" in line
    assert "atom 1 " in line or "atom 2 " in line


def test_bonded_neighbours_that_special_bonds_takes_away(lammps: Lammps, painn: Exported):
    script = """
units metal
atom_style bond
region box block 0 9 0 9 0 9
create_box 2 box bond/types 1 extra/bond/per/atom 2 extra/special/per/atom 4
create_atoms 1 single 1 1 1
create_atoms 2 single 2.6 1 1
mass * 20
bond_style zero
bond_coeff 1
create_bonds single/bond 1 1 2
pair_style sciml
pair_coeff * * painn.sciml Si O
"""
    assert "special_bonds lj/coul 1.0 1.0 1.0" in refusal(lammps, script + "run 0")
    lammps(script + "special_bonds lj/coul 1 1 1\nrun 0")


def test_another_lammps_is_refused(lammps: Lammps, painn: Exported):
    """The version that the plugin was built for is text in it; here it is changed in a copy."""
    from sciml.materials.lammps import PLUGIN, plugin_path

    data = (Path(plugin_path()) / PLUGIN).read_bytes()
    folder = lammps.folder / "plugins"
    folder.mkdir()
    assert data.count(b"22 Jul 2025\0") == 1
    (folder / "otherplugin.so").write_bytes(data.replace(b"22 Jul 2025\0", b"22 Jul 2024\0"))
    line = refusal(lammps, "plugin unload pair sciml\nplugin load plugins/otherplugin.so\n" + INPUT)
    assert "was built for LAMMPS 22 Jul 2024, but this is 22 Jul 2025" in line
    assert "sciml lammps build" in line
