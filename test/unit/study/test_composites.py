# SPDX-License-Identifier: Apache-2.0
"""Composites: exact labels, no person and no frame in both splits, the same bytes for a seed."""

import json

import cv2
import numpy as np
import pytest

from anon_ros.audit import rle
from anon_ros.datasets.formats import open_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.errors import InputError, OutputError
from anon_ros.study.composites import Composition, compose
from anon_ros.study.sprites import SpriteBox, face_box, identity_of

SIZE_WH = (96, 64)


@pytest.fixture
def people(tmp_path):
    """Green people on magenta that nobody may see, and blue frames."""
    folder = tmp_path / 'people'
    folder.mkdir()
    entries = []
    for number in range(24):
        picture = np.zeros((72, 40, 4), np.uint8)
        picture[..., :3] = (255, 0, 255)
        picture[6:66, 10:30] = (0, 255, 0, 255)
        cv2.imwrite(str(folder / f'p{number}.png'), picture)
        keypoints = [[20.0, 12.0 + 3 * i, 2] for i in range(17)]
        keypoints[1][0], keypoints[2][0] = 24.0, 16.0
        entry = {'file': f'p{number}.png', 'keypoints': keypoints}
        if number >= 12:
            entry['sequence'] = number // 6
        entries.append(entry)
    (folder / 'people.json').write_text(json.dumps({'sprites': entries}))
    for split, blue in (('train', 255), ('valid', 200)):
        (tmp_path / 'frames' / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f'frames/{split}/f.png'),
                    np.full((80, 120, 3), (blue, 0, 0), np.uint8))
    return folder


def plan(tmp_path, **more):
    return Composition(
        tmp_path / 'people', tmp_path / 'frames', (6, 4), SIZE_WH, heights_px=(20.0, 50.0),
        **more)


def test_labels_are_the_pixels(people, tmp_path):
    compose(plan(tmp_path), tmp_path / 'set')
    seen = 0
    for record in open_dataset(tmp_path / 'set', 'coco', Problems()).records():
        image = cv2.imread(str(tmp_path / 'set' / record.path)).astype(int)
        labelled = np.zeros(image.shape[:2], bool)
        for instance in record.instances:
            mask = rle.decode(instance.rle, SIZE_WH)
            rows, columns = mask.inside.shape
            labelled[mask.y:mask.y + rows, mask.x:mask.x + columns] |= mask.inside
            for x, y, visible in instance.keypoints or ():
                assert visible < 2 or labelled[int(y), int(x)]
            seen += 1
        # Nothing of the transparent magenta shines through, but for the antialiased edge.
        is_green = image[..., 1] > image[..., 0]
        assert (is_green != labelled).mean() < 0.02
        assert not ((image[..., 2] > 128) & (image[..., 1] < 60)).any()
    assert seen >= 10


def test_splits_share_no_person_and_no_frame(people, tmp_path):
    boxes = [SpriteBox.load(people, parity) for parity in (0, 1)]
    first, second = ({identity_of(each) for each in box.entries} for box in boxes)
    assert first
    assert second
    assert not first & second
    assert len(first | second) == 12 + 2
    compose(plan(tmp_path), tmp_path / 'set')
    blues = {
        split: max(int(cv2.imread(str(path))[0, 0, 0])
                   for path in (tmp_path / 'set' / split).glob('*.jpg'))
        for split in ('train', 'val')}
    assert blues['train'] > 240
    assert blues['val'] < 210


def test_a_seed_gives_the_same_bytes_and_another_others(people, tmp_path):
    def content(name, seed):
        compose(plan(tmp_path, seed=seed), tmp_path / name)
        return {path.relative_to(tmp_path / name): path.read_bytes()
                for path in (tmp_path / name).rglob('*') if path.is_file()}

    assert content('a', 1) == content('b', 1) != content('c', 2)


def test_what_cannot_be_composed_is_named(people, tmp_path):
    (tmp_path / 'set').mkdir()
    with pytest.raises(OutputError, match='exists already'):
        compose(plan(tmp_path), tmp_path / 'set')
    (tmp_path / 'frames/valid/f.png').write_bytes(b'no image')
    with pytest.raises(InputError, match=r'f\.png: is missing, or cannot be decoded'):
        compose(plan(tmp_path), tmp_path / 'other')
    (people / 'people.json').write_text('{"sprites": []}')
    with pytest.raises(InputError, match='nobody in it'):
        SpriteBox.load(people, 0)
    (people / 'people.json').write_text('[1')
    with pytest.raises(InputError, match='no list of people'):
        SpriteBox.load(people, 0)


def test_faces_are_where_they_are_seen():
    points = np.zeros((17, 3), np.float32)
    points[:5] = [(20, 20, 2), (24, 17, 2), (16, 17, 2), (28, 19, 1), (12, 19, 1)]
    x_min, y_min, x_max, y_max = face_box(points)
    assert (x_min < 12, x_max > 28, y_min < 17, y_max > 20) == (True,) * 4
    points[[0, 1], 2] = 1
    assert face_box(points) is None
