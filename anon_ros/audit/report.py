# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that opens offline and holds no pixel of the recording itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.audit import charts, charts_heat
from anon_ros.audit.charts_recall import recall_plot
from anon_ros.audit.checks import checks_of
from anon_ros.audit.findings import Findings
from anon_ros.audit.page import NAMES, asset, count, template
from anon_ros.core.regions import Kind
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anon_ros.audit.camera_counts import CameraCounts
    from anon_ros.audit.charts import Timeline
    from anon_ros.audit.charts_heat import HeatMap
    from anon_ros.audit.manifest import Manifest
    from anon_ros.audit.pictures import CloseUp, Outline, Picture
    from anon_ros.audit.risk_pictures import RiskLook

SHOWN_RISKS = 24
"""Risky frames that the report shows; the next ones it lists."""
LISTED_RISKS = 200


@dataclass(frozen=True)
class CameraView:
    """A camera topic, its counts, and its plot over time."""

    topic: str
    counts: CameraCounts
    plot: Timeline


@dataclass(frozen=True)
class Pictures:
    """
    What a report shows of a result.

    sheet: frames of all of it. looks: at risky frames, by topic and index.
    """

    sheet: Sequence[Picture] = ()
    looks: Mapping[tuple[str, int], RiskLook] = field(default_factory=dict)


def write_report(
    manifest: Manifest, pictures: Pictures, path: Path, findings: Findings | None = None
) -> None:
    """
    Write the report of a run.

    pictures: taken from the result, never from what came in. findings: what else is known of it.
    Raises OutputError where the file cannot be written.
    """
    write_page(render_report(manifest, pictures, findings), path)


def write_page(html: str, path: Path) -> None:
    """Write a page; raise OutputError where that cannot be done."""
    try:
        # A lone surrogate in a name cannot become UTF-8; everything printable can.
        path.write_bytes(html.encode('utf-8', 'backslashreplace'))
    except OSError as error:
        raise OutputError(f'{path}: cannot write the report: {error.strerror}') from error


def render_report(
    manifest: Manifest, pictures: Pictures, findings: Findings | None = None
) -> str:
    """Return the report of a run as an HTML text."""
    findings = findings or Findings()
    cameras = manifest.cameras
    counts = list(cameras.values())
    start_ns, end_ns = charts.span_ns(
        counts, manifest.source.start_ns, manifest.source.duration_ns)
    kinds = [kind.label for kind in Kind]
    return template('report.html.j2').render(
        css=asset('report.css'),
        manifest=manifest,
        findings=findings,
        checks=checks_of(manifest, findings),
        kinds=kinds,
        names=NAMES,
        verdict=verdict(manifest.regions_by_kind, manifest.frames),
        start_ns=start_ns,
        cameras=[
            CameraView(topic, item, charts.timeline(item.over_time, start_ns, end_ns))
            for topic, item in cameras.items()
        ],
        heights=charts.histogram([item.heights for item in counts]),
        hours=_maps(charts_heat.by_hour(
            {topic: item.over_time for topic, item in cameras.items()}, kind) for kind in kinds),
        topic_heights=_maps(charts_heat.by_height(
            {topic: item.heights for topic, item in cameras.items()}, kind) for kind in kinds),
        recall=None if findings.acceptance is None else recall_plot(findings.acceptance.kinds),
        stages=charts.stacked_bar(manifest.timings),
        pictures=pictures,
        risky=findings.risky[:SHOWN_RISKS],
        also_risky=findings.risky[SHOWN_RISKS:LISTED_RISKS],
        outline_in=_outline_in,
        describe=_describe,
    )


def verdict(regions_by_kind: Mapping[str, int], frames: int) -> str:
    """Return what was done in one sentence."""
    hidden = [
        count(number, *NAMES.get(kind, (kind, kind)))
        for kind, number in regions_by_kind.items() if number
    ]
    what = ' and '.join([', '.join(hidden[:-1]), hidden[-1]] if len(hidden) > 1 else hidden)
    return f'{what or "Nothing"} hidden in {count(frames, "frame", "frames")}.'


def _maps(found: Iterable[HeatMap | None]) -> list[HeatMap]:
    return [each for each in found if each is not None]


def _outline_in(close_up: CloseUp | RiskLook, outline: Outline) -> tuple[float, ...]:
    """Return x, y, width and height of a region, in px of a cutting."""
    x_min, y_min, x_max, y_max = outline.box_xyxy
    return x_min - close_up.rect.x_min, y_min - close_up.rect.y_min, x_max - x_min, y_max - y_min


def _describe(outline: Outline) -> str:
    name = NAMES[outline.label][0]
    return f'{name}, {outline.height_px:.0f} px, {outline.origin}, score {outline.score:.2f}'
