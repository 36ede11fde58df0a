# SPDX-License-Identifier: Apache-2.0
"""A verification finds every change that is not allowed, and none that is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mcap.writer import Writer as McapWriter
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anon_ros.bags.messages import locate, mask
from anon_ros.bags.storage import open_bag
from anon_ros.bags.storage.interface import Connection
from anon_ros.bags.topics import plan_topics
from anon_ros.bags.verify import Search, verify_bags
from anon_ros.bags.verify_report import MOST_DIFFERENCES
from anon_ros.core.boxes import Rect
from anon_ros.core.regions import Kind, Regions
from anon_ros.media.compressed import open_compressed

STORES = {'ros2': get_typestore(Stores.ROS2_JAZZY), 'ros1': get_typestore(Stores.ROS1_NOETIC)}
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
STRING = 'std_msgs/msg/String'
NOISE = np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 5)
BOX = Rect(16, 16, 32, 24)
HIDDEN = Regions.of([BOX], Kind.FACE)
KINDS = ('mcap', 'sqlite3', 'ros1')


def message(msgtype, store, stamp_ns=10**9, **values):
    types = store.types
    if msgtype == STRING:
        made = types[STRING](**values)
    else:
        sequence = {'seq': 1} if store is STORES['ros1'] else {}
        stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
        header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='cam', **sequence)
        values['data'] = np.frombuffer(values['data'], np.uint8)
        made = types[msgtype](header=header, **values)
    if store is STORES['ros1']:
        return bytes(store.serialize_ros1(made, msgtype))
    return bytes(store.serialize_cdr(made, msgtype))


def raw(store, pixels=NOISE, **changes):
    height, width = pixels.shape[:2]
    values = {
        'height': height, 'width': width, 'encoding': 'bgr8', 'is_bigendian': 0,
        'step': 3 * width, 'data': pixels.tobytes(), **changes,
    }
    return message(IMAGE, store, **values)


def compressed(store, extension, data=None, name=None):
    data = cv2.imencode(extension, SMOOTH)[1].tobytes() if data is None else data
    return message(COMPRESSED, store, format=name or extension[1:], data=data)


def source_messages(kind):
    """Return (topic, type, time, data) of a small recording."""
    store = STORES['ros1' if kind == 'ros1' else 'ros2']
    return [
        entry for n in range(3) for entry in (
            ('/raw', IMAGE, 10 * n, raw(store)),
            ('/jpeg', COMPRESSED, 10 * n + 1, compressed(store, '.jpg')),
            ('/png', COMPRESSED, 10 * n + 2, compressed(store, '.png')),
            ('/text', STRING, 10 * n + 3, message(STRING, store, data=f'{n}')),
            ('/secret', STRING, 10 * n + 4, message(STRING, store, data='s')),
        )
    ]


def qos(depth):
    time = QosTime(0, 0)
    return Qos(
        QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, QosDurability.VOLATILE, time, time,
        QosLiveliness.AUTOMATIC, time, avoid_ros_namespace_conventions=False,
    )


def write(path, kind, messages, depth=5, typenames=None):
    """Write a bag with rosbags' own writers."""
    topics = {topic: msgtype for topic, msgtype, _, _ in messages} | (typenames or {})
    if kind == 'ros1':
        path = path.with_suffix('.bag')
        with Ros1Writer(path) as writer:
            made = {
                topic: writer.add_connection(topic, msgtype, typestore=STORES['ros1'])
                for topic, msgtype in topics.items()
            }
            for topic, _, time, data in messages:
                writer.write(made[topic], 10**9 + time, data)
        return path
    storage = StoragePlugin.MCAP if kind == 'mcap' else StoragePlugin.SQLITE3
    with Writer(path, version=9, storage_plugin=storage) as writer:
        made = {
            topic: writer.add_connection(
                topic, msgtype, typestore=STORES['ros2'], offered_qos_profiles=[qos(depth)]
            )
            for topic, msgtype in topics.items()
        }
        for topic, _, time, data in messages:
            writer.write(made[topic], 10**9 + time, data)
    return path


