# SPDX-License-Identifier: Apache-2.0
"""Messages come out in order, nobody is waited for too long, and memory stays bounded."""

import pytest
from bag_builder import BagBuilder, MagentaDetector, picture

from anon_ros import factory
from anon_ros.audit.recorder import RunRecorder
from anon_ros.bags import pipeline as pipeline_module
from anon_ros.bags.jobs import Tools
from anon_ros.bags.pipeline import Item, Known, Pipeline
from anon_ros.bags.storage import open_bag
from anon_ros.bags.topics import Action
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.regions import Regions
from anon_ros.core.settings import Settings

SETTINGS = Settings(target=('face',), threads=2)
CAMERA, TEXT = '/camera', '/text'


@pytest.fixture
def run_pipeline(tmp_path):
    """Return a function that carries a bag's messages through and notes when each came out."""

    def run(builder, known=None, window_s=1.0):
        settings = Settings(target=('face',), threads=2, window_s=window_s)
        tools = Tools(MagentaDetector(), factory.build_anonymizer(settings), RunRecorder(), 10**8)
        written = []
        with open_bag(builder.write(tmp_path / 'bag')) as source, Pipeline(
            tools, threads=2, window_ns=int(window_s * 1e9),
            new_tracker=lambda _: factory.build_tracker(settings, is_known=known is not None),
            known=known,
        ) as pipeline:
            for index, message in enumerate(source.files[0].messages()):
                is_camera = message.connection.topic == CAMERA
                action = Action.ANONYMIZE if is_camera else Action.COPY
                item = Item(message, action, None, index)
                pipeline.queue(item)
                if is_camera:
                    pipeline.look([item])
                written += [(each, index) for each in pipeline.advance(message.log_ns)]
            waits = any(
                item.action is Action.ANONYMIZE and item.rendering is None
                for item in pipeline._queue
            )
            written += [(each, index + 1) for each in pipeline.finish()]
            outcomes = [
                item.result().outcome for item, _ in written if item.action is Action.ANONYMIZE
            ]
        return written, outcomes, waits

    return run


def test_messages_come_out_in_order_each_once(run_pipeline):
    builder = BagBuilder()
    for i in range(30):
        builder.raw(CAMERA, (i + 1) * 10**8, picture(seed=i))
        builder.text(TEXT, (i + 1) * 10**8 + 1, 'a')
    written, outcomes, _ = run_pipeline(builder)
    assert [item.index for item, _ in written] == list(range(60))
    assert outcomes == [Outcome.ANONYMIZED] * 30


def test_the_window_holds_frames_back(run_pipeline):
    builder = BagBuilder()
    for i in range(40):
        builder.raw(CAMERA, (i + 1) * 10**8, picture(seed=i))
    held = [read - item.index for item, read in run_pipeline(builder)[0] if item.index < 25]
    assert min(held) >= 10


def test_a_camera_that_falls_silent_does_not_hold_up_the_rest(run_pipeline):
    builder = BagBuilder()
    for i in range(3):
        builder.raw(CAMERA, (i + 1) * 10**8, picture(seed=i))
    for i in range(200):
        builder.text(TEXT, 10**9 + i * 10**8, 'a')
    written, _, waits = run_pipeline(builder)
    assert [item.index for item, _ in written] == list(range(203))
    assert not waits


def test_little_memory_closes_windows_early(run_pipeline, monkeypatch):
    builder = BagBuilder()
    for i in range(60):
        builder.raw(CAMERA, (i + 1) * 10**7, picture(seed=i))
    frame_bytes = 96 * 64 * 3
    monkeypatch.setattr(pipeline_module, 'QUEUE_BYTES', 6 * frame_bytes)
    written, outcomes, _ = run_pipeline(builder, window_s=10.0)
    assert [item.index for item, _ in written] == list(range(60))
    assert max(read - item.index for item, read in written) < 20
    assert outcomes == [Outcome.ANONYMIZED] * 60


def test_withheld_by_the_file_is_withheld(run_pipeline):
    builder = BagBuilder()
    for i in range(4):
        builder.raw(CAMERA, (i + 1) * 10**8, picture(seed=i))
    written, outcomes, _ = run_pipeline(
        builder,
        known=lambda item: Known(Regions.empty(), 'say so' if item.index == 2 else None),
    )
    assert outcomes == [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.MASKED, Outcome.UNCHANGED]
    assert written[2][0].result().reason == 'say so'
