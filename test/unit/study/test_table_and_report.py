# SPDX-License-Identifier: Apache-2.0
"""The table and the report say what was measured, and nothing where nothing was."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from anon_ros.audit import typed_json
from anon_ros.study import plots
from anon_ros.study.figures import (
    Agreement,
    Evaluation,
    Figures,
    PixelFigure,
    Privacy,
    SeedResult,
    StudyResult,
    VariantImages,
    VariantResult,
)
from anon_ros.study.label_store import write_labels
from anon_ros.study.plan import StudyPlan
from anon_ros.study.report import render_plot, render_report
from anon_ros.study.run import read_result
from anon_ros.study.study_file import PixelReading, load_study
from anon_ros.study.table import build_rows, columns, to_csv, to_latex, to_markdown

STUDY = replace(load_study('small'), pixel_readings=(PixelReading('street', 'x', (9,)),))


def seed_result(seed, ap):
    figures = Figures(ap, ap + 20, ap - 5, 3.0, None, 60.0)
    return SeedResult(
        seed, f'key{seed}', Evaluation('pycocotools 2', 'segm', figures, {'person': figures}),
        'ab' * 32, 10, 5.0, 'CPU', {'torch': '2'}, (PixelFigure('street', ap / 2, 1.0),))


def variant(name, aps, recognized=0.5, **more):
    privacy = Privacy(0.8, 0.7, 0.9, recognized, 0.4, 0.6, 0.01, 0.3, 'clothes, naive', 50)
    return VariantResult(
        name, VariantImages('/x', 'cd' * 32, 10, 0, {'body': 7}, {'crowd': 2}),
        tuple(seed_result(i, ap) for i, ap in enumerate(aps)),
        (Agreement('YOLOX-nano', 'boxes of people', 0.75, 40),), privacy, **more)


def result(**more):
    names = [each.name for each in STUDY.variants]
    found = [variant(names[0], (40.0, 41.0, 42.0)), variant(names[1], (39.0, 41.5, 42.0)),
             variant(names[2], (10.0, 11.0, 12.0), recognized=0.1)]
    found += [VariantResult(name, None, note='not made yet') for name in names[3:]]
    return StudyResult(
        '0.1', STUDY, tuple(found), 10, 30, 5, 12, 'ef' * 32, {'train': '01' * 32}, **more)


def test_the_table_has_a_row_a_variant_and_compares_with_the_original():
    rows = {row['training data']: row for row in csv.DictReader(io.StringIO(to_csv(result())))}
    assert list(rows) == [each.name for each in STUDY.variants]
    assert rows['original']['AP'] == '41.00 ± 1.00'
    assert rows['original']['AP less original, 95 %'] == '–'  # noqa: RUF001
    worse = rows[STUDY.variants[2].name]
    assert worse['AP less original, 95 %'].startswith('-30.00 [-32.')
    assert worse['more than seed noise'] == 'yes'
    assert rows[STUDY.variants[1].name]['more than seed noise'] == 'no'
    assert worse['street, pixel AP'] == '5.50 ± 0.50'
    assert worse['recognized again'] == '10.0 %'
    assert worse['AP medium'] == '–'  # noqa: RUF001
    assert rows[STUDY.variants[4].name]['AP'] == '–'  # noqa: RUF001
    assert rows['body blur']['paper, pedestrian AP'] == '0.50'


def test_latex_has_as_many_cells_as_columns_and_no_bare_signs():
    text = to_latex(result())
    body = [line for line in text.splitlines() if line.endswith(r'\\')]
    assert all(line.count('&') == len(columns(result())) - 1 for line in body)
    assert '%' not in text.replace(r'\%', '')
    assert '±' not in text


def test_markdown_leaves_out_what_nobody_knows():
    lines = to_markdown(result()).splitlines()
    assert len(lines) == 2 + len(STUDY.variants)
    assert len({line.count('|') for line in lines}) == 1
    assert 'AP medium' not in lines[0]
    assert 'AP small' in lines[0]


def test_the_plot_is_a_picture_of_its_own():
    root = ET.fromstring(render_plot(result(), 'recognized'))
    assert root.tag == '{http://www.w3.org/2000/svg}svg'
    names = [each.text for each in root.iter('{http://www.w3.org/2000/svg}text')]
    assert {'original', STUDY.variants[2].name} <= set(names)


def test_rows_keep_shares_of_the_original():
    rows = build_rows(result())
    assert [row.kept for row in rows[:3]] == pytest.approx([1, 122.5 / 123, 33 / 123])
    assert rows[4].kept is None


def test_plots_leave_out_whom_they_know_nothing_of():
    plot = plots.trade_off(build_rows(result()), 'recognized')
    assert [point.name for point in plot.points] == [
        'original', STUDY.variants[1].name, STUDY.variants[2].name]
    assert len(plot.left_out) == 4
    worst = plot.points[-1]
    assert worst.y == pytest.approx(plots.HEIGHT * 0.9)
    labels = [(point.x, point.label_y) for point in plot.points]
    assert all(abs(a[1] - b[1]) >= 14 or abs(a[0] - b[0]) >= 140
               for i, a in enumerate(labels) for b in labels[:i])
    assert plots.trade_off([], 'recognized').points == ()
    assert plots.curves({'a': [(10, 1.0)]}) is None
    assert len(plots.curves({'a': [(10, 2.0), (20, 1.0)], 'b': []}).paths) == 1


def test_the_report_is_one_page_that_needs_no_network(tmp_path):
    found = result(notes=('<b>bold</b>',))
    write_labels([], ['person'], tmp_path / 'labels/train.jsonl')
    page = render_report(found, StudyPlan(STUDY, tmp_path, tmp_path))
    assert 'http' not in page.replace('http://www.w3.org', '')
    assert '<script' not in page
    assert '&lt;b&gt;bold' in page
    assert 'shown as they were: 2 people: crowd' in page
    assert 'keeps' in page
    assert 'cd' * 32 in page
    assert 'from scratch' in page


def test_results_survive_their_file(tmp_path):
    import json

    (tmp_path / 'results.json').write_text(json.dumps(typed_json.to_plain(result())))
    assert read_result(tmp_path) == result()
