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
LZ4_HEAD_BYTES = 6
"""What tells the flags of an lz4 frame."""

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
        return _decompress_bz2(data)
    raise ValueError(f'unknown compression {compression!r}')


def _decompress_bz2(data: Buffer) -> bytes:
    stream = bz2.BZ2Decompressor()
    raw = stream.decompress(data)
    if not stream.eof:
        raise EOFError('it ends too early')
    return raw


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


def compress(data: Buffer, compression: str, like: Buffer = b'') -> bytes:
    """
    Return compressed bytes.

    compression: '' or 'none', 'zstd', 'lz4', 'bz2'.
    like: the beginning of an lz4 frame whose flags are taken over: not every reader takes any.
    """
    if compression == 'zstd':
        return zstandard.ZstdCompressor().compress(data)
    if compression == 'lz4':
        return bytes(lz4.frame.compress(data, **_lz4_flags(like)))
    if compression == 'bz2':
        return bz2.compress(data)
    return bytes(data)


def _lz4_flags(frame: Buffer) -> dict[str, bool | int]:
    """Return the options that give a frame the same flags (lz4_Frame_format.md, FLG and BD)."""
    if len(frame) < LZ4_HEAD_BYTES:
        return {}
    flags, block = frame[4], frame[5]
    return {
        'block_linked': not flags >> 5 & 1, 'block_checksum': bool(flags >> 4 & 1),
        'store_size': bool(flags >> 3 & 1), 'content_checksum': bool(flags >> 2 & 1),
        'block_size': block >> 4 & 7,
    }


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
    """Decompress all frames of a zstd file, one after the other."""
    folder = Path(tempfile.gettempdir())
    stream = zstandard.ZstdDecompressor().decompressobj()
    with path.open('rb') as packed:
        while block := packed.read(_BLOCK_BYTES):
            while block:
                if stream.eof:
                    stream = zstandard.ZstdDecompressor().decompressobj()
                try:
                    raw = stream.decompress(block)
                except zstandard.ZstdError as error:
                    raise BagError(f'{path}: damaged zstd data ({error})') from error
                write_all(descriptor, raw, folder)
                block = stream.unused_data if stream.eof else b''
    if not stream.eof:
        raise BagError(f'{path}: truncated: the zstd data ends too early')


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

    Raises OutputError when the file system cannot link it and has no room for a copy.
    """
    path = Path(tempfile.mkdtemp(prefix='anon_ros_')) / 'file'
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Only with a folder descriptor does Python ask the system to follow the link to the file.
        os.link(f'/proc/self/fd/{descriptor}', path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        _copy(descriptor, path)
    finally:
        os.close(folder)
    try:
        yield path
    finally:
        path.unlink()
        path.parent.rmdir()


def _copy(descriptor: int, path: Path) -> None:
    """Copy an open file, where it cannot be linked."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while block := os.read(descriptor, _BLOCK_BYTES):
            write_all(copy, block, path)
    except BaseException:
        path.unlink()
        path.parent.rmdir()
        raise
    finally:
        os.close(copy)


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
