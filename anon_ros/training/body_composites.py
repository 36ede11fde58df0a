# SPDX-License-Identifier: Apache-2.0
"""Rendered people in street frames, at the light of their surroundings: crops to learn from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from anon_ros.core import masks
from anon_ros.core.boxes import Rect
from anon_ros.core.crops import body_crop
from anon_ros.core.regions import Mask
from anon_ros.errors import InputError
from anon_ros.gan.conditions import KEYPOINTS
from anon_ros.training.body_samples import BODY_SIZE_HW, BodyCrop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from anon_ros.core.regions import Float32Array, UInt8Array

HEIGHTS_PX = (56.0, 440.0)
"""Of people in frames of 540 px; even on the logarithmic scale."""
WIDENINGS = (1.0, 1.35)
"""How much more than the protocol's crop is shown: detectors' boxes are wider than people."""
LEAVING_SHARE, OCCLUDED_SHARE = 0.1, 0.15
SILHOUETTE_ALPHA = 0.25
LEAST_SILHOUETTE_PX = 60
HELD_EVERY = 8
_SOLID_ALPHA = 127
_MIPS = 3


@dataclass(frozen=True)
class Sprite:
    """
    A rendered person, cut tightly.

    mips: the picture at 1, 1/2 and 1/4, (h, w, 4) uint8 RGB times alpha, and alpha.
    keypoints: (17, 3) x, y in px of the first one, visibility. tone_rgb: (3,) the mean colour,
    0..1.
    """

    mips: tuple[UInt8Array, ...]
    keypoints: Float32Array
    tone_rgb: Float32Array

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.mips[0].shape[1], self.mips[0].shape[0]


def load_sprites(folder: Path, *, is_held_out: bool = False) -> list[Sprite]:
    """
    Return the people of folder/people.json, or every eighth, who is held out to measure with.

    A cycle of movement is held out as a whole, since its people look the same.
    Raises InputError where the file or a picture cannot be read.
    """
    path = folder / 'people.json'
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))['sprites']
        return [
            load_sprite(folder, entry) for index, entry in enumerate(entries)
            if (entry.get('sequence', index) % HELD_EVERY == HELD_EVERY - 1) == is_held_out]
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}; it lists the rendered people') from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f'{path}: no list of sprites with file and keypoints') from error


def load_sprite(folder: Path, entry: dict[str, Any]) -> Sprite:
    """
    Return one person of people.json.

    Raises InputError where the picture cannot be read, ValueError or LookupError for no entry.
    """
    path = folder / str(entry['file'])
    keypoints = np.array(entry['keypoints'], np.float32).reshape(KEYPOINTS, 3)
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise InputError(f'{path}: no picture with alpha that can be read')
    rect = masks.bounds(np.asarray(picture[..., 3] > _SOLID_ALPHA))
    part = picture[rect.y_min:rect.y_max, rect.x_min:rect.x_max].astype(np.float32)
    alpha = part[..., 3:] / 255
    whole = np.concatenate([part[..., 2::-1] * alpha, part[..., 3:]], axis=2)
    tone = whole[..., :3].sum(axis=(0, 1)) / max(1.0, float(part[..., 3].sum()))
    mips = [np.rint(whole).astype(np.uint8)]
    for _ in range(_MIPS - 1):
        height, width = mips[-1].shape[:2]
        half = cv2.resize(mips[-1], (max(1, width // 2), max(1, height // 2)),
                          interpolation=cv2.INTER_AREA)
        mips.append(np.asarray(half, np.uint8))
    keypoints[:, :2] -= (rect.x_min, rect.y_min)
    return Sprite(tuple(mips), keypoints, tone.astype(np.float32))


def load_frames(folder: Path) -> list[UInt8Array]:
    """Return all images of a folder, (h, w, 3) uint8 RGB; raise InputError where none is."""
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in sorted(folder.glob('*.jpg'))]
    frames = [
        np.ascontiguousarray(image[..., ::-1], np.uint8) for image in images if image is not None]
    if not frames:
        raise InputError(f'{folder}: no .jpg images to set people into')
    return frames


@dataclass(frozen=True)
class Place:
    """Where a person stands: upper left corner in px of the frame, and px of it per sprite px."""

    left: int
    top: int
    scale: float


class Composites:
    """A source of crops: rendered people set into frames."""

    def __init__(
        self, sprites: Sequence[Sprite], frames: Sequence[UInt8Array],
        size_hw: tuple[int, int] = BODY_SIZE_HW,
    ) -> None:
        self._sprites, self._frames, self._size_hw = sprites, frames, size_hw
        self._tones_rgb = [tone_of(frame) for frame in frames]

    def draw(self, random: np.random.Generator) -> BodyCrop:
        """Return a person in a frame, cut out as the protocol says, or a little wider."""
        while True:
            sprite = self._sprites[int(random.integers(len(self._sprites)))]
            number = int(random.integers(len(self._frames)))
            frame_wh = self._frames[number].shape[1::-1]
            place = draw_place(sprite, frame_wh, random)
            rect = crop_around(sprite, place, frame_wh, self._size_hw)
            if rect is not None:
                rect = widened(rect, random.uniform(*WIDENINGS))
                crop = self._compose(sprite, number, place, rect, random)
                if crop.silhouette.sum() >= LEAST_SILHOUETTE_PX:
                    return crop

    def scene(
        self, random: np.random.Generator, heights_px: tuple[float, float]
    ) -> tuple[UInt8Array, Mask, Float32Array]:
        """
        Return a whole frame with a whole person in it, at its own size.

        That is (h, w, 3) RGB, the silhouette, and keypoints (17, 3) in px, 1 hidden, 2 visible.
        heights_px: of the person, even on the logarithmic scale.
        """
        sprite = self._sprites[int(random.integers(len(self._sprites)))]
        number = int(random.integers(len(self._frames)))
        light = np.asarray(self._frames[number] / np.float32(255), np.float32)
        frame = to_bytes(in_other_light(light, self._tones_rgb[number], random))
        scale = float(np.exp(random.uniform(*np.log(heights_px)))) / sprite.size_wh[1]
        wide, tall = (int(np.ceil(side * scale)) for side in sprite.size_wh)
        height, width = frame.shape[:2]
        bottom = int(random.integers(max(tall, int(0.55 * height)), height))
        left = int(random.integers(0, width - wide))
        rect = Rect(left, bottom - tall, left + wide, bottom).grow(wide // 4, tall // 8)
        return set_into(frame, sprite, Place(left, bottom - tall, scale), rect, random)

    def _compose(
        self, sprite: Sprite, number: int, place: Place, rect: Rect,
        random: np.random.Generator,
    ) -> BodyCrop:
        frame = self._frames[number]
        surroundings = in_other_light(
            cut(frame, rect, self._size_hw), self._tones_rgb[number], random)
        person, keypoints = draw_person(sprite, place, rect, self._size_hw)
        hide_outside(person, keypoints, rect, frame.shape)
        if random.random() < OCCLUDED_SHARE:
            occlude(person, keypoints, surroundings, frame, random)
        image = blend(surroundings, person, sprite.tone_rgb, random)
        keypoints[:, :2] /= self._size_hw[::-1]
        return BodyCrop(image, person[..., 3] > SILHOUETTE_ALPHA, keypoints)


def open_composites(
    people: Path, backgrounds: Path, size_hw: tuple[int, int] = BODY_SIZE_HW,
) -> tuple[Composites, Composites]:
    """
    Return what to learn from and what is held out: other people in the same frames.

    Raises InputError as load_sprites and load_frames do.
    """
    frames = load_frames(backgrounds)
    return (
        Composites(load_sprites(people), frames, size_hw),
        Composites(load_sprites(people, is_held_out=True), frames, size_hw))


def set_into(
    frame: UInt8Array, sprite: Sprite, place: Place, rect: Rect, random: np.random.Generator
) -> tuple[UInt8Array, Mask, Float32Array]:
    """Return the frame with a person in it, the silhouette and keypoints; see Composites.scene."""
    size_hw = rect.height, rect.width
    person, keypoints = draw_person(sprite, place, rect, size_hw)
    hide_outside(person, keypoints, rect, frame.shape)
    patch = blend(cut(frame, rect, size_hw), person, sprite.tone_rgb, random)
    seen = rect.intersect(Rect(0, 0, frame.shape[1], frame.shape[0]))
    whole = frame.copy()
    part = np.s_[seen.y_min - rect.y_min:seen.y_max - rect.y_min,
                 seen.x_min - rect.x_min:seen.x_max - rect.x_min]
    whole[seen.y_min:seen.y_max, seen.x_min:seen.x_max] = patch[part]
    inside = np.asarray(person[part][..., 3] > SILHOUETTE_ALPHA)
    keypoints[:, :2] += (rect.x_min, rect.y_min)
    return whole, masks.trim(Mask(inside, seen.x_min, seen.y_min)), keypoints


def draw_place(
    sprite: Sprite, frame_wh: tuple[int, int], random: np.random.Generator
) -> Place:
    """Return a place on the ground, now and then one that leaves the frame."""
    width, height = frame_wh
    tall = float(np.exp(random.uniform(*np.log(HEIGHTS_PX)))) * height / 540
    scale = tall / sprite.size_wh[1]
    wide = sprite.size_wh[0] * scale
    bottom = random.uniform(max(0.55 * height, min(tall, height)), height)
    left = random.uniform(0, max(1.0, width - wide))
    if random.random() < LEAVING_SHARE:
        left += random.choice([-1, 1]) * wide * random.uniform(0, 0.4)
        bottom += tall * random.uniform(0, 0.3)
    return Place(round(left), round(bottom - tall), scale)


def crop_around(
    sprite: Sprite, place: Place, frame_wh: tuple[int, int], size_hw: tuple[int, int]
) -> Rect | None:
    """Return the protocol's crop around a person, None where the frame shows nothing of them."""
    wide, tall = (max(1, round(side * place.scale)) for side in sprite.size_wh)
    alpha = cv2.resize(sprite.mips[0][..., 3], (wide, tall), interpolation=cv2.INTER_AREA)
    rows = slice(max(0, -place.top), max(0, frame_wh[1] - place.top))
    columns = slice(max(0, -place.left), max(0, frame_wh[0] - place.left))
    inside = np.asarray(alpha[rows, columns] > _SOLID_ALPHA)
    if not inside.any():
        return None
    seen = masks.trim(Mask(inside, max(0, place.left), max(0, place.top)))
    return body_crop(seen, frame_wh, size_hw[0] / size_hw[1])


