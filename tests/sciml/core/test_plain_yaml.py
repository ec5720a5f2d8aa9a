"""The subset of YAML: what is refused and how it is said, and that what is written is read back."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train:\n\tepochs: 3\n", "line 2, column 1: a tab"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key `a` is there twice"),
        ("train: {epochs: 1, epochs: 2}", "the key `epochs` is there twice"),
        ("a: &x [1]\nb: *x\n", "line 1, column 4: anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "tags are not allowed"),
        ("a: [1, 2\n", "line 2"),
        ("1: one", "a key must be text"),
        ("[a, b]: one", "a key must be text"),
        ("a: 1\n---\nb: 2\n", "document"),
        ("- 1\n- 2\n", "but holds a list"),
        ("just words", "but holds 'just words'"),
        ("", "but holds empty"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
    ],
)
def test_refused_in_one_line_with_the_place(tmp_path: Path, text: str, said: str):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        read_yaml(file)
    message = str(raised.value)
    assert message.startswith(f"{file}: ")
    assert said in message
    assert "\n" not in message


def test_files_that_are_none(tmp_path: Path):
    with pytest.raises(UserError, match=r"absent\.yaml: no such file"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: Schütt".encode("latin-1"))
    with pytest.raises(UserError, match=r"not UTF-8 text \(byte 9\)"):
        read_yaml(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),  # text in YAML 1.1, to everybody's surprise
        ("1.", 1.0),
        ("-.5E+2", -50.0),
        ("0x10", 16),
        ("010", 10),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_core_types_and_no_others(text: str, value: object):
    assert parse_yaml(f"key: {text}", "test") == {"key": value}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path):
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_yaml(tmp_path / "bom.yaml") == {"name": "x"}


@given(st.one_of(st.text(), st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?\t\n 01.e~<=")))
@example("!!bool x")
@example("? ")
@example("\x00")
@example("\ufeff")
@example("'\\")
@example("0x")
@example("&a [*a]")
def test_any_text_is_read_or_refused_in_one_line(text: str):
    try:
        parse_yaml(text, "test")
    except UserError as error:
        assert len(str(error).splitlines()) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    file = tmp_path_factory.mktemp("bytes") / "any.yaml"
    file.write_bytes(content)
    try:
        assert isinstance(read_yaml(file), dict)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(st.dictionaries(st.text(), values))
@example(
    {"a": "1e5", "b": "true", "c": "0x1", "d": "yes", "e": "", "f": "<<", "g": "2024-01-01", "1": 1e300, "null": -0.0}
)
@example({"next line": "»'\x85Ê", "tab": "\t", "lines": "a\n\n b \r"})
@example({"shared": [[1], [1]]})
def test_what_is_written_is_read_back(value: dict[str, object]):
    assert parse_yaml(dump_yaml(value), "test") == value
