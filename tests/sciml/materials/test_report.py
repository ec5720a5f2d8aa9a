"""report.html: metrics.json's numbers, all sections, words for what is missing, nothing fetched or injected."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.checkpoint import save_checkpoint
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run
from sciml.core.units import EV_PER_ANGSTROM3_IN_GPA
from sciml.materials.report import write_report
from sciml.materials.report_data import read_predictions

# kind of configuration -> structures, typical force (eV/A), typical force error (eV/A), energy error (meV/atom)
GROUPS = {
    "Ground state": (1, 1e-3, 2e-3, 0.8),
    "Elastic": (6, 5e-3, 4e-3, 1.0),
    "Surface": (4, 0.5, 0.07, 6.0),
    "Vacancy": (4, 0.9, 0.06, 4.0),
    "AIMD-NVT": (10, 1.6, 0.05, 3.0),
}
SECTIONS = [
    "Test errors",
    "Good to know",
    "What was trained on what",
    "Learning curves",
    "Predicted against reference",
    "Where the errors are",
    "Worst structures",
    "Reproduce",
]


def diamond(repeat: int = 2, lattice_angstrom: float = 5.469) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cell of `repeat`^3 cubic cells of silicon."""
    basis = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
    corners = np.array(list(product(range(repeat), repeat=3)))
    positions = (corners[:, None] + basis[None]).reshape(-1, 3) * lattice_angstrom
    return positions, repeat * lattice_angstrom * np.eye(3)


def make_predictions(groups: dict[str, tuple[int, float, float, float]], seed: int = 0) -> tuple[dict, dict]:
    """Tensors and metadata of a predictions file in which each group has forces and errors of its own size."""
    random = np.random.default_rng(seed)
    perfect, cell = diamond()
    parts: dict[str, list[np.ndarray]] = {}
    names, labels = [], []
    for group, (count, force, error, energy_error) in groups.items():
        for index in range(count):
            removed = 1 if group == "Vacancy" else 0
            n = len(perfect) - removed
            positions = perfect[removed:] + random.normal(0, 0.08 * force, (n, 3))
            forces = random.normal(0, force, (n, 3))
            stress = random.normal(0, 0.02, (3, 3))
            stress = (stress + stress.T) / 2
            energy = -5.42 * n + 0.05 * force * n * (1 + 0.1 * random.normal())
            values = {
                "energy": np.array([energy]),
                "energy_predicted": np.array([energy + n * energy_error / 1000 * random.normal()]),
                "n_atoms": np.array([float(n)]),
                "forces": forces,
                "forces_predicted": forces + random.normal(0, error, (n, 1)) * random.normal(0, 1, (n, 3)),
                "stress": stress[None],
                "stress_predicted": stress[None] + random.normal(0, 0.0015, (1, 3, 3)),
                "positions": positions,
                "atomic_numbers": np.full(n, 14),
                "cell": cell[None] * (1 + 0.02 * index),
            }
            for name, value in values.items():
                parts.setdefault(name, []).append(value)
            names.append(f"test.json.gz@{len(names)}")
            labels.append(group)
    tensors = {name: torch.from_numpy(np.concatenate(values)) for name, values in parts.items()}
    return tensors, {"names": names, "groups": labels, "split": "test", "units": {"energy": "eV"}}


def scores_of(tensors: dict[str, torch.Tensor], groups: list[str], only: str | None = None) -> dict[str, float | None]:
    """The scores as metrics.json has them, computed from the definitions."""
    data = {name: tensor.numpy() for name, tensor in tensors.items()}
    chosen = np.array([only is None or group == only for group in groups])
    atoms = np.repeat(chosen, data["n_atoms"].astype(int))
    errors = {
        "energy_{}_mev_per_atom": (1000 * (data["energy_predicted"] - data["energy"]) / data["n_atoms"])[chosen],
        "forces_{}_ev_per_angstrom": (data["forces_predicted"] - data["forces"])[atoms],
        "stress_{}_gpa": (data["stress_predicted"] - data["stress"])[chosen] * EV_PER_ANGSTROM3_IN_GPA,
    }
    found: dict[str, float | None] = {"n_structures": int(chosen.sum()), "n_atoms": int(atoms.sum())}
    for name, error in errors.items():
        known = error[np.isfinite(error)]
        found[name.format("mae")] = float(np.abs(known).mean()) if known.size else None
        found[name.format("rmse")] = float(np.sqrt((known**2).mean())) if known.size else None
    return found


