# SPDX-License-Identifier: Apache-2.0
"""
The words for what is annotated: Cityscapes' where it has one, the format's own elsewhere.

So a 'pedestrian' of BDD100K and a 'person' of COCO are both 'person' between the formats.
Sources: cityscapesScripts, helpers/labels.py; the configuration of the bdd100k package; COCO 2017.
"""

from __future__ import annotations

from types import MappingProxyType

PERSON, RIDER, FACE, PLATE = 'person', 'rider', 'face', 'license plate'
PEOPLE = frozenset({
    PERSON, RIDER, 'sitting person', 'person (other)', 'other person', 'pedestrian', 'people',
    'persons', 'human', 'cyclist', 'bicyclist', 'motorcyclist', 'man',
    'woman', 'boy', 'girl', 'child', 'baby', 'adult', 'worker', 'driver', 'skier', 'other rider',
})
"""Whatever may show a person: the safe protocol hides all of it."""

CITYSCAPES_IDS = MappingProxyType({
    name: number for number, name in enumerate((
        'unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic',
        'ground', 'road', 'sidewalk', 'parking', 'rail track', 'building', 'wall', 'fence',
        'guard rail', 'bridge', 'tunnel', 'pole', 'polegroup', 'traffic light', 'traffic sign',
        'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'caravan',
        'trailer', 'train', 'motorcycle', 'bicycle',
    ))
} | {PLATE: -1})
CITYSCAPES_NAMES = MappingProxyType({number: name for name, number in CITYSCAPES_IDS.items()})
CITYSCAPES_THINGS = frozenset({
    'person', 'rider', 'car', 'truck', 'bus', 'caravan', 'trailer', 'train', 'motorcycle',
    'bicycle',
})
"""Classes whose instances are told apart."""

BDD_CATEGORIES = (
    'pedestrian', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle',
    'traffic light', 'traffic sign',
)
"""In the order of their ids, from 1; the last two have boxes only."""
BDD_SHAPES = BDD_CATEGORIES[:8]
_BDD_READ = MappingProxyType({
    'pedestrian': PERSON, 'bike': 'bicycle', 'motor': 'motorcycle', 'caravan': 'car',
    'van': 'car',
})
_BDD_READ_IGNORED = MappingProxyType({
    'other person': PERSON, 'other vehicle': 'car', 'trailer': 'truck',
})

COCO_NAMES = MappingProxyType({
    1: 'person', 2: 'bicycle', 3: 'car', 4: 'motorcycle', 5: 'airplane', 6: 'bus', 7: 'train',
    8: 'truck', 9: 'boat', 10: 'traffic light', 11: 'fire hydrant', 13: 'stop sign',
    14: 'parking meter', 15: 'bench', 16: 'bird', 17: 'cat', 18: 'dog', 19: 'horse', 20: 'sheep',
    21: 'cow', 22: 'elephant', 23: 'bear', 24: 'zebra', 25: 'giraffe', 27: 'backpack',
    28: 'umbrella', 31: 'handbag', 32: 'tie', 33: 'suitcase', 34: 'frisbee', 35: 'skis',
    36: 'snowboard', 37: 'sports ball', 38: 'kite', 39: 'baseball bat', 40: 'baseball glove',
    41: 'skateboard', 42: 'surfboard', 43: 'tennis racket', 44: 'bottle', 46: 'wine glass',
    47: 'cup', 48: 'fork', 49: 'knife', 50: 'spoon', 51: 'bowl', 52: 'banana', 53: 'apple',
    54: 'sandwich', 55: 'orange', 56: 'broccoli', 57: 'carrot', 58: 'hot dog', 59: 'pizza',
    60: 'donut', 61: 'cake', 62: 'chair', 63: 'couch', 64: 'potted plant', 65: 'bed',
    67: 'dining table', 70: 'toilet', 72: 'tv', 73: 'laptop', 74: 'mouse', 75: 'remote',
    76: 'keyboard', 77: 'cell phone', 78: 'microwave', 79: 'oven', 80: 'toaster', 81: 'sink',
    82: 'refrigerator', 84: 'book', 85: 'clock', 86: 'vase', 87: 'scissors', 88: 'teddy bear',
    89: 'hair drier', 90: 'toothbrush',
})
COCO_IDS = MappingProxyType({name: number for number, name in COCO_NAMES.items()})
COCO_FIRST_FREE_ID = 91


def is_person(name: str) -> bool:
    """Return whether a category may show a person, in whatever dataset."""
    return name.strip().lower() in PEOPLE


def from_bdd(name: str) -> tuple[str, bool]:
    """Return the house's word for a BDD100K category, and whether BDD100K ignores it."""
    if name in _BDD_READ_IGNORED:
        return _BDD_READ_IGNORED[name], True
    return _BDD_READ.get(name, name), False


def to_bdd(name: str) -> str | None:
    """Return BDD100K's word, or None where it has none."""
    name = 'pedestrian' if name == PERSON else name
    return name if name in BDD_CATEGORIES else None


def to_cityscapes(name: str) -> str | None:
    """Return Cityscapes' word, or None where it has none."""
    return name if name in CITYSCAPES_IDS else None
