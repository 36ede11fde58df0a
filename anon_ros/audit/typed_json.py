# SPDX-License-Identifier: Apache-2.0
"""JSON files of frozen dataclasses, checked field by field."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from anon_ros.core.whole_file import write_whole
from anon_ros.errors import InputError, OutputError

if typing.TYPE_CHECKING:
    from pathlib import Path

T = TypeVar('T')

MOST_BYTES = 64 * 2**20


def write(value: Any, path: Path, name: str) -> None:
    """
    Write a dataclass as a file, whole or not at all; its folder is made where it is missing.

    name: what it is, for the error. Raises OutputError that names the file and the cause.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, to_json(value).encode())
    except OSError as error:
        raise OutputError(f'{path}: cannot write the {name}: {error.strerror}') from error


def read(kind: type[T], path: Path, name: str, most_bytes: int = MOST_BYTES) -> T:
    """
    Return the dataclass of a file; see from_plain.

    name: what it is, for the error. Raises InputError that names the file and what is wrong.
    """
    return read_with_plain(kind, path, name, most_bytes)[0]


def read_with_plain(
    kind: type[T], path: Path, name: str, most_bytes: int = MOST_BYTES
) -> tuple[T, dict[str, object]]:
    """Return the dataclass of a file and its JSON as it is, unknown keys included; see read."""
    try:
        with path.open('rb') as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f'it is larger than {most_bytes >> 20} MiB')
        plain = parse(content.decode('utf-8'))
        return from_plain(kind, plain), plain
    except OSError as error:
        raise InputError(f'{path}: cannot read the {name}: {error.strerror}') from error
    except ValueError as error:
        raise InputError(f'{path}: no {name} of anon_ros: {error}') from error


def check_schema(value: Any, schema: str, version: int) -> None:
    """Raise ValueError where a dataclass says of itself that it is of another schema."""
    if value.schema != schema:
        raise ValueError(f'schema is {_short(value.schema)}, expected {schema!r}')
    if value.schema_version != version:
        raise ValueError(
            f'schema_version is {value.schema_version}; this version of anon_ros reads {version}')


def to_json(value: Any) -> str:
    """Return a dataclass as the text of a JSON file."""
    return json.dumps(to_plain(value), indent=1, allow_nan=False) + '\n'


def parse(text: str) -> Any:
    """
    Return the value of a JSON text.

    Raises ValueError for anything else, also for NaN, infinity and bottomless nesting.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


def to_plain(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as dicts and lists for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], value: Any, where: str = '') -> T:
    """
    Return a dataclass from parsed JSON; keys it does not know are ignored.

    where: the name that errors give to the value.
    Raises ValueError that names the field and what was expected there.
    """
    if not isinstance(value, dict):
        raise ValueError(f'{where or "it"} is no object')
    hints = typing.get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]  # T is a dataclass
        path = f'{where}.{item.name}' if where else item.name
        if item.name in value:
            chosen[item.name] = _decode(hints[item.name], value[item.name], path)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ValueError(f'{path} is missing')
    try:
        return kind(**chosen)
    except ValueError as error:
        raise ValueError(f'{where}: {error}' if where else str(error)) from None


def _decode(hint: Any, value: Any, path: str) -> Any:
    if hint is object:
        return value
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast('type[Any]', hint), value, path)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return None if value is None else _decode(arguments[0], value, path)
    decode = _DECODERS.get(origin)
    return _decode_scalar(hint, value, path) if decode is None else decode(arguments, value, path)


def _one_of(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f'{path} is {_short(value)}, expected one of {", ".join(choices)}')
    return value


def _decode_list(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f'{path} is {_short(value)}, expected a list')
    return tuple(_decode(arguments[0], item, f'{path}[{i}]') for i, item in enumerate(value))


def _decode_mapping(arguments: tuple[Any, ...], value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f'{path} is {_short(value)}, expected an object')
    return {key: _decode(arguments[1], item, f'{path}.{key}') for key, item in value.items()}


_DECODERS: dict[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    typing.Literal: _one_of,
    tuple: _decode_list,
    dict: _decode_mapping,
}


def _decode_scalar(hint: Any, value: Any, path: str) -> Any:
    if hint is float and type(value) is int:
        value = _to_float(value)
    if type(value) is not hint or not _is_in_range(value):
        raise ValueError(f'{path} is {_short(value)}, expected a {hint.__name__}')
    return value


def _is_in_range(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= 2**64


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _refuse_constant(name: str) -> float:
    raise ValueError(f'it holds {name}, which is no JSON number')
