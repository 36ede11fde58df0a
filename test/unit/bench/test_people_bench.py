# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from anon_ros.bench import people_truth
from anon_ros.bench.people import measure_parts, measure_people, object_similarity, to_silhouette
from anon_ros.bench.people_truth import PeopleFrame
from anon_ros.core import masks
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.errors import InputError
from anon_ros.models.store import ModelStore

SHAPE = (100, 120)


class Fixed:
    """A detector that sees the same in every image."""

    def __init__(self, regions):
        self.regions = regions

    def detect(self, image_bgr):
        self.image_bgr = image_bgr
        return self.regions


def rectangle(x, y, width, height):
    return Mask(np.ones((height, width), bool), x, y)


def frame_of(*silhouettes, **options):
    return PeopleFrame('frame', np.zeros((*SHAPE, 3), np.uint8), silhouettes, **options)


def measure(regions, *frames):
    return measure_people(Fixed(regions), frames)


def test_nothing_found_hides_nothing():
    table = measure(Regions.empty(), frame_of(rectangle(10, 10, 10, 40)))
    assert table.pixels_covered == 0
    assert table.others_touched == 0
    assert table.least_covered == 0
    assert [(group.people, group.covered) for group in table.groups] == [(1, 0)]


def test_nobody_there_costs_only_the_others():
    table = measure(Regions.of([[0, 0, 60, 50]], Kind.BODY), frame_of())
    assert table.others_touched == pytest.approx(0.25)
    assert table.groups == ()
    assert table.keypoint_error is None


def test_pixels_and_people_are_counted_by_height():
    regions = Regions.of([[10, 10, 20, 40], [50, 50, 60, 58]], Kind.BODY)
    table = measure(regions, frame_of(rectangle(10, 10, 10, 40), rectangle(50, 50, 10, 10)))
    assert table.pixels_covered == pytest.approx((300 + 80) / 500)
    assert table.least_covered == pytest.approx(0.75)
    assert [(g.name, g.people, g.covered) for g in table.groups] == [
        ('0 to 19 px', 1, 1.0), ('20 to 79 px', 1, 0.0)]
    assert table.regions_per_frame == 2


def test_ignored_pixels_cost_nothing():
    ignored = np.zeros(SHAPE, bool)
    ignored[:, :60] = True
    table = measure(Regions.of([[0, 0, 90, 100]], Kind.BODY), frame_of(ignored=ignored))
    assert table.others_touched == pytest.approx(0.5)


def test_a_mask_counts_instead_of_its_box():
    regions = Regions.of([[10, 10, 60, 60]], Kind.BODY, masks=[rectangle(10, 10, 10, 40)])
    table = measure(regions, frame_of(rectangle(10, 10, 10, 40)))
    assert table.pixels_covered == 1
    assert table.others_touched == 0
    assert table.mask_iou == 1


def test_boxes_off_the_image_hide_their_part_in_it():
    hidden = to_silhouette(
        Regions.of([[-5, -5, 2.5, 3], [500, 500, 600, 600]], Kind.BODY), (10, 8))
    assert hidden[:3, :3].all()
    assert hidden.sum() == 9


def test_keypoints_are_compared_with_those_of_the_best_region():
    truth = np.zeros((1, 17, 3), np.float32)
    truth[0, :5] = (14, 20, 2)
    found = np.full((2, 17, 3), 90, np.float32)
    found[1] = (14, 24, 0.5)
    regions = Regions.of([[50, 50, 60, 90], [10, 10, 20, 50]], Kind.BODY, keypoints=found)
    table = measure(regions, frame_of(rectangle(10, 10, 10, 40), keypoints=truth))
    assert table.keypoint_error == pytest.approx(0.1)
    assert 0 < table.oks < 1


def test_a_missed_person_has_no_similarity():
    truth = np.full((1, 17, 3), 2, np.float32)
    empty = Regions.of([], Kind.BODY, keypoints=np.zeros((0, 17, 3), np.float32))
    table = measure(empty, frame_of(rectangle(10, 10, 10, 40), keypoints=truth))
    assert table.oks == 0
    assert table.keypoint_error is None


