# SPDX-License-Identifier: Apache-2.0
"""A sample shows the result only, and its labels prove what is so and nothing else."""

import json
import shutil

import cv2
import numpy as np
import pytest
from bag_builder import MAGENTA_BGR, BagBuilder, MagentaDetector, picture, shows_magenta

from anon_ros.audit.acceptance import read_acceptance
from anon_ros.core.settings import Settings
from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.results import write_any_report
from anon_ros.runs.sample import judge_sample, write_sample

RAW, JPEG = '/camera', '/camera/compressed'
# Nothing looks ahead: what the detector misses stays to be seen.
SETTINGS = Settings(target=('face',), threads=1, window_s=0.0, seed=1)
BLIND = {7, 30, 61}


def make(folder, blind=BLIND, frames=40, first_ns=0):
    builder = BagBuilder()
    for i in range(frames):
        builder.raw(RAW, first_ns + (i + 1) * 10**8, picture(seed=i, squares=((20 + i % 30, 16),)))
        builder.jpeg(JPEG, first_ns + (i + 1) * 10**8 + 1,
                     picture(seed=i, squares=((40, 8 + i % 30),)))
    target = folder / 'target'
    anonymize_bag(BagJob(builder.write(folder / 'source'), target), SETTINGS,
                  detector=MagentaDetector(blind))
    return target


@pytest.fixture(scope='module')
def target(tmp_path_factory):
    return make(tmp_path_factory.mktemp('sample'))


@pytest.fixture(scope='module')
def drawn(target):
    folder = target.parent / 'drawn'
    write_sample(target, 60, folder, seed=3)
    return folder


def seen_in(path):
    """Return the boxes of what an attentive person sees: magenta squares."""
    image = cv2.imread(str(path))
    distance = np.abs(image.astype(int) - MAGENTA_BGR).max(axis=2) < 60
    ys, xs = np.nonzero(distance)
    return [] if not len(ys) else [
        [float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)]]


def fill(folder, change=None):
    """Answer all questions of a sample, as it is; return the file."""
    plain = json.loads((folder / 'labels.json').read_text())
    for frame in plain['frames']:
        for hidden in frame['hidden']:
            hidden['shows'] = True
        frame['missed'] = [
            {'kind': 'face', 'box': box} for box in seen_in(folder / frame['file'])]
        frame['done'] = True
    if change is not None:
        change(plain)
    path = folder / 'filled.json'
    path.write_text(json.dumps(plain))
    return path


def test_a_sample_is_pictures_of_the_result_and_questions(target, drawn):
    plain = json.loads((drawn / 'labels.json').read_text())
    assert len(plain['frames']) == 60
    assert plain['population'] == 80
    assert {frame['topic'] for frame in plain['frames']} == {RAW, JPEG}
    missed = 0
    for frame in plain['frames']:
        image = cv2.imread(str(drawn / frame['file']))
        assert image.shape == (64, 96, 3)
        is_missed = not frame['hidden']
        assert shows_magenta(image) == is_missed, 'a hidden face is hidden in the sample too'
        missed += is_missed
        assert frame['done'] is False
        assert all(hidden['shows'] is None for hidden in frame['hidden'])
    assert 0 < missed <= len(BLIND)
    assert (drawn / 'label.html').read_text().count('frames/00001.png') == 1


def test_the_same_seed_draws_the_same_and_another_another(target, drawn, tmp_path):
    write_sample(target, 60, tmp_path / 'again', seed=3)
    write_sample(target, 60, tmp_path / 'other', seed=4)
    first, again, other = (
        (folder / 'labels.json').read_text()
        for folder in (drawn, tmp_path / 'again', tmp_path / 'other'))
    assert first == again
    assert first != other


