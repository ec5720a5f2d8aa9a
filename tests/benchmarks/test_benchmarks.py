"""The harness, with our own worker and structures of one cell; the times themselves are nobody's business here."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
TINY = ["--rounds", "1", "--seconds", "0", "--training-cells", "1", "--batch-size", "2", "--evaluation-cells", "1"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCIML_BENCH_")}
    return subprocess.run(
        [sys.executable, str(HERE / "potentials.py"), *TINY, *arguments],
        capture_output=True,
        text=True,
        env={**environment, "COLUMNS": "200"},
    )


def ask(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    worker = subprocess.run(
        [sys.executable, str(HERE / "workers" / "sciml_worker.py")],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in worker.stdout.splitlines()]


# a worker that takes `base` seconds a step, more by as much again in every round, and notes when it was asked
STAND_IN = """
import json, sys
base, name, log = {base}, "{name}", open("{log}", "a")
measured = 0
for line in sys.stdin:
    request = json.loads(line)
    if request["command"] == "describe":
        answer = {{"package": name, "version": "1", "models": {{"PaiNN 64x3": {{"training": "a path"}}}}}}
    elif request["command"] == "prepare":
        follows = {{"gradient_follows_energy": 0.1, "gradient_follows_forces": {follows}}}
        answer = {{"parameters": 5, "weights_changed": 1.0, **follows}}
    else:
        seconds = base * max(measured, 1) * request["steps"]
        measured += 1
        answer = {{"cpu_seconds": seconds, "wall_seconds": 2 * seconds}}
        print(name, file=log, flush=True)
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("potentials", HERE / "potentials.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def with_stand_ins(
    driver: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, peer_follows: float = 0.1
) -> dict[str, Any]:
    for name, base, follows in (("sciml", 0.5, 0.1), ("nequip", 1.5, peer_follows)):
        script = STAND_IN.format(base=base, name=name, log=folder / "log", follows=follows)
        (folder / f"{name}_worker.py").write_text(script)
    monkeypatch.setattr(driver, "WORKERS", folder)
    monkeypatch.delenv("SCIML_BENCH_SCHNETPACK", raising=False)
    out = folder / "out.json"
    driver.main(["--nequip", sys.executable, "--rounds", "3", "--seconds", "0", "--json", str(out)])
    return json.loads(out.read_text())


def test_ratios_are_taken_within_a_round_and_rounds_alternate(driver, tmp_path, monkeypatch):
    result = with_stand_ins(driver, tmp_path, monkeypatch)
    ours, theirs = result["rows"]
    # the machine of the stand-ins slows down from round to round: 8 structures in 0.5, 1 and 1.5 seconds
    assert ours["values"] == pytest.approx([16.0, 8.0, 8 / 1.5])
    assert ours["times_slower_than"] == {"PaiNN 64x3": 1.0}
    assert theirs["times_slower_than"] == {"PaiNN 64x3": pytest.approx(3.0)}
    assert theirs["wall_seconds"] == pytest.approx([3.0, 6.0, 9.0])
    # after one measurement each that chooses the number of steps
    rounds = ["sciml", "nequip", "nequip", "sciml", "sciml", "nequip"]
    assert (tmp_path / "log").read_text().split() == ["sciml", "nequip", *rounds]


def test_a_peer_whose_step_ignores_the_forces_is_left_out(driver, tmp_path, monkeypatch, capsys):
    result = with_stand_ins(driver, tmp_path, monkeypatch, peer_follows=0.0)
    assert [row["package"] for row in result["rows"]] == ["sciml 1"]
    assert "Left out: nequip 1 PaiNN 64x3, training: not done in full" in capsys.readouterr().out


@pytest.mark.slow
def test_one_round_of_our_own_models(tmp_path: Path):
    done = run("--json", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    assert "SchNetPack is left out: give --schnetpack PYTHON or set SCIML_BENCH_SCHNETPACK" in done.stdout
    assert "NequIP is left out" in done.stdout

    result = json.loads((tmp_path / "out.json").read_text())
    rows = {(row["task"], row["model"]): row for row in result["rows"]}
    models = {"SchNet 64x3", "PaiNN 64x3", "QACE 32x2"}
    assert {model for task, model in rows if task == "training"} == models
    assert {model for task, model in rows if task == "evaluation"} == models | {f"{model}, skin" for model in models}
    for (task, model), row in rows.items():
        assert f" {model} " in done.stdout
        (seconds,) = row["cpu_seconds"]
        assert seconds > 0
        units = 2 / seconds if task == "training" else seconds / 8 * 1e6
        assert row["values"] == [pytest.approx(units)]
        for yardstick in models:
            (theirs,) = rows[task, yardstick]["cpu_seconds"]
            assert row["times_slower_than"][yardstick] == pytest.approx(seconds / theirs)
        # dE along the forces, over 0.02 angstrom in float32
        assert task == "training" or row["checks"]["forces_off_energy_slope"] < 0.02


def test_an_interpreter_that_is_not_there_is_named():
    done = run("--schnetpack", "/no/such/python")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("/no/such/python does not start: No such file or directory.")


def test_an_interpreter_without_the_peer_is_refused():
    done = run("--nequip", sys.executable)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("The worker of nequip ended: ModuleNotFoundError: No module named 'nequip'.")


def test_a_worker_answers_a_mistake_and_goes_on():
    unknown, described = ask({"command": "mesure"}, {"command": "describe"})
    assert unknown["error"].startswith("ValueError: A request describes, prepares or measures")
    assert "'mesure'" in unknown["error"]
    assert described["package"] == "sciml"
    assert set(described["models"]["PaiNN 64x3"]) == {"training", "evaluation"}
