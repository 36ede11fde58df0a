# SPDX-License-Identifier: Apache-2.0
"""
The seal of a manifest: one hash, the root, that stands for what went in and what came out.

The root is the sha256 of the canonical JSON of

    {"chain": sha256 of chain.bin, "topics": {name: digest of its chain},
     "sections": {name: sha256 of the canonical JSON of that field of the manifest}}

with the fields ROOT_SECTIONS: what depends on the input, the settings and the networks only. The
record is the same over the root and the hashes of all fields, times and counts included.
Canonical JSON has sorted keys, no spaces and ASCII only.

Whoever changes a file can also compute all of this anew: then the root is another one. So what
is kept elsewhere, on paper or under a signature, is the root.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from anon_ros.audit import typed_json
from anon_ros.audit.chain import ChainReader
from anon_ros.audit.manifest import FileRecord, Seal
from anon_ros.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest

ROOT_SECTIONS = ('models', 'regions_file', 'schema', 'settings', 'source', 'tool_version')
_SEAL = 'seal'
_BLOCK_BYTES = 1 << 20


def make_seal(manifest: Manifest, chain_path: Path | None = None) -> Seal:
    """
    Return the seal of a manifest.

    chain_path: the chain of its bag; None for a result that is no bag.
    Raises InputError where the chain cannot be read.
    """
    chain_file, topics = None, {}
    if chain_path is not None:
        chain_file, topics = hashed_file(chain_path), ChainReader(chain_path).digests()
    sections = section_hashes(typed_json.to_plain(manifest))
    root = root_of(sections, '' if chain_file is None else chain_file.sha256, topics)
    return Seal(root, record_of(root, sections), chain_file, topics, sections)


def section_hashes(plain: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each field of a manifest's JSON but the seal."""
    return {
        name: hash_json(value) for name, value in sorted(plain.items()) if name != _SEAL
    }


def root_of(sections: Mapping[str, str], chain_sha256: str, topics: Mapping[str, str]) -> str:
    """Return the root."""
    chosen = {name: sections.get(name, '') for name in ROOT_SECTIONS}
    return hash_json({'chain': chain_sha256, 'topics': dict(topics), 'sections': chosen})


def record_of(root: str, sections: Mapping[str, str]) -> str:
    """Return the hash over all of a manifest."""
    return hash_json({'root': root, 'sections': dict(sections)})


def hash_json(value: object) -> str:
    """Return the sha256, in hex, of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)
    return text.encode('ascii')


def hashed_file(path: Path) -> FileRecord:
    """Return a file's name, size and sha256. Raises OutputError where it cannot be read."""
    try:
        return FileRecord(path.name, path.stat().st_size, file_sha256(path))
    except OSError as error:
        raise OutputError(f'{path}: cannot be read: {error.strerror}') from error


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def changes(sidecar: Path, manifest: Manifest, plain: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield a line for each thing that the seal says was changed: first the manifest, then the files.

    sidecar: where the files lie. manifest, plain: of manifest.parse_manifest.
    """
    seal = manifest.seal
    if seal is None:
        yield f'{sidecar}: the manifest has no seal: it was made by an older version'
        return
    yield from _manifest_changes(sidecar, seal, plain)
    for record in (manifest.regions_file, seal.chain_file):
        if record is not None:
            yield from file_changes(sidecar, record)


def _manifest_changes(sidecar: Path, seal: Seal, plain: Mapping[str, Any]) -> Iterator[str]:
    path = sidecar / 'manifest.json'
    now = section_hashes(plain)
    for name in sorted(now.keys() | seal.sections.keys()):
        if name not in now:
            yield f'{path}: {name} was taken out'
        elif name not in seal.sections:
            yield f'{path}: {name} was added'
        elif now[name] != seal.sections[name]:
            yield f'{path}: {name} was changed'
    chain = '' if seal.chain_file is None else seal.chain_file.sha256
    if root_of(seal.sections, chain, seal.topics) != seal.root:
        yield f'{path}: the seal was changed: its root is not that of what it names'
    elif record_of(seal.root, seal.sections) != seal.record:
        yield f'{path}: the seal was changed: its record is not that of what it names'


def file_changes(folder: Path, record: FileRecord) -> Iterator[str]:
    """Yield a line where a file is missing or no longer has the size or hash of its record."""
    path = folder / record.name
    try:
        size = path.stat().st_size
        if size != record.size_bytes:
            yield f'{path}: was changed: it has {size} bytes, {record.size_bytes} were written'
        elif record.sha256 and file_sha256(path) != record.sha256:
            yield f'{path}: was changed: its sha256 is not the one that was written'
    except (OSError, ValueError) as error:
        yield f'{path}: cannot be read: {error}'


def check_chain_digests(path: Path, seal: Seal) -> Iterator[str]:
    """Yield a line for each topic whose chain is not the one that was sealed."""
    try:
        now = ChainReader(path).digests()
    except InputError as error:
        yield str(error)
        return
    for name in sorted(now.keys() | seal.topics.keys()):
        if now.get(name) != seal.topics.get(name):
            yield f'{path}: the chain of {name} was changed'
