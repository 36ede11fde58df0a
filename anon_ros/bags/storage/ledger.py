# SPDX-License-Identifier: Apache-2.0
"""Keeps account of what goes into a target file and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.bags.storage.interface import Tally

if TYPE_CHECKING:
    from anon_ros.bags.storage.interface import Message
    from anon_ros.bags.storage.partial import State


class Ledger:
    """
    Counts messages by connection id, and knows the first and last log time.

    Begins with what an earlier run left in the state.
    """

    def __init__(self, state: State) -> None:
        self.counts = dict(state.counts)
        self.dropped = dict(state.dropped)
        self.first_ns = state.first_ns
        self.last_ns = state.last_ns

    @property
    def tally(self) -> Tally:
        """What has been written and dropped so far."""
        return Tally(self.counts, self.dropped, self.first_ns, self.last_ns)

    def add(self, message: Message) -> None:
        """Count a message that is written."""
        identity, log_ns = message.connection.id, message.log_ns
        self.counts[identity] = self.counts.get(identity, 0) + 1
        if self.first_ns is None or self.last_ns is None:
            self.first_ns = self.last_ns = log_ns
        elif log_ns > self.last_ns:
            self.last_ns = log_ns
        elif log_ns < self.first_ns:
            self.first_ns = log_ns

    def drop(self, message: Message) -> None:
        """Count a message that is left out."""
        identity = message.connection.id
        self.dropped[identity] = self.dropped.get(identity, 0) + 1

    def store(self, state: State) -> None:
        """Put the account into a state."""
        state.counts, state.dropped = dict(self.counts), dict(self.dropped)
        state.first_ns, state.last_ns = self.first_ns, self.last_ns
