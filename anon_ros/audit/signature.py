# SPDX-License-Identifier: Apache-2.0
"""
A signature under a result's root, with an Ed25519 key (RFC 8032): anon/signature.json.

Signed are the bytes of PREFIX and of the canonical JSON of all fields but the signature itself:
who signed when, the root and the record of the manifest's seal, and the hashes of what else was
known then: the verification, the attack and the acceptance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from anon_ros.audit import acceptance, attack_table, typed_json, verification
from anon_ros.audit.seal import canonical, file_sha256
from anon_ros.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from anon_ros.audit.manifest import Seal

SCHEMA = 'anon_ros/signature'
SCHEMA_VERSION = 1
FILE_NAME = 'signature.json'
PREFIX = b'anon_ros signature 1\n'
SIGNED_FILES = (verification.FILE_NAME, attack_table.FILE_NAME, acceptance.FILE_NAME)
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_HOW = 'make one with: openssl genpkey -algorithm ed25519 -out key.pem'


@dataclass(frozen=True)
class Signature:
    """
    Who stands for a result.

    signed: when, UTC, ISO 8601. root, record: of the seal. files: sha256 by name of what was
    there beside the manifest. public_key, signature: hex.
    """

    signer: str
    signed: str
    root: str
    record: str
    files: dict[str, str]
    public_key: str
    signature: str = ''
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check schema, key and signature; raise ValueError."""
        typed_json.check_schema(self, SCHEMA, SCHEMA_VERSION)
        if len(bytes.fromhex(self.public_key)) != _KEY_BYTES:
            raise ValueError(f'public_key has not {_KEY_BYTES} bytes')
        if self.signature and len(bytes.fromhex(self.signature)) != _SIGNATURE_BYTES:
            raise ValueError(f'signature has not {_SIGNATURE_BYTES} bytes')

    @property
    def key_id(self) -> str:
        """A short name of the key: the beginning of the sha256 of its public half."""
        return hashlib.sha256(bytes.fromhex(self.public_key)).hexdigest()[:32]

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        plain = typed_json.to_plain(self)
        del plain['signature']
        return PREFIX + canonical(plain)


def sign(
    sidecar: Path, seal: Seal, key_path: Path, signer: str,
    password: Callable[[], str] | None = None,
) -> Signature:
    """
    Sign what is known of a result.

    key_path: an Ed25519 private key, PEM. password: asks for its password, where it has one.
    Raises UsageError where the key cannot be used, InputError where a file cannot be read.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _private_key(key_path, password)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    now = datetime.now(timezone.utc).isoformat(timespec='seconds')
    unsigned = Signature(
        signer, now, seal.root, seal.record, _hashes(sidecar), public.hex())
    return replace(unsigned, signature=key.sign(unsigned.payload()).hex())


def write_signature(signature: Signature, path: Path) -> None:
    """Write a signature; raise OutputError where that cannot be done."""
    typed_json.write(signature, path, 'signature')


def read_signature(path: Path) -> Signature:
    """Read a signature; raise InputError that names the file and what is wrong with it."""
    return typed_json.read(Signature, path, 'signature')


def signature_changes(sidecar: Path, seal: Seal, public_key: Path | None) -> Iterator[str]:
    """
    Yield a line for each thing that is not as it was signed; nothing where nobody signed.

    public_key: PEM, of whoever has to have signed; None for anybody.
    Raises UsageError where that key, or the package that checks signatures, is not there.
    """
    path = sidecar / FILE_NAME
    if not path.exists():
        if public_key is not None:
            yield f'{path}: is missing: nobody has signed'
        return
    try:
        found = read_signature(path)
    except InputError as error:
        yield str(error)
        return
    if not _is_valid(found):
        yield f'{path}: was changed: it is not what the key has signed'
        return
    if public_key is not None and _public_bytes(public_key) != bytes.fromhex(found.public_key):
        yield f'{path}: signed with another key, {found.key_id}, than {public_key}'
    if (found.root, found.record) != (seal.root, seal.record):
        yield f'{path}: signs another manifest: its root is {found.root}, not {seal.root}'
    now = _hashes(sidecar)
    for name in SIGNED_FILES:
        if now.get(name) != found.files.get(name):
            what = 'was added' if name not in found.files else (
                'was changed' if name in now else 'is missing')
            yield f'{sidecar / name}: {what} after {found.signer} signed'


def _hashes(sidecar: Path) -> dict[str, str]:
    paths = [sidecar / name for name in SIGNED_FILES]
    try:
        return {path.name: file_sha256(path) for path in paths if path.exists()}
    except OSError as error:
        raise InputError(f'{sidecar}: cannot be read: {error.strerror}') from error


def _is_valid(found: Signature) -> bool:
    _require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found.public_key))
    try:
        key.verify(bytes.fromhex(found.signature), found.payload())
    except InvalidSignature:
        return False
    return True


def _private_key(path: Path, password: Callable[[], str] | None) -> Ed25519PrivateKey:
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read_key(path)
    try:
        try:
            key = load_pem_private_key(data, None)
        except TypeError:
            if password is None:
                raise UsageError(f'{path}: the key has a password') from None
            key = load_pem_private_key(data, password().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f'{path}: no private key, or another password: {error}; {_HOW}') from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f'{path}: no Ed25519 key; {_HOW}')
    return key


def _public_bytes(path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    try:
        key = load_pem_public_key(_read_key(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f'{path}: no public key: {error}; take it out of a private one with: '
            'openssl pkey -in key.pem -pubout'
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f'{path}: no Ed25519 key')
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f'{path}: cannot be read: {error.strerror}') from error


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise UsageError(
            "signatures need the package cryptography: pip install 'anon_ros[sign]'"
        ) from None
