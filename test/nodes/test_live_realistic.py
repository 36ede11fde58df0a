# SPDX-License-Identifier: Apache-2.0
"""A live face is painted over, and what is around it stays."""

import numpy as np
import pytest
from bag_builder import picture

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
pytest.importorskip('torch')
import tiny_gan
from live import image_message, original_pixels_left, pixels
from sensor_msgs.msg import Image

IN, OUT = '/camera/image_raw', '/anonymized/camera/image'


def test_a_live_face_is_painted_over_and_counted(start, client, tmp_path):
    weights = tiny_gan.save_face(tmp_path / 'face.safetensors')
    start(
        'target:=[face]', 'method:=[face=realistic]', f'weights:=["{weights}"]', 'seed:=3',
        'device:=cpu', 'max_latency_ms:=20000.0')
    client.listen(OUT, Image)
    client.advertise(IN, Image)
    # The node imports PyTorch first, which takes a busy machine its time.
    publisher = client.publishers[IN]
    client.wait_for(lambda: publisher.get_subscription_count() > 0, 'a subscriber', seconds=180)
    image, outputs = picture(), client.received[OUT]
    client.send_until(IN, lambda number: image_message(image, number),
                      lambda: len(outputs) >= 2, 'images')
    shown = pixels(outputs[-1])
    assert not original_pixels_left(shown)
    outside = np.ones(shown.shape[:2], bool)
    outside[12:36, 16:40] = False
    np.testing.assert_array_equal(shown[outside], image[outside])
    # The same person all along the track.
    np.testing.assert_array_equal(shown, pixels(outputs[-2]))
    client.wait_for(lambda: synthesized(client) >= 2, 'a count of synthesized faces')


def synthesized(client):
    found = client.diagnostics(': camera')
    return 0 if found is None else int(found[2]['synthesized'])
