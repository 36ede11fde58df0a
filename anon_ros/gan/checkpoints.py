# SPDX-License-Identifier: Apache-2.0
"""
Weights that a user brings: of DeepPrivacy2's networks, or of a training with anon_ros.

A file is read as safetensors or as torch's tensors, never as a pickle that could run code. Which
network it holds is told from the names and shapes of its tensors.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from anon_ros.core.regions import Kind
from anon_ros.errors import ModelError
from anon_ros.gan.triagan import TriaGan
from anon_ros.gan.weights_file import fill, load_weights, read_metadata, read_tensors
from anon_ros.gan.zoo import SHAPES, build

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.gan.stylegan_unet import UNetShape
    from anon_ros.gan.triagan import TriaGanShape
    from anon_ros.gan.weights_file import Generator

_NON_COMMERCIAL = (
    'photos under CC BY, BY-SA, BY-NC and BY-NC-SA 2.0, for academic or open source projects; '
    'many of them exclude commercial use'
)
FDF = f'Flickr Diverse Faces (github.com/hukkelas/FDF): {_NON_COMMERCIAL}'
FDH = f'Flickr Diverse Humans (github.com/hukkelas/FDH): {_NON_COMMERCIAL}'


@dataclass(frozen=True)
class Published:
    """
    What is known of a published checkpoint; md5: of its file, as its publisher gives it.

    kind: what it draws. licence: of the training data, which its weights follow.
    """

    kind: Kind
    licence: str
    md5: str


PUBLISHED = {
    'face_fdf128': Published(Kind.FACE, FDF, 'bccd4403e7c9bca682566ff3319e8176'),
    'face_fdf256': Published(Kind.FACE, FDF, 'e8e32190528af2ed75f0cb792b7f2b07'),
    'body_fdh_nocse': Published(Kind.BODY, FDH, 'fda0d809741bc67487abada793975c37'),
    'body_triagan': Published(Kind.BODY, FDH, 'b649410e831b45f7800a89c738b411ce'),
}
"""By the generator's name; checksums as configured in github.com/hukkelas/deep_privacy2."""

_STATES = ('EMA_generator', 'running_average_generator', 'generator')
"""Where a checkpoint keeps its generator; the averaged one first."""
_CENTRES = 'w_centers'
_NUMBERED_OUTPUT = re.compile(r'decoder\.to_rgb\.\d+\.(weight|bias)')
_SURFACE_CHANNELS = 21
_READING = (
    OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError,
    SafetensorError,
)
"""What torch.load raises for files that are none; the last one by their names alone."""


@dataclass(frozen=True)
class Checkpoint:
    """
    A generator with a user's weights, in float32 and evaluation mode.

    network: its name in the zoo, or the kind that the file names. licence: what the file or its
    publisher says. is_published: whether the file is the published one, to the bit.
    centres: (k, w_dim) centres of its styles, where the file holds some.
    """

    network: str
    generator: Generator
    sha256: str
    licence: str
    is_published: bool = False
    centres: Tensor | None = None


def load_checkpoint(
    path: Path, kind: Kind, *, accept_licence: bool = False, sha256: str | None = None
) -> Checkpoint:
    """
    Return the generator of a file, to be used for that kind of region.

    sha256: what the file must have; None for any.
    Raises ModelError: the file cannot be read, has another hash, would run code, holds no network
    that is known or one for another kind, lacks tensors, or its licence is not accepted.
    """
    found, md5 = _digests(path)
    if sha256 is not None and found != sha256.lower():
        raise ModelError(f'{path} has sha256 {found}, expected {sha256}: it is another file, or '
                         'was changed or cut short on its way')
    is_safetensors = _is_safetensors(path)
    metadata = read_metadata(path) if is_safetensors else {}
    if 'kind' in metadata:
        return _ours(path, kind, metadata, found)
    state, centres = _state(path, read_tensors(path) if is_safetensors else _torch_file(path))
    network = _recognize(path, state, kind, md5)
    published = PUBLISHED[network]
    if not accept_licence:
        raise ModelError(
            f'{path} holds {network} of DeepPrivacy2, whose weights follow the licence of their '
            f'training data, {published.licence}. If that allows your use, accept it with '
            '--accept-licence, or accept_licence: true in the settings'
        )
    return Checkpoint(
        network, _built(path, network, state), found, published.licence,
        is_published=md5 == published.md5, centres=centres,
    )


def _ours(path: Path, kind: Kind, metadata: dict[str, Any], sha256: str) -> Checkpoint:
    generator = load_weights(path)
    shown = metadata.get('shows', 'body' if isinstance(generator, TriaGan) else kind.label)
    if shown != kind.label:
        raise ModelError(f'{path} holds a network for target {shown}, not for {kind.label}')
    return Checkpoint(
        metadata['kind'], generator, sha256, str(metadata.get('licence', 'none stated')))


