# SPDX-License-Identifier: Apache-2.0
"""The study as a table in the paper's shape: one row a variant; CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.datasets.categories import is_person
from anon_ros.study.paper_numbers import PaperRow, paper_row
from anon_ros.study.statistics import Difference, Spread, difference, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anon_ros.study.figures import Figures, Privacy, SeedResult, StudyResult, VariantResult
    from anon_ros.study.study_file import Variant

SIZES = ('small', 'medium', 'large')
NOTHING = '–'  # noqa: RUF001 - what tables show where there is no number
_LATEX = str.maketrans({
    '&': r'\&', '%': r'\%', '_': r'\_', '#': r'\#', '$': r'\$', '±': r'$\pm$',
    '–': '--',  # noqa: RUF001
    '−': '$-$',  # noqa: RUF001
})


@dataclass(frozen=True)
class Row:
    """
    One variant's figures, over its seeds; AP in per cent.

    by_class, by_size: AP. person: of the first class that is a person, that AP, with AP50, and
    how much it differs from the original's; kept: it as a share of the original's. pixels: of the
    second readings. paper: the paper's figures on BDD100K.
    """

    name: str
    variant: Variant
    seeds: int
    ap: Spread | None
    ap50: Spread | None
    by_class: dict[str, Spread | None]
    by_size: dict[str, Spread | None]
    person_ap: Spread | None
    person_ap50: Spread | None
    person_difference: Difference | None
    ap_difference: Difference | None
    kept: float | None
    pixels: dict[str, Spread | None]
    pixel_differences: dict[str, Difference | None]
    agreement: dict[str, float]
    privacy: Privacy | None
    paper: PaperRow | None
    note: str


def build_rows(result: StudyResult) -> list[Row]:
    """Return the table's rows, in the order of the study's variants."""
    variants = {each.name: each for each in result.study.variants}
    reference = result.original()
    person = person_class(result.study.dataset.classes)
    return [_row(each, variants[each.name], reference, person, result)
            for each in result.variants]


def person_class(classes: Sequence[str]) -> str | None:
    """Return the first class that is a person."""
    return next((name for name in classes if is_person(name)), None)


def _row(
    found: VariantResult, variant: Variant, reference: VariantResult, person: str | None,
    result: StudyResult,
) -> Row:
    def of(side: VariantResult, pick: Callable[[SeedResult], float | None]) -> list[float]:
        return [value for each in side.seeds if (value := pick(each)) is not None]

    def overall(field: str) -> Callable[[SeedResult], float | None]:
        return lambda each: _figure(each.evaluation.overall, field)

    def of_class(name: str | None, field: str) -> Callable[[SeedResult], float | None]:
        return lambda each: _figure(each.evaluation.by_class.get(name or ''), field)

    def pixel(name: str) -> Callable[[SeedResult], float | None]:
        return lambda each: next(
            (p.average_precision for p in each.pixels if p.name == name), None)

    person_ap = spread(of(found, of_class(person, 'ap')))
    theirs = spread(of(reference, of_class(person, 'ap')))
    readings = [each.name for each in result.study.pixel_readings]
    is_same = found.name == reference.name
    return Row(
        name=found.name, variant=variant, seeds=len(found.seeds),
        ap=spread(of(found, overall('ap'))), ap50=spread(of(found, overall('ap50'))),
        by_class={
            name: spread(of(found, of_class(name, 'ap')))
            for name in result.study.dataset.classes},
        by_size={size: spread(of(found, overall(f'ap_{size}'))) for size in SIZES},
        person_ap=person_ap, person_ap50=spread(of(found, of_class(person, 'ap50'))),
        person_difference=None if is_same else difference(
            of(found, of_class(person, 'ap')), of(reference, of_class(person, 'ap'))),
        ap_difference=None if is_same else difference(
            of(found, overall('ap')), of(reference, overall('ap'))),
        kept=person_ap.mean / theirs.mean if person_ap and theirs and theirs.mean else None,
        pixels={name: spread(of(found, pixel(name))) for name in readings},
        pixel_differences={
            name: None if is_same else difference(
                of(found, pixel(name)), of(reference, pixel(name))) for name in readings},
        agreement={f'{each.network}, {each.what}': each.f1 for each in found.agreement},
        privacy=found.privacy, paper=paper_row(variant), note=found.note)


def _figure(figures: Figures | None, field: str) -> float | None:
    value = None if figures is None else getattr(figures, field)
    return None if value is None else float(value)


def columns(result: StudyResult) -> list[tuple[str, Callable[[Row], str]]]:
    """Return the table's columns: what stands above, and the text of a row's cell."""
    classes = result.study.dataset.classes
    found: list[tuple[str, Callable[[Row], str]]] = [
        ('training data', lambda row: row.name),
        ('AP', lambda row: show_spread(row.ap)),
        ('AP50', lambda row: show_spread(row.ap50))]
    if len(classes) > 1:
        found += [(f'AP {name}', _of_class(name)) for name in classes]
    found += [(f'AP {size}', _of_size(size)) for size in SIZES]
    found += [
        ('AP less original, 95 %', lambda row: show_difference(row.ap_difference)),
        ('more than seed noise', lambda row: _verdict(row.ap_difference))]
    found += [
        (f'{each.name}, pixel AP', _of_pixels(each.name))
        for each in result.study.pixel_readings]
    found += [
        (f'{each.name}, less original', _pixel_difference(each.name))
        for each in result.study.pixel_readings]
    names = list(dict.fromkeys(name for row in build_rows(result) for name in row.agreement))
    found += [(f'agreement, {name}', _of_agreement(name)) for name in names]
    return [
        *found,
        ('found again', lambda row: show_share(row.privacy and row.privacy.found_again)),
        ('recognized again', lambda row: show_share(row.privacy and row.privacy.recognized)),
        ('recognized where gray', lambda row: show_share(row.privacy and row.privacy.gray)),
        ('paper, BDD100K AP', lambda row: show_number(row.paper and row.paper.ap)),
        ('paper, pedestrian AP', lambda row: show_number(row.paper and row.paper.pedestrian_ap)),
    ]


def to_csv(result: StudyResult) -> str:
    """Return the table as CSV, with one line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    shown = columns(result)
    writer.writerow([name for name, _ in shown])
    writer.writerows([cell(row) for _, cell in shown] for row in build_rows(result))
    return text.getvalue()


