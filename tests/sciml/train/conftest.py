"""The toy problem, and a run in a folder of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sciml.core.runs import Run

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy_file() -> Path:
    return TOY


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The module toy.py, which is a program too."""
    spec = importlib.util.spec_from_file_location("toy", TOY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[str], Run]:
    """Makes a run's folder by name."""
    return lambda name: Run.create(tmp_path / name, {"name": name})
