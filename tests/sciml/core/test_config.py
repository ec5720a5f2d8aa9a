"""From files and options to a dataclass: what is merged over what, and how each mistake is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciml.core.config import RawConfig, compose, parse, resolve
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml, parse_yaml


@dataclass(frozen=True)
class FileConfig:
    path: str
    sha256: str | None = None


@dataclass(frozen=True)
class DatasetConfig:
    files: dict[str, FileConfig] = field(default_factory=dict)
    elements: tuple[str, ...] = ()
    train: str | None = None


@dataclass(frozen=True)
class ModelConfig:
    channels: int
    cutoff_angstrom: float = 5.0

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"a network needs channels, but got {self.channels}")


@dataclass(frozen=True)
class TrainConfig:
    epochs: int = 100
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    ema_decay: float | None = 0.99
    deterministic: bool = False
    phases: tuple[FileConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UserError(f"`train.epochs` must not be negative, but is {self.epochs}.")


@dataclass(frozen=True)
class Experiment:
    dataset: DatasetConfig
    model: ModelConfig
    train: TrainConfig = field(default_factory=TrainConfig)


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a small catalogue of its own."""
    files = {
        "datasets/water/dataset.yaml": "domain: materials\nsummary: water\nelements: [H, O]\nrecipe: {name: boil}\n"
        "files: {train: {path: a.xyz}, test: {path: b.xyz}}\n",
        "models/small/model.yaml": "domain: materials\nsummary: small\narchitecture: dense\nchannels: 8\n",
        "models/large/model.yaml": "domain: materials\narchitecture: dense\nchannels: 128\ncutoff_angstrom: 6.0\n",
        "models/storm/model.yaml": "domain: weather\narchitecture: sphere\nchannels: 1\n",
        "experiments/wet.yaml": "domain: materials\ndataset: water\nmodel: {name: small, cutoff_angstrom: 4.5}\n"
        "train: {epochs: 7}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*overrides: str) -> Experiment:
    return parse(Experiment, compose("wet", overrides))


def refusal(*overrides: str) -> str:
    with pytest.raises(UserError) as raised:
        read(*overrides)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_folder_then_experiment_then_command_line(catalogue: Path):
    experiment = read("--train.learning_rate=1e-4", "--dataset.files.test.sha256=abc", "--dataset.train=mine.xyz")
    assert experiment == Experiment(
        dataset=DatasetConfig(
            files={"train": FileConfig("a.xyz"), "test": FileConfig("b.xyz", "abc")},
            elements=("H", "O"),
            train="mine.xyz",
        ),
        model=ModelConfig(channels=8, cutoff_angstrom=4.5),
        train=TrainConfig(epochs=7, learning_rate=1e-4),
    )


def test_raw_configuration_says_what_was_chosen_and_leaves_the_card_out(catalogue: Path):
    raw = compose("experiments/wet.yaml")
    assert raw["name"] == "wet"
    assert raw["domain"] == "materials"
    assert raw["model"] == {"name": "small", "architecture": "dense", "channels": 8, "cutoff_angstrom": 4.5}
    assert set(raw["dataset"]) == {"name", "elements", "files"}
    assert raw.origins["model.channels"].endswith("models/small/model.yaml")
    assert raw.origins["model.cutoff_angstrom"] == "experiments/wet.yaml"


def test_another_model_takes_its_own_settings_wherever_the_option_stands(catalogue: Path):
    expected = ModelConfig(channels=32, cutoff_angstrom=6.0)
    assert read("--model=large", "--model.channels=32").model == expected
    assert read("--model.channels=32", "--model=large").model == expected
    assert read("--model.channels=32", "--model.name=large").model == expected
    assert read("--model={name: large, channels: 32}").model == expected


def test_the_last_of_two_options_holds(catalogue: Path):
    assert read(
        "--train.epochs=1", "--train={epochs: 2, deterministic: true}", "--train.epochs=3"
    ).train == TrainConfig(epochs=3, deterministic=True)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("--train.epoch=3", "command line: `train.epoch` is not a key; did you mean `train.epochs`?"),
        ("--epochs=3", "command line: `epochs` is not a key; did you mean `train.epochs`?"),
        ("--trian.epochs=3", "command line: `trian` is not a key; did you mean `train`?"),
        ("--train.epochs=many", "command line: `train.epochs` must be a whole number, but is 'many'."),
        ("--train.epochs=2.5", "command line: `train.epochs` must be a whole number, but is 2.5."),
        ("--train.epochs=true", "command line: `train.epochs` must be a whole number, but is true."),
        ("--train.epochs=", "command line: `train.epochs` must be a whole number, but is empty."),
        ("--train.epochs=[1]", "command line: `train.epochs` must be a whole number, but is a list."),
        ("--train.epochs=-1", "command line: `train.epochs` must not be negative, but is -1."),
        ("--train.learning_rate=.nan", "command line: `train.learning_rate` must be a finite number, but is nan."),
        ("--train.ema_decay=x", "command line: `train.ema_decay` must be a number or null, but is 'x'."),
        ("--train.schedule=cosin", "command line: `train.schedule` must be one of constant, cosine, but is 'cosin'."),
        ("--train=3", "command line: `train` must be a mapping of keys to values, but is 3."),
        ("--train.epochs.more=3", "command line: `train.epochs` must be a whole number, but is a mapping."),
        (
            "--dataset.files.train.pth=x",
            "`dataset.files.train.pth` is not a key; did you mean `dataset.files.train.path`?",
        ),
        ("--dataset.elements=H", "`dataset.elements` must be a list of which each is text, but is 'H'."),
        ("--model.channels=0", "`model`: a network needs channels, but got 0."),
        ("--model=smal", "command line: `model`: there is no model `smal`; did you mean `small`?"),
        ("--model=storm", "command line: `model: storm` belongs to weather, but the experiment to materials."),
        ("--model.name=3", "command line: `model.name` must be text, but is 3."),
        ("--model=3", "command line: `model.name` must be text, but is 3."),
        ("--model=", "command line: `model.name` must be text, but is empty."),
        ("--model=[large]", "command line: `model.name` must be text, but is a list."),
        (
            "--train.phases=[{path: a}, {pat: b}]",
            "`train.phases.1.pat` is not a key; did you mean `train.phases.1.path`?",
        ),
        ("--train.epochs", "command line: `--train.epochs` needs a value, as --train.epochs=VALUE."),
        ("--train.epochs={a: 1, a: 2}", "the key `a` is there twice"),
        ("--train..epochs=3", "command line: '--train..epochs=3' is not understood."),
        ("train.epochs=3", "command line: 'train.epochs=3' is not understood."),
    ],
)
def test_each_mistake_names_its_source_and_key_in_one_line(catalogue: Path, override: str, said: str):
    assert said in refusal(override)