def to_latex(result: StudyResult) -> str:
    """Return the table for LaTeX with the package booktabs."""
    shown = columns(result)
    lines = [
        r'\begin{tabular}{l' + 'r' * (len(shown) - 1) + '}', r'\toprule',
        ' & '.join(name.translate(_LATEX) for name, _ in shown) + r' \\', r'\midrule']
    lines += [
        ' & '.join(cell(row).translate(_LATEX) for _, cell in shown) + r' \\'
        for row in build_rows(result)]
    return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', ''])


def to_markdown(result: StudyResult) -> str:
    """Return the table for Markdown; columns that say nothing anywhere are left out."""
    rows = build_rows(result)
    shown = [(name, [cell(row) for row in rows]) for name, cell in columns(result)]
    shown = [(name, cells) for name, cells in shown if set(cells) != {NOTHING}]
    lines = [
        '| ' + ' | '.join(name for name, _ in shown) + ' |',
        '|---' * len(shown) + '|']
    lines += [
        '| ' + ' | '.join(cells[i] for _, cells in shown) + ' |' for i in range(len(rows))]
    return '\n'.join([*lines, ''])


def show_spread(value: Spread | None) -> str:
    """Return a mean with its deviation."""
    if value is None:
        return NOTHING
    deviation = '' if value.deviation is None else f' ± {value.deviation:.2f}'
    return f'{value.mean:.2f}{deviation}'


def show_difference(value: Difference | None) -> str:
    """Return a difference with its interval."""
    if value is None:
        return NOTHING
    if value.low is None or value.high is None:
        return f'{value.value:+.2f}'
    return f'{value.value:+.2f} [{value.low:+.2f}, {value.high:+.2f}]'


def show_number(value: float | None) -> str:
    """Return a number with two digits."""
    return NOTHING if value is None else f'{value:.2f}'


def show_share(value: float | None) -> str:
    """Return a share in per cent."""
    return NOTHING if value is None else f'{100 * value:.1f} %'


def _verdict(value: Difference | None) -> str:
    return NOTHING if value is None else value.verdict


def _of_class(name: str) -> Callable[[Row], str]:
    return lambda row: show_spread(row.by_class[name])


def _of_size(size: str) -> Callable[[Row], str]:
    return lambda row: show_spread(row.by_size[size])


def _of_pixels(name: str) -> Callable[[Row], str]:
    return lambda row: show_spread(row.pixels[name])


def _pixel_difference(name: str) -> Callable[[Row], str]:
    return lambda row: show_difference(row.pixel_differences[name])


def _of_agreement(name: str) -> Callable[[Row], str]:
    return lambda row: show_number(row.agreement.get(name))
