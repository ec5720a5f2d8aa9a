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


def script(name: str, file: str) -> ModuleType:
    """A benchmark as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, HERE / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def driver() -> ModuleType:
    return script("potentials", "potentials.py")


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


# ------------------------------------------------------------------------------------------------------- lammps.py

# a LAMMPS whose forces are `off` from the slope of its energy, and whose run takes 2 s by the clock and half of it work
LMP = """#!{python}
import sys
steps = [int(line.split()[1]) for line in open(sys.argv[-1]) if line.startswith("run ")]
print("slope 2.0 {slope}")
print(f"Loop time of 2.0 on 1 procs for {{steps[-1]}} steps with 64 atoms")
print("50.0% CPU use with 1 MPI tasks x 1 OpenMP threads\\nAve neighs/atom = 42.5\\nNeighbor list builds = 3")
"""


@pytest.fixture
def in_lammps(driver: ModuleType) -> ModuleType:
    return script("benchmarks_lammps", "lammps.py")


def stand_in_lammps(in_lammps: ModuleType, folder: Path, slope: float, **ways: int) -> Any:
    lmp = folder / "lmp"
    lmp.write_text(LMP.format(python=sys.executable, slope=slope))
    lmp.chmod(0o755)
    return in_lammps.InLammps("sciml", "PaiNN 64x3", 64, "", program=in_lammps.Program("sciml", folder), **ways)


def test_one_thread_counts_its_work_and_several_the_clock(in_lammps, tmp_path):
    row = stand_in_lammps(in_lammps, tmp_path, slope=2.0)
    row.prepare(seconds=3.0)
    assert row.steps == 8  # the first measurement, of 5 steps, took 0.4 s a step
    found = row.measure()
    assert (found["wall_seconds"], found["cpu_seconds"]) == (0.25, 0.125)
    assert row.found["neighbours"] == 42.5
    row.cpu_seconds, row.wall_seconds = [0.125], [0.25]
    assert row.us_an_atom() == [0.125 / 64 * 1e6]
    row.threads = 2
    assert row.us_an_atom() == [0.25 / 64 * 1e6]


def test_a_pair_style_whose_forces_are_not_the_slope_is_refused(in_lammps, tmp_path):
    with pytest.raises(RuntimeError, match="sciml PaiNN 64x3, 64 atoms: not done in full"):
        stand_in_lammps(in_lammps, tmp_path, slope=1.9).prepare(seconds=0.0)


def test_memory_is_told_by_the_two_largest_crystals(in_lammps):
    rows = [in_lammps.Measured("sciml", "PaiNN 64x3", atoms, "") for atoms in (64, 512, 4096)]
    for row, peak in zip(rows, (40000, 42000, 60000), strict=True):
        row.peak_kb = [peak, peak + 1, peak - 1]
    line = in_lammps._memory(rows)
    assert line.endswith("60 MB for 4,096 atoms; 5.02 kB an atom")  # 18,000 kB for 3,584 atoms


def test_a_number_of_atoms_that_is_no_cube_of_cells_is_refused(in_lammps, capsys):
    with pytest.raises(SystemExit):
        in_lammps.main(["--atoms", "100"])
    assert "--atoms must be 8 n^3, such as 64, 512, 4096 or 32768, but is 100" in capsys.readouterr().err


def test_a_round_of_our_own_in_lammps(tmp_path: Path):
    from sciml.materials.lammps import PLUGIN, plugin_path

    if not (Path(plugin_path()) / PLUGIN).is_file():
        pytest.skip("pair_style sciml is not built: run `sciml lammps build`")
    out = tmp_path / "out.json"
    tiny = [
        "--rounds",
        "1",
        "--seconds",
        "0",
        "--atoms",
        "64",
        "--without",
        "generic",
        "64x2",
        "PaiNN",
        "--json",
        str(out),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCIML_BENCH_")}
    done = subprocess.run(
        [sys.executable, str(HERE / "lammps.py"), *tiny],
        capture_output=True,
        text=True,
        env={**environment, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert "DeePMD-kit is left out: give --deepmd PYTHON or set SCIML_BENCH_DEEPMD" in done.stdout
    ours, classical = json.loads(out.read_text())["rows"]
    assert (ours["model"], classical["model"]) == ("SchNet 64x3", "Stillinger-Weber")
    assert ours["times_slower_than"] == {"SchNet 64x3": 1.0}
    assert classical["times_slower_than"]["SchNet 64x3"] == pytest.approx(
        classical["cpu_seconds"][0] / ours["cpu_seconds"][0]
    )
    # 28 neighbours within 5 angstrom; the list, 1 angstrom wider, has 6 more at 5.43 and most of 12 at 5.92
    assert 38 < ours["checks"]["neighbours"] < 46
    assert ours["checks"]["forces_off_energy_slope"] < 0.02
