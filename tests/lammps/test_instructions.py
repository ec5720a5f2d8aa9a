"""One plugin serves every processor: what runs before the choice of instructions has those of the oldest only."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sciml.materials.lammps import PLUGIN, plugin_path
from tests.lammps.conftest import problem


def test_wide_instructions_are_only_where_they_were_asked_for():
    if reason := problem():
        pytest.skip(reason)
    if shutil.which("objdump") is None:
        pytest.skip("no objdump (binutils)")
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", str(Path(plugin_path()) / PLUGIN)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wide: dict[str, set[str]] = {}
    function = ""
    for line in listing.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:", line):
            function = head[1]
        elif found := re.search(r"%([yz]mm)", line):
            wide.setdefault(function, set()).add(found[1])
    if not wide:
        pytest.skip("this plugin was not built for x86-64")
    of_set = {name: {"v4"} if "v4::" in name else {"v3"} if "v3::" in name else set() for name in wide}
    # templates of the standard library that both sets need are taken from the first object that has them
    assert not [name for name, sets in of_set.items() if not sets]
    assert not [name for name, sets in of_set.items() if sets == {"v3"} and "zmm" in wide[name]]
    assert any("zmm" in registers for registers in wide.values())
