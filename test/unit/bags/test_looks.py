# SPDX-License-Identifier: Apache-2.0
"""Looks travel without a change, and never to other pictures than those that were looked at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.bags.jobs import Look
from anon_ros.bags.looks import Looks, LooksWriter, digest
from anon_ros.bags.storage.interface import Connection, Message
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import NO_TRACK, Mask, Regions
from anon_ros.errors import RegionsError

TOPIC = Connection(1, '/camera', 'sensor_msgs/msg/Image', '', 'cdr', 9)
OTHER = Connection(2, '/other', 'sensor_msgs/msg/Image', '', 'cdr', 9)


def message(data=b'data', log_ns=5, connection=TOPIC):
    return Message(connection, log_ns, log_ns, 0, data, None, 0)


@st.composite
def regions(draw):
    count = draw(st.integers(0, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    with_points = draw(st.booleans())
    keypoints = random.normal(0, 50, (count, 17, 3)).astype(np.float32)
    keypoints[random.random(keypoints.shape) < 0.3] = np.nan
    masks = [
        Mask(random.random((random.integers(0, 9), random.integers(1, 9))) < 0.5,
             int(random.integers(-5, 50)), int(random.integers(-5, 50)))
        if random.random() < 0.5 else None for _ in range(count)
    ]
    return Regions(
        boxes_xyxy=random.normal(0, 1000, (count, 4)).astype(np.float32),
        kinds=random.integers(0, 3, count), scores=random.random(count).astype(np.float32),
        track_ids=np.full(count, NO_TRACK, np.int64), origins=random.integers(0, 4, count),
        masks=tuple(masks), keypoints=keypoints if with_points else None,
    )


@st.composite
def looks(draw):
    has_thumbnail = draw(st.booleans())
    seed = draw(st.integers(0, 255))
    thumbnail = np.full((18, 32), seed, np.uint8) if has_thumbnail else None
    sighting = Sighting(draw(st.integers(-2**63, 2**63 - 1)), draw(regions()),
                        draw(st.sampled_from([(0, 0), (1920, 1080)])), thumbnail)
    return Look(sighting, draw(st.none() | st.text(max_size=5)), draw(st.integers(0, 3)))


def assert_same(one, two):
    a, b = one.sighting, two.sighting
    assert (one.reason, one.stray_plates, a.stamp_ns, a.size_wh) == (
        two.reason, two.stray_plates, b.stamp_ns, b.size_wh)
    for name in ('boxes_xyxy', 'kinds', 'scores', 'track_ids', 'origins'):
        np.testing.assert_array_equal(getattr(a.regions, name), getattr(b.regions, name))
        assert getattr(a.regions, name).dtype == getattr(b.regions, name).dtype
    for first, second in ((a.thumbnail, b.thumbnail), (a.regions.keypoints, b.regions.keypoints)):
        assert (first is None) == (second is None)
        np.testing.assert_array_equal(first, second)
    for first, second in zip(a.regions.masks, b.regions.masks, strict=True):
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_array_equal(first.inside, second.inside)
            assert (first.x, first.y) == (second.x, second.y)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(looks(), min_size=1, max_size=3), max_size=5))
def test_looks_come_back_bit_by_bit(batches):
    writer = LooksWriter('settings')
    for number, batch in enumerate(batches):
        writer.add(digest([message(bytes([number]))], b''), batch)
    packed = Looks.of([writer.to_bytes()], 'settings')
    for number, batch in enumerate(batches):
        found = packed.find([message(bytes([number]))], b'')
        assert len(found) == len(batch)
        for one, two in zip(batch, found, strict=True):
            assert_same(one, two)


def a_look():
    return Look(Sighting(1, Regions.empty(), (8, 8)))


@pytest.mark.parametrize(('batch', 'parameters'), [
    ([message(b'datb')], b''), ([message(b'data ')], b''), ([message(log_ns=6)], b''),
    ([message(connection=OTHER)], b''), ([message()], b'sps'), ([message(), message()], b''),
    ([], b''),
])
def test_other_bytes_times_topics_and_parameters_are_not_what_was_looked_at(batch, parameters):
    writer = LooksWriter('settings')
    writer.add(digest([message()], b''), [a_look()])
    packed = Looks.of([writer.to_bytes()], 'settings')
    assert packed.find([message()], b'') is not None
    assert packed.find(batch, parameters) is None


def test_the_parts_border_cannot_be_moved_between_fields():
    assert digest([message(b'ab'), message(b'c')], b'') != digest(
        [message(b'a'), message(b'bc')], b'')
    assert digest([message(b'a')], b'b') != digest([message(b'b')], b'a')


def test_looks_of_other_settings_are_left_out(tmp_path):
    writer = LooksWriter('other settings')
    writer.add(digest([message()], b''), [a_look()])
    (tmp_path / 'part.npz').write_bytes(writer.to_bytes())
    assert Looks.of([tmp_path / 'part.npz'], 'settings').find([message()], b'') is None
    assert Looks.of([tmp_path / 'part.npz'], 'other settings').find([message()], b'') is not None


def test_many_parts_are_found_in_any_order():
    blobs = []
    for part in range(6):
        writer = LooksWriter('s')
        for number in range(3):
            look = Look(Sighting(10 * part + number, Regions.empty(), (8, 8)))
            writer.add(digest([message(bytes([part, number]))], b''), [look])
        blobs.append(writer.to_bytes())
    packed = Looks.of(blobs, 's')
    for part, number in [(0, 0), (5, 2), (3, 1), (0, 2), (2, 0), (4, 1), (1, 1), (0, 1)]:
        found = packed.find([message(bytes([part, number]))], b'')
        assert found[0].sighting.stamp_ns == 10 * part + number


@pytest.mark.parametrize('data', [b'', b'PK\x03\x04', b'nonsense' * 40])
def test_what_is_no_looks_is_told(data):
    with pytest.raises(RegionsError):
        Looks.of([data], 's')


def test_a_pickle_is_not_opened(tmp_path):
    np.savez(tmp_path / 'x.npz', made_by=np.array([object()]), digests=np.array([object()]))
    with pytest.raises(RegionsError):
        Looks.of([tmp_path / 'x.npz'], 's')
