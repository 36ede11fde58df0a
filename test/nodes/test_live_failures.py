# SPDX-License-Identifier: Apache-2.0
"""Whatever fails, not one original pixel of a region goes out."""

import signal

import cv2
import numpy as np
import pytest
from bag_builder import picture

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
from live import compressed_message, image_message, original_pixels_left, pixels
from sensor_msgs.msg import CompressedImage, Image

OUT, IN = '/anonymized/camera/image', '/camera/image_raw'
FACE = 'target:=[face]'
DROP, MASK = 'on_failure:=drop', 'on_failure:=mask'


def connect(client):
    client.listen(OUT, Image)
    client.advertise(IN, Image)
    client.wait_connected(IN)


def send_some(client, make, count=12):
    for number in range(count):
        client.send(IN, make(number))
        client.spin(0.05)


def is_gray(message):
    return set(message.data) == {128}


def face(number):
    return image_message(picture(), number)


def no_original_left(messages):
    return all(not original_pixels_left(pixels(each)) for each in messages)


@pytest.mark.parametrize('trouble', ['raise', 'lie', 'slow', 'hang'])
def test_a_detector_in_trouble_lets_nothing_out(start, client, trouble):
    node = start(FACE, 'max_latency_ms:=250.0', 'watchdog_s:=0.5')
    connect(client)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    node.order(trouble)
    client.spin()
    client.received[OUT].clear()
    send_some(client, face)
    client.spin()
    assert not client.received[OUT]
    assert client.set_parameters(on_failure='mask').successful
    send_some(client, face)
    client.wait_for(lambda: client.received[OUT], 'a gray image')
    assert all(map(is_gray, client.received[OUT]))
    causes = {'raise': 'detection', 'lie': 'detection', 'slow': 'deadline', 'hang': 'deadline'}
    client.wait_for(
        lambda: f'by {causes[trouble]}' in node.log, f'a line on {trouble}: {node.log[-2000:]}'
    )
    if trouble == 'hang':
        client.wait_for(
            lambda: (client.diagnostics('worker') or ('',) * 2)[1].startswith('the worker has'),
            'the watchdog reports',
        )
    node.order('see')
    client.received[OUT].clear()
    client.send_until(
        IN, face, lambda: any(not is_gray(each) for each in client.received[OUT]), 'it recovers'
    )
    assert no_original_left(client.received[OUT])
    assert node.stop() == 0


@pytest.mark.parametrize('policy', [DROP, MASK])
def test_garbage_lets_nothing_out_and_stops_nothing(start, client, policy):
    node = start(FACE, policy)
    connect(client)
    image = picture()
    whole = face(0)
    short = image_message(image, 1)
    short.data = short.data[:-1]
    wide = image_message(image, 2)
    wide.width = 2**31
    unknown = image_message(image, 3, encoding='hologram')
    depth = image_message(np.full((64, 48), 1000, np.uint16), 4, encoding='16UC1')
    empty = Image()
    for message in (short, wide, unknown, depth, empty):
        for _ in range(3):
            client.send(IN, message)
            client.spin(0.05)
    client.publishers[IN].publish(b'\0\1\0\0' + b'\xff' * 40)
    client.spin()
    gray = {0, 128}
    assert all(set(each.data) <= gray | {127} for each in client.received[OUT])
    if policy == DROP:
        assert not client.received[OUT]
    client.received[OUT].clear()
    client.send_until(IN, lambda _: whole, lambda: client.received[OUT], 'a sound image after')
    assert no_original_left(client.received[OUT])
    client.wait_for(lambda: 'hologram' in node.log, 'a line that names the encoding')


def test_garbage_in_compressed_images_lets_nothing_out(start, client):
    start(FACE, MASK, 'camera.transport:=compressed', 'camera.input:=front/image')
    out, topic = '/anonymized/camera/image/compressed', '/front/image/compressed'
    client.listen(out, CompressedImage)
    client.advertise(topic, CompressedImage)
    client.wait_connected(topic)
    data = cv2.imencode('.jpg', picture())[1].tobytes()
    pieces = (b'', b'\xff\xd8\xff', data[:len(data) // 2], b'no image', data[:200] + bytes(900))
    for piece in pieces:
        client.send(topic, compressed_message(piece, 1))
        client.spin(0.1)
    client.spin()
    for got in client.received[out]:
        shown = cv2.imdecode(np.frombuffer(got.data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(shown.astype(int) - 128).max() <= 2
    client.received[out].clear()
    sound = compressed_message(data, 9)
    client.send_until(topic, lambda _: sound, lambda: client.received[out], 'a sound image')


def test_a_flood_is_thinned_and_its_age_bounded(start, client):
    node = start(FACE, 'max_latency_ms:=1000.0')
    connect(client)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    node.order('slow')
    for number in range(120):
        client.send(IN, face(number))
        client.spin(0.015)
    client.spin(1.2)
    assert 0 < len(client.received[OUT]) < 120
    assert no_original_left(client.received[OUT])
    client.wait_for(
        lambda: int(client.diagnostics(': camera')[2].get('withheld_overload', 0)) > 0, 'counts'
    )
    values = client.diagnostics(': camera')[2]
    assert float(values['queue_age_ms']) <= 1000


def test_a_killed_node_sends_nothing_more(start, client):
    node = start(FACE)
    connect(client)
    client.send_until(IN, face, lambda: len(client.received[OUT]) > 2, 'images')
    assert node.stop(signal.SIGKILL) == -signal.SIGKILL
    client.spin()
    assert no_original_left(client.received[OUT])
    client.received[OUT].clear()
    send_some(client, face, 4)
    assert not client.received[OUT]