def test_a_mistake_in_a_file_names_that_file(catalogue: Path):
    (catalogue / "models/small/model.yaml").write_text("domain: materials\narchitecture: dense\nchanels: 8\n")
    message = refusal()
    assert message.endswith("models/small/model.yaml: `model.chanels` is not a key; did you mean `model.channels`?")
    (catalogue / "models/small/model.yaml").write_text("domain: materials\narchitecture: dense\n")
    assert "`model.channels` is missing; it must be a whole number." in refusal()


@pytest.mark.parametrize("value", ["3", "[a]", "{name: 3}", "{name: none-such}", "null"])
def test_a_dataset_that_is_no_name(catalogue: Path, value: str):
    (catalogue / "experiments/wet.yaml").write_text(f"domain: materials\ndataset: {value}\nmodel: small\n")
    assert refusal().startswith(("experiments/wet.yaml: `dataset`", "experiments/wet.yaml: `dataset.name`"))


def test_no_dataset_folder_is_needed_for_files_of_ones_own(catalogue: Path):
    (catalogue / "experiments/wet.yaml").write_text("domain: materials\ndataset: {train: my.xyz}\nmodel: small\n")
    assert read().dataset == DatasetConfig(train="my.xyz")


@pytest.mark.parametrize("name", ["../escape", "a/b", "3", ""])
def test_a_name_that_is_no_folder_name_is_refused(catalogue: Path, name: str):
    with pytest.raises(UserError, match="`name` must be a word"):
        compose("wet", [f"--name={name}"])


def test_resolved_configuration_is_complete_and_gives_the_same_again(catalogue: Path):
    raw = compose("wet", ["--train.epochs=2"])
    experiment = parse(Experiment, raw)
    resolved = resolve(raw, experiment)
    assert resolved["train"] == {
        "epochs": 2,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "ema_decay": 0.99,
        "deterministic": False,
        "phases": [],
    }
    assert resolved["model"]["architecture"] == "dense"
    assert parse(Experiment, parse_yaml(dump_yaml(resolved), "run")) == experiment


@given(text=st.one_of(st.text(), st.text(alphabet="abdlmnotirse:-[]{}.=' \n3")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_experiment_file_is_read_or_refused_in_one_line(catalogue: Path, text: str):
    (catalogue / "experiments/any.yaml").write_text(text, encoding="utf-8")
    _read_or_refuse("any", [])


@given(override=st.one_of(st.text(), st.from_regex(r"--(train|model|dataset)(\.[a-z_]+){0,2}=.{0,12}", fullmatch=True)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_option_is_applied_or_refused_in_one_line(catalogue: Path, override: str):
    _read_or_refuse("wet", [override])


CLASSES = (Experiment, DatasetConfig, ModelConfig, TrainConfig, FileConfig)
KEYS = [field.name for cls in CLASSES for field in dataclasses.fields(cls)]
nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), nested, max_size=4))
def test_any_mapping_is_parsed_or_refused_in_one_line(raw: Mapping[str, Any]):
    try:
        assert isinstance(parse(Experiment, RawConfig(raw)), Experiment)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def _read_or_refuse(experiment: str, overrides: list[str]) -> None:
    try:
        parse(Experiment, compose(experiment, overrides))
    except UserError as error:
        assert len(str(error).splitlines()) == 1
