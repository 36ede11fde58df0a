# SPDX-License-Identifier: Apache-2.0
"""Many results together: what was found in all of them, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.audit.checks import Check, checks_of
from anon_ros.audit.findings import read_checks
from anon_ros.audit.manifest import MANIFEST_NAME, REPORT_NAME, SIDECAR, Seal, read_manifest
from anon_ros.audit.seal import hash_json
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anon_ros.audit.camera_counts import CameraCounts, HeightHistogram, TimeSeries
    from anon_ros.audit.manifest import Manifest

PARTIAL = '.partial'


@dataclass(frozen=True)
class Result:
    """A result in a folder of many: its name there, its path, and where its sidecar lies."""

    name: str
    path: Path
    sidecar: Path


@dataclass(frozen=True)
class BagRow:
    """
    What is told of one result.

    report: where its report lies, from the folder of all; '' for none. settings: the hash of its
    settings. checks: see checks.checks_of.
    """

    name: str
    report: str
    frames: int
    withheld: int
    regions_by_kind: dict[str, int]
    flags: int
    settings: str
    tool_version: str
    root: str
    record: str
    checks: tuple[Check, ...]


@dataclass
class FleetSummary:
    """
    Sums over all results, and a row for each.

    unreadable: results whose manifest cannot be read, with the reason. failed: bags that came to
    nothing, with the reason. heights, hours: of each camera of each result. networks: sha256 by
    name, of all that took part.
    """

    rows: list[BagRow] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    withheld: int = 0
    wall_s: float = 0.0
    regions_by_kind: dict[str, int] = field(default_factory=dict)
    withheld_by_reason: dict[str, int] = field(default_factory=dict)
    heights: list[HeightHistogram] = field(default_factory=list)
    hours: list[tuple[str, TimeSeries]] = field(default_factory=list)
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    networks: dict[str, set[str]] = field(default_factory=dict)

    @property
    def seal(self) -> Seal:
        """What stands for all results."""
        return seal_of({row.name: Seal(row.root, row.record) for row in self.rows})

    def add(self, result: Result, manifest: Manifest, checks: tuple[Check, ...]) -> None:
        """Take a result."""
        settings = hash_json(manifest.settings)
        report = result.sidecar / REPORT_NAME
        self.settings.setdefault(settings, dict(manifest.settings))
        self.rows.append(BagRow(
            result.name, _relative(report, result) if report.is_file() else '',
            manifest.frames, manifest.withheld, manifest.regions_by_kind,
            sum(manifest.flags.counts.values()), settings, manifest.tool_version,
            '' if manifest.seal is None else manifest.seal.root,
            '' if manifest.seal is None else manifest.seal.record, checks,
        ))
        self.frames += manifest.frames
        self.withheld += manifest.withheld
        self.wall_s += manifest.wall_s
        _sum(self.regions_by_kind, manifest.regions_by_kind)
        for model in manifest.models:
            self.networks.setdefault(model.name, set()).add(model.sha256)
        for topic, camera in manifest.cameras.items():
            self._add_camera(topic, camera)

    def _add_camera(self, topic: str, camera: CameraCounts) -> None:
        _sum(self.withheld_by_reason, camera.withheld_by_reason)
        self.heights.append(camera.heights)
        self.hours.append((topic, camera.over_time))


def seal_of(seals: Mapping[str, Seal]) -> Seal:
    """Return what stands for many results: hashes over their names and their own seals."""
    return Seal(
        hash_json({name: seal.root for name, seal in seals.items()}),
        hash_json({name: seal.record for name, seal in seals.items()}),
    )


def find_results(folder: Path) -> Iterator[Result]:
    """
    Yield the results in a folder and below, by name: what has a manifest beside or in it.

    Unfinished results and hidden folders are left out.
    """
    for path in sorted(folder.rglob(MANIFEST_NAME)):
        sidecar = path.parent
        parts = sidecar.relative_to(folder).parts
        if any(part.startswith('.') or part.endswith(PARTIAL) for part in parts):
            continue
        if sidecar.name == SIDECAR and sidecar != folder:
            place = sidecar.parent
        elif sidecar.name.endswith(f'.{SIDECAR}'):
            place = sidecar.with_name(sidecar.name.removesuffix(f'.{SIDECAR}'))
        else:
            continue
        if place != folder:
            yield Result(place.relative_to(folder).as_posix(), place, sidecar)


def summarize(results: Iterator[Result], failed: Mapping[str, str]) -> FleetSummary:
    """Return what all results say; failed: bags that came to nothing, with the reason."""
    summary = FleetSummary(failed=dict(sorted(failed.items())))
    for result in results:
        try:
            manifest = read_manifest(result.sidecar / MANIFEST_NAME)
            checks = checks_of(manifest, read_checks(result.sidecar, manifest))
        except InputError as error:
            summary.unreadable[result.name] = str(error)
            continue
        summary.add(result, manifest, checks)
    return summary


def _relative(report: Path, result: Result) -> str:
    folder = result.path
    for _ in result.name.split('/'):
        folder = folder.parent
    return report.relative_to(folder).as_posix()


def _sum(total: dict[str, int], counts: Mapping[str, int]) -> None:
    for name, number in counts.items():
        total[name] = total.get(name, 0) + number
