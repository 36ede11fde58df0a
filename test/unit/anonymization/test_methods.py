# SPDX-License-Identifier: Apache-2.0
"""What every method owes: the hole is no input, all of it is overwritten, nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.anonymization.blur import Blur
from anon_ros.anonymization.by_kind import ByKind
from anon_ros.anonymization.mask_out import MaskOut
from anon_ros.anonymization.pixelate import Pixelate
from anon_ros.core.holes import holes_of
from anon_ros.core.planes import ArrayPlane, Grid
from anon_ros.core.regions import NO_TRACK, Kind, Mask, Regions

METHODS = {
    'pixelate': Pixelate(cells=6, seed=0), 'blur': Blur(seed=0), 'mask-out': MaskOut(),
}
SIZE_WH = (61, 47)
NOTHING = Regions.empty()


def noise(seed, shape=(SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8):
    limit = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, limit, shape, dtype, endpoint=True)


def plane_of(image, **values):
    amplitude = np.iinfo(image.dtype).max
    grid = values.pop('grid', Grid((image.shape[1], image.shape[0])))
    return ArrayPlane(image, grid, middle=amplitude // 2 + 1, amplitude=amplitude, **values)


def hidden_pixels(regions, grid):
    hidden = np.zeros(grid.size_wh[::-1], bool)
    for hole in holes_of(regions, grid):
        rect = hole.rect
        hidden[rect.y_min:rect.y_max, rect.x_min:rect.x_max] |= hole.inside
    return hidden


boxes = st.lists(
    st.tuples(st.floats(-40, 80), st.floats(-40, 60), st.floats(0.2, 90), st.floats(0.2, 90)),
    min_size=1, max_size=4,
).map(lambda rows: [[x, y, x + w, y + h] for x, y, w, h in rows])


def check_that_the_hole_is_no_input(method, boxes_xyxy, seed):
    """Change every hidden pixel, and expect the same bits."""
    regions = Regions.of(boxes_xyxy, Kind.FACE)
    original = noise(seed)
    plane = plane_of(original.copy())
    hidden = hidden_pixels(regions, plane.grid)
    changed = original.copy()
    changed[hidden] = 255 - changed[hidden]
    other = plane_of(changed)
    for each in (plane, other):
        method.anonymize([each], regions, NOTHING)
    assert np.array_equal(plane._samples, other._samples)
    assert np.array_equal(plane._samples[~hidden], original[~hidden])


@pytest.mark.parametrize('method', METHODS)
@settings(max_examples=40)
@given(boxes_xyxy=boxes, seed=st.integers(0, 9))
def test_the_hole_is_no_input_and_the_rest_stays(method, boxes_xyxy, seed):
    check_that_the_hole_is_no_input(METHODS[method], boxes_xyxy, seed)


class LeakingOnePixel:
    """The default, but for one pixel of the hole that finds its way into one bit of a cell."""

    def __init__(self, row, column):
        self._at, self._default = (row, column), METHODS['pixelate']

    def anonymize(self, planes, regions, others):
        kept = [int(plane._samples[self._at][0]) for plane in planes]
        self._default.anonymize(planes, regions, others)
        for plane, value in zip(planes, kept, strict=True):
            plane._samples[12, 12, 0] ^= value & 1


@pytest.mark.parametrize(('row', 'column'), [(10, 10), (19, 29), (15, 20)])
def test_one_pixel_of_the_hole_in_the_default_is_noticed(row, column):
    with pytest.raises(AssertionError):
        check_that_the_hole_is_no_input(LeakingOnePixel(row, column), [[10, 10, 30, 20]], 0)


@pytest.mark.parametrize('method', METHODS)
def test_every_hidden_pixel_is_overwritten(method):
    original = noise(1)
    regions = Regions.of([[-3, 5.5, 20, 30], [50, 40, 99, 99]], Kind.FACE)
    plane = plane_of(original.copy())
    METHODS[method].anonymize([plane], regions, NOTHING)
    hidden = hidden_pixels(regions, plane.grid)
    same = (plane._samples == original).all(axis=2)
    assert hidden[46, 60]
    assert hidden[10, 0]
    # Random pixels equal what replaces them with a chance of about 256 ** -3.
    assert not same[hidden].any()


@pytest.mark.parametrize('method', METHODS)
def test_an_image_that_is_hidden_all_over_shows_no_sample(method):
    regions = Regions.of([[-5, -5, 99, 99]], Kind.FACE)
    results = []
    for seed in (1, 2):
        plane = plane_of(noise(seed))
        METHODS[method].anonymize([plane], regions, NOTHING)
        results.append(plane._samples)
    assert np.array_equal(*results)


def test_other_hidden_regions_are_no_input_either():
    face, body = Regions.of([[10, 10, 20, 20]], Kind.FACE), Regions.of([[8, 4, 40, 44]], Kind.BODY)
    everything = Regions.concatenate([body, face])
    by_kind = ByKind({Kind.FACE: METHODS['pixelate'], Kind.BODY: METHODS['blur']})
    original = noise(3)
    hidden = hidden_pixels(everything, Grid(SIZE_WH))
    changed = original.copy()
    changed[hidden] = 0
    results = []
    for image in (original.copy(), changed):
        plane = plane_of(image)
        by_kind.anonymize([plane], everything, NOTHING)
        results.append(plane._samples)
    assert np.array_equal(*results)
    with pytest.raises(KeyError):
        by_kind.anonymize([plane_of(original)], Regions.of([[0, 0, 5, 5]], Kind.PLATE), NOTHING)


@pytest.mark.parametrize('method', METHODS)
def test_what_others_will_hide_is_no_input(method):
    mine = Regions.of([[10, 10, 20, 20]], Kind.FACE)
    others = Regions.of([[18, 5, 40, 30]], Kind.BODY)
    original = noise(8)
    changed = original.copy()
    changed[hidden_pixels(Regions.concatenate([mine, others]), Grid(SIZE_WH))] = 7
    results = []
    for image in (original.copy(), changed):
        plane = plane_of(image)
        METHODS[method].anonymize([plane], mine, others)
        results.append(plane._samples[10:20, 10:20])
    assert np.array_equal(*results)


def test_a_region_inside_a_hidden_one_takes_its_colours():
    image = np.full((60, 60, 3), 200, np.uint8)
    plane = plane_of(image)
    body, face = Regions.of([[5, 5, 55, 55]], Kind.BODY), Regions.of([[20, 20, 30, 30]], Kind.FACE)
    by_kind = ByKind({Kind.FACE: METHODS['blur'], Kind.BODY: METHODS['mask-out']})
    by_kind.anonymize([plane], Regions.concatenate([face, body]), NOTHING)
    # The face is drawn around the body's gray, not around the wall's white.
    assert abs(float(image[20:30, 20:30].mean()) - 128) < 30


@pytest.mark.parametrize('method', ['pixelate', 'blur'])
def test_the_surroundings_give_one_colour_and_no_picture(method):
    """What follows the surroundings cell by cell is as good as a fingerprint of them."""
    regions = Regions.of([[20, 15, 40, 35]], Kind.FACE).with_tracks(np.array([7]))
    results = []
    for light in ('left', 'right'):
        image = np.full((*SIZE_WH[::-1], 3), 60, np.uint8)
        image[:, slice(0, 30) if light == 'left' else slice(30, 60)] = 120
        plane = plane_of(image)
        METHODS[method].anonymize([plane], regions, NOTHING)
        results.append(image[15:35, 20:40].astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


@pytest.mark.parametrize('method', ['pixelate', 'blur'])
def test_the_pattern_is_the_tracks_own_and_stands_still(method):
    def hole(track, box=(20, 15, 40, 35), seed=0):
        image = np.full((*SIZE_WH[::-1], 3), 100, np.uint8)
        regions = Regions.of([box], Kind.FACE).with_tracks(np.array([track]))
        made = Pixelate(cells=6, seed=seed) if method == 'pixelate' else Blur(seed=seed)
        made.anonymize([plane_of(image)], regions, NOTHING)
        return image[box[1]:box[3], box[0]:box[2]].astype(int)

    moved = (22, 18, 42, 38)
    assert np.array_equal(hole(3), hole(3, moved))
    assert np.abs(hole(3) - hole(4)).mean() > 5
    assert np.abs(hole(3) - hole(3, seed=1)).mean() > 5
    # Nothing follows it: then its place stands for it.
    assert np.array_equal(hole(NO_TRACK), hole(NO_TRACK))
    assert np.abs(hole(NO_TRACK) - hole(NO_TRACK, moved)).mean() > 5


def test_opaque_stays_opaque():
    image = np.full(SIZE_WH[::-1], 255, np.uint8)
    alpha = ArrayPlane(image, Grid(SIZE_WH), middle=255, amplitude=255)
    METHODS['pixelate'].anonymize([alpha], Regions.of([[10, 10, 20, 20]], Kind.FACE), NOTHING)
    assert (image == 255).all()


@pytest.mark.parametrize('method', METHODS)
def test_a_silhouette_hides_its_shape_only(method):
    inside = np.zeros((20, 10), bool)
    inside[3:18, 2:9] = True
    regions = Regions.of([[5, 5, 15, 25]], Kind.BODY, masks=[Mask(inside, 5, 5)])
    original = noise(4)
    plane = plane_of(original.copy())
    METHODS[method].anonymize([plane], regions, NOTHING)
    expected = np.zeros(SIZE_WH[::-1], bool)
    expected[5:25, 5:15] = inside
    differs = (plane._samples != original).any(axis=2)
    assert not differs[~expected].any()
    assert differs[expected].all()


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(('step_xy', 'size_wh'), [((2, 2), (31, 24)), ((2, 1), (31, 47))])
def test_subsampled_planes_are_covered_outward(method, step_xy, size_wh):
    grid = Grid(size_wh, step_xy)
    original = noise(5, size_wh[::-1])
    plane = plane_of(original.copy(), grid=grid, is_chroma=True)
    regions = Regions.of([[11, 11, 21, 21]], Kind.FACE)
    METHODS[method].anonymize([plane], regions, NOTHING)
    differs = plane._samples[..., 0] != original
    rows, columns = np.nonzero(differs)
    assert columns.min() == 11 // step_xy[0]
    assert columns.max() == (21 - 1) // step_xy[0]
    assert rows.min() == 11 // step_xy[1]
    assert rows.max() == (21 - 1) // step_xy[1]


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('dtype', [np.uint16, np.dtype('>u2'), np.int16])
def test_deep_samples(method, dtype):
    image = noise(6, SIZE_WH[::-1], np.uint16).astype(dtype)
    plane = plane_of(image.copy())
    regions = Regions.of([[10, 10, 30, 30]], Kind.FACE)
    METHODS[method].anonymize([plane], regions, NOTHING)
    assert plane._samples.dtype == np.dtype(dtype)
    differs = plane._samples[..., 0] != image
    assert differs[10:30, 10:30].mean() > 0.99
    assert differs.sum() == differs[10:30, 10:30].sum()


def test_nan_around_a_hole_does_not_spread():
    image = np.full((40, 40), 5, np.float32)
    image[8:10] = np.nan
    plane = ArrayPlane(image, Grid((40, 40)), middle=0, amplitude=10)
    regions = Regions.of([[10, 10, 20, 20]], Kind.FACE)
    METHODS['blur'].anonymize([plane], regions, NOTHING)
    assert np.isfinite(image[10:20, 10:20]).all()


def test_the_mosaic_shows_the_same_cells_at_any_size():
    for side in (4, 12, 40):
        image = np.full((60, 60), 100, np.uint8)
        plane = plane_of(image)
        regions = Regions.of([[10, 10, 10 + side, 10 + side]], Kind.FACE)
        METHODS['pixelate'].anonymize([plane], regions, NOTHING)
        hole = image[10:10 + side, 10:10 + side]
        assert len(np.unique(hole)) <= 36
        assert hole.std() > 5
