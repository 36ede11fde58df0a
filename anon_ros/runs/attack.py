# SPDX-License-Identifier: Apache-2.0
"""Attack a result: try to find, recognise and read again what was hidden in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anon_ros import __version__, factory
from anon_ros.attacks.bands import LEAST_CASES
from anon_ros.attacks.redetection import Redetection
from anon_ros.attacks.registry import build_attackers
from anon_ros.attacks.render import HidesAsARun
from anon_ros.audit.attack_table import FILE_NAME, AttackTable, write_table
from anon_ros.audit.manifest import REPORT_NAME, manifest_path, read_manifest, sidecar_path
from anon_ros.core import settings as settings_module
from anon_ros.core.regions import Kind
from anon_ros.core.settings import method_by_kind
from anon_ros.errors import InputError
from anon_ros.models.store import ModelStore
from anon_ros.runs.attack_bag import read_bags, rekeyed
from anon_ros.runs.attack_images import read_folders
from anon_ros.runs.attack_sample import Sample
from anon_ros.runs.dataset_job import BY_PAPER, DATASET
from anon_ros.runs.report import rebuild_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anon_ros.attacks.interface import Attacker, Hiding
    from anon_ros.audit.attack_table import AttackRow
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.runs.attack_sample import Skipped

BAGS = ('mcap', 'sqlite3', 'ros1')
OTHER_THRESHOLD = 0.15
"""Of the detectors that search again: lower than that of any run by default."""


@dataclass(frozen=True)
class AttackJob:
    """
    What to do. own_network: an ONNX file that describes faces, or None.

    settings: those of the run, where the result has no manifest that tells them.
    """

    source: Path
    target: Path
    settings: Settings
    sample: Sample = field(default_factory=Sample)
    own_network: Path | None = None


def attack(
    job: AttackJob,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    detector: RegionDetector | None = None,
    attackers: Sequence[Attacker] | None = None,
) -> AttackTable:
    """
    Return what attackers achieve; write it beside the result's manifest and into its report.

    progress: called with what is done at present, and how much of how much.
    detector: what finds regions in a folder of images without a regions file, None for that of
    the settings. attackers: None for all that are known.
    Raises InputError where source and result do not belong together or hold too few identities
    to say anything, ModelError where the extra `attack` is not installed.
    """
    settings, storage, made = _made_by(job)

    def read(done: int, total: int) -> None:
        progress('reading', done, total)

    if storage in BAGS:
        identities, skipped = read_bags(job.source, job.target, job.sample, read)
    else:
        identities, skipped = read_folders(
            job.source, job.target, settings, job.sample, read, detector,
            is_dataset=DATASET in made, has_key=BY_PAPER not in made)
    counts = Counter(each.kind for each in identities)
    check_counts(counts, skipped)
    if attackers is None:
        attackers = [each for kind in counts for each in _attackers(job, kind, settings)]
    rows: list[AttackRow] = []
    for number, attacker in enumerate(attackers):
        progress('attacking', number, len(attackers))
        rows += attacker.attack([each for each in identities if each.kind is attacker.kind])
    progress('attacking', len(attackers), len(attackers))
    table = AttackTable(
        __version__, job.source.name, job.target.name,
        {kind.label: count for kind, count in counts.items()}, tuple(rows), skipped,
    )
    sidecar = sidecar_path(job.target)
    write_table(table, sidecar / FILE_NAME)
    if (sidecar / REPORT_NAME).is_file():
        rebuild_report(job.target)
    return table


def check_counts(counts: Counter[Kind], skipped: Skipped) -> None:
    """Raise InputError where no kind has identities enough to say anything."""
    if max(counts.values(), default=0) >= LEAST_CASES:
        return
    found = ', '.join(f'{count} {kind.label}' for kind, count in counts.items()) or 'nobody'
    why = ''.join(f'; {count} times: {reason}' for reason, count in skipped.items())
    raise InputError(
        f'too few identities to say anything: {found}; at least {LEAST_CASES} of one kind are '
        f'needed{why}'
    )


def _made_by(job: AttackJob) -> tuple[Settings, str, str]:
    """Return the settings that the result was made with, and how source and result are stored."""
    path = manifest_path(job.target)
    if not path.is_file():
        return job.settings, '', ''
    manifest = read_manifest(path)
    settings = settings_module.from_mapping(manifest.settings)
    return settings, manifest.source.storage, manifest.result.storage


def _attackers(job: AttackJob, kind: Kind, settings: Settings) -> list[Attacker]:
    method = method_by_kind(settings)[kind]
    name, detector = _other_detector(job, kind, settings)
    # Only plates are drawn and hidden again; of faces it would load a generator for nothing.
    hiding = _hiding(kind, settings) if kind is Kind.PLATE else None
    return [
        Redetection(detector, kind, name, method),
        *build_attackers(kind, method, job.own_network, hiding),
    ]


def _hiding(kind: Kind, settings: Settings) -> Hiding:
    """Return what hides a kind as the run did, but with other keys."""
    own = replace(rekeyed(settings), target=(kind.label,))
    return HidesAsARun(factory.build_anonymizer(own), kind)


def _other_detector(
    job: AttackJob, kind: Kind, settings: Settings
) -> tuple[str, RegionDetector]:
    """
    Return a detector that took no part in the run, and what tells it apart.

    Faces are searched by the other network, the rest from a lower threshold on.
    """
    changes: dict[str, object] = {
        'target': (kind.label,), f'{kind.label}_threshold': OTHER_THRESHOLD,
        # On small squares YuNet finds a third more than at `fast`; the others find no more.
        'effort': 'balanced' if kind is Kind.FACE else 'fast',
    }
    name = f'{kind.label} detector from {OTHER_THRESHOLD:g}'
    if kind is Kind.FACE:
        path = manifest_path(job.target)
        used = {model.name for model in read_manifest(path).models} if path.is_file() else set()
        other = 'yunet' if 'centerface' in used else 'centerface'
        changes['face_detector'] = name = other
    other_settings = replace(settings, **changes)  # type: ignore[arg-type]  # names of settings
    return name, factory.build_detector(other_settings, ModelStore())