class Pair:
    """
    A recording and what was made of it.

    messages: of the source: /raw 0, /jpeg 1, /png 2, /text 3, /secret 4, /raw 5 ...
    result: those that are kept, by their number in the source.
    """

    def __init__(self, folder, kind, messages=None):
        self.folder, self.kind = folder, kind
        self.messages = source_messages(kind) if messages is None else messages
        self.source = write(folder / 'source', kind, self.messages)
        with open_bag(self.source) as bag:
            self.plan = plan_topics(bag, dropped=['/secret'])
        self.result = {
            number: entry for number, entry in enumerate(self.messages) if entry[0] != '/secret'
        }

    @property
    def store(self):
        return STORES['ros1' if self.kind == 'ros1' else 'ros2']

    def located(self, number):
        topic, msgtype, _, data = self.messages[number]
        serialization = 'ros1' if self.kind == 'ros1' else 'cdr'
        return locate(Connection(1, topic, msgtype, '', serialization, 1), data)

    def paint(self, number, payload):
        """Change a message's picture only."""
        self.change(number, self.located(number).replace(payload))

    def mask(self, number):
        topic, msgtype, _, data = self.messages[number]
        serialization = 'ros1' if self.kind == 'ros1' else 'cdr'
        self.change(number, mask(Connection(1, topic, msgtype, '', serialization, 1), data))

    def change(self, number, data, time=None):
        topic, msgtype, old_time, _ = self.result[number]
        self.result[number] = topic, msgtype, old_time if time is None else time, data

    def verify(self, hidden=None, depth=5, **options):
        """Take regions by number in the source; the other frames have none, if any has."""
        target = write(self.folder / 'target', self.kind, list(self.result.values()), depth)
        regions = None
        if hidden is not None:
            def regions(_, number):
                return hidden.get(number, Regions.empty())
        return verify_bags(self.source, target, plan=self.plan, regions=regions, **options)


@pytest.fixture(params=KINDS)
def pair(request, tmp_path):
    return Pair(tmp_path, request.param)


@pytest.fixture
def mcap(tmp_path):
    return Pair(tmp_path, 'mcap')


