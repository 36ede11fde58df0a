# SPDX-License-Identifier: Apache-2.0
"""
The one form between the formats: an image and what is annotated in it.

Plain values only, so that two records are the same exactly when they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from anon_ros.audit import rle
from anon_ros.core import masks
from anon_ros.datasets.polygons import rasterize

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anon_ros.core.regions import Mask

Polygon: TypeAlias = 'tuple[tuple[float, float], ...]'
Keypoint: TypeAlias = 'tuple[float, float, float]'
BoxXyxy: TypeAlias = 'tuple[float, float, float, float]'


@dataclass(frozen=True)
class Instance:
    """
    One annotated thing.

    id: unique in its image. category: in the words of categories.py, whatever the format.
    box_xyxy: edges in px; None where the format has no boxes of its own.
    polygons: outlines as annotated, in px. curves: a letter for each vertex of each polygon, L on
        the outline, C a control point of a cubic; () where all are L.
    rle: the silhouette to the pixel, COCO's compressed run lengths over the whole image; None
        where only outlines or a box are known.
    keypoints: 17 of x, y, visibility (0 unlabelled, 1 hidden, 2 visible), in COCO's order.
    is_crowd: several things under one outline. score: None for what people annotated.
    is_pseudo: a network made it, nobody checked it.
    attributes: what else the format says of it. extra: by format, what nobody here reads of it.
    """

    id: str
    category: str
    box_xyxy: BoxXyxy | None = None
    polygons: tuple[Polygon, ...] = ()
    curves: tuple[str, ...] = ()
    rle: str | None = None
    keypoints: tuple[Keypoint, ...] | None = None
    is_crowd: bool = False
    is_ignored: bool = False
    is_occluded: bool = False
    is_truncated: bool = False
    is_pseudo: bool = False
    score: float | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def has_shape(self) -> bool:
        """Whether more than a box is known of it."""
        return self.rle is not None or bool(self.polygons)

    @property
    def labelled_keypoints(self) -> int:
        """Keypoints that somebody placed, hidden ones too."""
        return sum(visibility > 0 for _, _, visibility in self.keypoints or ())


@dataclass(frozen=True)
class ImageRecord:
    """
    One image of a dataset and its annotations.

    id: unique in its split. split: 'train2017', 'val', '10k/train': as the format calls it.
    path: of the image file, below the dataset's root, with '/'.
    size_wh: in px; None where the format does not say.
    attributes: weather, scene, time of day. video, frame_index: where it comes from a recording.
    camera, vehicle: Cityscapes' calibration and ego motion, parsed.
    is_labelled: whether somebody annotated it at all; an image without people in it is, too.
    problems: what is wrong with it; a record with a problem is left out, never half used.
    extra: by format, what nobody here reads of it: it is carried on to the same format.
    """

    id: str
    split: str
    path: str
    size_wh: tuple[int, int] | None
    instances: tuple[Instance, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    stamp_ms: int | None = None
    video: str | None = None
    frame_index: int | None = None
    camera: Mapping[str, object] | None = None
    vehicle: Mapping[str, object] | None = None
    is_labelled: bool = True
    problems: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        return self.path.rsplit('/', 1)[-1]


def silhouette(instance: Instance, size_wh: tuple[int, int]) -> Mask | None:
    """
    Return an instance's silhouette; None where only a box is known or it shows no pixel.

    Raises ValueError where its run lengths are damaged or of another image size.
    """
    if instance.rle is not None:
        return rle.decode(instance.rle, size_wh)
    if not instance.polygons:
        return None
    mask = masks.trim(rasterize(instance.polygons, size_wh))
    return mask if mask.inside.size else None


def to_rle(instance: Instance, size_wh: tuple[int, int]) -> str | None:
    """Return an instance's silhouette as run lengths; None where only a box is known."""
    if instance.rle is not None or not instance.polygons:
        return instance.rle
    return rle.encode(rasterize(instance.polygons, size_wh), size_wh)


def own_extra(
    name: str, value: Mapping[str, object], known: Collection[str]
) -> dict[str, object]:
    """Return what a format says beside the known keys, under the format's name."""
    rest = {key: item for key, item in value.items() if key not in known}
    return {name: rest} if rest else {}


def extra_of(said: Instance | ImageRecord, name: str) -> dict[str, object]:
    """Return what a format said of something beside the keys that are known."""
    rest = said.extra.get(name, {})
    return dict(rest) if isinstance(rest, dict) else {}
