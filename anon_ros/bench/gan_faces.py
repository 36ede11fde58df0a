# SPDX-License-Identifier: Apache-2.0
"""
How good synthesized faces are, on faces that no training saw.

Whether detectors that took no part in the training still find a face; how far descriptors of the
new faces are from those of true ones; whether latents give different people, and one latent the
same along a track. The descriptors are dlib's 128 numbers, so distances are no FID and no KID.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros import factory
from anon_ros.attacks.dlib_faces import DlibFaces
from anon_ros.attacks.interface import Picture
from anon_ros.attacks.intervals import wilson
from anon_ros.attacks.render import hide, hole_of
from anon_ros.bench.privacy_photos import FacePhotos
from anon_ros.core.boxes import iou
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.detection.centerface import CenterFace
from anon_ros.detection.yunet import YuNet
from anon_ros.training.face_samples import load_faces, split_faces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anon_ros.core.frame_anonymizer import FrameAnonymizer
    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.models.store import ModelStore

CENTERFACE_DEFAULT, YUNET_DEFAULT, YUNET_OPENCV = 0.5, 0.6, 0.9
"""The least scores of CenterFace's demonstration, of YuNet's training, and of OpenCV's YuNet."""
DETECTOR_SIDE_PX = 256
LEAST_IOU = 0.4
HEIGHTS_PX = (16, 32, 64)
METHODS = ('untouched', 'realistic', 'pixelate', 'blur', 'mask-out')
TRACKS, TRACK_FRAMES, TRACK_HEIGHT_PX = 24, 60, 64
DIVERSE = 24


@dataclass(frozen=True, eq=False)
class Face:
    """image_bgr: (s, s, 3). box_xyxy: (4,) px."""

    image_bgr: UInt8Array
    box_xyxy: Float32Array


def held_out_faces(data_dir: Path, height_px: int | None = None) -> list[Face]:
    """Return the faces that the training leaves out, at a height or as they are."""
    _, held_out = split_faces(load_faces(data_dir / 'faces_synthetic'))
    faces = [
        Face(np.ascontiguousarray(each.image_rgb[..., ::-1]), each.box_xyxy) for each in held_out]
    return faces if height_px is None else [_scaled(face, height_px) for face in faces]


def anonymizer_of(method: str, key: int = 1) -> FrameAnonymizer | None:
    """Return what a run with that method uses; None leaves faces as they are."""
    if method == 'untouched':
        return None
    return factory.build_anonymizer(Settings(target=('face',), method=(method,), seed=key))


def hidden_face(anonymizer: FrameAnonymizer | None, face: Face, track: int) -> Face:
    """Return a face as a run writes it for that track."""
    if anonymizer is None:
        return face
    regions = Regions.of(face.box_xyxy[None], Kind.FACE).with_tracks(np.array([track]))
    return replace(face, image_bgr=hide(anonymizer, face.image_bgr, regions))


def measure_detection(data_dir: Path, store: ModelStore) -> list[dict[str, object]]:
    """Return, by height and method, the share of faces in which other networks find a face."""
    centerface = CenterFace.load(store.path('centerface'))
    yunet = YuNet.load(store.path('yunet'))
    rows = []
    for height_px in HEIGHTS_PX:
        faces = held_out_faces(data_dir, height_px)
        for method in METHODS:
            anonymizer = anonymizer_of(method)
            shown = [hidden_face(anonymizer, face, i) for i, face in enumerate(faces)]
            rows.append({
                'face height px': height_px, 'method': method, 'faces': len(faces),
                'CenterFace': _share(centerface, CENTERFACE_DEFAULT, shown),
                'YuNet': _share(yunet, YUNET_DEFAULT, shown),
                "OpenCV's YuNet": _share(yunet, YUNET_OPENCV, shown),
            })
    return rows


def measure_likeness(data_dir: Path) -> list[dict[str, object]]:
    """
    Return, by method, how far faces are from true ones and from their originals.

    kernel distance: 1,000 times the squared maximum mean discrepancy of held-out faces against
    faces of the training, polynomial kernel of degree 3 (arXiv 1801.01401), on dlib's descriptors.
    to the original: median distance; strangers: that of unlike pairs of untouched faces.
    """
    recognizer = DlibFaces()
    learnt, _ = split_faces(load_faces(data_dir / 'faces_synthetic'))
    reference = _describe(recognizer, [
        Face(np.ascontiguousarray(each.image_rgb[..., ::-1]), each.box_xyxy)
        for each in learnt[::4]
    ])
    faces = held_out_faces(data_dir)
    original = _describe(recognizer, faces)
    rows = []
    for method in METHODS:
        anonymizer = anonymizer_of(method)
        shown = _describe(recognizer, [
            hidden_face(anonymizer, face, i) for i, face in enumerate(faces)])
        rows.append({
            'method': method,
            'kernel distance': round(1000 * kernel_distance(shown, reference), 2),
            'to the original': _median(np.linalg.norm(shown - original, axis=1)),
            'to strangers': _median(_pairs(shown, np.roll(original, 1, axis=0))),
        })
    return rows


