# SPDX-License-Identifier: Apache-2.0
"""
The study's report: one HTML file that opens offline.

It shows crops of the variants only: of the original images no pixel is in it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import jinja2
import yaml
from markupsafe import Markup

from anon_ros.audit import typed_json
from anon_ros.audit.page import ASSETS as HOUSE_ASSETS
from anon_ros.core.boxes import Rect
from anon_ros.study import plots
from anon_ros.study.curves import read_curve
from anon_ros.study.label_store import LabelStore
from anon_ros.study.pictures import load_image
from anon_ros.study.table import build_rows, columns, person_class, show_difference, show_spread

if TYPE_CHECKING:
    from anon_ros.study.figures import StudyResult, VariantResult
    from anon_ros.study.label_store import Labels, Thing
    from anon_ros.study.plan import StudyPlan
    from anon_ros.study.table import Row

ASSETS = Path(__file__).parent / 'assets'
_LEAST_CROP_PX = 32
_CROP_HEIGHT_PX = 160
_AROUND = 0.25
_STARTS = {
    'scratch': 'from scratch: the networks had seen no person before',
    'imagenet': 'from ImageNet: the backbone had seen photos with real people in them',
    'coco': 'from COCO: the networks had been trained on thousands of real people, which hides '
            'what anonymization costs',
}


class Crop(NamedTuple):
    """One example: what it is, and its picture as a data URI."""

    text: str
    uri: str


def render_report(result: StudyResult, plan: StudyPlan) -> str:
    """Return the report as an HTML text."""
    rows = build_rows(result)
    css = (HOUSE_ASSETS / 'report.css').read_text(encoding='utf-8')
    own_css = (ASSETS / 'study.css').read_text(encoding='utf-8')
    return _template('study.html.j2').render(
        css=Markup(css + own_css),  # noqa: S704  # our own files
        result=result, rows=rows,
        table=[[cell(row) for _, cell in columns(result)] for row in rows],
        headings=[name for name, _ in columns(result)],
        verdict=_verdict(rows, result), start=start_of(result),
        tools=sorted({each.evaluation.tool for v in result.variants for each in v.seeds}),
        notes=_notes(result),
        plots=[plots.trade_off(rows, measure) for measure in ('recognized', 'found_again')],
        curves=plots.curves(_losses(result, plan)),
        crops={v.name: _crops(v, plan) for v in result.variants},
        settings=yaml.safe_dump(
            typed_json.to_plain(result.study), sort_keys=False, allow_unicode=True),
        trainings=[(v, each) for v in result.variants for each in v.seeds],
        show_difference=show_difference, show_spread=show_spread, style='')


def render_plot(result: StudyResult, measure: str) -> str:
    """Return the plot of what is kept against who is found as an SVG file; see trade_off."""
    return _template('trade.svg.j2').render(
        plot=plots.trade_off(build_rows(result), measure),
        style=Markup((ASSETS / 'trade.css').read_text(encoding='utf-8')))  # noqa: S704  # ours


def _template(name: str) -> jinja2.Template:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    ).get_template(name)


def start_of(result: StudyResult) -> str:
    """Return in words what the networks had seen before."""
    start = result.study.model.start
    return _STARTS.get(start, f'from the checkpoint {Path(start).name}')


def _verdict(rows: list[Row], result: StudyResult) -> str:
    """Return the study in one sentence."""
    person = person_class(result.study.dataset.classes) or 'the first class'
    kept = [(row.kept, row.name) for row in rows
            if row.kept is not None and not row.variant.is_original]
    if not kept:
        return 'Nothing can be compared yet.'
    best, worst = max(kept), min(kept)
    return (f'Of the AP of {person}, {best[1]} keeps {100 * best[0]:.0f} %, '
            f'{worst[1]} {100 * worst[0]:.0f} %.')


def _notes(result: StudyResult) -> list[str]:
    found = [*result.notes]
    for variant in result.variants:
        if variant.note:
            found.append(f'{variant.name}: {variant.note}')
        found += [f'{variant.name}: {each.evaluation.note}' for each in variant.seeds[:1]
                  if each.evaluation.note]
        if variant.images is not None and variant.images.missing:
            found.append(f'{variant.name}: {variant.images.missing} images are missing')
        if variant.images is not None:
            found += [f'{variant.name}: shown as they were: {count} people: {reason}'
                      for reason, count in variant.images.untouched.items()]
    return found


def _losses(result: StudyResult, plan: StudyPlan) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of each variant's first seed."""
    found = {}
    for variant in result.variants:
        for each in variant.seeds[:1]:
            folders = sorted((plan.out / 'trainings').glob(f'*-{each.key}'))
            rows = read_curve(folders[0] / 'curve.csv') if folders else []
            found[variant.name] = [(row['iteration'], row['total']) for row in rows]
    return found


def _crops(variant: VariantResult, plan: StudyPlan) -> list[Crop]:
    """Return example people of a variant, the same ones for each; none of the original."""
    is_original = variant.name == next(v.name for v in plan.study.variants if v.is_original)
    if variant.images is None or is_original:
        return []
    labels = LabelStore(plan.out / 'labels/train.jsonl')
    crops: list[Crop] = []
    for number in range(len(labels)):
        if len(crops) >= plan.study.measures.example_crops:
            break
        known = labels[number]
        thing = _largest(known)
        path = Path(variant.images.folder) / known.path
        if thing is not None and path.is_file():
            crops.append(_crop(path, known, thing))
    return crops


def _largest(known: Labels) -> Thing | None:
    things = [each for each in known.things if not each.is_ignored
              and each.box_xyxy[3] - each.box_xyxy[1] >= _LEAST_CROP_PX]
    return max(things, key=lambda each: each.box_xyxy[3] - each.box_xyxy[1], default=None)


def _crop(path: Path, known: Labels, thing: Thing) -> Crop:
    image = load_image(path)
    x_min, y_min, x_max, y_max = (round(edge) for edge in thing.box_xyxy)
    around = round(_AROUND * (y_max - y_min))
    part = Rect(x_min, y_min, x_max, y_max).grow(around, around).intersect(
        Rect(0, 0, *known.size_wh))
    cut = image[part.y_min:part.y_max, part.x_min:part.x_max]
    scale = _CROP_HEIGHT_PX / part.height
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    shown = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=way)
    jpeg = cv2.imencode('.jpg', shown, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    return Crop(f'{y_max - y_min} px', 'data:image/jpeg;base64,'
                + base64.b64encode(jpeg).decode('ascii'))
