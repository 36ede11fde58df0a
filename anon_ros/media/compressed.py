# SPDX-License-Identifier: Apache-2.0
"""
Compressed images, told apart by their first bytes.

The format string of sensor_msgs/CompressedImage is never trusted to say what the bytes are: it
reads 'jpeg', 'jpg', 'bgr8; jpeg compressed bgr8', '' or something wrong. It only tells depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anon_ros.errors import EncodingError
from anon_ros.media.jpeg import open_jpeg
from anon_ros.media.png import open_png

if TYPE_CHECKING:
    from anon_ros.core.planes import Frame

_MAGIC = {
    b'\xff\xd8\xff': 'jpeg', b'\x89PNG\r\n\x1a\n': 'png', b'II*\0': 'tiff', b'MM\0*': 'tiff',
    b'BM': 'bmp', b'GIF8': 'gif', b'\0\0\0\x0cjP  ': 'jpeg2000', b'\xff\x4f\xff\x51': 'jpeg2000',
    b'\xff\x0a': 'jpegxl', b'\0\0\0\x0cJXL ': 'jpegxl', b'RVL': 'rvl',
}


def sniff(data: bytes | memoryview) -> str | None:
    """
    Return the kind of picture that data begin with, or None.

    'jpeg' and 'png' can be opened; 'webp', 'tiff', 'bmp', 'gif', 'jpeg2000', 'jpegxl', 'avif' and
    'rvl' are recognized only.
    """
    start = bytes(data[:16])
    if start[:4] == b'RIFF' and start[8:12] == b'WEBP':
        return 'webp'
    if start[4:8] == b'ftyp' and start[8:12] in (b'avif', b'avis', b'heic', b'mif1'):
        return 'avif'
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def open_compressed(data: bytes | memoryview, *, max_pixels: int | None = None) -> Frame:
    """
    Open a compressed image by what its bytes are.

    Raises EncodingError for what is neither JPEG nor PNG, is damaged or has too many px.
    """
    kind = sniff(data)
    if kind == 'jpeg':
        return open_jpeg(data, max_pixels=max_pixels)
    if kind == 'png':
        return open_png(data, max_pixels=max_pixels)
    start = bytes(data[:8]).hex(' ') or 'nothing'
    name = f'{kind} images are not supported' if kind else f'no image begins with {start}'
    raise EncodingError(f'{name}: only JPEG and PNG can be anonymized')


def is_compressed_depth(image_format: str) -> bool:
    """
    Return whether a CompressedImage's format says that it holds distances.

    compressed_depth_image_transport writes '16UC1; compressedDepth png' and puts 12 bytes
    before the PNG; older versions write '16UC1; compressedDepth'.
    """
    return 'compresseddepth' in image_format.lower()
