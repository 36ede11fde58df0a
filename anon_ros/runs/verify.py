# SPDX-License-Identifier: Apache-2.0
"""Verify an anonymized bag against its source, by what its manifest says was done."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from anon_ros import __version__, factory
from anon_ros.audit.manifest import REGIONS_NAME, manifest_path, read_manifest, sidecar_path
from anon_ros.audit.regions_file import RegionsIndex
from anon_ros.audit.signature import FILE_NAME as SIGNATURE_NAME
from anon_ros.audit.verification import (
    FILE_NAME,
    MOST_STILL_SEEN,
    StillSeen,
    Verification,
    write_verification,
)
from anon_ros.bags.topics import Action, TopicPlan
from anon_ros.bags.verify import Search, verify_bags
from anon_ros.core import settings as settings_module
from anon_ros.models.store import ModelStore
from anon_ros.runs.records import Clock
from anon_ros.runs.report import rebuild_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.verify_report import VerifyReport
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Regions
    from anon_ros.core.settings import Settings
    from anon_ros.runs.check import SealCheck

_ACTIONS = {
    'anonymized': Action.ANONYMIZE, 'copied': Action.COPY, 'dropped': Action.DROP,
}


def verify_bag(
    source: Path,
    target: Path,
    *,
    search_every: int = 10,
    detector: RegionDetector | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> VerifyReport:
    """
    Compare an anonymized bag with its source, message by message, and detect again on it.

    search_every: look into every such frame with a detector of another scale; 0 for none.
    detector: what looks; None for the settings' own detector at another effort.
    Raises InputError where a bag or the manifest cannot be read.
    """
    manifest = read_manifest(manifest_path(target))
    settings = settings_module.from_mapping(manifest.settings)
    index = RegionsIndex(sidecar_path(target) / REGIONS_NAME)
    anonymizer = factory.build_gray_anonymizer(settings)

    def hidden(topic: str, message: int) -> Regions | None:
        frame = index.find(topic, message)
        return None if frame is None else anonymizer.hidden(frame.regions)

    search = None
    if search_every:
        detector = detector or factory.build_detector(_other_scale(settings), ModelStore())
        search = Search(detector, search_every)
    return verify_bags(
        source, target, plan=plan_of(manifest), regions=hidden, search=search, progress=progress
    )


def keep_verification(
    target: Path, check: SealCheck, report: VerifyReport | None, source: str
) -> Verification:
    """
    Write down what was found, beside the manifest and in the report; return it.

    report: None where the result was checked alone. source: name of the bag compared, or ''.
    What somebody has signed is left as it was signed.
    Raises OutputError where it cannot be written.
    """
    found = _recorded(check, report, source)
    sidecar = sidecar_path(target)
    if not (sidecar / SIGNATURE_NAME).exists():
        write_verification(found, sidecar / FILE_NAME)
        rebuild_report(target)
    return found


def _recorded(check: SealCheck, report: VerifyReport | None, source: str) -> Verification:
    basis = Verification(
        __version__, Clock.now(), check.root, source, check.changes if check.root else ())
    if report is None:
        return basis
    outside = [each for each in report.residuals if each.is_hidden is not True]
    return replace(
        basis, messages={name: count for name, count in asdict(report.total).items() if count},
        differences=report.differences, difference_count=report.difference_count,
        searched=report.searched, sightings=report.residual_count, outside=len(outside),
        still_seen=tuple(
            StillSeen(each.topic, each.index, each.label, each.score, each.box_xyxy)
            for each in outside[:MOST_STILL_SEEN]
        ),
    )


def plan_of(manifest: Manifest) -> TopicPlan:
    """Return what a run was to do with each topic."""
    actions = {
        (topic.name, topic.type): _ACTIONS[topic.action] for topic in manifest.topics
    }
    watched = {topic.name for topic in manifest.topics if topic.dropped}
    copied = {topic.name for topic in manifest.topics if topic.action == 'copied'}
    return TopicPlan(actions, frozenset(copied - watched))


def _other_scale(settings: Settings) -> Settings:
    """Return settings whose detector looks at other scales than the run's own."""
    effort = 'balanced' if settings.effort == 'thorough' else 'thorough'
    return replace(settings, effort=effort)
