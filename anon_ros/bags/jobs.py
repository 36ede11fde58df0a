# SPDX-License-Identifier: Apache-2.0
"""
What a worker does to the frames of one camera: look into them, later render them.

A batch is what has to be decoded together: one image, or one group of pictures of a video. Both
jobs fail closed: whatever goes wrong inside them, a batch comes back masked, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from anon_ros.bags import messages
from anon_ros.bags.camera_types import PayloadKind
from anon_ros.bags.links import link_of
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.interfaces import Sighting
from anon_ros.core.regions import Kind, Regions
from anon_ros.errors import AnonError, EncodingError
from anon_ros.media.compressed import open_compressed
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.media.thumbnail import thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anon_ros.audit.chain import Link
    from anon_ros.audit.recorder import RunRecorder
    from anon_ros.bags.messages import CameraMessage
    from anon_ros.bags.storage.interface import Message
    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.interfaces import RegionDetector, Synthesis
    from anon_ros.core.planes import Frame
    from anon_ros.core.regions import UInt8Array
    from anon_ros.detection.plate_context import PlateContext


@dataclass(frozen=True)
class Tools:
    """
    What the workers need; shared by all of them.

    detector: None where the regions come from a file. max_pixels: larger images are withheld.
    context: tells plates on no vehicle, for the report; None where nobody does.
    depth: topics whose distances are anonymized as if they were brightness.
    looks: what was seen in some messages before, by another worker; None where nobody looked.
    """

    detector: RegionDetector | None
    anonymizer: FrameAnonymizer
    recorder: RunRecorder
    max_pixels: int
    depth: frozenset[str] = frozenset()
    context: PlateContext | None = None
    looks: EarlierLooks | None = None


@dataclass(frozen=True)
class Look:
    """
    What was seen in one message; reason says why nothing could be.

    stray_plates: plates on no vehicle, counted in one frame of a second.
    """

    sighting: Sighting
    reason: str | None = None
    stray_plates: int = 0


class EarlierLooks(Protocol):
    """Knows what was seen in messages before. Safe from several threads at once."""

    def find(self, batch: Sequence[Message], parameters: bytes) -> list[Look] | None:
        """Return what was seen in just these messages; None where nobody looked into them."""


@dataclass(frozen=True)
class Rendering:
    """
    What of a message may leave.

    data: the message to write; None where its own bytes may stay, for an UNCHANGED one, or where
        nothing of it may, for a MASKED one that has not even a header left.
    link: the hashes of the message that came in and of the one that leaves, for the chain.
    synthesis: what a generator painted, or could not; None where there is none.
    """

    outcome: Outcome
    data: bytes | None
    reason: str | None = None
    link: Link | None = None
    synthesis: Synthesis | None = None


def look(batch: Sequence[Message], tools: Tools, parameters: bytes = b'') -> list[Look]:
    """
    Return what is seen in each message of a batch, in order; never raises.

    parameters: a video's parameter sets that came earlier in its stream.
    """
    try:
        looks = None if tools.looks is None else tools.looks.find(batch, parameters)
        if looks is not None:
            return [
                _recall(found, message, tools)
                for message, found in zip(batch, looks, strict=True)
            ]
        return [
            _sight(frame, message, tools)
            for message, frame in zip(batch, open_frames(batch, tools, parameters), strict=True)
        ]
    except Exception as error:  # noqa: BLE001 - fails closed: any defect withholds the batch
        unseen = [Sighting(_stamp_ns(message), Regions.empty(), (0, 0)) for message in batch]
        return [Look(sighting, _reason(error)) for sighting in unseen]


def render(
    batch: Sequence[Message],
    regions: Sequence[Regions],
    tools: Tools,
    *,
    parameters: bytes = b'',
    withheld: str | None = None,
    fallback_wh: tuple[int, int] | None = None,
) -> list[Rendering]:
    """
    Return each message of a batch as it may leave; never raises.

    regions: what to hide in each message. parameters: as for look. withheld: why nobody could
    look into the batch; it is masked then. fallback_wh: the size of a masked frame whose own
    size is unknown.
    """
    reason, rendered = withheld, None
    if reason is None:
        try:
            rendered = _anonymize(batch, regions, tools, parameters)
        except Exception as error:  # noqa: BLE001 - fails closed: any defect masks the batch
            reason = _reason(error)
    if rendered is None:
        rendered = _mask(batch, reason or '', parameters, fallback_wh)
    return [
        replace(each, link=link_of(message, each.outcome, each.data))
        for message, each in zip(batch, rendered, strict=True)
    ]


def open_frames(
    batch: Sequence[Message], tools: Tools, parameters: bytes = b''
) -> Iterator[Frame]:
    """
    Yield the frame of each message of a batch, in order.

    Raises FrameError where one cannot be opened or, in a video, decoded.
    """
    located = [messages.locate(message.connection, message.data) for message in batch]
    if located[0].kind is PayloadKind.VIDEO:
        from anon_ros.media.video import codec_of, decode_gop

        packets = [message.data for message in located]
        yield from decode_gop(
            packets, codec_of(located[0].format), parameters=parameters,
            max_pixels=tools.max_pixels,
        )
        return
    allow_depth = batch[0].connection.topic in tools.depth
    for message in located:
        payload = message.payload
        if isinstance(payload, RawImage):
            yield open_raw(payload, max_pixels=tools.max_pixels, allow_depth=allow_depth)
        else:
            yield open_compressed(payload.data, max_pixels=tools.max_pixels)


def _sight(frame: Frame, message: Message, tools: Tools) -> Look:
    with tools.recorder.timed('decode'):
        # Also where the regions are known: a frame that nobody can look into is withheld.
        image_bgr = frame.view_bgr()
    if tools.detector is None:
        return Look(Sighting(_stamp_ns(message), Regions.empty(), frame.size_wh))
    with tools.recorder.timed('detect'):
        regions = tools.detector.detect(image_bgr)
    return Look(
        Sighting(_stamp_ns(message), regions, frame.size_wh, thumbnail(image_bgr)),
        stray_plates=_stray_plates(
            regions, message, tools, lambda: _count_stray_plates(image_bgr, regions, tools)),
    )


def _recall(found: Look, message: Message, tools: Tools) -> Look:
    return replace(found, stray_plates=_stray_plates(
        found.sighting.regions, message, tools, lambda: found.stray_plates))


def _stray_plates(
    regions: Regions, message: Message, tools: Tools, count: Callable[[], int]
) -> int:
    """Count the plates on no vehicle in one frame of a second: cars do not come and go faster."""
    is_plate = regions.kinds == int(Kind.PLATE)
    topic, second = message.connection.topic, message.log_ns // 10**9
    return count() if is_plate.any() and tools.recorder.is_first(topic, second) else 0


def _count_stray_plates(image_bgr: UInt8Array, regions: Regions, tools: Tools) -> int:
    if tools.context is None:
        return 0
    with tools.recorder.timed('context'):
        return int(np.count_nonzero(tools.context.stray(image_bgr, regions)))


def _anonymize(
    batch: Sequence[Message], regions: Sequence[Regions], tools: Tools, parameters: bytes
) -> list[Rendering]:
    if not any(len(each) for each in regions):
        return [Rendering(Outcome.UNCHANGED, None) for _ in batch]
    located = [messages.locate(message.connection, message.data) for message in batch]
    with tools.recorder.timed('anonymize'):
        painted: list[Synthesis | None] = []
        frames = _overwritten(
            open_frames(batch, tools, parameters), regions, tools,
            batch[0].connection.topic, painted)
        if located[0].kind is PayloadKind.VIDEO:
            payloads = _encode_video(frames, located)
        else:
            payloads = [frame.encode() for frame in frames]
    if len(payloads) != len(batch):
        raise EncodingError(f'{len(batch)} frames became {len(payloads)}')
    return [
        Rendering(Outcome.ANONYMIZED, message.replace(payload), synthesis=synthesis)
        for message, payload, synthesis in zip(located, payloads, painted, strict=True)
    ]


def _encode_video(
    frames: Iterator[Frame], located: Sequence[CameraMessage]
) -> list[bytes | memoryview]:
    from anon_ros.media.video import codec_of, encode_gop

    packets = [message.data for message in located]
    return list(encode_gop(frames, codec_of(located[0].format), packets))


def _overwritten(
    frames: Iterator[Frame], regions: Sequence[Regions], tools: Tools, topic: str,
    painted: list[Synthesis | None],
) -> Iterator[Frame]:
    """Yield the frames with their regions overwritten; note for each what was painted."""
    for frame, each in zip(frames, regions, strict=True):
        painted.append(tools.anonymizer.overwrite(frame, each, topic))
        yield frame


def _mask(
    batch: Sequence[Message], reason: str, parameters: bytes, fallback_wh: tuple[int, int] | None
) -> list[Rendering]:
    """Return each message with its picture gray all over, or with none where even that fails."""
    try:
        masked = _mask_video(batch, parameters)
    except Exception:  # noqa: BLE001 - fails closed: no video, or one of unknown size
        masked = [_mask_one(message, fallback_wh) for message in batch]
    return [Rendering(Outcome.MASKED, data, reason) for data in masked]


def _mask_video(batch: Sequence[Message], parameters: bytes) -> list[bytes | None]:
    located = [messages.locate(message.connection, message.data) for message in batch]
    if located[0].kind is not PayloadKind.VIDEO:
        raise EncodingError('no video')
    from anon_ros.media.video import codec_of, masked_gop

    packets = masked_gop(
        [message.data for message in located], codec_of(located[0].format), parameters=parameters
    )
    return [
        message.replace(packet) for message, packet in zip(located, packets, strict=True)
    ]


def _mask_one(message: Message, fallback_wh: tuple[int, int] | None) -> bytes | None:
    try:
        return messages.mask(message.connection, message.data, fallback_wh)
    except Exception:  # noqa: BLE001 - fails closed: not even a header is left to keep
        return None


def _stamp_ns(message: Message) -> int:
    """Return the time in the message's header, or the log time where it has none."""
    try:
        return messages.locate(message.connection, message.data).stamp_ns or message.log_ns
    except AnonError:
        return message.log_ns


def _reason(error: Exception) -> str:
    if isinstance(error, AnonError):
        return str(error)
    return f'{type(error).__name__}: {error}'
