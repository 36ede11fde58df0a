# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml of rosbag2: which files there are, and what changes when messages are dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from anon_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from anon_ros.bags.storage.interface import SourceFile, Tally

NAME = 'metadata.yaml'
ROOT = 'rosbag2_bagfile_information'

Information = dict[str, Any]


def load(path: Path) -> Information:
    """
    Return what stands in a metadata.yaml.

    Raises BagError where it cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8'))
        information = document[ROOT]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BagError(f'{path}: cannot be read ({cause}); try `ros2 bag reindex`') from error
    if not _is_sound(information):
        raise BagError(f'{path}: does not describe a bag; try `ros2 bag reindex`')
    return dict(information)


def _is_sound(information: object) -> bool:
    """Tell whether the parts that are read here have the form that rosbag2 gives them."""
    try:
        if not isinstance(information, dict):
            return False
        entries = information.get('topics_with_message_count') or []
        return all(
            isinstance(entry['topic_metadata']['name'], str)
            and isinstance(entry.get('message_count', 0), int) for entry in entries
        ) and all(isinstance(entry, dict) for entry in information.get('files') or [])
    except (TypeError, KeyError, AttributeError):
        return False


def file_names(information: Information) -> list[str]:
    """Return the names of the files, in order; early versions put the bag's folder before."""
    paths = information.get('relative_file_paths') or []
    return [str(path).rsplit('/', 1)[-1] for path in paths]


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts bag_10 behind bag_9."""
    return [(int(part), '') if part.isdigit() else (-1, part)
            for part in re.split(r'(\d+)', name) if part]


def dump(information: Information) -> str:
    """Return a whole metadata.yaml."""
    return _dump({ROOT: information})


def _dump(values: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False, default_flow_style=False,
                               allow_unicode=True, width=1 << 30)
    return text


def rebuild(
    information: Information, files: Sequence[tuple[SourceFile, Tally, str]],
    kept_topics: Iterable[str],
) -> Information:
    """
    Return the metadata of a bag from which files or messages are gone.

    files: each source file with what its target holds and the target's name.
    """
    kept = set(kept_topics)
    counts: dict[str, int] = {}
    for file, tally, _ in files:
        for connection in file.connections:
            counts[connection.topic] = (counts.get(connection.topic, 0)
                                        + tally.counts.get(connection.id, 0))
    changed = dict(information)
    tallies = [tally for _, tally, _ in files]
    changed.update(_times(tallies))
    changed['message_count'] = sum(counts.values())
    changed['relative_file_paths'] = [name for _, _, name in files]
    if information.get('files') is not None:
        changed['files'] = [
            {'path': name, **_times([tally]), 'message_count': sum(tally.counts.values())}
            for _, tally, name in files]
    changed['topics_with_message_count'] = _topics(information, kept, counts)
    return changed


def _topics(information: Information, kept: set[str], counts: dict[str, int]) -> list[Any]:
    topics = []
    for entry in information.get('topics_with_message_count') or []:
        name = entry['topic_metadata']['name']
        if name in kept:
            topics.append({**entry, 'message_count': counts.get(name, 0)})
    return topics


def _times(tallies: Sequence[Tally]) -> dict[str, dict[str, int]]:
    first = min((each.first_ns for each in tallies if each.first_ns is not None), default=0)
    last = max((each.last_ns for each in tallies if each.last_ns is not None), default=0)
    return {'duration': {'nanoseconds': last - first},
            'starting_time': {'nanoseconds_since_epoch': first}}


def rewrite_embedded(text: str, file: SourceFile, tally: Tally, kept_topics: set[str]) -> str:
    """
    Return the metadata text that a file itself carries, without what was dropped.

    The text stays as it is where it is no metadata of rosbag2.
    """
    try:
        information = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    is_whole = isinstance(information, dict) and ROOT in information
    inner = information[ROOT] if is_whole else information
    if not _is_sound(inner):
        return text
    changed = _without_dropped(inner, file, tally, kept_topics)
    return _dump({ROOT: changed} if is_whole else changed)


def _without_dropped(
    information: Information, file: SourceFile, tally: Tally, kept: set[str],
) -> Information:
    dropped: dict[str, int] = {}
    for connection in file.connections:
        count = tally.dropped.get(connection.id, 0)
        dropped[connection.topic] = dropped.get(connection.topic, 0) + count
    changed = dict(information)
    total = 0
    topics = []
    for entry in information.get('topics_with_message_count') or []:
        name = entry['topic_metadata']['name']
        gone = min(dropped.get(name, 0), entry.get('message_count') or 0)
        total += gone
        if name in kept:
            topics.append({**entry, 'message_count': (entry.get('message_count') or 0) - gone})
    changed['topics_with_message_count'] = topics
    if changed.get('message_count'):
        changed['message_count'] -= total
    for entry in changed.get('files') or []:
        if str(entry.get('path')).rsplit('/', 1)[-1] == file.name and entry.get('message_count'):
            entry.update(_times([tally]), message_count=sum(tally.counts.values()))
    return changed
