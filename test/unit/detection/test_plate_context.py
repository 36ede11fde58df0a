# SPDX-License-Identifier: Apache-2.0
"""Plates on vehicles are told from things that only look like one."""

import json

import cv2
import numpy as np

from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.detection.plate_context import build_plate_context
from anon_ros.models.store import ModelStore


def test_plates_on_vehicles_are_not_stray(shared_dir):
    context = build_plate_context(Settings(), ModelStore(offline_dir=shared_dir / 'models'))
    folder = shared_dir / 'data' / 'plates'
    total = stray = 0
    for entry in json.loads((folder / 'valid.json').read_text())[:8]:
        image = cv2.imread(str(folder / 'valid' / entry['file']))
        found = context.stray(image, Regions.of(entry['plates_xyxy'], Kind.PLATE))
        total += len(found)
        stray += int(found.sum())
    assert total >= 8
    assert stray <= total // 4


def test_a_plate_in_an_empty_picture_is_stray(shared_dir):
    context = build_plate_context(Settings(), ModelStore(offline_dir=shared_dir / 'models'))
    image = np.full((240, 320, 3), 128, np.uint8)
    regions = Regions.concatenate([
        Regions.of([[100, 100, 140, 115]], Kind.PLATE), Regions.of([[10, 10, 50, 50]], Kind.FACE),
    ])
    assert context.stray(image, regions).tolist() == [True, False]
    assert context.stray(image, Regions.empty()).size == 0


def test_without_weights_there_is_no_context(tmp_path):
    (tmp_path / 'yolox_nano.onnx').write_bytes(b'damaged')
    assert build_plate_context(Settings(), ModelStore(offline_dir=tmp_path)) is None
