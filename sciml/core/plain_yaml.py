"""YAML as configurations need it: YAML 1.2's core types, no anchors, no tags, no key twice, errors in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sciml.core.errors import UserError


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types; no anchors, tags or duplicate keys, which a configuration does better without."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(None, None, "anchors and aliases are not allowed here", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(None, None, "tags are not allowed here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        assert isinstance(node, yaml.MappingNode)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(None, None, "a key must be text", key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"the key `{key.value}` is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back as it was."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_int(loader: yaml.SafeLoader, node: yaml.Node) -> int:
    return int(str(node.value), 0)


def _construct_float(loader: yaml.SafeLoader, node: yaml.Node) -> float:
    return float(str(node.value).replace(".inf", "inf").replace(".nan", "nan"))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # in double quotes every character that is not printable is written as an escape, and none is lost
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


# YAML 1.2.2, section 10.3.2 (core schema), in lower case
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+.0123456789")),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Dumper.add_representer(str, _represent_text)


def parse_yaml(text: str, source: str) -> Any:
    """The value of a YAML text. Raises UserError naming `source`, line and column."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader that allows less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = (error.problem or "not valid YAML").replace("found character '\\t' that", "a tab, which")
        raise UserError(f"{source}: {place}{one_line(problem)}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {one_line(str(error))}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: not valid YAML: {one_line(str(error))}.") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises UserError for a file that is missing, not UTF-8, not YAML or no mapping."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}). A configuration is a text file.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null byte in the path
        raise UserError(f"{str(path)!r} is no path of a file.") from error
    value = parse_yaml(text, str(path))
    if not isinstance(value, dict):
        raise UserError(f"{path}: needs `key: value` lines, but holds {describe_value(value)}.")
    return value


def dump_yaml(value: Mapping[str, Any]) -> str:
    """YAML text that `parse_yaml` reads back as the same value."""
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def describe_value(value: Any) -> str:
    """A value in a few words, for an error."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    """A message without line breaks and full stop, to put into another."""
    return " ".join(text.split()).rstrip(".")
