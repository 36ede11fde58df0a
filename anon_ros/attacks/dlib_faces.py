# SPDX-License-Identifier: Apache-2.0
"""
Faces, by the recognizer of dlib: box in, 128 numbers out.

A face is looked at twice, and the two points are averaged: turned upright by five points that are
found in it, and, mirrored, by the five places where they lie in most boxes. A small face is
enlarged first. Both help where there is little to see: at 16 px, of 150 to 200 people, 0.99
instead of 0.88 are assigned.

King, Dlib-ml, JMLR 10 (2009); 0.9938 on LFW. Of the files in `face-recognition-models` only the
five-point shape model and the recognizer are used; both are CC0, the others are not.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from anon_ros.attacks.extra import PACKAGES, import_extra
from anon_ros.core.regions import Kind
from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.attacks.interface import Picture
    from anon_ros.core.regions import Float32Array, UInt8Array

SHAPE_FILE = 'shape_predictor_5_face_landmarks.dat'
RECOGNIZER_FILE = 'dlib_face_recognition_resnet_model_v1.dat'
_MODELS = 'face_recognition_models'
CHIPS = 2
USUAL_POINTS = np.array(
    [[0.787, 0.356], [0.606, 0.364], [0.148, 0.375], [0.325, 0.374], [0.468, 0.643]], np.float32)
"""Corners of the eyes, and the nose, as shares of a box: medians of 100 faces."""
_PADDING = 0.25
_BATCH = 32
_FACE_PX = 160
_AROUND = 0.5


class DlibFaces:
    """Describes faces; safe to call from one thread at a time."""

    name = 'recognizer'
    kind = Kind.FACE

    def __init__(self, *, is_exact: bool = False) -> None:
        """
        Load both networks; raise ModelError where the extra `attack` is not installed.

        is_exact: compute in float32 even where the CPU has bfloat16, at twice the time; points
        move by less than 0.01, and strangers lie 0.5 apart.
        """
        self._dlib: Any = import_extra('dlib')
        folder = models_folder()
        self._shape = self._dlib.shape_predictor(str(folder / SHAPE_FILE))
        self._network = _compile(folder / RECOGNIZER_FILE, is_exact=is_exact)
        self._lock = threading.Lock()

    def describe(self, pictures: Sequence[Picture]) -> Float32Array:
        """Return (N, 128) points; the same person is usually nearer than 0.6."""
        chips = [chip for picture in pictures for chip in self.chips(picture)]
        parts = [self._run(chips[i:i + _BATCH]) for i in range(0, len(chips), _BATCH)]
        points = np.concatenate(parts) if parts else np.zeros((0, 128), np.float32)
        return np.asarray(points.reshape(len(pictures), CHIPS, 128).mean(axis=1), np.float32)

    def chips(self, picture: Picture) -> tuple[UInt8Array, UInt8Array]:
        """Return two (150, 150, 3) RGB: upright by points that are found, and by usual ones."""
        image_rgb, box_xyxy = _enlarged(picture)
        box = self._dlib.rectangle(*(round(float(value)) for value in box_xyxy))
        corner, size = box_xyxy[:2], box_xyxy[2:] - box_xyxy[:2]
        usual = self._dlib.full_object_detection(box, [
            self._dlib.point(*(round(float(value)) for value in corner + size * point))
            for point in USUAL_POINTS
        ])
        found, template = (
            self._dlib.get_face_chip(image_rgb, points, size=150, padding=_PADDING)
            for points in (self._shape(image_rgb, box), usual)
        )
        return np.asarray(found, np.uint8), np.ascontiguousarray(template[:, ::-1], np.uint8)

    def _run(self, faces_rgb: Sequence[UInt8Array]) -> Float32Array:
        from anon_ros.attacks.dlib_weights import MEAN_RGB, RANGE

        values = (np.stack(faces_rgb).astype(np.float32) - np.array(MEAN_RGB, np.float32)) / RANGE
        with self._lock:
            points = self._network(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))[0]
        return np.array(points, np.float32)


def _enlarged(picture: Picture) -> tuple[UInt8Array, Float32Array]:
    """Return what surrounds a face, RGB, and its box: 160 px high at least."""
    box = picture.box_xyxy
    size = np.maximum(box[2:] - box[:2], 1)
    scale = max(1.0, _FACE_PX / float(size[1]))
    corner = box[:2] - _AROUND * size
    # A pixel's middle lies half a pixel inside it.
    shift = -scale * corner + (scale - 1) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    width, height = (int(np.ceil(side)) for side in (1 + 2 * _AROUND) * scale * size)
    image = cv2.warpAffine(
        picture.image_bgr, matrix, (width, height), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE)
    inner = np.concatenate([_AROUND * size, (1 + _AROUND) * size]) * scale
    return np.ascontiguousarray(image[..., ::-1], np.uint8), inner.astype(np.float32)


def models_folder() -> Path:
    """Return the folder of the models; raise ModelError where they are not installed."""
    # The package itself imports a module that recent Pythons lack, so only its place is asked.
    found = importlib.util.find_spec(_MODELS)
    if found is None or not found.submodule_search_locations:
        raise ModelError(
            f"attacks need the package {PACKAGES[_MODELS]}: pip install 'anon_ros[attack]'"
        )
    folder = Path(found.submodule_search_locations[0]) / 'models'
    for name in (SHAPE_FILE, RECOGNIZER_FILE):
        if not (folder / name).is_file():
            raise ModelError(f'{folder / name} is missing: install {PACKAGES[_MODELS]} anew')
    return folder


def _compile(path: Path, *, is_exact: bool) -> Any:
    import openvino as ov

    from anon_ros.attacks.dlib_weights import build_recognizer

    options: dict[str, Any] = {'INFERENCE_NUM_THREADS': 1, 'ENABLE_CPU_PINNING': False}
    if is_exact:
        options['INFERENCE_PRECISION_HINT'] = 'f32'
    return ov.Core().compile_model(build_recognizer(path), 'CPU', options)
