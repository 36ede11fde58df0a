# SPDX-License-Identifier: Apache-2.0
"""Recordings with somebody whom the detector misses: a yellow square that moves."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from bag_builder import BagBuilder, MagentaDetector, picture
from rosbags.highlevel import AnyReader

from anon_ros.core.settings import Settings
from anon_ros.review.commands import parse_command
from anon_ros.review.journal import JOURNAL_NAME, Journal
from anon_ros.review.opening import open_material
from anon_ros.review.session import Session
from anon_ros.runs.bag import BagJob, anonymize_bag

RAW, JPEG, TEXT = '/camera/image_raw', '/camera/image_raw/compressed', '/chatter'
SIZE_WH = (192, 128)
SIDE = 20
YELLOW_BGR = (30, 220, 240)
FRAMES = 24
PERIOD_NS = 10**8
SETTINGS = Settings(target=('face',), threads=1, method=('mask-out',))


class Reviewed(NamedTuple):
    """A recording and what was made of it."""

    source: Path
    target: Path


def missed_box(i):
    """Return where the yellow square is in a frame."""
    x, y = 16 + 5 * i, 84 - i
    return x, y, x + SIDE, y + SIDE


def frame(i, *, is_missed=True):
    image = picture(seed=3, size_wh=SIZE_WH, squares=((140 - 2 * i, 12),))
    if is_missed:
        x_min, y_min, x_max, y_max = missed_box(i)
        image[y_min:y_max, x_min:x_max] = YELLOW_BGR
        image[y_min + 4:y_min + 9, x_min + 4:x_min + 9] = (20, 20, 20)
    return image


def shows_yellow(image_bgr):
    return bool((np.abs(image_bgr.astype(int) - YELLOW_BGR).max(axis=2) < 40).sum() > 20)


def make_source(path, storage='mcap', frames=FRAMES, missed=range(4, 20)):
    builder = BagBuilder()
    for i in range(frames):
        stamp_ns = (i + 10) * PERIOD_NS
        builder.jpeg(JPEG, stamp_ns, frame(i, is_missed=i in missed))
        builder.text(TEXT, stamp_ns + 1, f'message {i}')
        builder.raw(RAW, stamp_ns + 2, picture(seed=8, squares=((20 + i, 16),)))
    return builder.write(path, storage)


def make_result(folder, storage='mcap', **options):
    """Return a recording and the result of a run that missed somebody."""
    source = make_source(folder / 'recording', storage, **options)
    target = folder / ('anonymized.bag' if storage == 'ros1' else 'anonymized')
    anonymize_bag(BagJob(source, target), SETTINGS, detector=MagentaDetector())
    return Reviewed(source, target)


def read(path):
    """Return topic, stamp and bytes of each message, and its picture or None."""
    with AnyReader([path]) as reader:
        found = []
        for connection, stamp_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.append((connection.topic, stamp_ns, raw, image_of(message)))
    return found


def image_of(message):
    if hasattr(message, 'format'):
        return cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    if hasattr(message, 'encoding'):
        return message.data.reshape(message.height, message.width, -1)
    return None


@contextmanager
def opened(target, source=None, reviewer='anna'):
    """Yield a session, closed in the end."""
    with open_material(target, source) as material:
        recording = material.result.index.reader.header.source
        with Journal(material.result.sidecar / JOURNAL_NAME, recording) as journal:
            yield Session(material, journal, reviewer)


def stream_of(session, name=JPEG):
    """Return the id of a camera."""
    return next(each['id'] for each in session.overview()['streams'] if each['name'] == name)


def act(session, action, frame=10, name=JPEG, **fields):
    """Do what a page would ask for."""
    request = {'action': action, 'stream': stream_of(session, name), 'frame': frame, **fields}
    return session.act(parse_command(json.dumps(request).encode()))
