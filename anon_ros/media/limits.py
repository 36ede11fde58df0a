# SPDX-License-Identifier: Apache-2.0
"""What an image may claim to be: checked from its header, before anything is decoded."""

from __future__ import annotations

from anon_ros.errors import EncodingError


def check_size(size_wh: tuple[int, int], max_pixels: int | None, what: str) -> None:
    """
    Refuse sizes that cannot be, and sizes that would cost too much memory.

    size_wh: width and height in px. max_pixels: None for no limit. what: names the image.
    Raises EncodingError with the numbers.
    """
    width, height = size_wh
    if width <= 0 or height <= 0:
        raise EncodingError(f'{what}: a size of {width} x {height} px holds no image')
    if max_pixels is not None and width * height > max_pixels:
        raise EncodingError(
            f'{what}: {width} x {height} px are more than the {max_pixels} px allowed; '
            'raise max_megapixels to read it'
        )
