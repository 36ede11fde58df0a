# SPDX-License-Identifier: Apache-2.0
"""Compare a bag with its chain: every message has to be the one that was written, or came in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from anon_ros.audit.chain import Fate
from anon_ros.bags.links import hash_of, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anon_ros.audit.chain import ChainReader, Record
    from anon_ros.bags.storage import SourceBag
    from anon_ros.bags.storage.interface import Message

_LOOK_AHEAD = 1000
"""Messages among which one that is not in its place is searched, to tell moved from missing."""


def compare_with_chain(
    chain: ChainReader,
    bag: SourceBag,
    *,
    is_source: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[str]:
    """
    Yield a line for each message that is not what the chain says, in the order of the bag.

    It ends where the two no longer go side by side: at a message that is missing, was put in or
    was moved. is_source: whether the bag is the one that came in, not the one that was made.
    Raises BagError where the bag is damaged.
    """
    rest = (message for file in bag.files for message in file.messages())
    for index, record in enumerate(chain):
        progress(index + 1)
        if not (is_source or Fate(record.fate).is_kept):
            continue
        message = next(rest, None)
        name = _name(chain, record, index)
        if message is None:
            yield f'{name}: is missing: {bag.path} ends before it'
            return
        expected = record.before if is_source else record.after
        is_there = topic_of(message.connection) == chain.name(record)
        if not is_there or message.log_ns != record.log_ns:
            yield f'{name}: {_displaced(message, rest, expected)}'
            return
        if hash_of(message) != expected:
            yield f'{name}: was changed: its bytes are not those that were ' + (
                'anonymized' if is_source else 'written')
    extra = next(rest, None)
    if extra is not None:
        yield f'{_seen(extra)}: was put in after the last message'


def _displaced(found: Message, rest: Iterator[Message], expected: bytes) -> str:
    later = (hash_of(message) for message in itertools.islice(rest, _LOOK_AHEAD))
    where = f'in its place is {_seen(found)}'
    if expected in later:
        return f'comes too late: {where}; the order was changed, or something was put in'
    return f'is missing: {where}'


def _name(chain: ChainReader, record: Record, index: int) -> str:
    return f'{chain.name(record)[0]} message {index} at {record.log_ns} ns'


def _seen(message: Message) -> str:
    return f'{message.connection.topic} at {message.log_ns} ns'
