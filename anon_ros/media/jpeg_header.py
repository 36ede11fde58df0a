# SPDX-License-Identifier: Apache-2.0
"""
A JPEG's markers, read by ourselves before any library sees them.

Nothing is decoded here, so a header that claims 60,000 x 60,000 px costs nothing. Whatever is
not plain Huffman-coded baseline, extended or progressive JPEG of 8 bits is refused, and so is
every contradiction: the library behind ends the process on some headers, and gives gray pixels
for lost data. Source: ITU-T T.81, annexes B and F; JFIF 1.02; Adobe technical note 5116.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SOI, EOI, SOS, DQT, DHT, DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
APP0, APP1, APP2, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2

_MOST_SCANS = 128
_MOST_BLOCKS_PER_MCU = 10
_RESTART = re.compile(rb'\xff[\xd0-\xd7]')
_END_OF_SCAN = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
ZIGZAG = np.array([
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
])
"""Where in a row-major block the coefficients of a stream's order belong."""


@dataclass(frozen=True)
class Segment:
    """A marker with its payload, without the length word."""

    marker: int
    payload: bytes

    def to_bytes(self) -> bytes:
        """Return marker, length and payload."""
        length = (len(self.payload) + 2).to_bytes(2, 'big')
        return bytes((0xFF, self.marker)) + length + self.payload


@dataclass(frozen=True)
class Component:
    """
    One colour component.

    sampling_hv: samples across and down in each group of pixels. table: its quantization table.
    """

    ident: int
    sampling_hv: tuple[int, int]
    table: int


