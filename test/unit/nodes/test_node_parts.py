# SPDX-License-Identifier: Apache-2.0
"""The parts of the node that need no ROS."""

import struct
import threading

import pytest
from bag_builder import MagentaDetector, picture

from anon_ros.core.regions import Regions
from anon_ros.core.settings import Settings
from anon_ros.errors import ModelError
from anon_ros.nodes import dds_profile, device_memory
from anon_ros.nodes.engine import EngineBuilder
from anon_ros.nodes.info_relay import KEPT, InfoRelay, read_stamp_ns
from anon_ros.nodes.latest_frames import MOST_PACKETS, LatestFrames
from anon_ros.nodes.statistics import CameraStatistics
from anon_ros.nodes.ticket import Ticket


def ticket(camera='a', deadline_s=10.0, data=b''):
    return Ticket(camera, data, 0.0, deadline_s)


def test_a_ticket_is_settled_once_whoever_comes_first():
    for first, second in [('claim_result', 'claim_failure'), ('claim_failure', 'claim_result')]:
        one = ticket()
        claims = {
            'claim_result': lambda one=one: one.claim_result(1.0),
            'claim_failure': one.claim_failure,
        }
        assert claims[first]()
        assert not claims[second]()


def test_of_many_threads_one_settles():
    one, winners = ticket(), []
    barrier = threading.Barrier(8)

    def race():
        barrier.wait()
        if one.claim_failure():
            winners.append(1)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert winners == [1]


def test_a_late_result_is_refused_and_can_still_fail():
    one = ticket(deadline_s=1.0)
    assert not one.claim_result(1.0)
    assert one.claim_failure()


def test_cameras_are_served_in_turn_though_one_sends_more():
    frames = LatestFrames(['a', 'b', 'c'])
    served = []
    for _ in range(9):
        for camera in 'aaabc':
            frames.put(ticket(camera))
        served += [each.camera for each in frames.take(1, 0)]
    assert sorted(served) == sorted('abc' * 3)
    assert served[:3] != ['a', 'a', 'a']


def test_a_batch_holds_one_frame_a_camera():
    frames = LatestFrames(['a', 'b'])
    assert frames.put(ticket('a')) is None
    newer = ticket('a')
    assert frames.put(newer) is not None
    frames.put(ticket('b'))
    batch = frames.take(5, 0)
    assert sorted(each.camera for each in batch) == ['a', 'b']
    assert newer in batch
    assert frames.take(5, 0) == []


def test_expired_frames_are_taken_out_and_closed_slots_take_none():
    frames = LatestFrames(['a', 'b'])
    frames.put(ticket('a', deadline_s=1.0))
    frames.put(ticket('b', deadline_s=5.0))
    assert [each.camera for each in frames.expire(2.0)] == ['a']
    assert [each.camera for each in frames.close()] == ['b']
    late = ticket('a')
    assert frames.put(late) is late
    assert frames.take(2, 0) == []


def test_a_video_keeps_what_was_passed_over_and_no_more_than_fits():
    frames = LatestFrames(['a', 'b'], videos=['a'])
    for number in range(3):
        frames.put(ticket('a', data=bytes([number])))
        frames.put(ticket('b', data=bytes([number])))
    taken = {each.camera: each for each in frames.take(2, 0)}
    assert taken['a'].backlog == (b'\0', b'\1')
    assert taken['b'].backlog == ()
    for number in range(MOST_PACKETS + 50):
        frames.put(ticket('a', data=struct.pack('I', number)))
    only, = frames.take(1, 0)
    assert len(only.backlog) == MOST_PACKETS
    assert only.backlog[-1] == struct.pack('I', MOST_PACKETS + 48)


def info(stamp_ns):
    return b'\0\1\0\0' + struct.pack('<iI', *divmod(stamp_ns, 10**9)) + b'rest'


def test_calibration_follows_its_frame_in_either_order():
    sent = []
    relay = InfoRelay(sent.append)
    relay.add_info(info(1))
    assert sent == []
    relay.frame_went_out(1)
    relay.frame_went_out(2)
    assert sent == [info(1)]
    relay.add_info(info(2))
    relay.add_info(info(3))
    assert sent == [info(1), info(2)]


def test_calibration_of_withheld_frames_is_forgotten():
    sent = []
    relay = InfoRelay(sent.append)
    for stamp_ns in range(10 * KEPT):
        relay.add_info(info(stamp_ns))
    relay.frame_went_out(0)
    assert sent == []
    relay.frame_went_out(10 * KEPT - 1)
    assert len(sent) == 1


def test_nonsense_is_no_calibration():
    assert read_stamp_ns(b'') is None
    assert read_stamp_ns(b'\0\7\0\0' + bytes(8)) is None
    assert read_stamp_ns(b'\0\0\0\0' + struct.pack('>iI', 2, 3)) == 2_000_000_003


def test_statistics_tell_rates_and_quantiles():
    statistics = CameraStatistics()
    assert statistics.snapshot().since_output_s is None
    for number in range(100):
        statistics.received()
        statistics.took('detect', number / 1000)
    statistics.published(3)
    statistics.withheld('decode')
    now = statistics.snapshot()
    assert (now.received, now.published, now.regions) == (100, 1, 3)
    assert now.withheld == {'decode': 1}
    p50, p95, p99 = now.stages_ms['detect']
    assert (round(p50), round(p95), round(p99)) == (50, 94, 98)


def test_a_network_is_kept_when_only_the_filling_changes():
    built = []

    def build(settings):
        built.append(settings)
        return MagentaDetector()

    builder = EngineBuilder(build)
    builder.build(Settings(target=('face',)))
    builder.build(Settings(target=('face',), method=('blur',), margin=0.5, cells=3))
    assert len(built) == 1
    builder.build(Settings(target=('face', 'plate'), face_threshold=0.4))
    assert [settings.target for settings in built[1:]] == [('face',), ('plate',)]
    builder.build(Settings(target=('plate', 'face'), face_threshold=0.4))
    assert len(built) == 3


class Short(MagentaDetector):
    """Loses one of several images."""

    def detect_batch(self, images_bgr):
        return [self.detect(image) for image in images_bgr[1:]] or [Regions.empty()]


def test_a_batch_with_too_few_results_is_an_error():
    engine = EngineBuilder(lambda _: Short()).build(Settings(target=('face',)))
    assert engine.is_batching
    with pytest.raises(ModelError, match='1 results for 2 images'):
        engine.detect([picture(), picture()])


def test_detectors_of_all_targets_are_asked():
    engine = EngineBuilder(lambda _: MagentaDetector()).build(Settings(target=('face', 'plate')))
    assert not engine.is_batching
    found, = engine.detect([picture()])
    assert len(found) == 2


def test_memory_is_told():
    assert device_memory.process_mib() > 10
    used = device_memory.gpu_mib()
    assert used is None or 0 <= used[0] <= used[1]


def test_a_profile_of_the_users_own_is_kept(monkeypatch):
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE',
                 'FASTDDS_BUILTIN_TRANSPORTS', 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    dds_profile.use_profile()
    assert dds_profile.variable() not in dds_profile.os.environ
    monkeypatch.delenv('FASTDDS_BUILTIN_TRANSPORTS')
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    dds_profile.use_profile()
    set_to = dds_profile.os.environ.pop('FASTRTPS_DEFAULT_PROFILES_FILE')
    assert set_to.endswith('fastdds_large_images.xml')
