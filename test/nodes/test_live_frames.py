# SPDX-License-Identifier: Apache-2.0
"""What comes in goes out anonymized, and nothing else about it changes."""

import numpy as np
import pytest
from bag_builder import picture

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
from live import (
    image_message,
    original_pixels_left,
    pixels,
)
from sensor_msgs.msg import Image

OUT = '/anonymized/camera/image'
IN = '/camera/image_raw'
FACE = 'target:=[face]'
INSIDE = (slice(16, 32), slice(20, 36))


def outside(image):
    """Return a copy without the square and the margin around it."""
    kept = image.copy()
    kept[12:36, 16:40] = 0
    return kept


def fields_beside_data(message):
    header = message.header
    return (
        header.stamp.sec, header.stamp.nanosec, header.frame_id, message.height, message.width,
        message.encoding, message.is_bigendian, message.step,
    )


def test_a_raw_image_goes_out_with_its_face_hidden(start, client):
    start(FACE)
    client.listen(OUT, Image)
    client.advertise(IN, Image)
    client.wait_connected(IN)
    image = picture()
    sent = image_message(image, 7)
    client.send_until(IN, lambda _: sent, lambda: client.received[OUT], 'an image')
    got = client.received[OUT][0]
    assert fields_beside_data(got) == fields_beside_data(sent)
    assert not original_pixels_left(pixels(got)[INSIDE])
    assert (pixels(got)[INSIDE] != image[INSIDE]).any(axis=2).all()
    np.testing.assert_array_equal(outside(pixels(got)), outside(image))
