# SPDX-License-Identifier: Apache-2.0
"""Verify an anonymized bag against its source, by what its manifest says was done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.audit.manifest import REGIONS_NAME, manifest_path, read_manifest, sidecar_path
from anon_ros.audit.regions_file import RegionsIndex
from anon_ros.bags.topics import Action, TopicPlan
from anon_ros.bags.verify import Search, verify_bags
from anon_ros.core import settings as settings_module
from anon_ros.models.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anon_ros.audit.manifest import Manifest
    from anon_ros.bags.verify_report import VerifyReport
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Regions
    from anon_ros.core.settings import Settings

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