def blackened(pixels, rect=BOX):
    changed = pixels.copy()
    changed[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = 0
    return changed


def spliced(data, rect=BOX):
    frame = open_compressed(data)
    for plane in frame.planes():
        part = plane.grid.covering(rect)
        blank = np.zeros((part.height, part.width, plane.read(part).shape[2]), np.float32)
        plane.write(part, blank, np.ones(blank.shape[:2], bool))
    return bytes(frame.encode())


def test_an_exact_copy_verifies(pair):
    report = pair.verify(hidden={})
    assert report.differences == ()
    assert report.ok
    assert report.topics['/text'].copied == 3
    assert report.topics['/secret'].dropped == 3
    assert report.topics['/raw'].unchanged == 3
    assert report.total.unchanged == 9


def test_hidden_regions_may_change_and_nothing_else(pair):
    pair.paint(0, blackened(NOISE).tobytes())
    pair.paint(1, spliced(pair.located(1).data))
    pair.paint(2, cv2.imencode('.png', blackened(SMOOTH))[1].tobytes())
    report = pair.verify(hidden={0: HIDDEN, 1: HIDDEN, 2: HIDDEN})
    assert report.differences == ()
    assert report.topics['/raw'].changed == 1
    assert report.topics['/jpeg'].changed == 1
    assert report.topics['/png'].changed == 1
    assert report.topics['/png'].unchanged == 2


@pytest.mark.parametrize('number', [0, 2])
@pytest.mark.parametrize('place', [(24, 16), (23, 32), (15, 20), (20, 15), (47, 63)])
def test_one_sample_outside_is_found(mcap, number, place):
    pixels = blackened(NOISE if number == 0 else SMOOTH)
    pixels[(*place, 1)] ^= 1
    encoded = pixels.tobytes() if number == 0 else cv2.imencode('.png', pixels)[1].tobytes()
    mcap.paint(number, encoded)
    report = mcap.verify(hidden={number: HIDDEN})
    assert not report.ok
    topic = mcap.messages[number][0]
    assert f'{topic} message {number} at 100000000{number} ns' in report.differences[0]
    assert '1 samples outside' in report.differences[0]


def test_a_jpeg_block_outside_is_found(mcap):
    mcap.paint(1, spliced(mcap.located(1).data, Rect(16, 16, 48, 24)))
    assert 'outside the hidden regions' in mcap.verify(hidden={1: HIDDEN}).differences[0]


def test_a_jpeg_encoded_anew_is_found(mcap):
    mcap.paint(1, cv2.imencode('.jpg', SMOOTH, [cv2.IMWRITE_JPEG_QUALITY, 94])[1].tobytes())
    assert 'outside the hidden regions' in mcap.verify(hidden={1: HIDDEN}).differences[0]


def test_a_change_with_nothing_to_hide_is_found(mcap):
    mcap.paint(0, blackened(NOISE).tobytes())
    report = mcap.verify(hidden={})
    assert 'nothing to hide, but the picture changed' in report.differences[0]


def test_a_frame_that_should_have_changed_is_found(pair):
    report = pair.verify(hidden={0: HIDDEN})
    assert '1 regions to hide, but no byte changed' in report.differences[0]


def test_a_region_off_the_image_hides_nothing(mcap):
    outside = Regions.of([[100, 100, 200, 200]], Kind.FACE)
    assert mcap.verify(hidden={0: outside, 1: outside}).ok


def test_masked_frames_are_counted_whatever_their_regions(pair):
    for number in (0, 1, 2):
        pair.mask(number)
    pair.paint(6, b'')
    report = pair.verify(hidden={0: HIDDEN, 1: Regions.empty()})
    assert report.differences == ()
    assert report.topics['/raw'].masked == 1
    assert report.topics['/jpeg'].masked == 2
    assert report.topics['/png'].masked == 1


def test_withheld_frames_are_counted(pair):
    del pair.result[0], pair.result[6]
    report = pair.verify(hidden={})
    assert report.differences == ()
    assert report.topics['/raw'].withheld == 1
    assert report.topics['/jpeg'].withheld == 1
    assert report.topics['/raw'].unchanged == 2


def test_a_copied_message_that_changed_or_is_gone_is_found(pair):
    pair.change(3, message(STRING, pair.store, data='x'))
    del pair.result[8]
    report = pair.verify(hidden={})
    assert report.difference_count == 2
    assert report.differences[0].startswith('/text message 3 at 1000000003 ns: copied, but')
    assert report.differences[1].startswith('/text message 8 at 1000000013 ns: missing')


def test_a_message_at_another_time_is_found(pair):
    pair.change(13, pair.messages[13][3], time=29)
    report = pair.verify(hidden={})
    assert any('missing' in line for line in report.differences)
    assert any('not in the source' in line for line in report.differences)


def test_a_dropped_topic_that_is_still_there_is_found(pair):
    pair.result = dict(enumerate(pair.messages))
    report = pair.verify(hidden={})
    assert any('/secret is still there' in line for line in report.differences)


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_another_qos_is_found(tmp_path, kind):
    report = Pair(tmp_path, kind).verify(hidden={}, depth=7)
    assert any('/raw' in line and 'QoS' in line for line in report.differences)


def test_a_changed_header_is_found(mcap):
    changed = blackened(NOISE)
    mcap.change(0, raw(mcap.store, changed, encoding='rgb8'))
    mcap.change(5, raw(mcap.store, changed, stamp_ns=5))
    mcap.change(10, raw(mcap.store, changed, is_bigendian=1))
    report = mcap.verify(hidden={0: HIDDEN, 5: HIDDEN, 10: HIDDEN})
    causes = ' '.join(report.differences)
    assert "format was 'bgr8' and is 'rgb8'" in causes
    assert 'stamp_ns was 1000000000 and is 5' in causes
    assert 'is_bigendian' in causes


def test_another_size_or_format_is_found(mcap):
    mcap.paint(1, cv2.imencode('.jpg', SMOOTH[:24])[1].tobytes())
    mcap.paint(2, cv2.imencode('.jpg', SMOOTH)[1].tobytes())
    report = mcap.verify()
    assert 'the size was (64, 48) px and is (64, 24) px' in report.differences[0]
    assert 'another kind' in report.differences[1]


def test_a_picture_in_a_watched_copy_is_found(tmp_path):
    hiding = source_messages('mcap')
    picture = b'\0\1\0\0' + cv2.imencode('.jpg', SMOOTH)[1].tobytes()
    pair = Pair(tmp_path, 'mcap')
    hiding[13] = (*hiding[13][:3], picture)
    pair.source = write(tmp_path / 'hiding', 'mcap', hiding)
    pair.change(13, picture)
    assert 'it holds a picture' in pair.verify(hidden={}).differences[0]
    del pair.result[13]
    pair.folder = tmp_path / 'second'
    report = pair.verify(hidden={})
    assert report.ok
    assert report.topics['/text'].withheld == 1


def test_an_unreadable_frame_has_to_be_masked(tmp_path):
    messages = source_messages('mcap')
    store = STORES['ros2']
    messages[0] = (*messages[0][:3], raw(store, encoding='nobody_knows'))
    pair = Pair(tmp_path, 'mcap', messages)
    pair.change(0, raw(store, blackened(NOISE), encoding='nobody_knows'))
    assert 'cannot be compared' in pair.verify(hidden={0: HIDDEN}).differences[0]
    pair.mask(0)
    pair.folder = tmp_path / 'masked'
    report = pair.verify(hidden={})
    assert report.ok
    assert report.topics['/raw'].masked == 1


class FindsBright:
    """Finds one face where the image is brightest."""

    def __init__(self):
        self.calls = 0

    def detect(self, image_bgr):
        self.calls += 1
        y, x = np.unravel_index(image_bgr[..., 0].argmax(), image_bgr.shape[:2])
        return Regions.of([[x - 1, y - 1, x + 1, y + 1]], Kind.FACE, [0.5])


def test_what_is_still_seen_is_listed_with_its_place(mcap):
    light = np.zeros_like(NOISE)
    light[20, 20] = 255
    inside, outside = light, np.roll(light, 20, axis=1)
    mcap.paint(0, inside.tobytes())
    mcap.paint(5, outside.tobytes())
    detector = FindsBright()
    report = mcap.verify(hidden={0: HIDDEN, 5: HIDDEN}, search=Search(detector))
    raws = {each.index: each for each in report.residuals if each.topic == '/raw'}
    assert raws[0].is_hidden is True
    assert raws[0].box_xyxy == (19.0, 19.0, 21.0, 21.0)
    assert (raws[0].label, raws[0].score, raws[0].stamp_ns) == ('face', 0.5, 10**9)
    assert raws[5].is_hidden is False
    assert report.searched == detector.calls == 9


def test_every_nth_frame_of_each_topic_is_searched(mcap):
    detector = FindsBright()
    report = mcap.verify(search=Search(detector, every=2))
    assert report.searched == detector.calls == 6
    assert {each.is_hidden for each in report.residuals} == {None}


def test_differences_are_bounded_but_all_are_counted(tmp_path):
    store = STORES['ros2']
    many = [
        ('/text', STRING, n, message(STRING, store, data='a')) for n in range(MOST_DIFFERENCES + 9)
    ]
    source = write(tmp_path / 'source', 'mcap', many)
    changed = [(*entry[:3], message(STRING, store, data='b')) for entry in many]
    target = write(tmp_path / 'target', 'mcap', changed)
    with open_bag(source) as bag:
        plan = plan_topics(bag)
    calls = []
    report = verify_bags(source, target, plan=plan, progress=calls.append)
    assert len(report.differences) == MOST_DIFFERENCES
    assert report.difference_count == len(many)
    assert len(calls) == len(many)


@pytest.mark.parametrize('broken', [
    raw(STORES['ros2'], encoding='nobody_knows'), raw(STORES['ros2'])[:60],
    raw(STORES['ros2'], step=5),
])
def test_an_unreadable_frame_that_kept_its_bytes_is_found(tmp_path, broken):
    messages = source_messages('mcap')
    messages[0] = (*messages[0][:3], broken)
    report = Pair(tmp_path, 'mcap', messages).verify()
    assert report.difference_count == 1
    assert 'nobody can look into it, but it kept its bytes' in report.differences[0]


def test_a_jpeg_that_ends_early_may_not_keep_its_bytes(tmp_path):
    messages = source_messages('mcap')
    data = cv2.imencode('.jpg', NOISE)[1].tobytes()
    cut = compressed(STORES['ros2'], '.jpg', data=data[:len(data) // 2])
    messages[1] = (*messages[1][:3], cut)
    assert 'kept its bytes' in Pair(tmp_path, 'mcap', messages).verify().differences[0]


def test_a_frame_that_is_empty_from_the_start_counts_as_masked(tmp_path):
    messages = source_messages('mcap')
    messages[1] = (*messages[1][:3], compressed(STORES['ros2'], '.jpg', data=b''))
    report = Pair(tmp_path, 'mcap', messages).verify(hidden={})
    assert report.differences == ()
    assert report.topics['/jpeg'].masked == 1


def write_with_attachments(path, attachments):
    """Write an mcap file that holds attachments only."""
    with path.open('wb') as stream:
        writer = McapWriter(stream)
        writer.start('ros2')
        for name, media_type, data in attachments:
            writer.add_attachment(1, 1, name, media_type, data)
        writer.finish()
    return path


NOTE = ('note.txt', 'text/plain', b'driven in the rain')
PICTURE = ('cover', '', cv2.imencode('.jpg', SMOOTH)[1].tobytes())
PIXELS = ('thumbnail', 'image/raw', b'raw pixels')


@pytest.mark.parametrize(('kept', 'cause'), [
    ([NOTE], ''), ([NOTE, PICTURE], 'cover holds a picture'),
    ([NOTE, PIXELS], 'thumbnail holds a picture'), ([], 'note.txt is missing or changed'),
    ([('note.txt', 'text/plain', b'changed')], 'note.txt is missing or changed'),
    ([NOTE, ('new', '', b'x')], 'new is not in the source'),
])
def test_attachments_stay_unless_they_hold_a_picture(tmp_path, kept, cause):
    source = write_with_attachments(tmp_path / 'source.mcap', [NOTE, PICTURE, PIXELS])
    target = write_with_attachments(tmp_path / 'target.mcap', kept)
    with open_bag(source) as bag:
        plan = plan_topics(bag)
    report = verify_bags(source, target, plan=plan)
    assert report.ok is not bool(cause)
    assert not cause or cause in report.differences[0]
