# SPDX-License-Identifier: Apache-2.0
"""From settings to generators with their weights, and to what paints with them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from anon_ros.core.regions import Kind
from anon_ros.core.settings import SHIPPED_WEIGHTS, weights_by_kind
from anon_ros.errors import ModelError
from anon_ros.gan.checkpoints import load_checkpoint
from anon_ros.gan.device import Device, find_device
from anon_ros.gan.histograms import Tones
from anon_ros.gan.inpainter import Inpainter, needs_pose
from anon_ros.gan.latents import RunKey
from anon_ros.gan.painters import BodyPainter, FacePainter, Painter
from anon_ros.gan.styles import StyleSampler
from anon_ros.gan.synthesizer import Synthesizer
from anon_ros.gan.weights_file import load_weights
from anon_ros.gan.zoo import SHIPPED
from anon_ros.models.cards import CARDS, FileSource, ModelCard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anon_ros.core.settings import Settings
    from anon_ros.gan.weights_file import Generator
    from anon_ros.models.store import ModelStore

BODY_BY_FACE = 4
"""How many times the pixels of the smallest face the smallest body has."""


class Loaded(NamedTuple):
    """A generator on a device. card: for the manifest. centres: of its styles, or None."""

    generator: Generator
    card: ModelCard | None
    centres: torch.Tensor | None
    device: Device


def load_painters(
    settings: Settings, kinds: Sequence[Kind], seed: int, store: ModelStore, *, threads: int
) -> dict[Kind, Painter]:
    """
    Return what paints each of the kinds.

    seed: secret, of the identities where the settings name no key. threads: that compute a batch
    on a CPU; 1 where many frames are handled side by side.
    Raises ModelError where weights are missing or wrong, InputError for a key that cannot be read.
    """
    key, tones = run_key(settings, seed), Tones(settings.histogram)
    inpainters = {
        kind: load_inpainter(settings, kind, tones, store, threads=threads) for kind in kinds}
    return {kind: _painter(settings, kind, each, key) for kind, each in inpainters.items()}


def run_key(settings: Settings, seed: int) -> RunKey:
    """Return the secret key of a run: from its file, or from the seed."""
    if settings.identity_key:
        return RunKey.read(Path(settings.identity_key))
    return RunKey(hashlib.sha256(f'seed {seed}'.encode()).digest())


def load_inpainter(
    settings: Settings, kind: Kind, tones: Tones, store: ModelStore, *, threads: int,
    is_exact: bool = False,
) -> Inpainter:
    """
    Return the generator that the settings name for a kind, ready to fill crops.

    threads: see load_painters. is_exact: whether it computes in single precision, as the papers
    do, wherever it runs. Raises ModelError where weights are missing or wrong.
    """
    torch.set_num_threads(threads)
    loaded = _load(settings, kind, store)
    if kind is Kind.FACE and needs_pose(loaded.generator):
        raise ModelError(f'{weights_by_kind(settings)[kind]} draws bodies: face needs another')
    sampler = StyleSampler(
        loaded.generator, settings.sampling, psi=settings.truncation, centres=loaded.centres)
    device = replace(loaded.device, dtype=torch.float32) if is_exact else loaded.device
    return Inpainter(loaded.generator, sampler, tones, device=device)


def _painter(settings: Settings, kind: Kind, inpainter: Inpainter, key: RunKey) -> Painter:
    synthesizer = Synthesizer(inpainter)
    synthesizer.try_out()
    make, factor = {Kind.FACE: (FacePainter, 1), Kind.BODY: (BodyPainter, BODY_BY_FACE)}[kind]
    return make(
        synthesizer, key, margin=settings.margin,
        least_px=factor * settings.realistic_min_px)


def _load(settings: Settings, kind: Kind, store: ModelStore) -> Loaded:
    file = weights_by_kind(settings)[kind]
    if file == SHIPPED_WEIGHTS:
        path = _shipped(kind, store)
    else:
        path = Path(file)
        if not path.is_file():
            raise ModelError(f'weights: {path} is not there')
    stat = path.stat()
    loaded = _read(
        path.resolve(), (stat.st_mtime_ns, stat.st_size), kind, settings.device,
        is_shipped=file == SHIPPED_WEIGHTS, accept_licence=settings.accept_licence)
    if loaded.card is not None:
        store.add(loaded.card)
    return loaded


def _shipped(kind: Kind, store: ModelStore) -> Path:
    name = SHIPPED[kind.label]
    if name not in CARDS:
        raise ModelError(
            f'anon_ros ships no weights for realistic {kind.label} regions: bring some with '
            f'--weights {kind.label}=FILE, or take --method {kind.label}=pixelate')
    return store.path(name)


@lru_cache(maxsize=4)
def _read(
    path: Path, version: tuple[int, int], kind: Kind, device: str, *, is_shipped: bool,
    accept_licence: bool,
) -> Loaded:
    """Return a file's generator on a device; version: of the file, so that a new one is read."""
    del version
    found = find_device(device)
    if is_shipped:
        generator, card, centres = load_weights(path), None, None
    else:
        checkpoint = load_checkpoint(path, kind, accept_licence=accept_licence)
        generator, centres = checkpoint.generator, checkpoint.centres
        card = ModelCard(
            checkpoint.network, f'draws realistic {kind.label} regions', path.name,
            FileSource(path.name), checkpoint.sha256, path.stat().st_size, checkpoint.licence, '')
    found.take(generator)
    return Loaded(generator, card, centres, found)
