# SPDX-License-Identifier: Apache-2.0
"""A run to report on, and what a browser would see of its page."""

import base64
from html.parser import HTMLParser

import cv2
import numpy as np

from anon_ros.audit.manifest import (
    BagRecord,
    FileRecord,
    Manifest,
    ModelRecord,
    TopicRecord,
)
from anon_ros.audit.pictures import take_picture
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.report import Pictures
from anon_ros.core import settings
from anon_ros.core.regions import Kind, Origin, Regions

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
HOSTILE = '/<script>alert(1)</script>"\'&<img src=x onerror=alert(1)>\u202egnp.\n\ud800{{ 7 * 7 }}'
MAGENTA = (255, 0, 255)
GREEN = (40, 160, 40)
VOID = {'meta', 'img', 'input', 'br', 'link', 'hr'}


class Page(HTMLParser):
    """What a browser would see: tags with attributes, texts, and whether they are balanced."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def face_box():
    return Regions.of([[40, 30, 80, 80]], Kind.FACE, [0.75])


def build(topic='/cam', reason='the JPEG ends early'):
    """Return the manifest and the pictures of a run over frames with a magenta face."""
    recorder, pictures = RunRecorder(), []
    original = np.full((120, 160, 3), 90, np.uint8)
    original[30:80, 40:80] = MAGENTA
    for i in range(20):
        stamp_ns = START_NS + i * SECOND_NS // 5
        if i == 7:
            recorder.frame(topic, stamp_ns, Regions.empty(), 'masked', reason)
            continue
        anonymized = original.copy()
        anonymized[30:80, 40:80] = GREEN
        recorder.frame(topic, stamp_ns, face_box().with_origin(Origin(i % 4)), 'anonymized')
        recorder.timing('detect', 0.01)
        recorder.timing('encode', 0.03)
        if i % 4 == 0:
            pictures.append(take_picture(topic, stamp_ns, anonymized, face_box()))
    manifest = Manifest(
        tool_version='1.2.3', command=('anon-ros', 'bag', topic, 'out'),
        started='2026-01-02T03:04:05+00:00', finished='2026-01-02T03:05:05+00:00', wall_s=2.0,
        settings=settings.to_mapping(settings.Settings()),
        models=(ModelRecord('yunet', 'ab' * 32, 'Apache-2.0'),),
        source=BagRecord('in', 'mcap', 'ef' * 32, START_NS, 4 * SECOND_NS, 220),
        result=BagRecord('out', 'mcap', files=(FileRecord('out.mcap', 1234567),)),
        topics=(
            TopicRecord(topic, 'sensor_msgs/msg/Image', 'anonymized', 20,
                        camera=recorder.counts()[topic]),
            TopicRecord('/imu', 'sensor_msgs/msg/Imu', 'copied', 200),
            TopicRecord('/depth', topic, 'dropped', 4, dropped={reason: 4}),
        ),
        timings=recorder.timings(), regions_file=FileRecord('regions.jsonl', 7, 'cd' * 32),
    )
    return manifest, Pictures(pictures)


def decode(data_uri):
    head, _, body = data_uri.partition(',')
    assert head == 'data:image/jpeg;base64'
    return cv2.imdecode(np.frombuffer(base64.b64decode(body, validate=True), np.uint8), 1)


def has_magenta(image_bgr):
    blue, green, red = cv2.split(image_bgr.astype(int))
    return bool(((blue > green + 60) & (red > green + 60)).any())
