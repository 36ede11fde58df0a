# SPDX-License-Identifier: Apache-2.0
"""Files that readers and writers of every format touch in the same way."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png'})


def below(path: str) -> bool:
    """Return whether a path from a file stays below the folder that it belongs to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith('/') and '..' not in parts and '\0' not in path


def put(path: Path, data: bytes | memoryview) -> None:
    """
    Write a file that has its name only once it is whole; folders are made.

    Raises OutputError where it cannot be written.
    """
    beside = path.with_name(path.name + '.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.rename(path)
    except OSError as error:
        raise OutputError(f'{path}: cannot be written: {error.strerror}') from error


def put_image(path: Path, image: bytes | memoryview | Path | None) -> None:
    """Write an image's bytes, or a copy of a file; None writes nothing."""
    if isinstance(image, Path):
        copy(image, path)
    elif image is not None:
        put(path, image)


def copy(source: Path, target: Path) -> None:
    """
    Copy a file byte for byte; it has its name only once it is whole.

    Raises InputError or OutputError.
    """
    beside = target.with_name(target.name + '.partial')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, beside)
        beside.rename(target)
    except FileNotFoundError as error:
        raise InputError(f'{source}: cannot be read: {error.strerror}') from error
    except OSError as error:
        raise OutputError(f'{target}: cannot be written: {error.strerror}') from error


def put_json(path: Path, value: object) -> None:
    """Write a JSON file; folders are made. Raises OutputError where it cannot be written."""
    put(path, (json.dumps(value, ensure_ascii=False) + '\n').encode())


def get_json(path: Path) -> Any:
    """
    Return a small JSON file's value.

    Raises ValueError where it is damaged, InputError where it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f'{path}: cannot be read: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'damaged JSON: {error}') from None


def put_png(path: Path, image: NDArray[Any]) -> None:
    """Write an id image: (h, w) uint8 or uint16, or (h, w, 4) uint8 in the order BGRA."""
    put(path, cv2.imencode('.png', image)[1].tobytes())


def get_png(path: Path) -> NDArray[Any]:
    """
    Return an id image as stored, colours in the order BGRA.

    Raises ValueError where it is damaged, InputError where it cannot be read.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f'{path}: cannot be read: {error.strerror}') from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if image is None:
        raise ValueError('damaged PNG')
    return image


def as_png(image: bytes | Path) -> bytes | Path:
    """
    Return an image as PNG; what is PNG already stays as it is.

    Raises InputError where it cannot be decoded.
    """
    data = image.read_bytes() if isinstance(image, Path) else image
    if data.startswith(b'\x89PNG'):
        return image
    return cv2.imencode('.png', _decode(image, data))[1].tobytes()


def as_jpeg(image: bytes | Path) -> bytes | Path:
    """
    Return an image as JPEG; what is JPEG already stays, else quality 100 and no subsampling.

    Raises InputError where it cannot be decoded.
    """
    data = image.read_bytes() if isinstance(image, Path) else image
    if data.startswith(b'\xff\xd8'):
        return image
    return encode_jpeg(_decode(image, data))


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return (h, w) or (h, w, 3) BGR pixels as JPEG, quality 100, no chroma subsampling."""
    return cv2.imencode('.jpg', pixels, [
        cv2.IMWRITE_JPEG_QUALITY, 100,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ])[1].tobytes()


def _decode(image: bytes | Path, data: bytes) -> NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise InputError(f'{image if isinstance(image, Path) else "an image"}: cannot be decoded')
    return pixels


def chosen_splits(root: Path, found: Iterable[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """
    Return the splits that are wanted of a dataset; all that it has where none is named.

    Raises InputError where it has not one of them.
    """
    there = tuple(found)
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise InputError(f"{root}: no split '{unknown[0]}'; there are {', '.join(there)}")
    return tuple(wanted) or there


def walk(folder: Path) -> list[Path]:
    """Return all files in a folder and below, by name; links to folders are not followed."""
    found = []
    for where, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(where) / name for name in sorted(names)]
    return found
