# SPDX-License-Identifier: Apache-2.0
"""Compare what two bags say of their topics: type, definition, serialization, QoS, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anon_ros.bags.sniff import looks_like_image
from anon_ros.bags.storage import mcap_records as mcap
from anon_ros.bags.storage import ros1_records as ros1
from anon_ros.bags.storage.mcap_source import McapSource
from anon_ros.bags.storage.ros1_source import Ros1Source
from anon_ros.bags.storage.sqlite_source import SqliteSource
from anon_ros.bags.topics import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anon_ros.bags.storage import SourceBag, SourceFile
    from anon_ros.bags.topics import TopicPlan


_MEDIA = ('image/', 'video/')
_MCAP_IDS_BYTES = 4
"""A channel record starts with its own and its schema's number, 2 bytes each."""


def compare_bags(source: SourceBag, target: SourceBag, plan: TopicPlan) -> Iterator[str]:
    """Yield a line for each thing in which the bags' descriptions of kept topics differ."""
    kept = {
        connection.topic for connection in source.connections
        if plan.action(connection) is not Action.DROP
    }
    if len(source.files) != len(target.files):
        yield f'the source has {len(source.files)} files, the target {len(target.files)}'
    for before, after in zip(source.files, target.files, strict=False):
        yield from _compare_files(before, after, kept, plan)
    yield from _differences(
        'metadata.yaml', _described(source, kept), _described(target, kept)
    )


def _compare_files(
    before: SourceFile, after: SourceFile, kept: set[str], plan: TopicPlan
) -> Iterator[str]:
    yield from _differences(after.name, _connections(before, kept), _connections(after, kept))
    yield from _differences(after.name, _records(before, kept), _records(after, kept))
    yield from _compare_attachments(before, after)
    for connection in after.connections:
        if plan.action(connection) is Action.DROP and connection.message_count > 0:
            yield f'{after.name}: {connection.topic} is still there'


def _compare_attachments(before: SourceFile, after: SourceFile) -> Iterator[str]:
    """Compare what lies beside the messages; what holds a picture may only be left out."""
    rest = list(after.attachments)
    for attachment in before.attachments:
        name, data = attachment.name, attachment.data
        found = next((each for each in rest if each.name == name and each.data == data), None)
        if found is not None:
            rest.remove(found)
        holds_picture = bool(looks_like_image(data)) or attachment.media_type.startswith(_MEDIA)
        if found is not None and holds_picture:
            yield f'{after.name}: the attachment {name} holds a picture'
        elif found is None and not holds_picture:
            yield f'{after.name}: the attachment {name} is missing or changed'
    for attachment in rest:
        yield f'{after.name}: the attachment {attachment.name} is not in the source'


def _differences(where: str, before: dict[Any, Any], after: dict[Any, Any]) -> Iterator[str]:
    for key, value in before.items():
        if key not in after:
            yield f'{where}: {key[0]} is missing'
        elif after[key] != value:
            yield f'{where}: {key[0]}: {key[1]} differs'


def _connections(file: SourceFile, kept: set[str]) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for connection in file.connections:
        if connection.topic in kept:
            values = {
                'type': connection.msgtype, 'definition': connection.msgdef,
                'serialization': connection.serialization,
            }
            for name, value in values.items():
                found.setdefault((connection.topic, name), []).append(value)
    return found


def _records(file: SourceFile, kept: set[str]) -> dict[tuple[str, str], Any]:
    """Return the very records in which a file describes its topics, QoS among them."""
    found: dict[tuple[str, str], Any] = {}
    for topic, record in _named_records(file):
        if topic in kept:
            found.setdefault((topic, 'what the recorder noted (QoS)'), []).append(record)
    return {key: sorted(records, key=repr) for key, records in found.items()}


def _named_records(file: SourceFile) -> Iterator[tuple[str, Any]]:
    """Yield topic and record, without the numbers that only the file itself refers to."""
    if isinstance(file, McapSource):
        for op, body in file.summary:
            if op == mcap.CHANNEL:
                yield mcap.parse_channel(body).topic, body[_MCAP_IDS_BYTES:]
    elif isinstance(file, SqliteSource):
        columns = file.columns('topics')
        for row in file.rows('topics'):
            named = dict(zip(columns, row, strict=True))
            named.pop('id', None)
            yield str(named['name']), named
    elif isinstance(file, Ros1Source):
        topics = {connection.id: connection.topic for connection in file.connections}
        for identity, record in file.records:
            _, _, start, end = next(ros1.records(record))
            yield topics[identity], record[start:end]


def _described(bag: SourceBag, kept: set[str]) -> dict[tuple[str, str], Any]:
    """Return what metadata.yaml says of each kept topic."""
    topics = (bag.information or {}).get('topics_with_message_count') or []
    entries = [entry['topic_metadata'] for entry in topics]
    return {
        (entry['name'], 'QoS or type'): entry for entry in entries if entry['name'] in kept
    }
