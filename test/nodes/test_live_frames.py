# SPDX-License-Identifier: Apache-2.0
"""What comes in goes out anonymized, and nothing else about it changes."""

import cv2
import numpy as np
import pytest
from bag_builder import picture, shows_magenta

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
from live import (
    compressed_message,
    image_message,
    info_message,
    original_pixels_left,
    pixels,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

OUT = '/anonymized/camera/image'
IN = '/camera/image_raw'
FACE = 'target:=[face]'
INSIDE = (slice(16, 32), slice(20, 36))


def outside(image):
    """Return a copy without the square and the margin around it."""
    kept = image.copy()
    kept[12:36, 16:40] = 0
    return kept


def beside_data(message):
    header = message.header
    return (
        header.stamp.sec, header.stamp.nanosec, header.frame_id, message.height, message.width,
        message.encoding, message.is_bigendian, message.step,
    )


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_a_raw_image_goes_out_with_its_face_hidden_and_its_calibration(start, client):
    node = start(FACE)
    for topic, kind in ((OUT, Image), ('/anonymizer/mask/camera', Image)):
        client.listen(topic, kind)
    client.listen('/anonymized/camera/camera_info', CameraInfo)
    client.advertise(IN, Image)
    client.advertise('/camera/camera_info', CameraInfo)
    client.wait_connected(IN)
    client.wait_connected('/camera/camera_info')
    image, clear = picture(), picture(seed=1, squares=())

    def send(number):
        client.send('/camera/camera_info', info_message(number))
        return image_message(clear if number % 2 else image, number)

    infos = client.received['/anonymized/camera/camera_info']
    outputs, masks = client.received[OUT], client.received['/anonymizer/mask/camera']
    client.send_until(
        IN, send, lambda: min(len(outputs), len(infos), len(masks)) >= 6, 'images and infos'
    )
    for got in outputs:
        number = (got.header.stamp.sec - 1000) * 10 + got.header.stamp.nanosec // 10**8
        source = clear if number % 2 else image
        assert beside_data(got) == beside_data(image_message(source, number))
        if number % 2 == 0:
            assert (pixels(got)[INSIDE] != image[INSIDE]).any(axis=2).all()
            assert not original_pixels_left(pixels(got))
        np.testing.assert_array_equal(outside(pixels(got)), outside(source))
    sent_out = {stamp_of(message) for message in outputs}
    for info in infos:
        number = (info.header.stamp.sec - 1000) * 10 + info.header.stamp.nanosec // 10**8
        assert info == info_message(number)
        assert stamp_of(info) in sent_out
    silhouettes = {
        stamp_of(each): np.frombuffer(each.data, np.uint8).reshape(each.height, each.width)
        for each in masks
    }
    seen = [each for stamp, each in silhouettes.items() if stamp[1] // 10**8 % 2 == 0]
    assert seen
    assert all((each[INSIDE] == 255).all() and each[0, 0] == 0 for each in seen)
    assert node.stop() == 0


def test_compressed_images_keep_format_codec_and_size(start, client):
    start(FACE, 'camera.transport:=compressed', 'camera.input:=front/image')
    out = '/anonymized/camera/image/compressed'
    client.listen(out, CompressedImage)
    topic = '/front/image/compressed'
    client.advertise(topic, CompressedImage)
    client.wait_connected(topic)
    image = picture(size_wh=(160, 96), squares=((48, 32),), side=24)
    encoded = {
        'bgr8; jpeg compressed bgr8': cv2.imencode('.jpg', image)[1].tobytes(),
        'png': cv2.imencode('.png', image)[1].tobytes(),
    }
    for format_, data in encoded.items():
        client.received[out].clear()
        sent = compressed_message(data, 3, format_)
        client.send_until(topic, lambda _, sent=sent: sent, lambda: client.received[out], format_)
        got = client.received[out][0]
        assert (got.format, got.header) == (sent.format, sent.header)
        assert bytes(got.data[:3]) == data[:3]
        before, after = (
            cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR)
            for each in (data, bytes(got.data))
        )
        assert shows_magenta(before)
        assert not shows_magenta(after)
        assert before.shape == after.shape
        np.testing.assert_array_equal(after[80:], before[80:])


def test_a_frame_without_regions_keeps_its_bytes(start, client):
    start(FACE, 'camera.transport:=compressed', 'camera.input:=front/image')
    out, topic = '/anonymized/camera/image/compressed', '/front/image/compressed'
    client.listen(out, CompressedImage, raw=True)
    client.advertise(topic, CompressedImage)
    client.wait_connected(topic)
    data = cv2.imencode('.jpg', picture(squares=()))[1].tobytes()
    sent = compressed_message(data, 5, 'jpg')
    client.send_until(topic, lambda _: sent, lambda: client.received[out], 'an image')
    assert data in client.received[out][0]


@pytest.mark.parametrize('batching', ['', '1'], ids=['one by one', 'batched'])
def test_six_cameras_are_never_mixed(start, client, batching):
    names = [f'camera_{index}' for index in range(6)]
    node = start(
        FACE, f'cameras:=[{", ".join(names)}]', 'max_latency_ms:=5000.0',
        environment={'ANON_ROS_TEST_BATCH': batching},
    )
    pictures = {
        name: picture(seed=index, squares=((8 * index, 16),))
        for index, name in enumerate(names)
    }
    for name in names:
        client.listen(f'/anonymized/{name}/image', Image)
        client.advertise(f'/{name}/image_raw', Image)
    for name in names:
        client.wait_connected(f'/{name}/image_raw')
    number = 0
    while any(len(client.received[f'/anonymized/{name}/image']) < 8 for name in names):
        for index, name in enumerate(names):
            sent = image_message(pictures[name], number * 10 + index, frame_id=name)
            client.send(f'/{name}/image_raw', sent)
        client.spin(0.03)
        number += 1
        assert number < 600, 'some camera never gets its turn'
    for index, name in enumerate(names):
        for got in client.received[f'/anonymized/{name}/image']:
            assert got.header.frame_id == name
            assert got.header.stamp.nanosec == index * 100_000_000
            kept = slice(0, 8)
            np.testing.assert_array_equal(pixels(got)[kept], pictures[name][kept])
            assert not original_pixels_left(pixels(got))
    if batching:
        sizes = [int(line) for line in node.command.with_suffix('.batches').read_text().split()]
        assert max(sizes) > 1


def test_the_command_runs_it_with_the_real_networks(start, client, shared_dir):
    models = shared_dir / 'models'
    if not (models / 'yunet_n_dynamic.onnx').exists():
        pytest.skip('the weights of the face network are not there')
    scene = cv2.imread(str(next((shared_dir / 'data' / 'people').rglob('*.jpg'))))
    node = start(
        FACE, 'effort:=fast', 'max_latency_ms:=20000.0',
        environment={'ANON_ROS_MODELS': str(models)},
        code=['-c', 'from anon_ros.cli.main import run; run()', 'node'],
    )
    client.listen(OUT, Image)
    client.advertise(IN, Image)
    client.wait_connected(IN)
    sent = image_message(scene, 1)
    client.send_until(IN, lambda _: sent, lambda: client.received[OUT], 'an image')
    got = client.received[OUT][0]
    assert beside_data(got) == beside_data(sent)
    assert not np.array_equal(pixels(got), scene), 'no face was found'
    assert node.stop() == 0
