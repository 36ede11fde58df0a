# SPDX-License-Identifier: Apache-2.0
"""A dataset of blocks, and predictions that are its truth."""

import json

import cv2
import numpy as np

from anon_ros.audit import rle
from anon_ros.core.regions import Mask
from anon_ros.datasets.formats import create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.study.label_store import store_split

SIZE_WH = (320, 200)
CLASSES = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')


def dataset(tmp_path, name):
    writer = create_dataset(tmp_path / 'set', name, Problems())
    image = cv2.imencode('.jpg', np.full((200, 320, 3), 90, np.uint8))[1].tobytes()
    split = '10k/val' if name == 'bdd100k' else 'val'
    for number in (1, 2):
        instances = []
        for i, category in enumerate(CLASSES):
            inside = np.zeros((200, 320), bool)
            inside[20 * number:20 * number + 80, 5 + 39 * i:40 + 39 * i] = True
            instances.append(Instance(
                str(i + 1), category, rle=rle.encode(Mask(inside, 0, 0), SIZE_WH),
                keypoints=tuple((20.0 + i, 60.0, 2.0) for i in range(17))
                if category == 'person' else None))
        writer.add(ImageRecord(
            str(number), split, f'val/{number}.jpg', SIZE_WH, tuple(instances)), image)
    writer.close()
    labels = store_split(
        tmp_path / 'set', name, split, CLASSES, tmp_path / 'labels/val.jsonl')
    return labels, split


def predict_truth(labels, path, without=()):
    found = []
    for number in range(len(labels)):
        for thing in labels[number].things:
            if thing.label in without:
                continue
            x_min, y_min, x_max, y_max = thing.box_xyxy
            found.append({
                'image_id': number, 'category_id': thing.label, 'score': 0.9,
                'bbox': [x_min, y_min, x_max - x_min, y_max - y_min],
                'segmentation': {'size': [200, 320], 'counts': thing.rle},
                'keypoints': [n for point in thing.keypoints for n in point]})
    path.write_text(json.dumps(found))
    return path
