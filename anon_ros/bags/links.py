# SPDX-License-Identifier: Apache-2.0
"""What the chain says of a message: see audit/chain.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.audit.chain import NOTHING, Fate, Link, message_hash
from anon_ros.core.frame_anonymizer import Outcome

if TYPE_CHECKING:
    from anon_ros.bags.storage.interface import Connection, Message

_FATES = {
    Outcome.UNCHANGED: Fate.UNCHANGED, Outcome.ANONYMIZED: Fate.ANONYMIZED,
    Outcome.MASKED: Fate.MASKED,
}


def topic_of(connection: Connection) -> tuple[str, str]:
    """Return name and type, under which the chain knows a topic."""
    return connection.topic, connection.msgtype


def hash_of(message: Message, data: bytes | memoryview | None = None) -> bytes:
    """Return a message's hash; data: its new payload, None for its own."""
    return message_hash(
        message.log_ns, message.publish_ns, message.sequence,
        message.data if data is None else data,
    )


def link_of(message: Message, outcome: Outcome, data: bytes | None) -> Link:
    """
    Return what the chain says of a camera's message.

    data: see Rendering.
    """
    before = hash_of(message)
    if data is not None:
        return Link(_FATES[outcome], before, hash_of(message, data))
    if outcome is Outcome.UNCHANGED:
        return Link(Fate.UNCHANGED, before, before)
    return Link(Fate.WITHHELD, before, NOTHING)
