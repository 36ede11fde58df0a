# SPDX-License-Identifier: Apache-2.0
"""Video topics change by whole groups of pictures; what cannot be decoded is withheld."""

import av
import numpy as np
import pytest
from bag_builder import MagentaDetector, picture, shows_magenta
from rosbags.highlevel import AnyReader
from video_packets import SIZE_WH, packets, write

from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.verify import verify_bag


def read(path):
    with AnyReader([path]) as reader:
        return [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]


def decode(messages, form):
    context = av.CodecContext.create(form, 'r')
    frames = []
    for message in messages:
        frames += context.decode(av.Packet(message.data.tobytes()))
    frames += context.decode(None)
    return [frame.to_ndarray(format='bgr24') for frame in frames]


@pytest.mark.parametrize(('encoder', 'form'), [('libx264', 'h264'), ('libx265', 'hevc')])
def test_groups_with_something_to_hide_change(tmp_path, encoder, form):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),) if 10 <= i < 20 else (), side=32)
              for i in range(30)]
    source = write(tmp_path / 'source', packets(encoder, images, 10), form)
    target = tmp_path / 'target'
    settings = Settings(target=('face',), window_s=0.0)
    result = anonymize_bag(BagJob(source, target), settings, detector=MagentaDetector())
    before, after = read(source), read(target)
    assert any(shows_magenta(image) for image in decode(before, form))
    assert not any(shows_magenta(image) for image in decode(after, form))
    for i in [*range(10), *range(20, 30)]:
        assert np.array_equal(before[i].data, after[i].data)
    assert [repr(m.timestamp) for m in before] == [repr(m.timestamp) for m in after]
    assert result.manifest.withheld == 0
    assert verify_bag(source, target, search_every=0).ok


def test_what_comes_before_the_first_keyframe_is_withheld(tmp_path):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),), side=32) for _ in range(20)]
    data = packets('libx264', images, 10)[4:]
    source = write(tmp_path / 'source', data, 'h264')
    target = tmp_path / 'target'
    result = anonymize_bag(
        BagJob(source, target), Settings(target=('face',)), detector=MagentaDetector()
    )
    after = read(target)
    assert result.manifest.withheld == 6
    assert all(len(message.data) == 0 for message in after[:6])
    assert not any(shows_magenta(image) for image in decode(after[6:], 'h264'))


def test_a_damaged_group_is_masked_whole(tmp_path):
    images = [picture(size_wh=SIZE_WH, squares=((40, 32),), side=32) for _ in range(20)]
    data = packets('libx264', images, 10)
    data[13] = data[13][:5] + bytes(len(data[13]) - 5)
    source = write(tmp_path / 'source', data, 'h264')
    target = tmp_path / 'target'
    result = anonymize_bag(
        BagJob(source, target), Settings(target=('face',)), detector=MagentaDetector()
    )
    assert result.manifest.withheld == 10
    frames = decode(read(target), 'h264')
    assert len(frames) == 20
    assert not any(shows_magenta(image) for image in frames)
    assert all(np.ptp(image) <= 2 for image in frames[10:])
