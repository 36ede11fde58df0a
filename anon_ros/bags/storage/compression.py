# SPDX-License-Identifier: Apache-2.0
"""The compressions that bags use: of single messages, of chunks, of whole files."""

from __future__ import annotations

import bz2
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import lz4.frame  # type: ignore[import-untyped]  # lz4 ships no types
import zstandard

from anon_ros.errors import BagError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
FILE_SUFFIX = '.zstd'

Buffer = bytes | memoryview

_FILE_LEVEL = 1
"""What rosbag2 itself compresses with."""
_BLOCK_BYTES = 1 << 20
_LIMIT_BYTES = 1 << 30


def decompress(data: Buffer, compression: str, size: int | None = None) -> bytes:
    """
    Return decompressed bytes.

    compression: '' or 'none', 'zstd', 'lz4', 'bz2'. size: the expected length in bytes.
    Raises ValueError for damage, an unknown compression or another length.
    """
    try:
        raw = _decompress(data, compression, size)
    except (zstandard.ZstdError, RuntimeError, OSError, EOFError) as error:
        raise ValueError(f'{compression} data is damaged ({error})') from error
    if size is not None and len(raw) != size:
        raise ValueError(f'{len(raw)} bytes where {size} were announced')
    return raw


def _decompress(data: Buffer, compression: str, size: int | None) -> bytes:
    if compression in {'', 'none'}:
        return bytes(data)
    if compression == 'zstd':
        return _decompress_zstd(data, size)
    if compression == 'lz4':
        return bytes(lz4.frame.decompress(data))
    if compression == 'bz2':
        return bz2.decompress(data)
    raise ValueError(f'unknown compression {compression!r}')


def _decompress_zstd(data: Buffer, size: int | None) -> bytes:
    known = zstandard.frame_content_size(data)
    if known > (_LIMIT_BYTES if size is None else size):
        raise ValueError(f'{known} bytes announced in one piece')
    if known > 0:
        return zstandard.ZstdDecompressor().decompress(data)
    stream = zstandard.ZstdDecompressor().decompressobj()
    raw = stream.decompress(data)
    if not stream.eof:
        raise ValueError('zstd data ends too early')
    return raw


def compress(data: Buffer, compression: str) -> bytes:
    """
    Return compressed bytes.

    compression: '' or 'none', 'zstd', 'lz4', 'bz2'.
    """
    if compression == 'zstd':
        return zstandard.ZstdCompressor().compress(data)
    if compression == 'lz4':
        return bytes(lz4.frame.compress(data))
    if compression == 'bz2':
        return bz2.compress(data)
    return bytes(data)


def open_decompressed(path: Path) -> int:
    """
    Decompress a file into an unlinked temporary one, so that a kill leaves nothing.

    Returns its descriptor. Raises BagError for damage, OutputError when the disk is full.
    """
    descriptor = _open_unlinked()
    try:
        _decompress_file(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_unlinked() -> int:
    folder = tempfile.gettempdir()
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # the file system has no O_TMPFILE
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        return descriptor


def _decompress_file(path: Path, descriptor: int) -> None:
    stream = zstandard.ZstdDecompressor().decompressobj(read_across_frames=False)
    with path.open('rb') as packed:
        while not stream.eof:
            block = packed.read(_BLOCK_BYTES)
            if not block:
                raise BagError(f'{path}: truncated: the zstd data ends too early')
            try:
                raw = stream.decompress(block)
            except zstandard.ZstdError as error:
                raise BagError(f'{path}: damaged zstd data ({error})') from error
            write_all(descriptor, raw, Path(tempfile.gettempdir()))


def compress_file(source: Path, target: Path) -> None:
    """
    Write a file's zstd form.

    Raises OutputError when it cannot be written.
    """
    packer = zstandard.ZstdCompressor(level=_FILE_LEVEL)
    try:
        with source.open('rb') as raw, target.open('wb') as packed:
            packer.copy_stream(raw, packed, size=source.stat().st_size)
    except OSError as error:
        raise OutputError(f'{target}: cannot be written ({error.strerror})') from error


@contextlib.contextmanager
def linked(descriptor: int) -> Iterator[Path]:
    """
    Give an unlinked file a name for a moment, for a library that opens names only.

    Raises BagError where the file system cannot do that.
    """
    path = Path(tempfile.mkdtemp(prefix='anon_ros_')) / 'file'
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Only with a folder descriptor does Python ask the system to follow the link to the file.
        os.link(f'/proc/self/fd/{descriptor}', path.name, dst_dir_fd=folder, follow_symlinks=True)
        yield path
    except OSError as error:
        raise BagError(
            f'{path.parent}: the file system cannot link temporary files ({error.strerror}); '
            'set TMPDIR to another folder, or decompress the bag first',
        ) from error
    finally:
        os.close(folder)
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def write_all(descriptor: int, data: Buffer, path: Path) -> None:
    """
    Write every byte.

    path: what the message names. Raises OutputError when the disk is full.
    """
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view):]
    except OSError as error:
        raise OutputError(f'{path}: cannot be written ({error.strerror})') from error


def read_exact(descriptor: int, offset: int, size: int, path: Path) -> bytes:
    """
    Read bytes at an offset.

    path: what the message names. Raises BagError where the file ends before.
    """
    try:
        data = os.pread(descriptor, size, offset)
        while len(data) < size:
            more = os.pread(descriptor, size - len(data), offset + len(data))
            if not more:
                raise BagError(f'{path}: truncated: it ends inside a record at byte {offset}')
            data += more
    except OSError as error:
        raise BagError(f'{path}: cannot be read ({error.strerror})') from error
    return data