def test_labels_prove_recall(target, drawn):
    proved = judge_sample(target, fill(drawn))
    recall = proved.kinds[0].recall
    assert recall.things == 60
    assert 0 < recall.missed <= 3
    truth = 1 - len(BLIND) / 80
    assert recall.low < truth
    assert recall.interval_low < recall.share < recall.interval_high
    assert 'at least' in proved.sentences[0]
    assert read_acceptance(target / 'anon' / 'acceptance.json') == proved
    page = write_any_report(target).read_text()
    assert proved.sentences[0] in page
    assert 'id="acceptance"' in page


@pytest.mark.parametrize(('change', 'words'), [
    (lambda plain: plain['frames'][5].update(done=False), '1 of 60 frames are not labelled'),
    (lambda plain: plain['frames'].pop(), '59 frames, 60 were drawn'),
    (lambda plain: plain['frames'][5].update(message='0' * 64), 'its hash is another one'),
    (lambda plain: plain['frames'][5].update(sha256='0' * 64), 'not the picture that was drawn'),
    (lambda plain: plain['frames'][5]['hidden'].append(
        {'kind': 'face', 'box': [0, 0, 9, 9], 'shows': True}), 'was changed'),
    (lambda plain: plain.update(seed=4), 'was not drawn'),
    (lambda plain: plain.update(size=61), '61 were drawn'),
    (lambda plain: plain.update(root='0' * 64), 'of another result'),
])
def test_labels_that_were_tampered_with_are_refused(target, drawn, change, words):
    with pytest.raises(InputError) as error:
        judge_sample(target, fill(drawn, change))
    assert words in str(error.value)


def test_a_picture_that_was_changed_is_refused(target, drawn, tmp_path):
    folder = tmp_path / 'copy'
    shutil.copytree(drawn, folder)
    path = fill(folder)
    cv2.imwrite(str(folder / 'frames' / '00007.png'), np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(InputError, match=r'00007\.png: is not the picture'):
        judge_sample(target, path)


def test_too_few_say_nothing(target, tmp_path):
    write_sample(target, 10, tmp_path / 'few')
    with pytest.raises(InputError, match='too few'):
        judge_sample(target, fill(tmp_path / 'few'))


def test_a_frame_that_was_changed_since_is_not_drawn(tmp_path):
    target = make(tmp_path, frames=6)
    path = next(target.glob('*.mcap'))
    data = bytearray(path.read_bytes())
    at = data.find(b'JFIF')
    data[at + 400] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError):
        write_sample(target, 100, tmp_path / 'drawn')
    assert not (tmp_path / 'drawn').exists()


def test_what_cannot_be_sampled_says_why(target, drawn, tmp_path):
    with pytest.raises(OutputError, match='exists already'):
        write_sample(target, 5, drawn)
    with pytest.raises(InputError, match='neither a result'):
        write_sample(tmp_path, 5, tmp_path / 'x')
    other = tmp_path / 'target'
    shutil.copytree(target, other)
    plain = json.loads((other / 'anon' / 'manifest.json').read_text())
    del plain['seal']
    (other / 'anon' / 'manifest.json').write_text(json.dumps(plain))
    with pytest.raises(UsageError, match='no seal'):
        write_sample(other, 5, tmp_path / 'x')


def test_many_recordings_are_sampled_together(tmp_path):
    fleet = tmp_path / 'fleet'
    for name in ('monday', 'tuesday/morning'):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        made = make(folder, blind=set(), frames=25, first_ns=len(name) * 10**9)
        (fleet / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, fleet / name)
    write_sample(fleet, 60, tmp_path / 'drawn')
    plain = json.loads((tmp_path / 'drawn' / 'labels.json').read_text())
    assert {frame['bag'] for frame in plain['frames']} == {'monday', 'tuesday/morning'}
    proved = judge_sample(fleet, fill(tmp_path / 'drawn'))
    assert proved.kinds[0].recall.missed == 0
    page = write_any_report(fleet).read_text()
    assert proved.sentences[0] in page
    assert 'href="./tuesday/morning/anon/report.html"' in page