def test_similarity_follows_its_definition():
    truth = np.zeros((17, 3), np.float32)
    assert object_similarity(truth, truth, 100) is None
    truth[0] = (10, 10, 2)
    found = truth.copy()
    assert object_similarity(found, truth, 100) == 1
    found[0, 0] += 2
    assert object_similarity(found, truth, 100) == pytest.approx(
        np.exp(-4 / (2 * 100 * (2 * 0.026) ** 2)))


def write_street(folder, people):
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / 'a.jpg'), np.full((*SHAPE, 3), 90, np.uint8))
    labels = np.full(SHAPE, 3, np.uint8)
    labels[10:50, 10:20], labels[60:63, 60:62] = people, people
    cv2.imwrite(str(folder / 'a_labels.png'), labels)


@pytest.mark.parametrize(('label', 'count'), [(9, 1), (10, 1), (8, 0)])
def test_street_people_are_what_hangs_together(tmp_path, label, count):
    write_street(tmp_path / 'street', label)
    (frame,) = people_truth.load_street(tmp_path / 'street')
    assert len(frame.silhouettes) == count
    assert frame.size_wh == (120, 100)


def write_people(folder):
    folder.mkdir()
    sprite = np.zeros((288, 160, 4), np.uint8)
    sprite[20:220, 50:100] = (0, 0, 255, 255)
    cv2.imwrite(str(folder / 'one.webp'), sprite, [cv2.IMWRITE_WEBP_QUALITY, 101])
    keypoints = [[60, 40, 2]] * 17
    entries = [{'file': 'one.webp', 'keypoints': keypoints},
               {'file': 'walk.webp', 'keypoints': keypoints, 'sequence': 1}]
    (folder / 'people.json').write_text(json.dumps({'sprites': entries}))


def test_composites_know_their_people(tmp_path):
    write_street(tmp_path / 'street/frames', 9)
    write_people(tmp_path / 'people_synthetic')
    (frame,) = people_truth.compose(tmp_path, 1, 1, people_per_frame=3, heights_px=(20, 40))
    assert frame.size_wh == (240, 200)
    assert frame.ignored.sum() == 4 * 400
    assert len(frame.silhouettes) >= 2
    whole = masks.paste(frame.silhouettes, frame.size_wh)
    is_red = (frame.image_bgr[..., 2] > 200) & (frame.image_bgr[..., 0] < 60)
    assert is_red[whole].all()
    assert not is_red[~whole].any()
    for mask, keypoints in zip(frame.silhouettes, frame.keypoints, strict=True):
        height, width = mask.inside.shape
        np.testing.assert_allclose(
            keypoints[0], [mask.x + width * 0.2, mask.y + height * 0.1, 2], atol=1)
    again = people_truth.compose(tmp_path, 1, 1, people_per_frame=3, heights_px=(20, 40))
    np.testing.assert_array_equal(frame.image_bgr, again[0].image_bgr)


@pytest.mark.parametrize('load', [
    people_truth.load_street, people_truth.load_coco,
    lambda folder: people_truth.compose(folder, 1, 1),
])
def test_missing_data_are_named(tmp_path, load):
    with pytest.raises(InputError, match=str(tmp_path)):
        load(tmp_path)


def test_damaged_truth_is_named(tmp_path):
    (tmp_path / 'test_coco.json').write_text('{')
    with pytest.raises(InputError, match=r'test_coco\.json cannot be read'):
        people_truth.load_coco(tmp_path)


def test_annotated_people_are_where_their_keypoints_are(shared_dir):
    frames = people_truth.load_coco(shared_dir / 'data/people')
    assert [len(frame.silhouettes) for frame in frames] == [1, 3, 5, 5]
    for frame in frames:
        for mask, keypoints in zip(frame.silhouettes, frame.keypoints, strict=True):
            whole = masks.dilate(masks.paste([mask], frame.size_wh), 8)
            x, y = keypoints[keypoints[:, 2] == 2, :2].astype(int).T
            assert len(x) == 0 or whole[y, x].mean() > 0.8


def test_every_part_is_timed(shared_dir):
    parts = measure_parts(
        ModelStore(offline_dir=shared_dir / 'models'), [np.zeros((60, 80, 3), np.uint8)], 1)
    assert len({part.name for part in parts}) == len(parts) >= 6
