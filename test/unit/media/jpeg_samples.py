# SPDX-License-Identifier: Apache-2.0
"""JPEGs of every kind for tests, made on the spot."""

import io

import cv2
import numpy as np
from PIL import Image

SAMPLINGS = {
    '444': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, '422': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    '420': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, '411': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
    '440': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
}


def picture(width, height, seed=0, channels=3):
    """A smooth picture with some noise, as a camera makes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, channels), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(-6, 7, (height, width, channels))
    return np.clip(smooth.reshape(height, width, channels) + noise, 0, 255).astype(np.uint8)


def jpeg(width, height, sampling='420', *options, seed=0):
    ok, data = cv2.imencode('.jpg', picture(width, height, seed), [
        cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling],
        *options,
    ])
    assert ok
    return data.tobytes()


def gray_jpeg(width, height):
    return cv2.imencode('.jpg', picture(width, height, channels=1))[1].tobytes()


def pillow_jpeg(width, height, mode='RGB', **options):
    channels = {'L': 1, 'RGB': 3, 'CMYK': 4}[mode]
    pixels = picture(width, height, channels=channels)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if mode == 'L' else pixels, mode)
    image.save(buffer, 'JPEG', quality=90, **options)
    return buffer.getvalue()


def kinds(width=61, height=45):
    """Every kind of JPEG that is read, by name."""
    return {
        **{name: jpeg(width, height, name) for name in SAMPLINGS},
        'progressive': jpeg(width, height, '420', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        'restarts': jpeg(width, height, '420', cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        'optimized': jpeg(width, height, '422', cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        'gray': gray_jpeg(width, height),
        'adobe_rgb': pillow_jpeg(width, height, keep_rgb=True),
        'cmyk': pillow_jpeg(width, height, 'CMYK'),
    }


def with_segments(data, *segments):
    """Put (marker, payload) pairs behind the JFIF header."""
    end = 4 + int.from_bytes(data[4:6], 'big')
    extra = b''.join(
        bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, 'big') + payload
        for marker, payload in segments
    )
    return data[:end] + extra + data[end:]
