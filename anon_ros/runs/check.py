# SPDX-License-Identifier: Apache-2.0
"""Check a result's seal: all of it has to be what was written."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from anon_ros.audit import seal as seals
from anon_ros.audit.chain import ChainReader
from anon_ros.audit.manifest import CHAIN_NAME, manifest_path, parse_manifest, sidecar_path
from anon_ros.audit.signature import signature_changes
from anon_ros.bags.storage import open_bag
from anon_ros.bags.verify_chain import compare_with_chain
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest

MOST_CHANGES = 20
"""Lines about changes that are kept; whoever reads more than these has a new copy made."""


@dataclass(frozen=True)
class SealCheck:
    """
    What a check of a seal found.

    root: '' where there is no seal. changes: a line each, the first one first. messages: of the
    chain. has_source: whether the source was compared too.
    """

    root: str
    changes: tuple[str, ...]
    messages: int = 0
    has_source: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was changed."""
        return not self.changes


def check_seal(
    target: Path,
    source: Path | None = None,
    *,
    root: str | None = None,
    key: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> SealCheck:
    """
    Return what was changed in a result since it was made, in the order manifest, files, messages.

    source: compared with the chain too; None for the result alone. root: as it was noted
    elsewhere, or its beginning; None where nobody has noted it. key: a public key, PEM, of who
    has to have signed; None for anybody or nobody.
    Raises InputError where there is no manifest that can be read, UsageError where the key cannot
    be, or where there is a signature and nothing to check it with.
    """
    manifest, plain = parse_manifest(manifest_path(target))
    sidecar = sidecar_path(target)
    if manifest.seal is None:
        changes = tuple(seals.changes(sidecar, manifest, plain))
        return SealCheck('', changes)
    found = chain(
        signature_changes(sidecar, manifest.seal, key),
        _changes(target, manifest, plain, source, progress),
    )
    is_another = root is not None and not manifest.seal.root.startswith(root.strip().lower())
    named = [f'{sidecar}: its root is {manifest.seal.root}, not {root}'] if is_another else []
    path = sidecar / CHAIN_NAME
    return SealCheck(
        manifest.seal.root, (*named, *islice(found, MOST_CHANGES)),
        ChainReader(path).count if _is_chain(path) else 0, source is not None,
    )


def _changes(
    target: Path, manifest: Manifest, plain: dict[str, object], source: Path | None,
    progress: Callable[[int], None],
) -> Iterator[str]:
    sidecar, seal = sidecar_path(target), manifest.seal
    yield from seals.changes(sidecar, manifest, plain)
    if seal is not None and seal.chain_file is not None:
        path = sidecar / CHAIN_NAME
        yield from seals.check_chain_digests(path, seal)
        if _is_chain(path):
            yield from _compared(path, target, False, progress)
            if source is not None:
                yield from _compared(path, source, True, progress)
    folder = target if target.is_dir() else target.parent
    for record in manifest.result.files:
        yield from seals.file_changes(folder, record)


def _compared(
    path: Path, bag: Path, is_source: bool, progress: Callable[[int], None]
) -> Iterator[str]:
    try:
        with open_bag(bag) as opened:
            yield from compare_with_chain(
                ChainReader(path), opened, is_source=is_source, progress=progress)
    except InputError as error:
        yield str(error)


def _is_chain(path: Path) -> bool:
    try:
        ChainReader(path)
    except InputError:
        return False
    return True