def make_run(
    path: Path,
    *,
    groups: dict[str, tuple[int, float, float, float]] | None = None,
    epochs: int = 0,
    stress: bool = True,
    positions: bool = True,
    name: str = "si-painn",
) -> Run:
    """A run's folder as training and evaluation leave it; without epochs it has no log, which is faster to report."""
    run = Run(path)
    (path / "checkpoints").mkdir(parents=True)
    config = {
        "name": name,
        "domain": "materials",
        "dataset": {"name": "mlearn-si", "elements": ["Si"], "validation_fraction": 0.1},
        "model": {"name": "painn", "architecture": "painn", "channels": 64, "cutoff_angstrom": 5.0},
        "loss": {"energy_weight": 1.0, "forces_weight": 1.0, "stress_weight": 0.1},
        "train": {"epochs": 80, "batch_size": 8, "precision": "float32", "seed": 0},
    }
    run.config_file.write_text(dump_yaml(config), encoding="utf-8")
    run.update(
        name=name,
        command=["sciml", "train", "experiments/materials/si-painn.yaml", "--train.seed=0"],
        versions={"python": "3.11.7", "sciml-surrogates": "0.1.0", "torch": "2.13.0"},
        machine={"system": "Linux x86_64", "processor": "AMD EPYC 7763", "cores": 2},
        started="2026-11-22T01:00:00+00:00",
        finished="2026-11-22T01:25:03+00:00",
        seconds=1503.4,
        parameters=187_233,
        status="finished",
    )
    counts = {"train": {"n_structures": 193, "n_atoms": 12151}, "validation": {"n_structures": 21, "n_atoms": 1320}}
    metadata = {"domain": "materials", "elements": [14], "data_fingerprint": "9f2c41d07be3a855", "data_counts": counts}
    save_checkpoint(run.best, {"weight": torch.zeros(2)}, metadata)
    if epochs:
        write_log(run, epochs)
    tensors, about = make_predictions(groups or GROUPS)
    if not stress:
        tensors["stress"] = torch.full_like(tensors["stress"], torch.nan)
    if not positions:
        tensors = {key: value for key, value in tensors.items() if key not in {"positions", "atomic_numbers", "cell"}}
    save_checkpoint(run.predictions("test"), tensors, about)
    nothing = dict(tensors) | {
        "forces_predicted": torch.zeros_like(tensors["forces"]),
        "stress_predicted": torch.zeros_like(tensors["stress"]),
        "energy_predicted": -5.4 * tensors["n_atoms"],
    }
    by_group = {group: scores_of(tensors, about["groups"], group) for group in dict.fromkeys(about["groups"])}
    scores = {"all": scores_of(tensors, about["groups"]), "groups": by_group}
    scores["baseline"] = scores_of(nothing, about["groups"])
    run.metrics_file.write_text(json.dumps({"splits": {"test": scores}}), encoding="utf-8")
    return run


def write_log(run: Run, epochs: int) -> None:
    random = np.random.default_rng(1)
    with run.log_file.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        metrics = ("energy_mae", "energy_rmse", "forces_mae", "forces_rmse", "stress_mae", "stress_rmse")
        first = ["epoch", "step", "seconds", "learning_rate", "train_loss", "train_energy", "train_forces"]
        writer.writerow([*first, "validation_score", *(f"validation_{name}" for name in metrics)])
        for epoch in range(1, epochs + 1):
            decay = 0.03 + np.exp(-epoch / 12)
            noise = np.exp(random.normal(0, 0.06, 10))
            rate = 1e-3 * (1 + np.cos(np.pi * epoch / epochs)) / 2 + 1e-6
            terms = np.array([1.0, 0.4, 0.6, 1.1, 60.0, 81.0, 0.9, 1.3, 2.5, 3.4]) * decay * noise
            writer.writerow([epoch, epoch * 25, 18.8 * epoch, rate, *terms])


