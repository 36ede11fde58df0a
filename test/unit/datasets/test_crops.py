# SPDX-License-Identifier: Apache-2.0
"""The paper's crops and methods, against numbers worked out by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.boxes import Rect
from anon_ros.core.crops import body_crop
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.datasets import paper
from anon_ros.datasets.crops import (
    bicubic,
    cut,
    dilate_disk,
    face_crop,
    large_face_crop,
    nearest,
    shrink_body,
    shrink_face,
)
from anon_ros.datasets.fillers import MaskOutFiller, traditional

GRAY_BODY = traditional('mask-out', Kind.BODY)
BLUR_BODY, BLUR_FACE = (traditional('blur', kind) for kind in (Kind.BODY, Kind.FACE))


def full(x, y, width, height):
    return Mask(np.ones((height, width), bool), x, y)


def test_a_face_crop_is_a_square_grown_by_a_third():
    assert face_crop(Rect(100, 100, 120, 140), (400, 400)) == Rect(76, 86, 144, 154)
    assert face_crop(Rect(0, 0, 20, 40), (400, 400)) == Rect(0, 0, 68, 68)
    assert face_crop(Rect(380, 360, 400, 400), (400, 400)) == Rect(332, 332, 400, 400)
    assert face_crop(Rect(10, 10, 50, 50), (60, 60)) == Rect(0, 0, 60, 60)
    wide = face_crop(Rect(0, 0, 50, 100), (60, 200))
    assert wide == Rect(25 - 85, 50 - 85, 25 + 85, 50 + 85)
    assert large_face_crop(Rect(100, 100, 120, 140)) == Rect(82, 92, 138, 148)


def test_a_body_crop_has_the_aspect_and_the_background():
    # A box of 40x100: +6 px each, then 106 high asks for a width of 58: 4,000 px of 6,148 are
    # 65 %, so nothing more is needed.
    crop = body_crop(full(200, 200, 40, 100), (800, 800), 1.8)
    assert (crop.width, crop.height) == (58, 106)
    # 120x200: +15; 215 high, 135 wide asks for 243; 24,000 of 32,805 leave less than 30 %.
    crop = body_crop(full(200, 200, 120, 200), (800, 800), 1.8)
    assert 1 - 24_000 / (crop.width * crop.height) >= 0.3
    assert crop.height / crop.width == pytest.approx(1.8, abs=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 40), st.integers(1, 64), st.integers(1, 48))
def test_a_body_crop_holds_the_body(x, y, width, height):
    width, height = min(width, 64 - x), min(height, 48 - y)
    if width < 1 or height < 1:
        return
    crop = body_crop(full(x, y, width, height), (64, 48), 1.8)
    assert crop.x_min <= x
    assert crop.y_min <= y
    assert crop.x_max >= x + width
    assert crop.y_max >= y + height


def test_cutting_outside_gives_zeros():
    image = np.full((4, 5, 3), 7, np.uint8)
    part = cut(image, Rect(-2, -1, 3, 2))
    assert part.shape == (3, 5, 3)
    assert (part[1:, 2:] == 7).all()
    assert part.sum() == 7 * 3 * 3 * 2


def test_resizing_keeps_flat_colours_and_slopes():
    flat = np.full((11, 7, 3), 93, np.uint8)
    assert np.allclose(bicubic(flat, (160, 288)), 93, atol=1e-3)
    slope = np.tile(np.arange(64, dtype=np.float32)[None, :, None], (8, 1, 3))
    half = bicubic(slope, (32, 4))
    assert np.allclose(half[:, 4:-4, 0], np.arange(4, 28) * 2 + 0.5, atol=0.05)
    assert (nearest(np.arange(6).reshape(1, 6), (3, 1)) == [[0, 2, 4]]).all()
    assert shrink_body(np.zeros((20, 300, 3), np.uint8)).shape == (288, 160, 3)
    assert shrink_face(np.zeros((500, 500, 3), np.uint8)).shape == (128, 128, 3)


@pytest.mark.parametrize('size_wh', [(5, 3), (31, 40), (9, 80), (64, 1)])
def test_resizing_is_that_of_pytorch(size_wh):
    functional = pytest.importorskip('torch.nn.functional')
    torch = pytest.importorskip('torch')
    image = noise(24, 17)
    stacked = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    expected = functional.interpolate(
        stacked, size=size_wh[::-1], mode='bicubic', antialias=True, align_corners=False)
    assert np.abs(bicubic(image, size_wh) - expected[0].permute(1, 2, 0).numpy()).max() < 1e-3


def test_small_bodies_are_enlarged_by_the_nearest_pixel():
    crop = np.random.default_rng(0).integers(0, 256, (36, 20, 3), np.uint8)
    assert set(np.unique(shrink_body(crop))) == set(np.unique(crop))


def test_the_disk_is_round():
    dot = np.zeros((11, 11), bool)
    dot[5, 5] = True
    grown = dilate_disk(dot, 4)
    assert grown.sum() == 49
    assert not grown[1, 1]


def noise(height=200, width=300):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def bodies(*masks):
    boxes = [[m.x, m.y, m.x + m.inside.shape[1], m.y + m.inside.shape[0]] for m in masks]
    return Regions.of(np.array(boxes, np.float32).reshape(-1, 4), Kind.BODY, masks=masks)


def test_mask_out_is_gray_where_the_dilated_body_is():
    image, before = noise(), noise()
    assert paper.hide_bodies(image, bodies(full(100, 40, 50, 120)), GRAY_BODY) == 0
    assert (image[40:160, 100:150] == 128).all()
    differs = (image != before).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    # Four px of the crop of 288x160 are about two here.
    assert 36 <= rows[0] < 40
    assert 160 <= rows[-1] <= 164
    assert 95 <= columns[0] < 100
    assert (image[0:30] == before[0:30]).all()


def test_blur_is_relative_to_the_crop():
    image = noise()
    paper.hide_faces(image, Regions.of([[100, 60, 140, 100]], Kind.FACE), BLUR_FACE)
    crop = face_crop(Rect(100, 60, 140, 100), (300, 200))
    small = bicubic(cut(noise(), crop), (128, 128))
    small = np.clip(np.rint(small), 0, 255).astype(np.float32)
    blurred = bicubic(cv2.GaussianBlur(small, (21, 21), 7.0), (crop.width, crop.height))
    expected = np.rint(blurred)[80 - crop.y_min, 120 - crop.x_min]
    assert (image[80, 120] == expected).all()
    assert (image[:55] == noise()[:55]).all()


def test_tiny_people_stay_and_are_counted():
    image, before = noise(), noise()
    assert paper.hide_bodies(image, bodies(full(10, 10, 2, 3)), GRAY_BODY) == 1
    assert (image == before).all()
    assert paper.hide_bodies(image, bodies(full(10, 10, 6, 9)), GRAY_BODY) == 0


def test_the_largest_is_pasted_last():
    image = noise()
    image[:] = 0
    image[:, 150:] = 255
    large, small = full(90, 20, 70, 150), full(140, 60, 30, 60)
    once = image.copy()
    paper.hide_bodies(once, bodies(large, small), BLUR_BODY)
    again = image.copy()
    paper.hide_bodies(again, bodies(small), BLUR_BODY)
    paper.hide_bodies(again, bodies(large), BLUR_BODY)
    assert (once == again).all()
    other = image.copy()
    paper.hide_bodies(other, bodies(large), BLUR_BODY)
    paper.hide_bodies(other, bodies(small), BLUR_BODY)
    assert (other != once).any()


class Recorder:
    """Fills with what it was given, and remembers it."""

    size_wh = (16, 16)
    hides_all = True

    def __init__(self):
        self.batches = []

    def fill(self, crops):
        self.batches.append([tuple(crop.rect) for crop in crops])
        return [255 - crop.at_size(crop.pixels).astype(np.float32) for crop in crops]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(
    st.integers(0, 50), st.integers(0, 34), st.integers(3, 14), st.integers(3, 14)), max_size=6))
def test_crops_are_filled_together_only_where_their_order_does_not_matter(boxes):
    people = [full(x, y, width, height) for x, y, width, height in boxes]
    together, one_by_one = noise(48, 64), noise(48, 64)
    recorder = Recorder()
    paper.hide_bodies(together, bodies(*people), recorder)
    for person in sorted(people, key=lambda each: each.inside.size):
        paper.hide_bodies(one_by_one, bodies(person), Recorder())
    assert (together == one_by_one).all()
    for batch in recorder.batches:
        rects = [Rect(*each) for each in batch]
        assert all(
            a.intersect(b).is_empty for i, a in enumerate(rects) for b in rects[:i])


def test_without_the_person_nothing_of_him_is_left():
    seen = []

    class Watcher(Recorder):
        def fill(self, crops):
            seen.extend(crop.at_size(crop.without_person()) for crop in crops)
            return super().fill(crops)

    for level in (0, 255):
        image = noise()
        image[40:160, 100:150] = level
        paper.hide_bodies(image, bodies(full(100, 40, 50, 120)), Watcher())
        image = noise()
        image[0:90, 0:60] = level
        paper.hide_faces(image, Regions.of([[-5, -9, 60, 90]], Kind.FACE), Watcher())
    assert (seen[0] == seen[2]).all()
    assert (seen[1] == seen[3]).all()


def test_all_of_a_silhouette_is_hidden_where_the_paper_loses_its_edge():
    for filler, is_whole in ((Recorder(), True), (MaskOutFiller((16, 16)), False)):
        image = np.zeros((200, 300, 3), np.uint8)
        paper.hide_faces(
            image, Regions.of([[37, 11, 238, 174]], Kind.FACE), filler)
        assert (image[11:174, 37:238] > 0).all() == is_whole


def test_gray_stays_gray_and_png_stays_png():
    gray = noise()[..., 0]
    for suffix in ('.png', '.jpg'):
        data = cv2.imencode(suffix, gray)[1].tobytes()
        image = paper.decode(data)
        assert image.ndim == 3
        done = paper.encode(image, data)
        assert cv2.imdecode(np.frombuffer(done, np.uint8), cv2.IMREAD_UNCHANGED).ndim == 2
        assert done[:3] == data[:3]
