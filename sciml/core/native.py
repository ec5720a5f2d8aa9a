"""Compiles the package's own C++ kernels on first use and loads them; the caller has a plain route without them.

A kernel file is compiled for the processor that it runs on, once, into the cache folder (`SCIML_CACHE`, else
`~/.cache/sciml`). No header but the C++ standard library's is needed, so any g++ will do and it takes seconds.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

from sciml.core.catalogue import cache_dir

# no -ffast-math: it would switch off denormal numbers for the whole process
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-std=c++17")


def _processor() -> str:
    """What tells one kind of processor from another, so that a shared home folder serves several."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return os.uname().machine
    return os.uname().machine + "".join(sorted({line for line in lines if line.startswith(("flags", "Features"))}))


@functools.cache
def load(source: Path) -> ctypes.CDLL | None:
    """The compiled `source`, or None where no compiler works or `SCIML_KERNELS=0` asks to do without."""
    if os.environ.get("SCIML_KERNELS") == "0":
        return None
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        warnings.warn("No C++ compiler (g++) found: what has a compiled kernel runs on a slower route.", stacklevel=2)
        return None
    key = hashlib.sha256("\0".join([*_texts(source), *FLAGS, compiler, _processor()]).encode()).hexdigest()[:16]
    library = cache_dir() / "kernels" / f"{source.stem}-{key}.so"
    try:
        if not library.exists():
            _compile(compiler, source, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.CalledProcessError) as error:
        detail = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        warnings.warn(f"{source} did not compile, so what it speeds up runs on a slower route: {detail}", stacklevel=2)
        return None


def _texts(source: Path) -> list[str]:
    """What is compiled: the source, and the headers beside it that it includes."""
    paths = [source]
    for path in paths:
        headers = (path.parent / name for name in re.findall(r'^#include "(.+)"', path.read_text(), re.MULTILINE))
        paths += [header for header in headers if header not in paths]
    return [path.read_text() for path in paths]


def _compile(compiler: str, source: Path, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=library.parent, suffix=".so")
    os.close(handle)
    try:
        command = [compiler, *FLAGS, str(source), "-o", temporary]
        subprocess.run(command, check=True, capture_output=True, text=True)
        Path(temporary).replace(library)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