class Reader(HTMLParser):
    """What a browser would see: tags and their attributes, texts by tag, `data` values, and unclosed elements."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all_text(self) -> str:
        return " ".join(" ".join(text.split()) for tag, text in self.texts if tag != "style")


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert not reader.open, f"never closed: {reader.open}"
    return reader


def headings(reader: Reader) -> list[str]:
    return [text for tag, text in reader.texts if tag == "h2"]


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run and its report, which tests read and do not change."""
    run = make_run(tmp_path_factory.mktemp("runs") / "si-painn", epochs=80)
    write_report(run)
    return run


def test_every_section_is_there_and_the_page_is_small(standard: Run) -> None:
    path = standard.report_file
    assert headings(read(path)) == SECTIONS
    # what one mails without thinking; this run has 4788 force components
    assert path.stat().st_size < 1_000_000
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_numbers_are_those_of_metrics_json(standard: Run) -> None:
    text = standard.report_file.read_text(encoding="utf-8")
    scores = json.loads(standard.metrics_file.read_text())["splits"]["test"]
    rows = text[text.index("<tbody>") : text.index("</tbody>")].split("<tr")[1:]
    expected = [scores["all"], *(scores["groups"][name] for name in sorted(scores["groups"])), scores["baseline"]]
    assert len(rows) == len(expected)
    for row, score in zip(rows, expected, strict=True):
        shown = [float(part.split('"')[1]) for part in row.split("<data value=")[1:]]
        # the page keeps each number in full, so that they are equal and not just close
        assert shown == [
            score["n_structures"],
            score["n_atoms"],
            score["energy_mae_mev_per_atom"],
            score["energy_rmse_mev_per_atom"],
            score["forces_mae_ev_per_angstrom"],
            score["forces_rmse_ev_per_angstrom"],
            score["stress_mae_gpa"],
            score["stress_rmse_gpa"],
        ]


def test_visible_numbers_are_rounded_from_metrics_json(standard: Run) -> None:
    reader = read(standard.report_file)
    scores = json.loads(standard.metrics_file.read_text())["splits"]["test"]["all"]
    text = reader.all_text()
    assert f"Energy MAE, test {scores['energy_mae_mev_per_atom']:.2f} meV/atom" in text
    assert f"Forces MAE, test {scores['forces_mae_ev_per_angstrom']:.4f} eV/Å" in text
    assert f"Stress MAE, test {scores['stress_mae_gpa']:.3f} GPa" in text
    # the parity plots compute their own from the predictions; both roads lead to the same numbers
    assert f"MAE {scores['forces_mae_ev_per_angstrom']:.3g} eV/Å" in text
    assert f"MAE {scores['stress_mae_gpa']:.3g} GPa" in text


def test_the_summary_says_what_was_trained_on_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"domain": "materials", "summary": "Silicon.", "licence": "BSD-3-Clause", "citation": "Zuo et al. 2020"}
    (tmp_path / "datasets" / "mlearn-si").mkdir(parents=True)
    (tmp_path / "datasets" / "mlearn-si" / "dataset.yaml").write_text(dump_yaml(card))
    monkeypatch.chdir(tmp_path)
    text = read(write_report(make_run(tmp_path / "runs" / "si-painn", epochs=80))).all_text()
    assert (
        "PaiNN (187 233 parameters, cutoff 5 Å) was trained on mlearn-si (BSD-3-Clause): 193 structures "
        "(12 151 atoms) to train, 21 structures (1 320 atoms) to validate. Training took 25 min 3 s for 80 epochs "
        "on AMD EPYC 7763, in float32 with seed 0."
    ) in text
    for fact in ("9f2c41d07be3a855", "Zuo et al. 2020", "mlearn-si: Silicon.", "Elements Si", "torch 2.13.0"):
        assert fact in text
    assert "sciml train experiments/materials/si-painn.yaml --train.seed=0 sciml evaluate runs/si-painn" in text


