# SPDX-License-Identifier: Apache-2.0
"""Video packets are decoded in order, and each picture goes out as a keyframe of its own."""

import numpy as np
import pytest
from bag_builder import picture, shows_magenta

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
import av
from live import compressed_message
from sensor_msgs.msg import CompressedImage

from anon_ros.media.video import decode_gop, encode_gop, is_keyframe
from anon_ros.media.video_frame import VideoPicture

TOPIC, OUT = '/camera/image_raw', '/anonymized/camera/image'
SIZE_WH = (320, 192)


def packets(count):
    def one(index):
        image = picture(seed=1, size_wh=SIZE_WH, squares=((40 + 4 * index, 64),), side=48)
        frame = av.VideoFrame.from_ndarray(image, format='bgr24').reformat(format='yuv420p')
        return VideoPicture(frame, 'h264')

    return encode_gop([one(index) for index in range(count)], 'h264')


def test_a_video_goes_out_anonymized_picture_by_picture(start, client):
    node = start(
        'target:=[face]', 'camera.transport:=video', 'on_failure:=mask',
        'camera.video_type:=sensor_msgs/msg/CompressedImage', 'max_latency_ms:=5000.0',
    )
    client.listen(OUT, CompressedImage)
    client.advertise(TOPIC, CompressedImage)
    client.wait_connected(TOPIC)
    group = packets(12)
    # Before a keyframe has come nothing can be seen, so nothing goes out.
    for number in range(1, 4):
        client.send(TOPIC, compressed_message(group[number], number, 'h264'))
        client.spin(0.05)
    client.spin()
    assert not client.received[OUT]
    for number, packet in enumerate(group):
        client.send(TOPIC, compressed_message(packet, 10 + number, 'h264'))
        client.spin(0.05)
    client.wait_for(lambda: len(client.received[OUT]) > 4, 'pictures')
    client.spin()
    for got in client.received[OUT]:
        assert got.format == 'h264'
        data = bytes(got.data)
        assert is_keyframe(data, 'h264')
        shown = next(decode_gop([data], 'h264')).view_bgr()
        assert shown.shape[:2] == SIZE_WH[::-1]
        assert not shows_magenta(shown)
        assert shown.astype(int).std() > 5
    client.received[OUT].clear()
    damaged = bytearray(group[0])
    damaged[len(damaged) // 2:] = bytes(len(damaged) - len(damaged) // 2)
    for number in range(5):
        client.send(TOPIC, compressed_message(bytes(damaged), 30 + number, 'h264'))
        client.spin(0.05)
    client.spin()
    for got in client.received[OUT]:
        shown = next(decode_gop([bytes(got.data)], 'h264')).view_bgr()
        assert not shows_magenta(shown)
    client.received[OUT].clear()
    client.send_until(
        TOPIC, lambda number: compressed_message(group[number % 12], 50 + number, 'h264'),
        lambda: client.received[OUT], 'it goes on at the next keyframe',
    )
    assert node.stop() == 0


def test_a_video_where_images_are_expected_lets_nothing_out(start, client):
    node = start('target:=[face]', 'camera.transport:=compressed', 'on_failure:=mask')
    topic, out = TOPIC + '/compressed', OUT + '/compressed'
    client.listen(out, CompressedImage)
    client.advertise(topic, CompressedImage)
    client.wait_connected(topic)
    data = np.frombuffer(packets(1)[0], np.uint8).tobytes()
    client.send_until(
        topic, lambda number: compressed_message(data, number, 'h264'),
        lambda: 'set transport: video' in node.log, 'a line that says what to do',
    )
    assert not client.received[out]