def measure_identities(data_dir: Path) -> list[dict[str, object]]:
    """
    Return how stable one identity is along a track, and how different identities are.

    Descriptors of synthesized faces: of one track's frames, of different tracks, and of the same
    hole filled by different latents; pixels: mean absolute difference in the hole, of 255.
    """
    recognizer, anonymizer = DlibFaces(), anonymizer_of('realistic')
    photos = FacePhotos(data_dir, TRACKS, TRACK_HEIGHT_PX)
    tracks = []
    for person in range(TRACKS):
        frames = [Face(p.image_bgr, p.box_xyxy) for p in photos.track(person, 0, TRACK_FRAMES)]
        tracks.append(_describe(
            recognizer, [hidden_face(anonymizer, face, person) for face in frames[::6]]))
    along = np.concatenate([_pairs(t[:1].repeat(len(t) - 1, 0), t[1:]) for t in tracks])
    heads = np.stack([t[0] for t in tracks])
    across = np.concatenate([_pairs(heads, np.roll(heads, k, 0)) for k in range(1, TRACKS // 2)])
    same_hole, pixels = _diversity(recognizer, anonymizer, held_out_faces(data_dir)[:DIVERSE])
    return [
        {'compared': f'frames of one track of {TRACK_FRAMES}', 'distance': _median(along)},
        {'compared': 'different tracks', 'distance': _median(across)},
        {'compared': 'one hole, different latents', 'distance': same_hole, 'pixels': pixels},
    ]


def kernel_distance(first: Float32Array, second: Float32Array) -> float:
    """
    Return the unbiased squared maximum mean discrepancy of two samples (n, d) and (m, d).

    The kernel is (x.y / d + 1)^3; source: arXiv 1801.01401.
    """
    def kernel(a: Float32Array, b: Float32Array) -> np.ndarray:
        return np.asarray((a.astype(np.float64) @ b.T / a.shape[1] + 1) ** 3)

    n, m = len(first), len(second)
    own, other = kernel(first, first), kernel(second, second)
    mean_own = (own.sum() - np.trace(own)) / (n * (n - 1))
    mean_other = (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(mean_own + mean_other - 2 * kernel(first, second).mean())


def _diversity(
    recognizer: DlibFaces, anonymizer: FrameAnonymizer | None, faces: Sequence[Face]
) -> tuple[float, float]:
    """Return the median distance of two identities in one hole, and the pixels' difference."""
    first = [hidden_face(anonymizer, face, 2 * i) for i, face in enumerate(faces)]
    second = [hidden_face(anonymizer, face, 2 * i + 1) for i, face in enumerate(faces)]
    distances = _pairs(_describe(recognizer, first), _describe(recognizer, second))
    changes = [
        np.abs(a.image_bgr.astype(int) - b.image_bgr)[_hole(anonymizer, a)].mean()
        for a, b in zip(first, second, strict=True)
    ]
    return _median(distances), round(float(np.mean(changes)), 1)


def _hole(anonymizer: FrameAnonymizer | None, face: Face) -> np.ndarray:
    size_wh = (face.image_bgr.shape[1], face.image_bgr.shape[0])
    if anonymizer is None:
        return np.ones(size_wh[::-1], bool)
    return hole_of(anonymizer, Regions.of(face.box_xyxy[None], Kind.FACE), size_wh)


def _describe(recognizer: DlibFaces, faces: Sequence[Face]) -> Float32Array:
    return recognizer.describe([
        Picture(face.image_bgr, face.box_xyxy, np.zeros(face.image_bgr.shape[:2], bool))
        for face in faces
    ])


def _share(network: CenterFace | YuNet, threshold: float, faces: Sequence[Face]) -> str:
    found = sum(_is_found(network, threshold, face) for face in faces)
    share = wilson(found, len(faces))
    return f'{share.value:.3f} ({share.low:.2f}-{share.high:.2f})'


def _is_found(network: CenterFace | YuNet, threshold: float, face: Face) -> bool:
    scale = DETECTOR_SIDE_PX / face.image_bgr.shape[0]
    large = cv2.resize(face.image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    boxes, _ = network.candidates(np.asarray(large, np.uint8), threshold)
    if not len(boxes):
        return False
    return bool(iou(boxes, face.box_xyxy[None] * np.float32(scale)).max() >= LEAST_IOU)


def _scaled(face: Face, height_px: int) -> Face:
    scale = height_px / float(face.box_xyxy[3] - face.box_xyxy[1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(face.image_bgr, None, fx=scale, fy=scale, interpolation=how)
    sides = np.array(image.shape[1::-1]) / np.array(face.image_bgr.shape[1::-1])
    return Face(np.asarray(image, np.uint8), (face.box_xyxy * np.tile(sides, 2)).astype('f4'))


def _pairs(first: Float32Array, second: Float32Array) -> Float32Array:
    return np.asarray(np.linalg.norm(first - second, axis=1), np.float32)


def _median(values: Float32Array) -> float:
    return round(float(np.median(values)), 3)
