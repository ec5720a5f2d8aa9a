"""From an experiment's YAML and the command line to one frozen dataclass, every value checked before anything is built.

`compose` resolves the names of a dataset and a model, merges, and remembers where each key came from; `parse` makes
the dataclass. Every mistake is one line with the file (or "command line"), the key and the nearest known key.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
import types
import typing
from collections import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from sciml.core.catalogue import find_dataset, find_experiment, find_model, suggest
from sciml.core.errors import UserError
from sciml.core.plain_yaml import describe_value, one_line, parse_yaml, read_yaml

T = TypeVar("T")

COMMAND_LINE = "command line"
# what a card says about a dataset or a model, not what a run is configured by
_CARD_KEYS = ("summary", "licence", "citation", "homepage")
# keys that name things or choose the class, so that the class itself need not have them
_CHOOSERS = frozenset({"name", "domain", "dataset.name", "model.name", "model.architecture"})
# the parts of an experiment that are folders of the catalogue: file inside, keys that stay outside of a run
_PARTS = {
    "dataset": (find_dataset, "dataset.yaml", (*_CARD_KEYS, "recipe")),
    "model": (find_model, "model.yaml", _CARD_KEYS),
}


class RawConfig(dict[str, Any]):
    """A composed configuration and, by dotted key, the file that each value came from (or "command line")."""

    origins: dict[str, str]

    def __init__(self, values: Mapping[str, Any] = {}, origins: Mapping[str, str] = {}) -> None:
        super().__init__(values)
        self.origins = dict(origins)


# ------------------------------------------------------------------------------------------------------------- compose


def compose(experiment: str | Path, overrides: Sequence[str] = ()) -> RawConfig:
    """An experiment with its dataset and model filled in and the command line applied.

    Args:
        experiment: path or name of the experiment.
        overrides: `--key.sub=value`, value in YAML; `--model=NAME` and `--dataset=NAME` choose another folder.

    Raises:
        UserError: in one line, what is wrong with which file or option.
    """
    changes = [_split_override(text) for text in overrides]
    path = find_experiment(str(experiment))
    source = str(path)
    raw = {"name": path.stem, **read_yaml(path)}
    config = RawConfig({}, {})
    for key, value in raw.items():
        if key in _PARTS:
            _add_part(config, key, value, source, changes)
        else:
            _merge(config, config.origins, (key,), value, source)
    for key in _PARTS.keys() - raw.keys():
        if any(keys[0] == key for keys, _ in changes):
            _add_part(config, key, {}, source, changes)
    for keys, value in changes:
        if not (len(keys) == 1 and keys[0] in _PARTS and isinstance(value, str)):
            _merge(config, config.origins, keys, value, COMMAND_LINE)
    if not isinstance(config["name"], str) or not re.fullmatch(r"[\w.+-]+", config["name"]):
        raise UserError(
            f"{source}: `name` must be a word of letters, digits, `-`, `_`, `.`, but is {config['name']!r}."
        )
    return config


def _add_part(
    config: RawConfig, part: str, value: Any, source: str, changes: list[tuple[tuple[str, ...], Any]]
) -> None:
    """Adds `dataset` or `model`: the facts of its folder, then the experiment's own keys over them."""
    find, file_name, outside = _PARTS[part]
    own = {"name": value} if isinstance(value, str) else value
    if not isinstance(own, Mapping):
        raise UserError(f"{source}: `{part}` must be a name or a mapping with `name`, but is {describe_value(value)}.")
    name, name_source = own.get("name"), source
    for keys, change in changes:
        chosen = change.get("name", name) if keys == (part,) and isinstance(change, Mapping) else change
        if keys in {(part,), (part, "name")} and chosen != name:
            name, name_source, own = chosen, COMMAND_LINE, {}  # the old choice's own keys go with it
    if name is not None or name_source == COMMAND_LINE:
        if not isinstance(name, str):
            raise UserError(f"{name_source}: `{part}.name` must be text, but is {describe_value(name)}.")
        try:
            file = find(name) / file_name
        except UserError as error:
            raise UserError(f"{name_source}: `{part}`: {error}") from error
        facts = read_yaml(file)
        domain = facts.pop("domain", None)
        wanted = config.get("domain", domain)
        if domain is not None and domain != wanted:
            raise UserError(f"{name_source}: `{part}: {name}` belongs to {domain}, but the experiment to {wanted}.")
        facts = {key: fact for key, fact in facts.items() if key not in outside}
        _merge(config, config.origins, (part,), {"name": name, **facts}, str(file))
        own = {key: override for key, override in own.items() if key != "name"}
        config.origins[f"{part}.name"] = name_source
    _merge(config, config.origins, (part,), dict(own), source)


