# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind, read and written again without loss."""

from anon_ros.bags.storage.interface import (
    Attachment,
    Connection,
    Message,
    SourceFile,
    Tally,
    TargetFile,
)
from anon_ros.bags.storage.source_bag import SourceBag, open_bag
from anon_ros.bags.storage.target_bag import TargetBag, create_bag

__all__ = ['Attachment', 'Connection', 'Message', 'SourceBag', 'SourceFile', 'Tally', 'TargetBag',
           'TargetFile', 'create_bag', 'open_bag']
