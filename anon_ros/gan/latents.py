# SPDX-License-Identifier: Apache-2.0
"""
Who comes into a region's place: a latent for each track, from a secret key and nothing else.

HMAC-SHA256 (RFC 2104) of what identifies the region, with the run's key, gives the identity; its
counter mode gives as many numbers as a generator needs. The same key gives the same people again;
without it nobody links a new face to a track, and no pixel of the old face has a part in it.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.core.regions import NO_TRACK, Kind
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, Regions

KEY_BYTES = 32
_BLOCK_BYTES = 32
_LEVELS = 2**16
_GRID = 2**20


@dataclass(frozen=True)
class RunKey:
    """The secret that all identities of a run come from. No text shows it."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that could be guessed by trying."""
        if len(self.secret) != KEY_BYTES:
            raise InputError(f'a key has {KEY_BYTES} bytes, not {len(self.secret)}')

    @classmethod
    def draw(cls) -> RunKey:
        """Return a new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def read(cls, path: Path) -> RunKey:
        """
        Return the key in a file: 32 bytes, or 64 hexadecimal digits and white space.

        Raises InputError that names the file, and shows nothing of what is in it.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f'{path}: cannot read the key: {error.strerror}') from error
        if len(content) == KEY_BYTES:
            return cls(content)
        try:
            return cls(bytes.fromhex(content.decode('ascii')))
        except (ValueError, InputError):
            # Without the cause: it would quote the digits.
            raise InputError(
                f'{path}: holds no key, which is {KEY_BYTES} bytes or {2 * KEY_BYTES} '
                f'hexadecimal digits; make one with: openssl rand -hex {KEY_BYTES}'
            ) from None


@dataclass(frozen=True)
class Identity:
    """Somebody who does not exist; digest: (32,) bytes that nobody has without the key."""

    digest: bytes = field(repr=False)

    def latent(self, size: int) -> Float32Array:
        """Return (size,) float32 of a standard normal distribution, the same on every machine."""
        return _normal_quantiles()[np.frombuffer(self._expand('latent', 2 * size), '>u2')]

    def choice(self, count: int) -> int:
        """Return a number from 0 to count - 1, each as likely."""
        return int.from_bytes(self._expand('choice', 16), 'big') % count

    def _expand(self, purpose: str, size: int) -> bytes:
        blocks = range(-(-size // _BLOCK_BYTES))
        return b''.join(
            _hmac(self.digest, f'{purpose} {number}'.encode()) for number in blocks)[:size]


def identify(
    key: RunKey, regions: Regions, index: int, *, source: str, stamp_ns: int
) -> Identity:
    """
    Return the identity of a region: of its track, or of its box and frame where it has none.

    source: what the track's number is unique within, such as a topic or a file.
    """
    kind, track = Kind(int(regions.kinds[index])), int(regions.track_ids[index])
    if track != NO_TRACK:
        return _identity(key, 'track', kind.label, source, track)
    box = np.clip(np.rint(regions.boxes_xyxy[index]), -1e9, 1e9).astype(int).tolist()
    return _identity(key, 'box', kind.label, source, stamp_ns, *box)


def _identity(key: RunKey, *parts: str | int) -> Identity:
    # JSON keeps the parts apart: no two lists give the same text.
    return Identity(_hmac(key.secret, json.dumps(parts).encode()))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, 'sha256')


@lru_cache(maxsize=1)
def _normal_quantiles() -> Float32Array:
    """
    Return (65536,) float32: for each 16-bit number the normal one of the same rank.

    A table on a grid of 2^-20: what libraries of mathematics differ by is far below it.
    """
    normal = NormalDist()
    lower = np.array([normal.inv_cdf((i + 0.5) / _LEVELS) for i in range(_LEVELS // 2)])
    lower = np.rint(lower * _GRID) / _GRID
    table = np.concatenate([lower, -lower[::-1]]).astype(np.float32)
    table.flags.writeable = False
    return table