def _split_override(text: str) -> tuple[tuple[str, ...], Any]:
    """`--train.epochs=3` as (("train", "epochs"), 3)."""
    option, equals, value = text.partition("=")
    key = option.removeprefix("--")
    if not option.startswith("--") or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*", key):
        raise UserError(f"{COMMAND_LINE}: {text!r} is not understood. Options of the experiment are --key.sub=value.")
    if not equals:
        raise UserError(f"{COMMAND_LINE}: `{option}` needs a value, as {option}=VALUE.")
    return tuple(key.split(".")), parse_yaml(value, f"{COMMAND_LINE}, {option}")


def _merge(
    target: dict[str, Any], origins: dict[str, str], keys: tuple[str, ...], value: Any, source: str, prefix: str = ""
) -> None:
    """Puts a value at a dotted key; a mapping is merged into a mapping, anything else replaces."""
    key, dotted = keys[0], f"{prefix}{keys[0]}"
    if len(keys) > 1:
        value = {keys[1]: value} if len(keys) == 2 else _nest(keys[1:], value)
    if not isinstance(value, Mapping):
        target[key] = value
        origins[dotted] = source
        return
    if not isinstance(target.get(key), dict):
        target[key] = {}
        origins[dotted] = source
    for inner, inner_value in value.items():
        _merge(target[key], origins, (inner,), inner_value, source, f"{dotted}.")