def _digests(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open('rb') as stream:
            while block := stream.read(1 << 20):
                sha256.update(block)
                md5.update(block)
    except OSError as error:
        raise ModelError(f'{path}: cannot read the weights: {error.strerror}') from error
    return sha256.hexdigest(), md5.hexdigest()


def _is_safetensors(path: Path) -> bool:
    with path.open('rb') as stream:
        return stream.read(9)[8:] == b'{'


def _torch_file(path: Path) -> Any:
    """Return what torch.save wrote, if it is made of tensors and plain values."""
    with path.open('rb') as stream:
        is_archive = stream.read(2) == b'PK'
    try:
        with warnings.catch_warnings():
            # Of formats and protocols, which either can be read or raise.
            warnings.simplefilter('ignore')
            return torch.load(path, map_location='cpu', weights_only=True, mmap=is_archive)
    except pickle.UnpicklingError as error:
        raise ModelError(_refusal(path, str(error))) from error
    except _READING as error:
        raise ModelError(
            f'{path}: neither safetensors nor a torch file that can be read: {error}') from error


def _refusal(path: Path, reason: str) -> str:
    named = re.search(r'GLOBAL (\S+)', reason)
    if named is None:
        return f'{path}: neither safetensors nor a torch file that can be read'
    return (
        f'{path} would call {named[1]} when it is loaded, and could run any code: only tensors '
        'are loaded. If you trust it, save its tensors alone where it was made: '
        "torch.save({'EMA_generator': torch.load(FILE)['EMA_generator']}, NEW_FILE)"
    )


def _state(path: Path, content: Any) -> tuple[dict[str, Tensor], Tensor | None]:
    """Return a generator's tensors under the names that ours have, and its centres."""
    if not isinstance(content, dict):
        raise ModelError(f'{path}: holds no named tensors')
    state = next((content[name] for name in _STATES if name in content), content)
    if not isinstance(state, dict):
        raise ModelError(f'{path}: its generator has no named tensors')
    tensors = {
        _NUMBERED_OUTPUT.sub(r'decoder.to_rgb.\1', str(name)): value
        for name, value in state.items() if isinstance(value, Tensor)
    }
    inner = tensors.pop(f'style_net.{_CENTRES}', None)
    own = tensors.pop(_CENTRES, None)
    centres = content.get(_CENTRES, own if inner is None else inner)
    return tensors, centres.float() if isinstance(centres, Tensor) else None


def _recognize(path: Path, state: dict[str, Tensor], kind: Kind, md5: str) -> str:
    """Return the network whose names and shapes fit best; several fit faces and bodies alike."""
    first = state.get('from_rgb.weight')
    if first is not None and first.dim() == 4 and first.shape[1] == _SURFACE_CHANNELS:
        raise ModelError(
            f'{path} is conditioned on surface embeddings (CSE), which anon_ros does not compute: '
            'bring the network without them, or TriA-GAN')
    fits = {name: _fit(name, state) for name in SHAPES}
    best = max(fits.values())
    if best < 0.5:
        raise ModelError(f'{path} holds no network that is known; there are {", ".join(SHAPES)}')
    names = [name for name, fit in fits.items() if fit == best]
    names = [name for name in names if PUBLISHED[name].md5 == md5] or names
    suited = [name for name in names if PUBLISHED[name].kind == kind]
    if not suited:
        raise ModelError(f'{path} holds {names[0]}, which is not for target {kind.label}')
    return suited[0]


def _fit(network: str, state: dict[str, Tensor]) -> float:
    """Return the share of the network's tensors that the state has, name and shape."""
    expected = _expected(SHAPES[network])
    alike = sum(name in state and state[name].shape == size for name, size in expected.items())
    return alike / len(expected)


@lru_cache(maxsize=len(SHAPES))
def _expected(shape: UNetShape | TriaGanShape) -> dict[str, torch.Size]:
    """Return the size of each of a network's tensors."""
    return {name: value.shape for name, value in _hollow(shape).state_dict().items()}


def _hollow(shape: UNetShape | TriaGanShape) -> Generator:
    """Return a generator without values: it takes neither time nor memory to draw them."""
    with torch.device('meta'):
        return build(shape)


def _built(path: Path, network: str, state: dict[str, Tensor]) -> Generator:
    # Copied, because what lies in the file may change under a running job.
    tensors = {name: value.to(torch.float32, copy=True) for name, value in state.items()}
    spoilt = next((name for name, value in tensors.items() if not value.isfinite().all()), None)
    if spoilt is not None:
        raise ModelError(f'{path}: {spoilt} is not finite: these weights are of no use')
    generator = _hollow(SHAPES[network])
    fill(generator, tensors, str(path))
    return generator
