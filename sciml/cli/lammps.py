"""`sciml lammps build|info|examples`: the pair style of LAMMPS."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

if TYPE_CHECKING:
    from sciml.materials.lammps import Lammps

EXAMPLES = """\
  sciml lammps build                      # for the LAMMPS of this Python environment; takes one to three minutes
  sciml lammps info
  sciml lammps examples --to examples     # melt and quench, thermal expansion, elastic constants of silicon
  sciml lammps build --lammps-source ~/lammps/src --lammps-executable ~/lammps/build/lmp --to ~/lammps/plugins"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        metavar="build|info|examples",
        choices=("build", "info", "examples"),
        help="compile and install, say what is there, or copy the example inputs",
    )
    parser.add_argument("--lammps-source", metavar="DIR", help="src folder of a LAMMPS that you built yourself")
    parser.add_argument("--lammps-executable", metavar="FILE", help="its lmp")
    parser.add_argument(
        "--to",
        metavar="DIR",
        help="where the plugin goes or is (this Python environment if not given), or the examples (lammps-examples)",
    )
    parser.add_argument("--without-torch", action="store_true", help="leave out the back end of compiled potentials")
    parser.add_argument(
        "--cmake-option",
        metavar="-DNAME=VALUE",
        action="append",
        default=[],
        help="handed on to CMake; may be repeated",
    )


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.materials.lammps import build_plugin, copy_examples, find_lammps, plugin_path

    if arguments.action == "examples":
        copies = copy_examples(user_path(arguments.to or "lammps-examples"))
        print("\n".join(map(str, copies)))
        print(f"next:  cd {copies[0].parent} && lmp -in in.melt")
        return 0

    own = [user_path(path) if path else None for path in (arguments.lammps_executable, arguments.lammps_source)]
    lammps = find_lammps(*own)
    folder = user_path(arguments.to or plugin_path()).absolute()
    if arguments.action == "info":
        print("\n".join(f"{name:<15}{value}" for name, value in _facts(lammps, folder).items()))
        return 0
    if lammps.version is None:
        raise UserError(f"{lammps.executable} does not run, so no plugin can be built for it.")
    if bad := [option for option in arguments.cmake_option if not option.startswith("-D")]:
        raise UserError(f"--cmake-option takes -DNAME=VALUE, but got {bad[0]}.")
    print(f"pair_style sciml for LAMMPS {lammps.version} ({lammps.executable})")
    with _bar() as progress:
        plugin = build_plugin(
            lammps,
            folder,
            with_torch=not arguments.without_torch,
            options=tuple(arguments.cmake_option),
            progress=progress,
        )
    print(f"{plugin}: installed")
    if arguments.to:
        print(f"in LAMMPS:  plugin load {plugin}\n  or before it: export LAMMPS_PLUGIN_PATH={folder}")
        print("where LAMMPS has loaded another one by itself, first `plugin unload pair sciml`")
    else:
        print("lmp of this environment loads it by itself")
    return 0


def _facts(lammps: Lammps, folder: Path) -> dict[str, str]:
    from sciml.materials.lammps import GENERIC, PLUGIN

    plugin = folder / PLUGIN
    return {
        "lmp": str(lammps.executable),
        "version": lammps.version or "does not run",
        "MPI": lammps.mpi,
        "sizes": lammps.sizes,
        "headers": str(lammps.headers),
        "plugin": str(plugin) if plugin.is_file() else f"not built (would be {plugin}): run `sciml lammps build`",
        "back ends": ("native and generic" if (folder / GENERIC).is_file() else "native") if plugin.is_file() else "-",
    }


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """A bar over the steps that the build counts itself, "[3/14] Building ..." """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("compiling"), BarColumn(), TextColumn("{task.completed}/{task.total} files"), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task("compiling", total=None)

        def progress(line: str) -> None:
            if step := re.match(r"\[(\d+)/(\d+)\]", line):
                bar.update(task, completed=int(step[1]), total=int(step[2]))

        yield progress