def _nest(keys: tuple[str, ...], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


# --------------------------------------------------------------------------------------------------------------- parse


def resolve(raw: Mapping[str, Any], parsed: Any) -> dict[str, Any]:
    """The mapping that `parse` makes the same dataclass from, defaults filled in, for a run's config.yaml."""
    return _deep_update(_plain(raw), _plain(dataclasses.asdict(parsed)))


def _deep_update(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(old.get(key), dict)
        old[key] = _deep_update(old[key], value) if both else value
    return old


def _plain(value: Any) -> Any:
    """Mappings, lists, text and numbers alone, as YAML has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def parse(cls: type[T], raw: Mapping[str, Any], source: str | None = None) -> T:
    """A frozen dataclass (nested ones too) from a mapping, every key and type checked.

    Args:
        cls: the dataclass; those nested in it, alone or in dict[str, ...], list, tuple or `| None`, are checked too.
        raw: the mapping, best from `compose`, which knows where each key came from.
        source: named in errors for keys of unknown origin.

    Raises:
        UserError: unknown or missing key, wrong type, or what the dataclass itself refuses (its ValueError).
    """
    return _Parser(getattr(raw, "origins", {}), source or "configuration", _known_keys(cls)).dataclass(cls, raw, "")


class _Parser:
    def __init__(self, origins: Mapping[str, str], source: str, known: list[str]) -> None:
        self.origins, self.source, self.known = origins, source, known

    def error(self, key: str, problem: str) -> UserError:
        """One line with the nearest origin of the key: its own, or that of the mapping it should be in."""
        at = key
        while at and at not in self.origins:
            at = at.rpartition(".")[0]
        return UserError(f"{self.origins.get(at, self.source)}: {' '.join(problem.split())}")

    def dataclass(self, cls: type[T], raw: Any, prefix: str) -> T:
        name = prefix.rstrip(".")
        if not isinstance(raw, Mapping):
            raise self.error(name, f"`{name}` must be a mapping of keys to values, but is {describe_value(raw)}.")
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # pyright: ignore[reportArgumentType]
        for key in raw:
            if key not in fields and f"{prefix}{key}" not in _CHOOSERS:
                # a config class may know what else its keys are called elsewhere
                meant = getattr(cls, "OTHER_NAMES", {}).get(key)
                near = [f"{prefix}{field}" for field in ([meant] if meant else fields)]
                raise self.unknown(f"{prefix}{key}", near, meant is not None)
        values = {}
        for key, field in fields.items():
            if key in raw:
                values[key] = self.value(hints[key], raw[key], f"{prefix}{key}")
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise self.error(name, f"`{prefix}{key}` is missing; it must be {_describe_type(hints[key])}.")
        try:
            return cls(**values)
        except ValueError as error:  # what the dataclass refuses; it may name the key itself
            message = one_line(str(error))
            named = re.match(r"`([\w.]+)`", message)
            if named and named[1].startswith(prefix):
                raise self.error(named[1], f"{message}.") from error
            raise self.error(name, f"`{name}`: {message}." if name else f"{message}.") from error

    def value(self, hint: Any, raw: Any, key: str) -> Any:
        if dataclasses.is_dataclass(hint):
            return self.dataclass(typing.cast(type, hint), raw, f"{key}.")
        members = _members(hint)
        if raw is None and types.NoneType in members:
            return None
        for member in members:
            holder, inner = get_origin(member), get_args(member)
            if dataclasses.is_dataclass(member) and isinstance(raw, Mapping):
                return self.dataclass(typing.cast(type, member), raw, f"{key}.")
            if holder in {dict, abc.Mapping} and dataclasses.is_dataclass(inner[1]) and isinstance(raw, Mapping):
                return {name: self.value(inner[1], value, f"{key}.{name}") for name, value in raw.items()}
            if holder in {list, tuple} and dataclasses.is_dataclass(inner[0]) and isinstance(raw, list):
                return holder(self.value(inner[0], value, f"{key}.{place}") for place, value in enumerate(raw))
        return self.leaf(hint, raw, key)

    def leaf(self, hint: Any, raw: Any, key: str) -> Any:
        """A value without dataclasses inside: jsonargparse checks it and converts 1 to 1.0, lists to tuples."""
        import jsonargparse  # takes 0.13 s, which `sciml --help` should not pay

        problem = self.error(key, f"`{key}` must be {_describe_type(hint)}, but is {describe_value(raw)}.")
        if isinstance(raw, float) and not math.isfinite(raw):
            raise self.error(key, f"`{key}` must be a finite number, but is {raw}.")
        if hint is Any or (isinstance(raw, str) and str in _members(hint)):
            return raw
        if raw is None and types.NoneType not in _members(hint):
            raise problem
        parser = jsonargparse.ArgumentParser(exit_on_error=False, default_env=False)
        parser.add_argument("--value", type=hint)
        try:
            return parser.parse_object({"value": raw}).value
        except (argparse.ArgumentError, TypeError, ValueError, OverflowError, RecursionError):
            raise problem from None

    def unknown(self, key: str, siblings: list[str], is_meant: bool = False) -> UserError:
        """Names the key that is meant, or the nearest one beside it, or anywhere: `epochs` -> `train.epochs`."""
        hint = f"did you mean `{siblings[0]}`?" if is_meant else suggest(key, siblings)
        if not hint:
            last = key.rpartition(".")[2]
            same = [known for known in self.known if known.rpartition(".")[2] == last]
            hint = f"did you mean `{same[0]}`?" if same else suggest(key, self.known)
        if not hint:
            hint = "known here: " + ", ".join(f"`{sibling}`" for sibling in siblings) + "."
        return self.error(key, f"`{key}` is not a key; {hint}")


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _known_keys(cls: type, prefix: str = "") -> list[str]:
    """Dotted names of every field, for suggestions."""
    known: list[str] = []
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        known.append(f"{prefix}{field.name}")
        for member in _members(hints[field.name]):
            if dataclasses.is_dataclass(member):
                known += _known_keys(typing.cast(type, member), f"{prefix}{field.name}.")
    return known


_PLAIN_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    types.NoneType: "null",
}


def _describe_type(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _PLAIN_NAMES:
        return _PLAIN_NAMES[hint]
    if origin in {Union, types.UnionType}:
        return " or ".join(_describe_type(member) for member in args)
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in args)
    if origin in {list, tuple}:
        return "a list of which each is " + _describe_type(args[0])
    if origin in {dict, abc.Mapping}:
        return "a mapping to " + _describe_type(args[1])
    if dataclasses.is_dataclass(hint):
        return "a mapping with the keys " + ", ".join(field.name for field in dataclasses.fields(hint))
    return str(hint)
