# SPDX-License-Identifier: Apache-2.0
"""
The secret that a fleet's patterns are drawn from, and the seed that follows from it for each bag.

A bag that is gone on with, after a kill or on another worker, has to keep its patterns: a track
that changed its pattern halfway would be two, and averaging both would show more than one does.
So the seed cannot be drawn for each run. It must not lie beside the results either, since whoever
knows it can subtract the patterns. It is derived from a key that lies on this machine only, or in
a file that the user gives, and no two recordings share a seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from anon_ros.errors import OutputError, UsageError
from anon_ros.factory import SECRET_BITS

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32


def load_key(path: Path) -> bytes:
    """
    Return the key in a file; draw one, readable by its owner only, where there is none.

    Raises UsageError for a key that is too short to be a secret, OutputError where none can be
    written.
    """
    if not path.exists():
        _draw(path)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(f'{path}: the key cannot be read: {error.strerror}') from error
    if len(key) < KEY_BYTES:
        raise UsageError(
            f'{path}: the key has {len(key)} bytes, at least {KEY_BYTES} random ones are needed; '
            'name a file that does not exist, and one is drawn'
        )
    return key


def seed_of(key: bytes, recording: str) -> int:
    """Return the secret seed of a recording, above 0; recording: its fingerprint."""
    digest = hmac.digest(key, f'patterns of {recording}'.encode(), hashlib.sha256)
    return int.from_bytes(digest[:SECRET_BITS // 8], 'big') or 1


def key_id(key: bytes) -> str:
    """Return what tells two keys apart and nothing else about them."""
    return hmac.digest(key, b'which key', hashlib.sha256)[:8].hex()


def _draw(path: Path) -> None:
    """Write a new key in one step, unless another process is faster."""
    beside = path.with_name(f'.{path.name}.{secrets.token_hex(8)}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, 'wb') as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
        beside.unlink()
    except OSError as error:
        raise OutputError(f'{path}: the key cannot be written: {error.strerror}') from error
