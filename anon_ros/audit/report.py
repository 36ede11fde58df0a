# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that opens offline and holds no pixel of the recording itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from anon_ros.audit import charts
from anon_ros.core.regions import Kind
from anon_ros.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.audit.attack_table import AttackTable
    from anon_ros.audit.charts import Timeline
    from anon_ros.audit.manifest import CameraCounts, Manifest
    from anon_ros.audit.pictures import CloseUp, Outline, Picture

ATTACK_START, ATTACK_END = '<!-- attack -->', '<!-- end of attack -->'
ASSETS = Path(__file__).parent / 'assets'
NAMES = {'face': ('face', 'faces'), 'body': ('person', 'people'), 'plate': ('plate', 'plates')}


@dataclass(frozen=True)
class CameraView:
    """A camera topic, its counts, and its plot over time."""

    topic: str
    counts: CameraCounts
    plot: Timeline


def write_report(manifest: Manifest, pictures: Sequence[Picture], path: Path) -> None:
    """
    Write the report of a run.

    pictures: what RunRecorder.pictures() kept: taken from the result, never from what came in.
    Raises OutputError where the file cannot be written.
    """
    # A lone surrogate in a name cannot become UTF-8; everything printable can.
    content = render_report(manifest, pictures).encode('utf-8', 'backslashreplace')
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f'{path}: cannot write the report: {error.strerror}') from error


def render_report(manifest: Manifest, pictures: Sequence[Picture]) -> str:
    """Return the report of a run as an HTML text."""
    template = _template('report.html.j2')
    css = (ASSETS / 'report.css').read_text(encoding='utf-8')
    counts = list(manifest.cameras.values())
    start_ns, end_ns = charts.span_ns(
        counts, manifest.source.start_ns, manifest.source.duration_ns)
    return template.render(
        css=Markup(css),  # noqa: S704  # our own file
        manifest=manifest,
        kinds=[kind.label for kind in Kind],
        names=NAMES,
        verdict=_verdict(manifest),
        start_ns=start_ns,
        cameras=[
            CameraView(topic, item, charts.timeline(item.over_time, start_ns, end_ns))
            for topic, item in manifest.cameras.items()
        ],
        heights=charts.histogram([item.heights for item in counts]),
        stages=charts.stacked_bar(manifest.timings),
        pictures=pictures,
        outline_in=_outline_in,
        describe=_describe,
    )


def add_attack(table: AttackTable, path: Path) -> None:
    """
    Put what attackers achieved into a report that is there already; a later attack replaces it.

    Raises InputError where the file is no report, OutputError where it cannot be written.
    """
    section = _template('attack.html.j2').render(table=table)
    try:
        page = path.read_text(encoding='utf-8')
        before, start, rest = page.partition(ATTACK_START)
        page = before + rest.partition(ATTACK_END)[2] if start else page
        head, end, tail = page.rpartition('</main>')
        if not end:
            raise InputError(f'{path}: is no report of anon_ros')
        content = f'{head}{ATTACK_START}\n{section}\n{ATTACK_END}{end}{tail}'
        path.write_bytes(content.encode('utf-8', 'backslashreplace'))
    except UnicodeDecodeError as error:
        raise InputError(f'{path}: is no report of anon_ros: {error}') from error
    except OSError as error:
        raise OutputError(f'{path}: cannot write the report: {error.strerror}') from error


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, finalize=_shown,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters.update(count=_count, data_uri=_data_uri, clock=charts.clock)
    return environment.get_template(name)


def _verdict(manifest: Manifest) -> str:
    """Return the run in one sentence."""
    hidden = [
        _count(number, *NAMES.get(kind, (kind, kind)))
        for kind, number in manifest.regions_by_kind.items() if number
    ]
    what = ' and '.join([', '.join(hidden[:-1]), hidden[-1]] if len(hidden) > 1 else hidden)
    frames = _count(manifest.frames, 'frame', 'frames')
    return f'{what or "Nothing"} hidden in {frames}.'


def _count(number: int, one: str = '', many: str = '') -> str:
    return f'{number:,} {one if number == 1 else many}'.strip()


def _data_uri(jpeg: bytes) -> str:
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode('ascii')


def _outline_in(close_up: CloseUp) -> tuple[float, float, float, float]:
    """Return x, y, width and height of a close-up's region, in px of its rectangle."""
    x_min, y_min, x_max, y_max = close_up.outline.box_xyxy
    return x_min - close_up.rect.x_min, y_min - close_up.rect.y_min, x_max - x_min, y_max - y_min


def _describe(outline: Outline) -> str:
    name = NAMES[outline.label][0]
    return f'{name}, {outline.height_px:.0f} px, {outline.origin}, score {outline.score:.2f}'


def _shown(value: object) -> object:
    """Return a text with every character that cannot be seen spelled out; the rest as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return ''.join(
        char if char.isprintable() else char.encode('unicode_escape').decode() for char in value
    )
