# SPDX-License-Identifier: Apache-2.0
"""
Message definitions, as bags carry them: the fields of a type and of every type inside it.

Type names are canonical here: 'sensor_msgs/Image', whether the bag spells it
'sensor_msgs/msg/Image' (ROS 2), 'sensor_msgs/Image' (ROS 1), 'sensor_msgs::msg::dds_::Image_'
(DDS) or 'foxglove.RawImage' (other encodings in MCAP).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.idl import get_types_from_idl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PRIMITIVE_SIZES = {
    'bool': 1, 'byte': 1, 'char': 1, 'octet': 1, 'int8': 1, 'uint8': 1, 'int16': 2, 'uint16': 2,
    'int32': 4, 'uint32': 4, 'int64': 8, 'uint64': 8, 'float32': 4, 'float64': 8,
}
BYTE_TYPES = frozenset({'byte', 'char', 'octet', 'uint8', 'int8'})
_LEAVES = frozenset({*PRIMITIVE_SIZES, 'string', 'wstring', 'wchar', 'float128', 'fixed'})
_TIMES = frozenset({'time', 'duration'})
_TIME_FIELDS = ('sec', 'nanosec')

_SEPARATOR = re.compile(r'^={3,}\s*$', re.MULTILINE)
_SECTION = re.compile(r'\s*(?:MSG|IDL):\s*(\S+)[^\n]*(?:\n|$)')
_IDL = re.compile(r'^\s*(?:module|struct)\s+\w+\s*\{', re.MULTILINE)
_FIELD = re.compile(
    r'(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?P<array>\[(?P<bound><=)?(?P<count>\d*)\])?'
    r'\s+(?P<name>[A-Za-z_]\w*)(?P<constant>\s*=)?'
)


@dataclass(frozen=True)
class Field:
    """
    One field of a message.

    type_name: a primitive, 'string', or a canonical type name.
    count: None for a single value, 0 for a sequence of any length, else an array's length.
    """

    name: str
    type_name: str
    count: int | None = None


Types: TypeAlias = 'dict[str, tuple[Field, ...]]'


def canonical(type_name: str) -> str:
    """Return a type's name as package/Name, whatever the spelling."""
    parts = [part for part in re.split(r'::|[/.]', type_name) if part]
    if 'dds_' in parts:
        parts = [part.removesuffix('_') for part in parts if part != 'dds_']
    return '/'.join(part for part in parts if part != 'msg')


@lru_cache(maxsize=1024)
def known_types(type_name: str, definition: str, *, is_ros1: bool) -> Types:
    """
    Return the fields of a type and of all types that may be inside it, by canonical name.

    definition: the bag's text, in ROS's message or interface definition language. What it does
        not define, or all where it cannot be read, is what ROS itself defines under that name.
    """
    return {**_standard_types(is_ros1), **parse(type_name, definition)}


def parse(type_name: str, definition: str) -> Types:
    """Return the fields by canonical type name; {} where the definition cannot be read."""
    if not definition.strip():
        return {canonical(type_name): ()} if _is_empty_type(type_name) else {}
    sections = _sections(type_name, definition)
    if any(_IDL.search(text) for _, text in sections):
        return _parse_idl(sections)
    try:
        return {canonical(name): _parse_msg(canonical(name), text) for name, text in sections}
    except TypesysError:
        return {}


def closure(type_name: str, types: Mapping[str, tuple[Field, ...]]) -> tuple[set[str], set[str]]:
    """Return the types reachable from one (itself included) and those that nobody defines."""
    seen: set[str] = set()
    missing: set[str] = set()
    waiting = [canonical(type_name)]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in types:
            missing.add(name)
            continue
        waiting += [field.type_name for field in types[name] if '/' in field.type_name]
    return seen, missing


def flatten(
    type_name: str, types: Mapping[str, tuple[Field, ...]], prefix: str = '', depth: int = 0
) -> Iterator[Field]:
    """
    Yield the leaves of a message in order, named by their path: 'header.stamp.sec'.

    Raises KeyError for a type that nobody defines, and for sequences of messages.
    """
    if depth > 16:
        raise KeyError(f'{type_name} contains itself')
    for field in types[canonical(type_name)]:
        path = prefix + field.name
        if '/' not in field.type_name:
            yield Field(path, field.type_name, field.count)
        elif field.count is None:
            yield from flatten(field.type_name, types, path + '.', depth + 1)
        else:
            raise KeyError(f'{path} is an array of {field.type_name}')


def _is_empty_type(type_name: str) -> bool:
    return canonical(type_name) == 'std_msgs/Empty'


def _sections(type_name: str, definition: str) -> list[tuple[str, str]]:
    sections = []
    for index, text in enumerate(_SEPARATOR.split(definition.replace('\r\n', '\n'))):
        heading = _SECTION.match(text)
        if heading:
            sections.append((heading[1], text[heading.end():]))
        elif index == 0 and text.strip():
            sections.append((type_name, text))
    return sections or [(type_name, definition)]


def _parse_msg(owner: str, text: str) -> tuple[Field, ...]:
    fields: list[Field] = []
    for line in text.split('\n'):
        stripped = line.split('#', 1)[0].strip()
        if not stripped:
            continue
        match = _FIELD.match(stripped)
        if match is None:
            raise TypesysError(f'{owner}: no field: {stripped!r}')
        if not match['constant']:
            fields += _expand(match['name'], match['type'], _count(match), owner)
    return tuple(fields)


def _count(match: re.Match[str]) -> int | None:
    if match['array'] is None:
        return None
    return 0 if match['bound'] or not match['count'] else int(match['count'])


def _expand(name: str, type_name: str, count: int | None, owner: str) -> Iterable[Field]:
    """Return the field, its type's name made canonical; ROS 1's time becomes its two halves."""
    if type_name in _LEAVES:
        return [Field(name, type_name, count)]
    if type_name in _TIMES and count is None:
        return [Field(f'{name}.{part}', 'uint32') for part in _TIME_FIELDS]
    if type_name in _TIMES:
        return [Field(name, f'builtin_interfaces/{type_name.capitalize()}', count)]
    if '/' not in type_name:
        package = 'std_msgs' if type_name == 'Header' else owner.rsplit('/', 1)[0]
        type_name = f'{package}/{type_name}'
    return [Field(name, canonical(type_name), count)]


def _parse_idl(sections: list[tuple[str, str]]) -> Types:
    types: Types = {}
    try:
        for _, text in sections:
            types |= _from_rosbags(get_types_from_idl(text))
    except Exception:  # noqa: BLE001 - fails closed: an unknown type is never copied unasked
        return {}
    return types


@lru_cache(maxsize=2)
def _standard_types(is_ros1: bool) -> Types:
    store = get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.LATEST)
    return _from_rosbags(store.fielddefs)


def _from_rosbags(typesdict: Mapping[str, Any]) -> Types:
    return {
        canonical(name): tuple(_from_node(field, node) for field, node in fields)
        for name, (_, fields) in typesdict.items()
    }


def _from_node(name: str, node: Any) -> Field:
    node_type, value = node
    if node_type == Nodetype.BASE:
        return Field(name, value[0])
    if node_type == Nodetype.NAME:
        return Field(name, canonical(value))
    (inner_type, inner), count = value
    type_name = inner[0] if inner_type == Nodetype.BASE else canonical(inner)
    return Field(name, type_name, 0 if node_type == Nodetype.SEQUENCE else count)