@pytest.mark.parametrize(
    ("own", "said", "licensed"),
    [
        ({"train": "/a.xyz", "test": "/b.xyz"}, "your own files (train=/a.xyz, test=/b.xyz)", False),
        ({"files": {"train": {"path": "/a.xyz", "sha256": "1"}}}, "your own files (train=/a.xyz)", False),
        ({"name": None, "files": {"train": {"path": "/a.xyz"}}}, "your own files (train=/a.xyz)", False),
        ({"test": "/b.xyz"}, "mlearn-si with your own test=/b.xyz (BSD-3-Clause)", True),
        ({"files": {"train": {"path": "si.json", "sha256": "1"}}}, "mlearn-si (BSD-3-Clause)", True),
    ],
)
def test_a_data_set_is_named_where_its_files_were_read(
    own: dict, said: str, licensed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"licence": "BSD-3-Clause", "files": {"train": {"path": "si.json", "sha256": "1", "url": "https://x"}}}
    (tmp_path / "datasets" / "mlearn-si").mkdir(parents=True)
    (tmp_path / "datasets" / "mlearn-si" / "dataset.yaml").write_text(dump_yaml(card))
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "run")
    config = run.config()
    run.config_file.write_text(dump_yaml({**config, "dataset": {**config["dataset"], **own}}))
    text = read(write_report(run)).all_text()
    assert f"was trained on {said}:" in text
    assert ("BSD-3-Clause" in text) == licensed


def test_scores_that_are_no_mapping_are_left_out_in_words(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.metrics_file.write_text('{"splits": [1]}')
    assert "metrics.json: `splits` should be a mapping of scores by split" in read(write_report(run)).all_text()


def test_worst_structures_are_the_worst_and_are_drawn(standard: Run) -> None:
    predictions = read_predictions(standard.predictions("test"))
    order = np.argsort(-predictions.force_rmse)[:10]
    page = standard.report_file.read_text(encoding="utf-8")
    table = page[page.index("Worst structures</h2>") :]
    positions = [table.index(f">{predictions.names[i]}<") for i in order]
    assert positions == sorted(positions)
    assert table.count("<tr>") == 11  # and the head
    assert table.count("<circle") == predictions.n_atoms[order].sum()
    first = order[0]
    assert f'<data value="{float(predictions.force_rmse[first])!r}">' in table
    assert f'<data value="{float(predictions.largest_force_error[first])!r}">' in table


def test_without_positions_nothing_is_drawn(tmp_path: Path) -> None:
    page = write_report(make_run(tmp_path / "run", positions=False)).read_text(encoding="utf-8")
    assert "<circle" not in page
    assert "The 10 structures with the largest force RMSE" in page


def test_force_errors_of_each_structure_by_hand(tmp_path: Path) -> None:
    tensors = {
        "energy": torch.tensor([-10.0, -20.0], dtype=torch.float64),
        "energy_predicted": torch.tensor([-10.2, -20.0], dtype=torch.float64),
        "n_atoms": torch.tensor([2.0, 1.0], dtype=torch.float64),
        "forces": torch.zeros(3, 3, dtype=torch.float64),
        "forces_predicted": torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -1.0]], dtype=torch.float64),
        "stress": torch.full((2, 3, 3), torch.nan, dtype=torch.float64),
        "stress_predicted": torch.zeros(2, 3, 3, dtype=torch.float64),
    }
    save_checkpoint(tmp_path / "test.safetensors", tensors, {"names": ["a", "b"], "groups": ["x", "y"]})
    found = read_predictions(tmp_path / "test.safetensors")
    # float64: 0.2 eV of two atoms is 100 meV/atom, to the rounding of -10.2
    assert found.energy_error_mev_per_atom == pytest.approx([-100.0, 0.0], abs=1e-9)
    assert found.largest_force_error == pytest.approx([5.0, 1.0])
    assert found.force_rmse == pytest.approx([np.sqrt(25 / 6), np.sqrt(1 / 3)])
    assert set(found.scores()) == {
        "energy_mae_mev_per_atom",
        "energy_rmse_mev_per_atom",
        "forces_mae_ev_per_angstrom",
        "forces_rmse_ev_per_angstrom",
    }


