# SPDX-License-Identifier: Apache-2.0
"""Hostile JPEGs: a clear error or an image of the promised size, and the process lives."""

import subprocess
import sys
from pathlib import Path

import jpeg_samples
import pytest

from anon_ros.errors import EncodingError
from anon_ros.media.jpeg import open_jpeg

KINDS = jpeg_samples.kinds(40, 30)

FUZZ = """
import random, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import jpeg_samples
from anon_ros.errors import EncodingError
from anon_ros.media.jpeg import open_jpeg

kinds = jpeg_samples.kinds(40, 30)
rng = random.Random(int(sys.argv[2]))
read = 0
for _ in range(int(sys.argv[3])):
    data = bytearray(rng.choice(list(kinds.values())))
    end = rng.choice([len(data), 700, len(data)])
    for _ in range(rng.choice([0, 1, 1, 2, 8])):
        data[rng.randrange(min(end, len(data)))] = rng.choice([0, 255, rng.randrange(256)])
    if rng.random() < 0.2:
        data = data[:rng.randrange(len(data))] + rng.choice([b'', b'\\xff\\xd9'])
    if rng.random() < 0.1:
        at = rng.randrange(2, len(data))
        data = data[:at] + data[at + rng.randrange(1, 50):]
    try:
        frame = open_jpeg(bytes(data), max_pixels=1_000_000)
        for plane in frame.planes():
            bounds = plane.grid.bounds
            samples = plane.read(bounds)
            plane.write(bounds, samples, np.ones(samples.shape[:2], bool))
        out = open_jpeg(bytes(frame.encode()))
        out.planes()
        view = out.view_bgr()
        assert view.shape == (*frame.size_wh[::-1], 3)
        read += 1
    except EncodingError:
        pass
print('read', read)
"""


@pytest.mark.parametrize('seed', [1, 2])
def test_flipped_bytes_end_no_process(seed):
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, '-c', FUZZ, folder, str(seed), '600'],
        capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith('read')
    assert int(done.stdout.split()[1]) > 50


@pytest.mark.parametrize('kind', KINDS)
def test_truncation_is_found(kind):
    """OpenCV would fill the rest with gray and call it an image."""
    data = KINDS[kind]
    for end in range(0, len(data), 7):
        with pytest.raises(EncodingError):
            open_jpeg(data[:end])


def test_lost_restart_intervals_are_found():
    data = KINDS['restarts']
    start = data.index(b'\xff\xd0')
    end = data.index(b'\xff\xd1')
    with pytest.raises(EncodingError, match='restart'):
        open_jpeg(data[:start] + data[end:])


def replaced(kind, old, new, offset=0):
    data = bytearray(KINDS[kind])
    at = data.index(old) + offset
    data[at:at + len(new)] = new
    return bytes(data)


@pytest.mark.parametrize(('data', 'words'), [
    (b'', 'begin'), (b'\x89PNG', 'begin'), (b'\xff\xd8', 'end marker'),
    (b'\xff\xd8\xff\xd9', 'no frame'), (b'\xff\xd8\x00\x00\xff\xd9', 'no marker'),
    (replaced('420', b'\xff\xc0', b'\xff\xc9'), 'arithmetic'),
    (replaced('420', b'\xff\xc0', b'\xff\xc3'), 'lossless'),
    (replaced('420', b'\xff\xc0', b'\x0c', 4), '12 bits'),
    (replaced('420', b'\xff\xc0', b'\0\0', 5), '40 x 0'),
    (replaced('420', b'\xff\xc0', b'\x02', 9), '2 components'),
    (replaced('420', b'\xff\xc0', b'\x00', 11), 'contradicts'),
    (replaced('420', b'\xff\xc0', b'\x31', 14), 'whole number'),
    (replaced('420', b'\xff\xc0', b'\x03', 12), 'table is missing'),
    (replaced('420', b'\xff\xdb', b'\0', 5), 'divides by 0'),
    (replaced('420', b'\xff\xc4', b'\x77', 4), 'Huffman'),
    (replaced('420', b'\xff\xc4', b'\xff' * 16, 5), 'Huffman'),
    (replaced('420', b'\xff\xda', b'\x09', 5), 'not there'),
    (replaced('420', b'\xff\xda', b'\x07', 4), 'scan'),
])
def test_headers_that_are_refused(data, words):
    with pytest.raises(EncodingError, match=words):
        open_jpeg(data)


@pytest.mark.parametrize('data', [
    replaced('420', b'\xff\xc4', b'\xc8', 22),  # a DC code for a difference of 200 bits
    replaced('progressive', b'\xff\xda', b'\x3f\x01', 11),  # a scan from 63 to 1
])
def test_what_only_the_library_finds_is_an_error(data):
    frame = open_jpeg(data)
    with pytest.raises(EncodingError, match='libjpeg'):
        frame.planes()
    with pytest.raises(EncodingError, match=r'OpenCV|promised'):
        frame.view_bgr()
    assert open_jpeg(frame.encode_masked()).size_wh == (40, 30)
