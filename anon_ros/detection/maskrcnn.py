# SPDX-License-Identifier: Apache-2.0
"""
People by torchvision's Mask R-CNN, and their keypoints by its Keypoint R-CNN.

He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017. The weights are the ones that torchvision
publishes for ResNet-50 with a feature pyramid. PyTorch is loaded when a detector is built.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anon_ros.core.boxes import clip, grow, iou
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.detection.people_batches import Batches
from anon_ros.detection.people_masks import to_mask
from anon_ros.errors import ModelError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anon_ros.core.regions import Float32Array, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.models.store import ModelStore

PERSON = 1
COCO_CLASSES = 91
KEYPOINT_CLASSES = 2
LARGEST_BATCH = 8
MOST_PEOPLE = 300
SAME_PERSON_IOU = 0.5
BOX_MARGIN = 0.03


@dataclass(frozen=True)
class RcnnEffort:
    """
    How hard people are searched for.

    shorter_px, longer_px: the image is brought to the shorter side, the longer one permitting.
    threshold: the least score, 0..1. mask_threshold: the least probability of a pixel.
    """

    shorter_px: int
    longer_px: int
    threshold: float
    mask_threshold: float


EFFORTS: Mapping[str, RcnnEffort] = {
    'fast': RcnnEffort(480, 800, 0.3, 0.5),
    'balanced': RcnnEffort(800, 1333, 0.1, 0.35),
    'thorough': RcnnEffort(1200, 2000, 0.05, 0.2),
}


class MaskRcnnDetector:
    """Finds people by R-CNNs. Safe from several threads, whose images share a batch."""

    def __init__(
        self,
        mask_model: Any,
        effort: RcnnEffort,
        device: Any,
        *,
        keypoint_model: Any = None,
    ) -> None:
        """
        Use these torchvision models, on a torch.device, as load_rcnn gives them.

        keypoint_model: or None, then no keypoints are looked for.
        """
        self._torch = _import('torch')
        self._models = [model for model in (mask_model, keypoint_model) if model is not None]
        self._device = device
        self._effort = effort
        self._batches = Batches(self.detect_batch, LARGEST_BATCH)

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return the people in an image, (h, w, 3) uint8; see RegionDetector."""
        return self._batches.submit(image_bgr)

    def detect_batch(self, images_bgr: Sequence[UInt8Array]) -> list[Regions]:
        """
        Return the people in each image, (h, w, 3) uint8, of any sizes.

        Raises ModelError when PyTorch refuses, for want of memory for instance.
        """
        torch = self._torch
        tensors = [self._to_tensor(image) for image in images_bgr]
        is_half = self._device.type == 'cuda'
        try:
            with torch.inference_mode(), torch.autocast(
                    self._device.type, torch.float16, enabled=is_half):
                found = [model(tensors) for model in self._models]
                rows = [[_to_numpy(each) for each in outputs] for outputs in found]
        except RuntimeError as error:
            raise ModelError(f'Mask R-CNN does not run: {str(error).splitlines()[0]}') from error
        return [
            self._to_regions([outputs[i] for outputs in rows], image.shape[1::-1])
            for i, image in enumerate(images_bgr)
        ]

    def _to_tensor(self, image_bgr: UInt8Array) -> Any:
        rgb = np.ascontiguousarray(image_bgr[..., ::-1].transpose(2, 0, 1))
        return self._torch.from_numpy(rgb).to(self._device).float() / 255

    def _to_regions(
        self, outputs: Sequence[Mapping[str, Float32Array]], size_wh: tuple[int, int]
    ) -> Regions:
        people = self._with_masks(outputs[0], size_wh)
        if len(outputs) == 1:
            return people
        return with_keypoints(people, self._with_keypoints(outputs[1], size_wh))

    def _with_masks(
        self, output: Mapping[str, Float32Array], size_wh: tuple[int, int]
    ) -> Regions:
        chosen = (output['labels'] == PERSON) & (output['scores'] >= self._effort.threshold)
        boxes_xyxy = output['boxes'][chosen]
        masks = [
            to_mask(probabilities[0], box, size_wh, self._effort.mask_threshold)
            for probabilities, box in zip(output['masks'][chosen], boxes_xyxy, strict=True)
        ]
        return Regions.of(
            holding(boxes_xyxy, masks, size_wh), Kind.BODY, output['scores'][chosen], masks=masks)

    def _with_keypoints(
        self, output: Mapping[str, Float32Array], size_wh: tuple[int, int]
    ) -> Regions:
        chosen = (output['labels'] == PERSON) & (output['scores'] >= self._effort.threshold)
        keypoints = output['keypoints'][chosen].copy()
        # The network gives logits of the heat map's peak.
        keypoints[..., 2] = 1 / (1 + np.exp(-output['keypoints_scores'][chosen]))
        boxes_xyxy = clip(grow(output['boxes'][chosen], BOX_MARGIN), size_wh)
        return Regions.of(boxes_xyxy, Kind.BODY, output['scores'][chosen], keypoints=keypoints)


