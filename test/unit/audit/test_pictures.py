# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from anon_ros.audit.pictures import (
    CAPACITY,
    CLOSE_UP_PX,
    CLOSE_UPS,
    WIDTH_PX,
    PictureShelf,
    take_picture,
)
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Kind, Regions

FRAME_NS = 100_000_000


def boxes(count):
    return Regions.of([[10 * i, 10, 10 * i + 8, 20 + i] for i in range(count)], Kind.FACE)


def gray(width=64, height=48):
    return np.full((height, width, 3), 128, np.uint8)


def decode(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def run(shelf, frames):
    for topic, stamp_ns, count in frames:
        regions = boxes(count)
        if shelf.wants(topic, stamp_ns, regions):
            shelf.put(take_picture(topic, stamp_ns, gray(), regions))
    return [(item.topic, item.stamp_ns) for item in shelf.pictures()]


def test_few_frames_are_all_kept():
    frames = [('/a', i * 10 * FRAME_NS, 0) for i in range(5)]
    assert run(PictureShelf(), frames) == [('/a', i * 10 * FRAME_NS) for i in range(5)]


def test_a_long_recording_fills_the_shelf_evenly():
    kept = run(PictureShelf(), [('/a', i * FRAME_NS, 1) for i in range(3000)])
    stamps = np.array([stamp for _, stamp in kept])
    assert CAPACITY // 2 <= len(kept) <= CAPACITY
    assert len(set(np.diff(stamps))) == 1
    assert stamps[-1] > 2500 * FRAME_NS


def test_cameras_share_the_shelf():
    frames = [(f'/{name}', i * FRAME_NS, 1) for i in range(500) for name in 'abc']
    kept = [topic for topic, _ in run(PictureShelf(), frames)]
    assert {topic: kept.count(topic) >= 4 for topic in kept} == dict.fromkeys(
        ['/a', '/b', '/c'], True)


def test_the_fullest_frame_of_a_stretch_is_kept():
    frames = [('/a', i * FRAME_NS, 5 if i == 700 else 1) for i in range(1000)]
    assert ('/a', 700 * FRAME_NS) in run(PictureShelf(), frames)


def test_order_within_a_topic_does_not_matter():
    frames = [('/a', i * FRAME_NS, i % 7) for i in range(400)]
    shuffled = [frames[i] for i in np.random.default_rng(5).permutation(len(frames))]
    assert run(PictureShelf(), frames) == run(PictureShelf(), shuffled)


def test_more_topics_than_places_are_left_out():
    kept = run(PictureShelf(), [(f'/{i:03}', 0, 1) for i in range(100)])
    assert len(kept) == CAPACITY


def test_stamps_at_the_ends_of_time_do_not_hang():
    stamps = [-1, 0, 2**63 - 1, -2**63]
    shelf = PictureShelf(capacity=1)
    assert len(run(shelf, [('/a', stamp, 1) for stamp in stamps])) == 1


def test_picture_is_scaled_down_and_boxes_are_not():
    picture = take_picture('/a', 7, gray(1920, 1080), boxes(2))
    assert decode(picture.jpeg).shape == (360, WIDTH_PX, 3)
    assert picture.size_wh == (1920, 1080)
    assert picture.outlines[0].box_xyxy == (10, 10, 18, 21)


def test_regions_outside_the_image_have_no_outline():
    regions = Regions.of([[-50, 0, -10, 20], [60, 40, 90, 90], [3, 3, 3, 9]], Kind.PLATE)
    picture = take_picture('/a', 0, gray(), regions)
    assert [item.box_xyxy for item in picture.outlines] == [(60, 40, 64, 48)]
    assert picture.regions_total == 3


@pytest.mark.parametrize('box', [
    [0, 0, 6, 6], [58, 42, 64, 48], [0, 0, 64, 48], [30, 20, 31, 21], [10.2, 10.7, 20.1, 22.3],
])
def test_close_up_holds_its_region(box):
    close_up = take_picture('/a', 0, gray(), Regions.of([box], Kind.FACE)).close_ups[0]
    rect = close_up.rect
    assert rect == rect.intersect(Rect(0, 0, 64, 48))
    assert rect.width == rect.height
    if max(box[2] - box[0], box[3] - box[1]) <= 48:
        assert rect.x_min <= box[0] < box[2] <= rect.x_max
    assert decode(close_up.jpeg).shape[0] <= CLOSE_UP_PX


def test_close_ups_are_few_and_show_small_regions_too():
    picture = take_picture('/a', 0, gray(640, 480), boxes(30))
    heights = [item.outline.height_px for item in picture.close_ups]
    assert len(heights) == CLOSE_UPS
    assert (max(heights), min(heights)) == (39, 10)
