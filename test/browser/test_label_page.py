# SPDX-License-Identifier: Apache-2.0
"""Label a sample on its page, from its file and without a network, and prove what it shows."""

import json

import pytest
from bag_builder import BagBuilder, MagentaDetector, picture

from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.results import write_any_report
from anon_ros.runs.sample import judge_sample, write_sample

SETTINGS = Settings(target=('face', 'plate'), threads=1, window_s=0.0, seed=1)


@pytest.fixture(scope='module')
def target(tmp_path_factory):
    folder = tmp_path_factory.mktemp('label')
    builder = BagBuilder()
    for i in range(40):
        builder.raw('/camera', (i + 1) * 10**8, picture(seed=i, squares=((20 + i, 16),)))
    source = builder.write(folder / 'source')
    anonymize_bag(BagJob(source, folder / 'target'), SETTINGS, detector=MagentaDetector({3}))
    return folder / 'target'


@pytest.fixture
def opened(page, target, tmp_path):
    """Return the open page, the sample's folder and what the page complained about."""
    write_sample(target, 40, tmp_path / 'sample')
    complaints = []
    page.on('console', lambda message: complaints.append(message.text))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on('request', lambda request: request.url.startswith('file:') or complaints.append(
        f'asked for {request.url}'))
    page.goto((tmp_path / 'sample' / 'label.html').as_uri())
    return page, tmp_path / 'sample', complaints


def rows(page):
    return page.locator('#list li').all_inner_texts()


def test_a_whole_sample_is_labelled_by_keys_and_pointer(opened, target):
    page, folder, complaints = opened
    assert page.locator('#picture').evaluate('image => image.naturalWidth') == 96
    page.locator('#who').fill('A. Labeller')
    page.locator('#who').blur()
    page.keyboard.press('Enter')
    assert 'nobody has said' in page.locator('#message').inner_text()
    for number in range(40):
        assert page.locator('#progress').inner_text().startswith(f'{number + 1} of 40')
        if number == 3:
            assert rows(page) == []
            box = page.locator('#overlay').bounding_box()
            scale = box['width'] / 96
            page.mouse.move(box['x'] + 23 * scale, box['y'] + 16 * scale)
            page.mouse.down()
            page.mouse.move(box['x'] + 30 * scale, box['y'] + 25 * scale)
            page.mouse.move(box['x'] + 39 * scale, box['y'] + 32 * scale)
            page.mouse.up()
            assert rows(page) == ['face missed']
        page.keyboard.press('y')
        page.keyboard.press('Enter')
    assert 'All frames are labelled' in page.locator('#message').inner_text()
    with page.expect_download() as download:
        page.keyboard.press('s')
    path = folder / 'filled.json'
    download.value.save_as(path)
    plain = json.loads(path.read_text())
    assert plain['labelled_by'] == 'A. Labeller'
    assert [round(v) for v in plain['frames'][3]['missed'][0]['box']] == [23, 16, 39, 32]
    recall = judge_sample(target, path).kinds[0].recall
    assert (recall.things, recall.missed) == (40, 1)
    assert complaints == []


def test_answers_can_be_changed_taken_back_and_found_again(opened):
    page, folder, complaints = opened
    region = page.locator('rect.hidden')
    for expected in ('yes', 'no', 'is there one?'):
        region.click()
        assert rows(page) == [f'face hidden: {expected}']
    page.keyboard.press('2')
    box = page.locator('#overlay').bounding_box()
    page.mouse.move(box['x'] + 5, box['y'] + 5)
    page.mouse.down()
    page.mouse.move(box['x'] + 60, box['y'] + 60)
    page.mouse.up()
    assert rows(page)[1:] == ['plate missed']
    page.keyboard.press('Delete')
    assert len(rows(page)) == 1
    page.keyboard.press('n')
    page.keyboard.press('Enter')
    page.keyboard.press('ArrowLeft')
    assert rows(page) == ['face hidden: no']
    page.keyboard.down('h')
    assert page.locator('#overlay').evaluate('it => getComputedStyle(it).opacity') == '0'
    page.keyboard.up('h')
    page.locator('#open').set_input_files(folder / 'labels.json')
    page.wait_for_function("document.getElementById('list').innerText.includes('is there one?')")
    assert complaints == []


def test_the_report_opens_offline_and_shows_all_of_its_pictures(page, target):
    asked = []
    page.on('request', lambda request: asked.append(request.url))
    path = write_any_report(target)
    page.goto(path.as_uri())
    images = page.locator('img')
    assert images.count() > 3
    assert all(images.nth(i).evaluate('image => image.decode().then(() => image.naturalWidth)') > 0
               for i in range(images.count()))
    assert [url for url in asked if not url.startswith('data:')] == [path.as_uri()]
    assert len(page.pdf(format='A4')) > 10_000
