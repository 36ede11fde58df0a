# SPDX-License-Identifier: Apache-2.0
"""Bag in, anonymized bag out: nothing leaks whatever fails, and nothing else changes."""

import base64
import json

import cv2
import numpy as np
import pytest
from bag_builder import MagentaDetector, picture, shows_magenta
from rosbags.highlevel import AnyReader

from anon_ros.audit.manifest import is_anonymized, read_manifest
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core.regions import Origin
from anon_ros.core.settings import Settings
from anon_ros.errors import OutputError, RegionsError, TopicError, UsageError
from anon_ros.runs.bag import BagJob, anonymize_bag

RAW, JPEG, TEXT = '/camera/image_raw', '/camera/image_raw/compressed', '/chatter'
SETTINGS = Settings(target=('face',), threads=2)


def fill(builder, frames=12, period_ns=10**8):
    for i in range(frames):
        stamp_ns = (i + 10) * period_ns
        builder.raw(RAW, stamp_ns, picture(squares=((20 + i, 16),)))
        builder.text(TEXT, stamp_ns + 1, f'message {i}')
        builder.jpeg(JPEG, stamp_ns + 2, picture(squares=((40, 8 + i),)))
    return builder


def read(path):
    with AnyReader([path]) as reader:
        return [
            (connection.topic, stamp_ns, raw, reader.deserialize(raw, connection.msgtype))
            for connection, stamp_ns, raw in reader.messages()
        ]


def image_of(message):
    if hasattr(message, 'format'):
        return cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    return message.data.reshape(message.height, message.width, -1)


def run(source, target, settings=SETTINGS, detector=None, **options):
    return anonymize_bag(
        BagJob(source, target, **options), settings, detector=detector or MagentaDetector()
    )


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3', 'ros1'])
def test_faces_go_and_the_rest_stays(builder, tmp_path, storage):
    source = fill(builder).write(tmp_path / 'source', storage)
    target = tmp_path / ('target.bag' if storage == 'ros1' else 'target')
    result = run(source, target)
    before, after = read(source), read(target)
    assert len(before) == len(after) == 36
    for (topic, stamp_ns, raw, old), (new_topic, new_stamp_ns, new_raw, new) in zip(
        before, after, strict=True
    ):
        assert (topic, stamp_ns) == (new_topic, new_stamp_ns)
        if topic == TEXT:
            assert raw == new_raw
            continue
        assert repr(old.header) == repr(new.header)
        assert shows_magenta(image_of(old))
        assert not shows_magenta(image_of(new))
    assert is_anonymized(target)
    manifest = read_manifest(result.sidecar / 'manifest.json')
    assert (manifest.frames, manifest.withheld) == (24, 0)
    assert not list(tmp_path.glob('*.partial'))
    report = (result.sidecar / 'report.html').read_text()
    assert RAW in report


def test_a_frame_with_nothing_to_hide_keeps_its_bytes(builder, tmp_path):
    for i in range(5):
        builder.raw(RAW, i + 1, picture(seed=i, squares=()))
        builder.jpeg(JPEG, i + 1, picture(seed=i, squares=()))
    source = builder.write(tmp_path / 'source')
    run(source, tmp_path / 'target')
    assert [m[2] for m in read(source)] == [m[2] for m in read(tmp_path / 'target')]


def test_what_the_detector_misses_is_filled_in(builder, tmp_path):
    for i in range(12):
        builder.raw(RAW, (i + 1) * 10**8, picture(squares=((20, 16),)))
    source = builder.write(tmp_path / 'source')
    detector = MagentaDetector(blind_frames={0, 5, 6, 11})
    result = run(source, tmp_path / 'target', Settings(target=('face',), threads=1),
                 detector=detector)
    assert not any(shows_magenta(image_of(m[3])) for m in read(tmp_path / 'target'))
    origins = [frame.regions.origins.tolist() for frame in RegionsReader(
        result.sidecar / 'regions.jsonl')]
    assert origins[0] == [Origin.CARRIED]
    assert origins[5] == [Origin.FILLED]
    assert origins[11] == [Origin.CARRIED]