def widened(rect: Rect, factor: float) -> Rect:
    """Return a rectangle that much larger around the same middle."""
    x = round(rect.width * (factor - 1) / 2)
    y = round(rect.height * (factor - 1) / 2)
    return Rect(rect.x_min - x, rect.y_min - y, rect.x_max + x, rect.y_max + y)


def cut(frame: UInt8Array, rect: Rect, size_hw: tuple[int, int]) -> Float32Array:
    """
    Return what the frame shows in the rectangle at the network's size, (h, w, 3) in 0..1.

    Beyond the frame its edge goes on, as it does for the generator.
    """
    rows = np.arange(rect.y_min, rect.y_max).clip(0, frame.shape[0] - 1)
    columns = np.arange(rect.x_min, rect.x_max).clip(0, frame.shape[1] - 1)
    part = frame[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    if part.shape[:2] != (rect.height, rect.width):
        part = part[(rows - rows[0])[:, None], columns - columns[0]]
    way = cv2.INTER_AREA if rect.height > size_hw[0] else cv2.INTER_CUBIC
    resized = cv2.resize(part, (size_hw[1], size_hw[0]), interpolation=way)
    return np.asarray(resized / np.float32(255), np.float32)


def tone_of(frame: UInt8Array) -> Float32Array:
    """Return (3,), the mean colour of a frame, 0..1."""
    return np.asarray(frame[::8, ::8].mean(axis=(0, 1)) / 255, np.float32)


def in_other_light(
    surroundings: Float32Array, tone_rgb: Float32Array, random: np.random.Generator
) -> Float32Array:
    """
    Return the surroundings, (h, w, 3) in 0..1, with less of the frame's cast, and often lighter.

    tone_rgb: (3,) the mean colour of the whole frame, 0..1. One camera has one cast and one
    night; a network that saw no other would know no other.
    """
    mean = tone_rgb + 0.01
    balance = (mean.mean() / mean) ** random.uniform(0, 1)
    lightest = max(1.0, 0.45 / float(mean.mean()))
    gain = balance * lightest ** random.uniform(0, 1) * np.exp(random.normal(0, 0.15))
    lit = surroundings * gain
    # A shoulder keeps what was bright from burning out.
    return np.asarray(np.where(lit < 0.8, lit, 1 - 0.2 * np.exp(-(lit - 0.8) / 0.2)), np.float32)


def draw_person(
    sprite: Sprite, place: Place, rect: Rect, size_hw: tuple[int, int]
) -> tuple[Float32Array, Float32Array]:
    """Return (h, w, 4) RGB times alpha and alpha, 0..1, and keypoints in px of the crop."""
    height, width = size_hw
    zoom = np.array([width / rect.width, height / rect.height])
    scale = place.scale * zoom
    shift = (np.array([place.left, place.top]) - (rect.x_min, rect.y_min)) * zoom
    level = int(np.clip(np.floor(-np.log2(max(scale[1], 1e-3))), 0, _MIPS - 1))
    mip = sprite.mips[level]
    step = scale * sprite.size_wh / (mip.shape[1], mip.shape[0])
    # Pixel centres lie half a pixel inside.
    offset = shift + step / 2 - 0.5
    to_crop = np.array([[step[0], 0, offset[0]], [0, step[1], offset[1]]])
    drawn = cv2.warpAffine(mip, to_crop, (width, height), flags=cv2.INTER_LINEAR)
    keypoints = sprite.keypoints.copy()
    keypoints[:, :2] = keypoints[:, :2] * scale + shift
    return np.asarray(drawn / np.float32(255), np.float32), keypoints


def hide_outside(
    person: Float32Array, keypoints: Float32Array, rect: Rect, frame_shape: Sequence[int]
) -> None:
    """Take away what lies outside the frame."""
    height, width = person.shape[:2]
    left, right = (-rect.x_min * width / rect.width,
                   (frame_shape[1] - rect.x_min) * width / rect.width)
    top, bottom = (-rect.y_min * height / rect.height,
                   (frame_shape[0] - rect.y_min) * height / rect.height)
    person[:max(0, int(np.ceil(top)))] = 0
    person[max(0, int(bottom)):] = 0
    person[:, :max(0, int(np.ceil(left)))] = 0
    person[:, max(0, int(right)):] = 0
    x, y = keypoints[:, 0], keypoints[:, 1]
    keypoints[(x < left) | (x >= right) | (y < top) | (y >= bottom)] = 0


def occlude(
    person: Float32Array, keypoints: Float32Array, surroundings: Float32Array, frame: UInt8Array,
    random: np.random.Generator,
) -> None:
    """Put a piece of the frame before the person's feet, or before one side."""
    height, width = person.shape[:2]
    rect = masks.bounds(np.asarray(person[..., 3] > SILHOUETTE_ALPHA))
    if random.random() < 0.6:
        y = int(rect.y_max - rect.height * random.uniform(0.1, 0.45))
        window = (slice(y, height), slice(0, width))
    elif random.random() < 0.5:
        x = int(rect.x_min + rect.width * random.uniform(0.1, 0.4))
        window = (slice(0, height), slice(0, x))
    else:
        x = int(rect.x_max - rect.width * random.uniform(0.1, 0.4))
        window = (slice(0, height), slice(x, width))
    target = surroundings[window]
    if target.size == 0:
        return
    scale = int(random.integers(1, 4))
    rows, columns = (min(side * scale, limit) for side, limit
                     in zip(target.shape[:2], frame.shape[:2], strict=True))
    y0 = int(random.integers(0, frame.shape[0] - rows + 1))
    x0 = int(random.integers(0, frame.shape[1] - columns + 1))
    piece = cv2.resize(frame[y0:y0 + rows, x0:x0 + columns], target.shape[1::-1],
                       interpolation=cv2.INTER_AREA)
    surroundings[window] = np.asarray(piece, np.float32) / 255
    person[window] = 0
    rows_of, columns_of = keypoints[:, 1], keypoints[:, 0]
    is_behind = (
        (rows_of >= window[0].start) & (rows_of < window[0].stop)
        & (columns_of >= window[1].start) & (columns_of < window[1].stop))
    keypoints[is_behind, 2] = np.minimum(keypoints[is_behind, 2], 1)


def blend(
    surroundings: Float32Array, person: Float32Array, tone_rgb: Float32Array,
    random: np.random.Generator,
) -> UInt8Array:
    """
    Return the person in the surroundings as one camera sees both, (h, w, 3) uint8.

    surroundings: (h, w, 3) RGB in 0..1. person: (h, w, 4) RGB times alpha, and alpha.
    tone_rgb: the person's mean colour. Brightness, cast and haze follow the surroundings.
    """
    colours, alpha = person[..., :3], person[..., 3:]
    around = surroundings.mean(axis=(0, 1)) + 0.01
    light = float(around.mean())
    cast = (around / light) ** random.uniform(0.6, 1.0)
    wanted = np.clip(light * np.exp(random.normal(0.0, 0.35)), 0.04, 0.6)
    # Lighter clothes stay lighter than dark ones, though less so.
    gain = (wanted / float(tone_rgb.mean())) * (float(tone_rgb.mean()) / 0.3) ** 0.7
    haze = random.uniform(0, 0.15)
    lit = colours * (gain * cast) * (1 - haze) + alpha * around * haze
    ground = surroundings * (1 - _shadow(alpha[..., 0], random)[..., None])
    image = np.clip(lit, 0, alpha) + ground * (1 - alpha)
    return _as_camera(image, alpha, random)


def _shadow(alpha: Float32Array, random: np.random.Generator) -> Float32Array:
    """Return (h, w), how dark the ground is around the feet, 0..1."""
    strength = random.uniform(0, 0.5)
    rect = masks.bounds(np.asarray(alpha > SILHOUETTE_ALPHA))
    if rect.is_empty:
        return np.zeros_like(alpha)
    rows, columns = np.ogrid[:alpha.shape[0], :alpha.shape[1]]
    x = (columns - (rect.x_min + rect.x_max) / 2) / max(1.0, 0.5 * rect.width)
    y = (rows - (rect.y_max - 1)) / max(1.0, 0.05 * rect.height)
    return np.asarray(strength * np.exp(-x ** 2 - y ** 2), np.float32)


def _as_camera(
    image: Float32Array, alpha: Float32Array, random: np.random.Generator
) -> UInt8Array:
    """Return the image with the blur of a lens and, on the person, its noise; at times as JPEG."""
    if random.random() < 0.6:
        soft = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 0.8))
        near = cv2.GaussianBlur(alpha[..., 0], (0, 0), 1.0)[..., None]
        image = soft * near + image * (1 - near)
    noise = random.normal(0, random.uniform(0.002, 0.015), image.shape)
    image = np.clip(image + noise * alpha, 0, 1)
    result = to_bytes(image)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(70, 96))]
        result = np.asarray(cv2.imdecode(cv2.imencode('.jpg', result, quality)[1], 1), np.uint8)
    return result


def to_bytes(image: Float32Array) -> UInt8Array:
    """Return an image in 0..1 as uint8."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
