# SPDX-License-Identifier: Apache-2.0
"""Generators so small that they paint in milliseconds; their weights are random, and the same."""

import torch

from anon_ros.gan.conditions import POSE_MAPS
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape
from anon_ros.gan.weights_file import save_weights

FACE_HW, BODY_HW = (16, 16), (24, 16)


def face_generator(kind=StyleGanUNet):
    torch.manual_seed(0)
    return kind(UNetShape(FACE_HW, (8, 16, 16), z_dim=8, w_dim=16)).eval()


def body_generator(kind=StyleGanUNet):
    torch.manual_seed(1)
    return kind(UNetShape(
        BODY_HW, (8, 16, 16), z_dim=8, w_dim=16, condition_channels=POSE_MAPS)).eval()


def save_face(path):
    save_weights(path, face_generator(), {'shows': 'face', 'licence': 'MIT'})
    return path


def save_body(path):
    save_weights(path, body_generator(), {'shows': 'body', 'licence': 'MIT'})
    return path
