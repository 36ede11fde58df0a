# SPDX-License-Identifier: Apache-2.0
"""
The networks that are trained: torchvision's R-CNNs.

Ren et al., NeurIPS 2015; He, Gkioxari, Dollar, Girshick, ICCV 2017. R50-FPN as in
arXiv 2306.05135; the small ones have the same parts with fewer channels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import (
    KeypointRCNNHeads,
    KeypointRCNNPredictor,
)
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from anon_ros.errors import InputError, ModelError
from anon_ros.study.small_backbone import LEVELS, PYRAMID_CHANNELS, SmallBackbone
from anon_ros.study.study_file import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from anon_ros.study.study_file import Model

KEYPOINTS = 17
_LARGE = {
    'detection': (detection.fasterrcnn_resnet50_fpn, detection.FasterRCNN_ResNet50_FPN_Weights),
    'instances': (detection.maskrcnn_resnet50_fpn, detection.MaskRCNN_ResNet50_FPN_Weights),
    'keypoints': (
        detection.keypointrcnn_resnet50_fpn, detection.KeypointRCNN_ResNet50_FPN_Weights),
}
_BOX_POOL, _MASK_POOL = 7, 14
_HEAD = 128
_SMALL_LIMITS: Mapping[str, Any] = {
    'rpn_pre_nms_top_n_train': 400, 'rpn_post_nms_top_n_train': 150,
    'rpn_pre_nms_top_n_test': 300, 'rpn_post_nms_top_n_test': 100,
    'rpn_batch_size_per_image': 64, 'box_batch_size_per_image': 32,
    'box_detections_per_img': 40,
}


def build_network(model: Model, task: str, class_count: int) -> nn.Module:
    """
    Return a network with its starting weights; random ones come from torch's seed.

    class_count: without the background. Raises ModelError where weights cannot be had, InputError
    where the checkpoint is none of such a network.
    """
    sizes = {'min_size': model.shorter_px, 'max_size': model.longest_px}
    if model.backbone == 'small':
        network = _small(task, class_count, sizes)
        if model.start in {'imagenet', 'coco'}:
            raise ModelError(
                f'model.start: nobody published weights of the small backbone for {model.start}; '
                'name scratch, or a checkpoint of an earlier study')
    else:
        network = _large(model, task, class_count, sizes)
        if model.start not in STARTS:
            _freeze_norms(network)
    if model.start not in STARTS:
        load_checkpoint(network, Path(model.start))
    return network


def load_checkpoint(network: nn.Module, path: Path) -> list[str]:
    """
    Load weights by name; return the names that stay fresh, since they are other classes' heads.

    Raises InputError where the file cannot be read or holds none of the network's weights.
    """
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise InputError(f'{path}: no checkpoint: {error}') from error
    state = state.get('network', state) if isinstance(state, dict) else {}
    own = network.state_dict()
    fitting = {
        name: value for name, value in state.items()
        if name in own and getattr(value, 'shape', None) == own[name].shape}
    if not fitting:
        raise InputError(f'{path}: holds none of the weights of this network')
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def weights_hash(network: nn.Module) -> str:
    """Return the sha256 of all weights."""
    found = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _large(
    model: Model, task: str, class_count: int, sizes: Mapping[str, Any]
) -> nn.Module:
    build, weights = _LARGE[task]
    options: dict[str, Any] = {
        'weights': weights.DEFAULT if model.start == 'coco' else None,
        'weights_backbone': 'IMAGENET1K_V1' if model.start == 'imagenet' else None,
        'trainable_backbone_layers': model.trained_stages, **sizes,
    }
    if model.start == 'coco':
        # torchvision's COCO heads have its 91 classes, or 2 with keypoints.
        network = _fetched(build, options)
        if task != 'keypoints':
            _replace_heads(network, class_count)
        return network
    options['num_classes'] = class_count + 1
    if model.start != 'imagenet':
        options['trainable_backbone_layers'] = None
    return _fetched(build, options)


def _freeze_norms(network: nn.Module) -> None:
    """Use the checkpoint's statistics, as torchvision does with weights of its own."""
    for name, child in network.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(network, name, FrozenBatchNorm2d(child.num_features, child.eps))
        else:
            _freeze_norms(child)


def _fetched(build: Callable[..., nn.Module], options: Mapping[str, Any]) -> nn.Module:
    try:
        return build(**options)
    except OSError as error:
        raise ModelError(
            f'torchvision cannot fetch its weights ({error}); put the file into the folder that '
            'TORCH_HOME names, below hub/checkpoints, or choose model.start: scratch') from error


def _replace_heads(network: Any, class_count: int) -> None:
    heads = network.roi_heads
    heads.box_predictor = FastRCNNPredictor(
        heads.box_predictor.cls_score.in_features, class_count + 1)
    if heads.mask_predictor is not None:
        channels = heads.mask_predictor.conv5_mask.in_channels
        heads.mask_predictor = MaskRCNNPredictor(channels, 256, class_count + 1)


def _small(task: str, class_count: int, sizes: Mapping[str, Any]) -> nn.Module:
    channels = PYRAMID_CHANNELS
    options: dict[str, Any] = {
        **sizes, **_SMALL_LIMITS,
        'rpn_anchor_generator': AnchorGenerator(
            ((10, 16), (28, 44), (72, 112)), ((1.0, 2.0, 3.0),) * len(LEVELS)),
        'box_roi_pool': MultiScaleRoIAlign(list(LEVELS), _BOX_POOL, 2),
        'box_head': TwoMLPHead(channels * _BOX_POOL ** 2, _HEAD),
        'box_predictor': FastRCNNPredictor(_HEAD, class_count + 1),
    }
    pool = MultiScaleRoIAlign(list(LEVELS), _MASK_POOL, 2)
    if task == 'instances':
        return detection.MaskRCNN(
            SmallBackbone(), mask_roi_pool=pool, mask_head=MaskRCNNHeads(channels, (32, 32), 1),
            mask_predictor=MaskRCNNPredictor(32, 32, class_count + 1), **options)
    if task == 'keypoints':
        return detection.KeypointRCNN(
            SmallBackbone(), keypoint_roi_pool=pool,
            keypoint_head=KeypointRCNNHeads(channels, (64, 64)),
            keypoint_predictor=KeypointRCNNPredictor(64, KEYPOINTS), **options)
    return detection.FasterRCNN(SmallBackbone(), **options)