@dataclass
class JpegHeader:
    """
    What a JPEG says of itself.

    metadata: APPn and COM segments. tables: DQT segments. stream: the image with neither APPn,
        COM nor anything after its end, for the library.
    quantization: (64,) uint16 in row-major order by table number.
    restart_interval: groups of blocks between restart markers, 0 for no such markers.
    codes, scans: how many Huffman segments and scans there are.
    seen: the components that have pixels.
    """

    size_wh: tuple[int, int] = (0, 0)
    process: int = 0
    components: list[Component] = field(default_factory=list)
    metadata: list[Segment] = field(default_factory=list)
    tables: list[Segment] = field(default_factory=list)
    quantization: dict[int, NDArray[np.uint16]] = field(default_factory=dict)
    restart_interval: int = 0
    codes: int = 0
    scans: int = 0
    seen: set[int] = field(default_factory=set)
    stream: bytes = b''

    @property
    def most_sampling_hv(self) -> tuple[int, int]:
        """The largest sampling factors of all components."""
        pairs = [component.sampling_hv for component in self.components]
        return max(h for h, _ in pairs), max(v for _, v in pairs)

    def samples_wh(self, component: Component) -> tuple[int, int]:
        """Return a component's size in samples."""
        (width, height), (most_h, most_v) = self.size_wh, self.most_sampling_hv
        h, v = component.sampling_hv
        return -(-width * h // most_h), -(-height * v // most_v)

    def blocks_wh(self, component: Component) -> tuple[int, int]:
        """Return a component's size in blocks of 8 x 8 samples."""
        across, down = self.samples_wh(component)
        return -(-across // 8), -(-down // 8)


def read_header(data: bytes | memoryview) -> JpegHeader:
    """
    Walk through all markers to the end of the image.

    Raises EncodingError for data that end early and for what is no JPEG of ours.
    """
    header = JpegHeader()
    kept = [bytes((0xFF, SOI))]
    for segment, pixels in read_markers(bytes(data)):
        if APP0 <= segment.marker <= APP15 or segment.marker == COM:
            header.metadata.append(segment)
            continue
        _read_segment(header, segment)
        if segment.marker == SOS:
            _check_restarts(header, segment, pixels)
        kept += [segment.to_bytes(), pixels]
    _check_complete(header)
    header.stream = b''.join([*kept, bytes((0xFF, EOI))])
    return header


def read_markers(data: bytes) -> Iterator[tuple[Segment, bytes]]:
    """
    Yield each segment up to the end marker, and the entropy-coded bytes that follow it.

    Raises EncodingError where the data end early or a marker is not where it has to be.
    """
    if data[:2] != bytes((0xFF, SOI)):
        raise EncodingError('JPEG: it does not begin with the marker of a JPEG')
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker == EOI:
            return
        end = at + int.from_bytes(data[at:at + 2], 'big')
        if end < at + 2 or end > len(data):
            raise EncodingError(f'JPEG: segment {marker:#x} at byte {at} ends early')
        segment, at = Segment(marker, data[at + 2:end]), end
        if marker == SOS:
            found = _END_OF_SCAN.search(data, at)
            if found is None:
                raise EncodingError(f'JPEG: it ends at byte {len(data)} within its pixels')
            end = found.start()
        yield segment, data[at:end]
        at = end


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at a place and the place behind it; any number of 0xFF may precede it."""
    if at < len(data) and data[at] != 0xFF:
        raise EncodingError(f'JPEG: no marker at byte {at}, where one has to be')
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise EncodingError(f'JPEG: it ends at byte {len(data)} without an end marker')
    return data[at], at + 1


def _check_restarts(header: JpegHeader, segment: Segment, pixels: bytes) -> None:
    found, expected = len(_RESTART.findall(pixels)), _restarts_of(header, segment)
    if found != expected:
        raise EncodingError(
            f'JPEG: {found} restart markers in a scan that needs {expected}; pixels are lost'
        )


def _restarts_of(header: JpegHeader, segment: Segment) -> int:
    count, ident = segment.payload[:2]
    if not header.restart_interval:
        return 0
    if count == 1:
        component = next(c for c in header.components if c.ident == ident)
        across, down = header.blocks_wh(component)
    else:
        (width, height), (h, v) = header.size_wh, header.most_sampling_hv
        across, down = -(-width // (8 * h)), -(-height // (8 * v))
    return max(0, -(-across * down // header.restart_interval) - 1)


def _read_segment(header: JpegHeader, segment: Segment) -> None:
    readers = {
        BASELINE: _read_frame, EXTENDED: _read_frame, PROGRESSIVE: _read_frame,
        DQT: _read_tables, DHT: _read_codes, DRI: _read_restart, SOS: _read_scan,
    }
    reader = readers.get(segment.marker)
    if reader is None:
        raise EncodingError(
            f'JPEG: marker {segment.marker:#x} belongs to a kind of JPEG that nobody here reads '
            '(arithmetic, lossless or hierarchical)'
        )
    try:
        reader(header, segment)
    except (IndexError, ValueError) as error:
        raise EncodingError(f'JPEG: segment {segment.marker:#x} is damaged: {error}') from error


def _read_frame(header: JpegHeader, segment: Segment) -> None:
    payload = segment.payload
    if header.components:
        raise EncodingError('JPEG: it has two frames')
    if payload[0] != 8:
        raise EncodingError(f'JPEG: {payload[0]} bits a sample; only 8 are read')
    count = payload[5]
    if count not in (1, 3, 4) or len(payload) != 6 + 3 * count:
        raise EncodingError(f'JPEG: {count} components in {len(payload)} bytes')
    header.process = segment.marker
    header.size_wh = int.from_bytes(payload[3:5], 'big'), int.from_bytes(payload[1:3], 'big')
    for at in range(6, len(payload), 3):
        ident, sampling, table = payload[at:at + 3]
        header.components.append(Component(ident, (sampling >> 4, sampling & 15), table))
    _check_components(header)


def _check_components(header: JpegHeader) -> None:
    components = header.components
    if len({component.ident for component in components}) != len(components):
        raise EncodingError('JPEG: two components have one name')
    for component in components:
        if not all(1 <= factor <= 4 for factor in component.sampling_hv) or component.table > 3:
            raise EncodingError(f'JPEG: component {component.ident} contradicts itself')
    for component in components:
        pairs = zip(header.most_sampling_hv, component.sampling_hv, strict=True)
        if any(most % factor for most, factor in pairs):
            raise EncodingError(
                f'JPEG: component {component.ident} is sampled {component.sampling_hv} of '
                f'{header.most_sampling_hv}, no whole number of pixels'
            )


def _read_tables(header: JpegHeader, segment: Segment) -> None:
    if header.scans:
        raise EncodingError('JPEG: its quantization changes between scans')
    payload, at = segment.payload, 0
    while at < len(payload):
        bytes_each, number = (payload[at] >> 4) + 1, payload[at] & 15
        if bytes_each > 2 or number > 3:
            raise EncodingError(f'JPEG: quantization table {payload[at]:#x} is unknown')
        values = np.frombuffer(payload, f'>u{bytes_each}', 64, at + 1)
        if not values.all():
            raise EncodingError('JPEG: a quantization table divides by 0')
        table = np.empty(64, np.uint16)
        table[ZIGZAG] = values
        header.quantization[number] = table
        at += 1 + 64 * bytes_each
    header.tables.append(segment)


def _read_codes(header: JpegHeader, segment: Segment) -> None:
    header.codes += 1
    payload, at = segment.payload, 0
    while at < len(payload):
        counts = payload[at + 1:at + 17]
        total = sum(counts)
        # A code of n bits leaves room for as many codes as bits can tell apart (Kraft).
        room = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        is_known = payload[at] & 0xEF <= 3
        if not is_known or len(counts) != 16 or not 0 < total <= 256 or room >= 1 << 16:
            raise EncodingError('JPEG: a Huffman table contradicts itself')
        at += 17 + total
        if at > len(payload):
            raise EncodingError('JPEG: a Huffman table ends early')


def _read_restart(header: JpegHeader, segment: Segment) -> None:
    if len(segment.payload) != 2:
        raise EncodingError('JPEG: its restart interval is damaged')
    header.restart_interval = int.from_bytes(segment.payload, 'big')


def _read_scan(header: JpegHeader, segment: Segment) -> None:
    payload = segment.payload
    header.scans += 1
    if not header.components or header.scans > _MOST_SCANS:
        raise EncodingError(f'JPEG: scan {header.scans} has no frame, or there are too many')
    count = payload[0]
    if not 1 <= count <= 4 or len(payload) != 4 + 2 * count:
        raise EncodingError(f'JPEG: a scan of {count} components in {len(payload)} bytes')
    chosen = payload[1:1 + 2 * count:2]
    known = {component.ident: component for component in header.components}
    if len(set(chosen)) != count or any(ident not in known for ident in chosen):
        raise EncodingError('JPEG: a scan names components that are not there')
    blocks = sum(np.prod(known[ident].sampling_hv) for ident in chosen)
    if count > 1 and blocks > _MOST_BLOCKS_PER_MCU:
        raise EncodingError(f'JPEG: {blocks} blocks in a group, more than {_MOST_BLOCKS_PER_MCU}')
    if any(known[ident].table not in header.quantization for ident in chosen):
        raise EncodingError('JPEG: a quantization table is missing')
    spectral_start = payload[1 + 2 * count]
    if header.process != PROGRESSIVE or spectral_start == 0:
        header.seen.update(chosen)


def _check_complete(header: JpegHeader) -> None:
    if not header.components:
        raise EncodingError('JPEG: it has no frame')
    missing = [c.ident for c in header.components if c.ident not in header.seen]
    if missing:
        raise EncodingError(f'JPEG: component {missing[0]} has no pixels')
