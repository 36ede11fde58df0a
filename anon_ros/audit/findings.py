# SPDX-License-Identifier: Apache-2.0
"""What is known of a result beside its manifest: what the report tells of it, too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from anon_ros.audit import acceptance, attack_table, signature, verification
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.audit.risk import MOST_FRAMES, rank
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from anon_ros.audit.acceptance import Acceptance
    from anon_ros.audit.attack_table import AttackTable
    from anon_ros.audit.frame_regions import FrameRegions
    from anon_ros.audit.manifest import Manifest
    from anon_ros.audit.risk import RiskyFrame
    from anon_ros.audit.signature import Signature
    from anon_ros.audit.verification import Verification

T = TypeVar('T')


@dataclass(frozen=True)
class Findings:
    """
    All that was found out about a result; None for what nobody did.

    risky: frames to look at, the worst first. signature_problem: '' or why the signature does not
    count. stale: names of files that tell of another result.
    """

    risky: tuple[RiskyFrame, ...] = ()
    verification: Verification | None = None
    attack: AttackTable | None = None
    acceptance: Acceptance | None = None
    signature: Signature | None = None
    signature_problem: str = ''
    stale: tuple[str, ...] = field(default=())


def read_findings(
    sidecar: Path, manifest: Manifest,
    watch: Callable[[Iterable[FrameRegions]], Iterable[FrameRegions]] = lambda frames: frames,
) -> Findings:
    """
    Return what lies beside a manifest, and the frames to look at.

    watch: passes the frames of the regions file on, while it looks at them for itself.
    What tells of another root than the manifest's is left out and named as stale.
    Raises InputError where a file cannot be read.
    """
    found = read_checks(sidecar, manifest)
    still_seen = () if found.verification is None else found.verification.still_seen
    frames = watch(RegionsReader(sidecar / REGIONS_NAME))
    risky = rank(frames, manifest.flags.first, still_seen=still_seen, most=MOST_FRAMES)
    return replace(found, risky=tuple(risky))


def read_checks(sidecar: Path, manifest: Manifest) -> Findings:
    """Return what lies beside a manifest but the frames to look at: see read_findings."""
    root = '' if manifest.seal is None else manifest.seal.root
    verified = _read(sidecar / verification.FILE_NAME, verification.read_verification)
    accepted = _read(sidecar / acceptance.FILE_NAME, acceptance.read_acceptance)
    signed = _read(sidecar / signature.FILE_NAME, signature.read_signature)
    stale = tuple(
        name for name, found in (
            (verification.FILE_NAME, verified), (acceptance.FILE_NAME, accepted),
        ) if found is not None and found.root != root
    )
    return Findings(
        verification=None if verification.FILE_NAME in stale else verified,
        attack=_read(sidecar / attack_table.FILE_NAME, attack_table.read_table),
        acceptance=None if acceptance.FILE_NAME in stale else accepted,
        signature=signed,
        signature_problem=_problem(sidecar, manifest),
        stale=stale,
    )


def _problem(sidecar: Path, manifest: Manifest) -> str:
    if manifest.seal is None:
        return 'the manifest has no seal'
    try:
        return next(signature.signature_changes(sidecar, manifest.seal, None), '')
    except UsageError as error:
        return str(error)


def _read(path: Path, read: Callable[[Path], T]) -> T | None:
    return read(path) if path.is_file() else None