def holding(
    boxes_xyxy: Float32Array, masks: Sequence[Mask | None], size_wh: tuple[int, int]
) -> Float32Array:
    """Return (N, 4) boxes grown by a margin that hold their masks, inside the image."""
    held = clip(grow(boxes_xyxy, BOX_MARGIN), size_wh)
    for box, mask in zip(held, masks, strict=True):
        if mask is not None and mask.inside.size:
            rows, columns = mask.inside.shape
            box[:2] = np.minimum(box[:2], (mask.x, mask.y))
            box[2:] = np.maximum(box[2:], (mask.x + columns, mask.y + rows))
    return held


def with_keypoints(people: Regions, poses: Regions) -> Regions:
    """
    Return all people, with the keypoints of the pose that fits best where one does.

    people: with masks. poses: with keypoints; those that fit nobody are people of their own.
    """
    overlap = iou(people.boxes_xyxy, poses.boxes_xyxy)
    keypoints = np.full((len(people), 17, 3), np.nan, np.float32)
    is_free = np.ones(len(poses), bool)
    # The surest people choose first, and no two of them take one pose.
    for person in np.argsort(-people.scores, kind='stable'):
        fits = np.where(is_free, overlap[person], 0)
        if len(fits) and fits.max() >= SAME_PERSON_IOU and poses.keypoints is not None:
            pose = int(fits.argmax())
            keypoints[person] = poses.keypoints[pose]
            is_free[pose] = False
    posed = Regions.of(
        people.boxes_xyxy, Kind.BODY, people.scores, masks=people.masks, keypoints=keypoints)
    return Regions.concatenate([posed, poses.select(is_free)])


def load_rcnn(path: Path, effort: RcnnEffort, device: Any, *, has_keypoints: bool) -> Any:
    """
    Return torchvision's Mask R-CNN, or Keypoint R-CNN, with the weights of a file.

    Its outputs are in the image's pixels, but masks stay (N, 1, 28, 28), stretched over the box.
    Raises ModelError: the file is not of this network, or torchvision is not installed.
    """
    torch, detection = _import('torch'), _import('torchvision.models.detection')
    backbone = _import('torchvision.models.detection.backbone_utils').resnet_fpn_backbone(
        backbone_name='resnet50', weights=None)
    options = {
        'min_size': effort.shorter_px, 'max_size': effort.longer_px,
        'box_score_thresh': effort.threshold, 'box_detections_per_img': MOST_PEOPLE,
    }
    model = (
        detection.KeypointRCNN(backbone, num_classes=KEYPOINT_CLASSES, **options)
        if has_keypoints else detection.MaskRCNN(backbone, num_classes=COCO_CLASSES, **options)
    )
    try:
        model.load_state_dict(torch.load(path, map_location='cpu', weights_only=True))
    except Exception as error:  # a damaged file raises whatever unpickling it happens to raise
        raise ModelError(f'{path} is not the network: {str(error).splitlines()[0]}') from error
    for module in model.modules():
        # These weights were trained with frozen statistics and nothing added to the variance.
        if type(module).__name__ == 'FrozenBatchNorm2d':
            module.eps = 0.0
    model.transform.postprocess = _to_image_pixels
    return model.eval().to(device)


def build_maskrcnn_detector(
    settings: Settings, store: ModelStore, *, with_keypoints: bool = False
) -> MaskRcnnDetector:
    """
    Return the detector that the settings ask for: effort, device and body_threshold.

    Raises ModelError when weights are missing or damaged, torchvision is not installed, or the
    GPU is not to be had.
    """
    device = _torch_device(settings.device)
    effort, threshold = EFFORTS[settings.effort], settings.threshold(Kind.BODY)
    if threshold is not None:
        effort = replace(effort, threshold=threshold)
    poses = None
    if with_keypoints:
        poses = load_rcnn(store.path('keypointrcnn'), effort, device, has_keypoints=True)
    return MaskRcnnDetector(
        load_rcnn(store.path('maskrcnn'), effort, device, has_keypoints=False), effort, device,
        keypoint_model=poses)


def _torch_device(name: str) -> Any:
    torch = _import('torch')
    has_gpu = torch.cuda.is_available()
    if name == 'auto':
        return torch.device('cuda:0' if has_gpu else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError(f"device: '{name}' is none of auto, cpu, cuda:N") from error
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f'device {name}: PyTorch has no such GPU here, or take device cpu')
    return device


def _to_image_pixels(
    results: list[dict[str, Any]],
    network_hw: Sequence[tuple[int, int]],
    image_hw: Sequence[tuple[int, int]],
) -> list[dict[str, Any]]:
    """Scale boxes and keypoints; leave masks small, for one whole image each takes gigabytes."""
    for result, (from_h, from_w), (to_h, to_w) in zip(results, network_hw, image_hw, strict=True):
        scale = result['boxes'].new_tensor([to_w / from_w, to_h / from_h])
        result['boxes'] = result['boxes'] * scale.repeat(2)
        if 'keypoints' in result:
            result['keypoints'][..., :2] *= scale
    return results


def _to_numpy(output: Mapping[str, Any]) -> dict[str, Float32Array]:
    return {name: values.float().cpu().numpy() for name, values in output.items()}


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f'body_detector maskrcnn needs torchvision ({error}): pip install torch torchvision, '
            'or take body_detector light'
        ) from error
