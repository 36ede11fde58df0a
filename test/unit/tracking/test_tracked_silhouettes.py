# SPDX-License-Identifier: Apache-2.0
"""Along a track a person is hidden by a silhouette, seen or not, and by no less than by a box."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np

from anon_ros.anonymization.pixelate import Pixelate
from anon_ros.audit.frame_regions import FrameRegions, from_plain, to_line
from anon_ros.core import masks
from anon_ros.core.frame_anonymizer import FrameAnonymizer, with_margin
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Mask, Origin, Regions
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.tracking import OnlineTracker, TwoSidedTracker

SIZE = (160, 120)
RATE_HZ = 15
MISSED = (0, 1, 5, 6, 7, 8, 13, 18, 19)
COUNT = 20


def person(number):
    """Return somebody who walks and grows: head, body and two legs that swing."""
    height = 60 + number
    inside = np.zeros((height, height // 2), np.uint8)
    middle, hip = height // 4, height * 3 // 5
    cv2.circle(inside, (middle, height // 8), height // 10, 1, -1)
    cv2.ellipse(inside, (middle, height * 2 // 5), (height // 8, height // 4), 0, 0, 360, 1, -1)
    step = round(height / 6 * np.sin(number / RATE_HZ * 6))
    for foot in (middle + step, middle - step):
        cv2.line(inside, (middle, hip), (foot, height - 3), 1, height // 12)
    return masks.trim(Mask(inside.astype(bool), 15 + 4 * number, 20 + number // 3))


def sightings(with_masks=True):
    for number in range(COUNT):
        seen = Regions.empty()
        if number not in MISSED:
            mask = person(number)
            seen = Regions.of(
                [masks.mask_to_box(mask)], Kind.BODY, masks=[mask] if with_masks else None)
        yield Sighting(number * 10**9 // RATE_HZ, seen, SIZE)


def tracked(tracker, with_masks=True):
    done = [out for each in sightings(with_masks) for out in tracker.push(each)]
    return [out.regions for out in done + tracker.flush()]


def hidden(regions):
    whole = np.zeros(SIZE[::-1], bool)
    for box, mask in zip(regions.boxes_xyxy, regions.masks, strict=True):
        if mask is None:
            x_min, y_min, x_max, y_max = np.clip(box, 0, 999).round().astype(int)
            whole[y_min:y_max, x_min:x_max] = True
        else:
            whole |= masks.paste([mask], SIZE)
    return whole


def test_a_person_with_gaps_is_hidden_as_well_as_by_boxes_and_less_else_is():
    shapes, boxes = (tracked(TwoSidedTracker(1.0, carry_s=0.5), each) for each in (True, False))
    needless = {'shapes': 0, 'boxes': 0}
    for number in MISSED:
        truth = masks.paste([person(number)], SIZE)
        by_shape = hidden(shapes[number])
        by_box = hidden(with_margin(boxes[number], 0.15))
        assert len(shapes[number]) == 1
        assert shapes[number].masks[0] is not None
        is_filled = shapes[number].origins[0] == Origin.FILLED
        assert (by_shape & truth).sum() >= (1.0 if is_filled else 0.9) * (by_box & truth).sum()
        needless['shapes'] += int((by_shape & ~truth).sum())
        needless['boxes'] += int((by_box & ~truth).sum())
    assert needless['shapes'] < 0.75 * needless['boxes']


def test_a_person_who_is_held_live_is_hidden_by_a_silhouette():
    found = tracked(OnlineTracker(1.0))
    for number in range(2, COUNT):
        truth = masks.paste([person(number)], SIZE)
        assert (hidden(found[number]) & truth).sum() >= 0.98 * truth.sum()
        assert all(mask is not None for mask in found[number].masks)


def test_what_is_carried_grows_with_the_time():
    areas = [int(hidden(regions).sum()) for regions in tracked(OnlineTracker(1.0))[4:9]]
    assert areas == sorted(areas)
    assert areas[1] < areas[-1]


def test_what_one_frame_overlooks_its_neighbours_know():
    whole = Mask(np.ones((40, 16), bool), 50, 40)
    without_head = Mask(np.ones((32, 16), bool), 50, 48)
    frames = [
        Sighting(i * 10**9 // RATE_HZ, Regions.of(
            [(50, 40, 66, 80)], Kind.BODY, masks=[without_head if i == 2 else whole]), SIZE)
        for i in range(5)
    ]
    tracker = TwoSidedTracker()
    done = [out for frame in frames for out in tracker.push(frame)] + tracker.flush()
    assert hidden(done[2].regions)[40:80, 50:66].all()
    assert done[2].regions.origins.tolist() == [Origin.DETECTED]
    assert [int(hidden(out.regions).sum()) for out in done] == [640] * 5


def test_a_track_without_silhouettes_keeps_its_boxes():
    for regions in tracked(TwoSidedTracker(), with_masks=False):
        assert set(regions.masks) <= {None}


def test_from_the_regions_file_the_same_bytes_are_rendered_again():
    rows = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    anonymizer = FrameAnonymizer(Pixelate(cells=6, seed=3), margin=0.15)
    origins = set()
    for number, regions in enumerate(tracked(TwoSidedTracker())):
        line = to_line(FrameRegions('/camera', number, number, number, SIZE, regions))
        again = from_plain(json.loads(line)).regions
        origins |= set(again.origins.tolist())
        results = []
        for each in (regions, again):
            frame = open_raw(RawImage(*SIZE, 'bgr8', False, 3 * SIZE[0], rows.tobytes()))
            results.append(bytes(anonymizer.anonymize(frame, each).payload or b''))
        assert results[0] == results[1]
    assert origins == {Origin.DETECTED, Origin.FILLED, Origin.CARRIED}


def test_a_run_that_goes_on_hides_the_very_pixels_of_one_that_was_not_stopped():
    """From what is seen again before the place where it stopped."""
    frames = list(sightings())
    period = frames[-1].stamp_ns + 10**9 // RATE_HZ
    frames = [replace(frame, stamp_ns=frame.stamp_ns + turn * period)
              for turn in range(3) for frame in frames]

    def run(chosen):
        tracker = TwoSidedTracker(0.4)
        return [out for each in chosen for out in tracker.push(each)] + tracker.flush()

    whole, resumed = run(frames), run(frames[COUNT:])
    for one, other in zip(whole[2 * COUNT:], resumed[COUNT:], strict=True):
        assert np.array_equal(one.regions.boxes_xyxy, other.regions.boxes_xyxy)
        assert np.array_equal(hidden(one.regions), hidden(other.regions))