def test_nothing_is_fetched_and_nothing_runs(standard: Run) -> None:
    path = standard.report_file
    reader = read(path)
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "action"}
            if name in {"href", "xlink:href"}:
                assert value is not None
                assert value.startswith("#")
    text = path.read_text(encoding="utf-8")
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert all(text[start : start + 5] == "url(#" for start in range(len(text)) if text.startswith("url(", start))


def test_ids_are_unique_and_references_lead_somewhere(standard: Run) -> None:
    path = standard.report_file
    reader = read(path)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {(attributes.get("href") or "").removeprefix("#") for _, attributes in reader.tags if "href" in attributes}
    assert wanted <= set(ids)


def test_every_figure_says_what_it_shows(standard: Run) -> None:
    reader = read(standard.report_file)
    drawings = [attributes for tag, attributes in reader.tags if tag == "svg"]
    assert len(drawings) > 15
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 20


HOSTILE = '<script>alert("1")</script>&lt;$x_\\frac{1}$ \x00\ud800 "id="x" <!-- 硅 _'


def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", groups={HOSTILE[:-2]: (3, 0.5, 0.1, 2.0), "_hidden": (3, 1.0, 0.1, 2.0)})
    tensors, about = make_predictions({"<img src=x onerror=alert(1)>": (3, 0.5, 0.1, 2.0), "_hidden": (3, 1, 0.1, 2.0)})
    about["names"][0] = "</table><script>alert(2)</script>"
    save_checkpoint(run.predictions("test"), tensors, about)
    run.record_file.write_text(
        json.dumps({"name": HOSTILE, "command": ["sciml", "train", HOSTILE], "machine": HOSTILE})
    )
    path = write_report(run)
    reader = read(path)
    assert headings(reader) == SECTIONS
    assert not [tag for tag, _ in reader.tags if tag in {"script", "img"}]
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    text = reader.all_text()
    assert '<script>alert("1")</script>&lt;$x_\\frac{1}$ \ufffd\ufffd "id="x" <!-- 硅 _' in text
    assert "</table><script>alert(2)</script>" in text
    assert "\u200b_hidden" in text


def test_an_empty_run_is_reported_in_words(tmp_path: Path) -> None:
    reader = read(write_report(Run(tmp_path)))
    assert headings(reader) == SECTIONS
    text = reader.all_text()
    for words in (
        "This run has not been evaluated yet",
        "There is no log of this training yet",
        "There are no predictions yet",
        "There is no structure with both a prediction and a reference",
        "does not record the command",
        "Parameters not recorded",
    ):
        assert words in text


def test_no_stress_labels(tmp_path: Path) -> None:
    reader = read(write_report(make_run(tmp_path / "run", stress=False)))
    text = reader.all_text()
    assert "Split test has no stress labels, so they are not compared." in text
    assert "The data has no reference for stress, so there is no error to state." in text
    assert "Stress MAE, test" not in text
    assert not [a for tag, a in reader.tags if tag == "svg" and (a["aria-label"] or "").startswith("Stress, test")]


def test_a_single_epoch(tmp_path: Path) -> None:
    text = read(write_report(make_run(tmp_path / "run", epochs=1))).all_text()
    assert "The log holds a single epoch, so each curve is one point." in text


