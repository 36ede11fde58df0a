# SPDX-License-Identifier: Apache-2.0
"""Live frames painted over: all cameras in one batch, all hidden before, none out on a failure."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

import tiny_gan  # noqa: E402
from bag_builder import STORE, BagBuilder, MagentaDetector, picture, shows_magenta  # noqa: E402

from anon_ros.bags import messages  # noqa: E402
from anon_ros.core.settings import Settings  # noqa: E402
from anon_ros.gan.inpainter import Inpainter  # noqa: E402
from anon_ros.nodes.engine import EngineBuilder  # noqa: E402
from anon_ros.nodes.frame_job import topic_connection  # noqa: E402
from anon_ros.nodes.node_settings import NodeSettings  # noqa: E402
from anon_ros.nodes.session import Session  # noqa: E402
from anon_ros.nodes.statistics import CameraStatistics  # noqa: E402

DEADLINE_S = 30.0
CAMERAS = ('front', 'rear')
CONNECTION = topic_connection('/in', 'sensor_msgs/msg/Image')


class Outbox:
    is_video = False
    connection = CONNECTION

    def __init__(self):
        self.sent = []

    def publish(self, safe):
        self.sent.append(safe)


class Gate(MagentaDetector):
    """Lets nothing through until it is open."""

    def __init__(self):
        super().__init__()
        self.is_open, self.is_in = threading.Event(), threading.Event()

    def detect(self, image_bgr):
        if image_bgr.shape[1] < 100:
            self.is_in.set()
            assert self.is_open.wait(DEADLINE_S)
        return super().detect(image_bgr)


class Bench:
    """A session of two cameras."""

    def __init__(self, settings):
        self.gate, self.warnings = Gate(), []
        self.outboxes = {name: Outbox() for name in CAMERAS}
        self.statistics = {name: CameraStatistics() for name in CAMERAS}
        node = NodeSettings(cameras=CAMERAS, max_latency_ms=60_000.0, watchdog_s=60.0)
        engine = EngineBuilder(lambda _: self.gate).build(settings)
        self.session = Session(
            self.outboxes, self.statistics, engine, lambda: node,
            lambda *warning: self.warnings.append(warning))

    def send_to_both(self):
        """Send a frame that waits in the worker, then one for each camera: these come together."""
        self.session.take('front', data_of(picture(squares=())))
        assert self.gate.is_in.wait(DEADLINE_S)
        for number, name in enumerate(CAMERAS):
            self.session.take(name, data_of(picture(seed=number)))
        self.gate.is_open.set()


@pytest.fixture
def bench(tmp_path):
    threads = torch.get_num_threads()
    weights = tiny_gan.save_face(tmp_path / 'face.safetensors')
    opened = Bench(Settings(
        target=('face',), method=('face=realistic',), weights=(str(weights),), device='cpu',
        threads=1, seed=3))
    yield opened
    opened.gate.is_open.set()
    opened.session.close()
    torch.set_num_threads(threads)


def data_of(image):
    builder = BagBuilder()
    builder.raw('/in', 7, image)
    message = builder.messages[0][2]
    return bytes(STORE.serialize_cdr(message, message.__msgtype__))


def pixels(safe):
    image = messages.locate(CONNECTION, safe.data).payload
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)


def wait_for(condition):
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, 'it never came'
        time.sleep(0.005)


def test_the_faces_of_all_cameras_are_painted_in_one_batch(bench, monkeypatch):
    fill, sizes = Inpainter.fill, []

    def count(self, holes, identities):
        sizes.append(len(holes))
        return fill(self, holes, identities)

    monkeypatch.setattr(Inpainter, 'fill', count)
    bench.send_to_both()
    wait_for(lambda: len(bench.outboxes['front'].sent) == 2 and bench.outboxes['rear'].sent)
    assert sizes == [2]
    for name in CAMERAS:
        shown = pixels(bench.outboxes[name].sent[-1])
        assert not shows_magenta(shown)
        snapshot = bench.statistics[name].snapshot()
        assert (snapshot.synthesized, snapshot.classic_instead) == (1, 0)
    # Track 0 of one camera is another person than track 0 of the other one.
    one, two = (pixels(bench.outboxes[name].sent[-1])[20:30, 24:34] for name in CAMERAS)
    assert not np.array_equal(one, two)


def test_a_generator_that_fails_withholds_the_frames_that_it_was_to_paint(bench, monkeypatch):
    def fail(self, holes, identities):
        raise RuntimeError('the device is gone')

    monkeypatch.setattr(Inpainter, 'fill', fail)
    bench.send_to_both()
    wait_for(lambda: len(bench.warnings) == 2)
    assert {(camera, cause) for camera, cause, _ in bench.warnings} == {
        (camera, 'anonymization') for camera in CAMERAS}
    # The frame without a face was none of the generator's business.
    assert [len(outbox.sent) for outbox in bench.outboxes.values()] == [1, 0]


def test_a_damaged_frame_does_not_keep_the_others_from_being_painted(bench):
    bench.session.take('front', data_of(picture(squares=())))
    assert bench.gate.is_in.wait(DEADLINE_S)
    bench.session.take('front', data_of(picture())[:200])
    bench.session.take('rear', data_of(picture()))
    bench.gate.is_open.set()
    wait_for(lambda: bench.outboxes['rear'].sent and bench.warnings)
    assert not shows_magenta(pixels(bench.outboxes['rear'].sent[0]))
    assert [warning[:2] for warning in bench.warnings] == [('front', 'decode')]


def test_a_body_generator_has_the_detector_look_for_keypoints(tmp_path):
    weights = tiny_gan.save_body(tmp_path / 'body.safetensors')
    built = []

    def build(settings):
        built.append(settings)
        return MagentaDetector()

    builder = EngineBuilder(build)
    body = Settings(target=('body',), weights=(str(weights),), device='cpu', threads=1)
    builder.build(body)
    builder.build(replace(body, method=('realistic',)))
    builder.build(replace(body, method=('body=realistic', 'blur'), margin=0.4))
    assert [settings.method for settings in built] == [('pixelate',), ('body=realistic',)]