def corrupt_jpeg():
    data = cv2.imencode('.jpg', picture())[1].tobytes()
    return data[:len(data) // 2]


def green_corner():
    image = picture()
    image[0, 0] = (0, 255, 0)
    return image


@pytest.mark.parametrize('spoil', [
    lambda b, t: b.compressed(JPEG, t, corrupt_jpeg()),
    lambda b, t: b.compressed(JPEG, t, b''),
    lambda b, t: b.compressed(JPEG, t, b'GIF89a' + bytes(64)),
    lambda b, t: b.raw(RAW, t, picture(), encoding='rainbow8'),
    lambda b, t: b.raw(RAW, t, picture(), data=np.zeros(100, np.uint8)),
    lambda b, t: b.raw(RAW, t, green_corner()),
])
def test_one_bad_frame_is_withheld_and_the_run_goes_on(builder, tmp_path, spoil):
    for i in range(4):
        builder.raw(RAW, i + 1, picture())
        builder.jpeg(JPEG, i + 1, picture())
    spoil(builder, 5)
    for i in range(5, 9):
        builder.raw(RAW, i + 1, picture())
    source = builder.write(tmp_path / 'source')
    result = run(source, tmp_path / 'target')
    before, after = read(source), read(tmp_path / 'target')
    assert result.manifest.withheld == 1
    assert [m[:2] for m in before] == [m[:2] for m in after]
    old, new = before[8][3], after[8][3]
    assert repr(old.header) == repr(new.header)
    assert np.unique(new.data).size <= 2 or new.data.size == 0 or (
        np.unique(cv2.imdecode(new.data, cv2.IMREAD_COLOR)).size == 1)
    for _, _, _, message in after:
        if message.data.size and message is not new:
            assert not shows_magenta(image_of(message))


def test_a_detector_that_dies_withholds_everything_after(builder, tmp_path):
    class Dying(MagentaDetector):
        def detect(self, image_bgr):
            if self.calls >= 3:
                raise MemoryError('the device is gone')
            return super().detect(image_bgr)

    source = fill(builder).write(tmp_path / 'source')
    result = run(source, tmp_path / 'target', detector=Dying())
    assert result.manifest.withheld >= 20
    for topic, _, _, message in read(tmp_path / 'target'):
        if topic != TEXT:
            assert not shows_magenta(image_of(message))


def test_an_undecided_topic_stops_before_anything_is_written(builder, tmp_path):
    builder.raw('/depth', 1, np.zeros((4, 4), np.uint16), encoding='16UC1')
    source = builder.write(tmp_path / 'source')
    with pytest.raises(TopicError, match='/depth'):
        run(source, tmp_path / 'target')
    assert [path.name for path in tmp_path.iterdir()] == ['source']
    run(source, tmp_path / 'target', copied=('/depth',))
    assert read(source)[0][2] == read(tmp_path / 'target')[0][2]


def test_a_picture_that_turns_up_on_a_copied_topic_is_dropped(builder, tmp_path):
    jpeg = cv2.imencode('.jpg', picture())[1].tobytes()
    for i in range(301):
        # Where the samples that the plan is made of do not fall.
        is_picture = i == 251
        text = base64.b64encode(jpeg).decode() if is_picture else f'plain text {i}'
        builder.text(TEXT, i + 1, text)
    source = builder.write(tmp_path / 'source')
    result = run(source, tmp_path / 'target')
    assert len(read(tmp_path / 'target')) == 300
    topic = result.manifest.topics[0]
    assert sum(topic.dropped.values()) == 1


def test_an_existing_target_is_never_touched(builder, tmp_path):
    source = fill(builder, 2).write(tmp_path / 'source')
    (tmp_path / 'target').mkdir()
    with pytest.raises(OutputError, match='exists'):
        run(source, tmp_path / 'target')


def test_a_run_renders_again_from_its_regions(builder, tmp_path):
    source = fill(builder).write(tmp_path / 'source')
    first = run(source, tmp_path / 'first')
    settings = Settings(target=('face',), method=('mask-out',))
    regions = first.sidecar / 'regions.jsonl'
    second = anonymize_bag(BagJob(source, tmp_path / 'second', regions=regions), settings)
    assert second.manifest.regions_by_kind == first.manifest.regions_by_kind
    for topic, _, _, message in read(tmp_path / 'second'):
        if topic == RAW:
            assert not shows_magenta(image_of(message))
            assert (image_of(message) == 128).all(axis=2).any()
    other = fill(type(builder)(), 3).write(tmp_path / 'other')
    with pytest.raises(RegionsError, match='another recording'):
        anonymize_bag(BagJob(other, tmp_path / 'third', regions=regions), settings)


def test_corrections_by_hand_are_rendered(builder, tmp_path):
    for i in range(4):
        builder.raw(RAW, i + 1, picture())
    source = builder.write(tmp_path / 'source')
    settings = Settings(target=('face',), method=('mask-out',), margin=0.0)
    regions = run(source, tmp_path / 'first').sidecar / 'regions.jsonl'
    header = regions.read_text().splitlines()[0]
    line = {'topic': RAW, 'index': 2, 'stamp_ns': 3, 'log_ns': 3, 'size_wh': [96, 64],
            'regions': [{'box': [70, 40, 80, 50], 'kind': 'plate'}],
            'strike': [{'box': [20, 16, 36, 32]}]}
    corrections = tmp_path / 'corrections.jsonl'
    corrections.write_text(header + '\n' + json.dumps(line) + '\n')
    job = BagJob(source, tmp_path / 'second', regions=regions, corrections=corrections)
    anonymize_bag(job, settings)
    images = [image_of(message) for _, _, _, message in read(tmp_path / 'second')]
    assert (images[2][40:50, 70:80] == 128).all()
    assert shows_magenta(images[2])
    assert not shows_magenta(images[1])
    with pytest.raises(UsageError, match='name both'):
        anonymize_bag(BagJob(source, tmp_path / 'third', corrections=corrections), settings)


def test_what_was_withheld_is_withheld_again(builder, tmp_path):
    for i in range(5):
        builder.raw(RAW, i + 1, green_corner() if i == 2 else picture())
    source = builder.write(tmp_path / 'source')
    first = run(source, tmp_path / 'first')
    assert first.manifest.withheld == 1
    job = BagJob(source, tmp_path / 'second', regions=first.sidecar / 'regions.jsonl')
    second = anonymize_bag(job, SETTINGS)
    assert second.manifest.withheld == 1
    assert not any(shows_magenta(image_of(m[3])) for m in read(tmp_path / 'second'))


def test_a_regions_file_that_lacks_a_frame_stops_the_run(builder, tmp_path):
    source = fill(builder).write(tmp_path / 'source')
    first = run(source, tmp_path / 'first')
    lines = (first.sidecar / 'regions.jsonl').read_text().splitlines()
    end = json.loads(lines[-1])
    short = tmp_path / 'short.jsonl'
    end['end'] -= 1
    short.write_text('\n'.join([*lines[:5], *lines[6:-1], json.dumps(end)]) + '\n')
    with pytest.raises(RegionsError, match='says nothing of message'):
        anonymize_bag(BagJob(source, tmp_path / 'second', regions=short), SETTINGS)
    assert not (tmp_path / 'second').exists()