def test_a_log_without_rows_or_with_blanks(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.log_file.write_text("")
    assert "There is no log of this training yet" in read(write_report(run)).all_text()
    run.log_file.write_text("epoch,train_loss,validation_score\n1,2.0,\n2,nan,0.5\n3,oops,0.4\n4,1.0,")
    text = read(write_report(run)).all_text()
    assert "best (3)" in text
    assert "Last: 1." in text
    assert "Last: 0.4." in text


def test_one_structure_of_one_atom(tmp_path: Path) -> None:
    tensors = {
        name: torch.zeros(shape, dtype=torch.float64)
        for name, shape in {
            "energy": 1,
            "energy_predicted": 1,
            "forces": (1, 3),
            "forces_predicted": (1, 3),
            "stress": (1, 3, 3),
            "stress_predicted": (1, 3, 3),
            "positions": (1, 3),
            "cell": (1, 3, 3),
        }.items()
    }
    tensors |= {"n_atoms": torch.ones(1, dtype=torch.float64), "atomic_numbers": torch.tensor([14])}
    save_checkpoint(tmp_path / "predictions" / "test.safetensors", tensors, {"names": ["a"], "groups": ["all"]})
    reader = read(write_report(Run(tmp_path)))
    assert headings(reader) == SECTIONS
    assert "Split test has only 1 structure: its mean errors are rough." in reader.all_text()


def test_damaged_pieces_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.best.write_bytes(run.best.read_bytes()[:-3])
    run.metrics_file.write_text("{")
    text = read(write_report(run)).all_text()
    assert "best.safetensors is truncated" in text
    assert "metrics.json is not valid JSON" in text
    assert "MAE" in text  # the parity plots need neither


def test_notes_tell_what_a_reader_must_know(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    metrics = json.loads(run.metrics_file.read_text())
    scores = metrics["splits"]["test"]
    scores["all"]["forces_mae_ev_per_angstrom"] *= 2  # of another evaluation
    scores["baseline"]["stress_mae_gpa"] = scores["all"]["stress_mae_gpa"] / 2
    run.metrics_file.write_text(json.dumps(metrics))
    run.update(status="interrupted")
    tensors, about = make_predictions(GROUPS)
    tensors["forces_predicted"][0, 0] = torch.inf
    save_checkpoint(run.predictions("test"), tensors, about)
    text = read(write_report(run)).all_text()
    assert "Training did not reach its end: run.json gives the status “interrupted”." in text
    assert "Split test: 1 predicted values of forces are not finite. Do not use this potential." in text
    assert "metrics.json says forces_mae_ev_per_angstrom" in text
    assert "On test the stress MAE" in text
    assert "no better than that of predicting nothing at all" in text


def test_several_splits(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    metrics = json.loads(run.metrics_file.read_text())
    for name, seed in (("test_600k", 3), ("train", 4)):
        tensors, about = make_predictions({"MD": (12, 2.0, 0.2, 5.0)}, seed)
        save_checkpoint(run.predictions(name), tensors, about)
        metrics["splits"][name] = {"all": scores_of(tensors, about["groups"])}
    run.metrics_file.write_text(json.dumps(metrics))
    reader = read(write_report(run))
    labels = [a["aria-label"] or "" for tag, a in reader.tags if tag == "svg"]
    for split in ("test", "test_600k", "train"):
        assert sum(label.startswith(f"Forces, {split}:") for label in labels) == 1
    # where the errors are and which are worst is a question to the test splits alone
    assert not any(label.startswith("Force error, train") for label in labels)
    assert "metrics.json has no baseline for train" in reader.all_text()


def test_a_hundred_thousand_atoms_stay_under_three_megabytes(tmp_path: Path) -> None:
    groups = {f"kind {i:02}": (84, 0.1 * (i + 1), 0.02 * (i + 1), 2.0) for i in range(19)}
    run = make_run(tmp_path / "run", groups=groups)
    path = write_report(run)
    assert len(read_predictions(run.predictions("test")).forces) > 100_000
    assert path.stat().st_size < 3_000_000
    assert "8 other groups" in read(path).all_text()


def test_a_disk_without_room_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    run.report_file.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_report(run)
    monkeypatch.undo()
    assert run.report_file.read_text() == "old"
    assert not [file for file in run.path.iterdir() if file.name.startswith(".")]
