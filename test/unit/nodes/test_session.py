# SPDX-License-Identifier: Apache-2.0
"""The way of a frame through the node, without ROS: every end but a safe one is withheld."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from bag_builder import STORE, BagBuilder, MagentaDetector, picture, shows_magenta
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anon_ros.bags import messages
from anon_ros.core.settings import Settings
from anon_ros.media.compressed import open_compressed
from anon_ros.nodes.engine import EngineBuilder
from anon_ros.nodes.frame_job import topic_connection
from anon_ros.nodes.node_settings import NodeSettings
from anon_ros.nodes.session import Session
from anon_ros.nodes.statistics import CameraStatistics

DEADLINE_S = 20.0
RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
FACE = Settings(target=('face',))


class Outbox:
    """Where frames go instead of a topic."""

    is_video = False

    def __init__(self, type_name=RAW):
        self.connection = topic_connection('/in', type_name)
        self.sent = []

    def publish(self, safe):
        self.sent.append(safe)


class Detector(MagentaDetector):
    """A detector with troubles of its own."""

    def __init__(self):
        super().__init__()
        self.trouble = None
        self.gate = threading.Event()
        self.is_in = threading.Event()

    def detect(self, image_bgr):
        if self.trouble == 'raise':
            raise MemoryError('no memory left')
        if self.trouble == 'hang':
            self.is_in.set()
            self.gate.wait(DEADLINE_S)
        return super().detect(image_bgr)


@dataclass
class Bench:
    """A session with its surroundings."""

    session: Session
    outbox: Outbox
    detector: Detector
    statistics: CameraStatistics
    warnings: list

    def causes(self):
        return Counter(cause for _, cause, _ in self.warnings)


@pytest.fixture
def open_session():
    opened = []

    def run(node=None, type_name=RAW):
        outbox, detector, warnings = Outbox(type_name), Detector(), []
        statistics = CameraStatistics()
        engine = EngineBuilder(lambda _: detector).build(FACE)
        chosen = node or NodeSettings(max_latency_ms=20_000.0)
        session = Session(
            {'camera': outbox}, {'camera': statistics}, engine, lambda: chosen,
            lambda *warning: warnings.append(warning),
        )
        opened.append((session, detector))
        return Bench(session, outbox, detector, statistics, warnings)

    yield run
    for session, detector in opened:
        detector.gate.set()
        session.close()


def serialized(message):
    return bytes(STORE.serialize_cdr(message, message.__msgtype__))


def raw_data(image, encoding='bgr8', stamp_ns=5_000_000_007):
    builder = BagBuilder()
    builder.raw('/in', stamp_ns, image, encoding)
    return serialized(builder.messages[0][2])


def jpeg_data(image):
    builder = BagBuilder()
    builder.jpeg('/in', 7, image)
    return serialized(builder.messages[0][2])


def wait_for(condition):
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, 'it never came'
        time.sleep(0.005)


def pixels(data):
    image = messages.locate(topic_connection('/in', RAW), data).payload
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)


def test_only_the_pixels_of_the_face_change(open_session):
    bench = open_session()
    image, data = picture(), raw_data(picture())
    bench.session.take('camera', data)
    wait_for(lambda: bench.outbox.sent)
    safe = bench.outbox.sent[0]
    assert len(safe.data) == len(data)
    changed = (pixels(safe.data) != image).any(axis=2)
    assert changed[16:32, 20:36].all()
    changed[12:36, 16:40] = False
    assert not changed.any()
    assert (safe.stamp_ns, safe.frame_id) == (5_000_000_007, 'camera_optical')
    assert safe.size_wh == (96, 64)


@pytest.mark.parametrize('make', [raw_data, jpeg_data])
def test_a_frame_with_nothing_to_hide_keeps_its_bytes(open_session, make):
    bench = open_session(type_name=RAW if make is raw_data else COMPRESSED)
    data = make(picture(squares=()))
    bench.session.take('camera', data)
    wait_for(lambda: bench.outbox.sent)
    assert bench.outbox.sent[0].data == data
    assert bench.detector.calls > 1, 'nobody looked into it'


@pytest.mark.parametrize('on_failure', ['drop', 'mask'])
def test_a_failing_network_withholds_the_frame(open_session, on_failure):
    bench = open_session(NodeSettings(on_failure=on_failure, max_latency_ms=20_000.0))
    bench.detector.trouble = 'raise'
    bench.session.take('camera', raw_data(picture()))
    wait_for(lambda: bench.causes()['detection'])
    bench.session.close()
    sent = [pixels(safe.data) for safe in bench.outbox.sent]
    assert len(sent) == (on_failure == 'mask')
    assert all((each == 128).all() for each in sent)


@pytest.mark.parametrize('on_failure', ['drop', 'mask'])
def test_what_a_hanging_network_finds_late_has_nowhere_to_go(open_session, on_failure):
    node = NodeSettings(on_failure=on_failure, max_latency_ms=100.0, watchdog_s=0.2)
    bench = open_session(node)
    bench.detector.trouble = 'hang'
    bench.session.take('camera', raw_data(picture()))
    assert bench.detector.is_in.wait(DEADLINE_S)
    wait_for(lambda: bench.causes()['deadline'])
    wait_for(lambda: bench.session.stalled_s() is not None)
    count = len(bench.outbox.sent)
    assert count == (on_failure == 'mask')
    bench.detector.trouble = None
    bench.detector.gate.set()
    wait_for(lambda: bench.session.stalled_s() is None)
    assert len(bench.outbox.sent) == count
    assert all((pixels(safe.data) == 128).all() for safe in bench.outbox.sent)
    assert bench.causes()['deadline'] == 1


def test_nothing_goes_out_once_it_is_closed(open_session):
    bench = open_session(NodeSettings(on_failure='mask', max_latency_ms=20_000.0))
    bench.detector.trouble = 'hang'
    bench.session.take('camera', raw_data(picture()))
    assert bench.detector.is_in.wait(DEADLINE_S)
    assert not bench.session.close(), 'the worker hangs, and that is told'
    bench.session.take('camera', raw_data(picture()))
    bench.detector.gate.set()
    wait_for(lambda: not bench.session._worker.is_alive)
    assert not bench.outbox.sent


def test_under_overload_only_the_newest_frame_waits(open_session):
    bench = open_session()
    bench.detector.trouble = 'hang'
    bench.session.take('camera', raw_data(picture()))
    assert bench.detector.is_in.wait(DEADLINE_S)
    for number in range(20):
        bench.session.take('camera', raw_data(picture(), stamp_ns=100 + number))
    assert bench.causes()['overload'] == 19
    bench.detector.trouble = None
    bench.detector.gate.set()
    wait_for(lambda: len(bench.outbox.sent) == 2)
    assert bench.outbox.sent[1].stamp_ns == 119
    assert bench.statistics.snapshot().withheld == {'overload': 19}


def test_a_damaged_message_stops_nothing(open_session):
    bench = open_session()
    bench.session.take('camera', b'\0\1\0\0')
    wait_for(lambda: bench.causes()['decode'])
    bench.session.take('camera', raw_data(picture()))
    wait_for(lambda: bench.outbox.sent)
    assert not shows_magenta(pixels(bench.outbox.sent[0].data))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(damage=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6),
       cut=st.integers(0, 4000), policy=st.sampled_from(['drop', 'mask']))
def test_whatever_is_damaged_a_face_that_can_be_seen_is_hidden(open_session, damage, cut, policy):
    bench = open_session(NodeSettings(on_failure=policy, max_latency_ms=20_000.0), COMPRESSED)
    data = bytearray(jpeg_data(picture()))
    for position, value in damage:
        data[position % len(data)] = value
    data = bytes(data[:max(1, len(data) - cut)]) if cut % 2 else bytes(data)
    bench.session.take('camera', data)
    wait_for(lambda: bench.outbox.sent or bench.warnings)
    bench.session.close()
    for safe in bench.outbox.sent:
        message = messages.locate(bench.outbox.connection, safe.data)
        shown = open_compressed(message.data).view_bgr()
        if not np.ptp(shown):
            continue
        # Broken tables give other colours, but what looks like a face in them is hidden all the
        # same.
        before = open_compressed(messages.locate(bench.outbox.connection, data).data).view_bgr()
        is_changed = (shown != before).any(axis=2)
        for x_min, y_min, x_max, y_max in MagentaDetector().detect(before).boxes_xyxy.astype(int):
            assert is_changed[y_min:y_max, x_min:x_max].mean() > 0.5


def test_another_engine_serves_the_next_frame(open_session):
    bench = open_session()
    mask_out = replace(FACE, method=('mask-out',))
    engine = EngineBuilder(lambda _: bench.detector).build(mask_out)
    bench.session.use(engine)
    bench.session.take('camera', raw_data(picture()))
    wait_for(lambda: bench.outbox.sent)
    inside = pixels(bench.outbox.sent[0].data)[18:30, 22:34].reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) == 1
