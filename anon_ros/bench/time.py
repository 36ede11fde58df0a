# SPDX-License-Identifier: Apache-2.0
"""
The benchmark of tracking: what stays hidden while a detector misses one to ten frames in a row.

The detector is the truth with 2 % of jitter, false regions of low score here and there, and every
object missed again and again. Covered: at least 80 % of the true box, or of the true silhouette
where there is one, lies under hidden regions with their margin. Because covering everything would
be a perfect result, the area that is hidden without need is measured too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anon_ros.bench.people import to_silhouette
from anon_ros.bench.time_clips import Clip, TrueFrame, faces_clip, street_clip, walkers_clip
from anon_ros.core import boxes
from anon_ros.core.frame_anonymizer import with_margin
from anon_ros.core.interfaces import RegionTracker, Sighting
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.tracking import OnlineTracker, TwoSidedTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.core.regions import BoolArray, Float32Array, Mask

MARGIN = 0.15
_COVERED_SHARE = 0.8
_LONGEST_MISS = 10
_LONGEST_SEEN = 20
_JITTER = 0.02
_FALSE_PER_FRAME = 1.0
_GRID = 20
_RASTER_PX = 4


@dataclass(frozen=True)
class _Played:
    """A clip as the detector saw it. is_seen: for each frame (N,), whether it found the object."""

    clip: Clip
    sightings: list[Sighting]
    is_seen: list[BoolArray]


def measure_time(
    data_dir: Path | None = None, seed: int = 0, window_s: float = 1.0, hold_s: float = 1.0
) -> list[dict[str, object]]:
    """
    Return a row for each clip and tracker.

    data_dir: the development data; without it only the clips made from nothing are measured.
    Keys: clip, tracker, frames, true_regions, covered (of all true regions, 0..1),
    covered_once_seen (of those not before the object's first sighting), covered_in_gaps (of those
    missed between two sightings at most window_s apart), share_in_gaps (of each of those that is
    hidden, their mean), switches (of a track's id along an
    object), objects, hidden_share and needless_share (of the image's area), ms_per_frame (p50 of
    push, time of this thread).
    """
    rows = []
    for clip in _clips(data_dir, seed):
        played = _play(clip, seed)
        for name, make in _trackers(window_s, hold_s).items():
            rows.append({'clip': clip.name, 'tracker': name, **_measure(played, make, window_s)})
    return rows


def measure_speed(counts: tuple[int, ...] = (10, 20, 100)) -> list[dict[str, object]]:
    """Return a row for each tracker and number of regions: ms per push of this thread."""
    rows: list[dict[str, object]] = []
    for name, make in _trackers(1.0, 1.0).items():
        for count in counts:
            tracker, spent_ms = make(), []
            for sighting in _crowd(count):
                start = time.thread_time()
                tracker.push(sighting)
                spent_ms.append((time.thread_time() - start) * 1e3)
            p50, p95 = np.percentile(spent_ms, (50, 95))
            rows.append({
                'tracker': name, 'regions': count, 'p50_ms': float(p50), 'p95_ms': float(p95),
            })
    return rows


def _trackers(window_s: float, hold_s: float) -> dict[str, Callable[[], RegionTracker]]:
    return {
        'none': lambda: TwoSidedTracker(0.0),
        'online': lambda: OnlineTracker(hold_s),
        'two-sided': lambda: TwoSidedTracker(
            window_s, carry_s=Settings().carry_s, body_carry_s=Settings().body_carry_s),
    }


def _clips(data_dir: Path | None, seed: int) -> Iterator[Clip]:
    for rate_hz in (30.0, 15.0):
        for is_rough in (False, True):
            yield faces_clip(seed, rate_hz, is_rough=is_rough)
    if data_dir is not None:
        yield walkers_clip(data_dir, seed, 30.0)
        yield street_clip(data_dir)


def _play(clip: Clip, seed: int) -> _Played:
    random = np.random.default_rng((seed, len(clip.frames)))
    left: dict[int, tuple[bool, int]] = {}
    sightings, is_seen = [], []
    for frame in clip.frames:
        seen = np.array([_is_seen(left, int(i), random) for i in frame.objects], np.bool_)
        sightings.append(_sighting(clip, frame, seen, random))
        is_seen.append(seen)
    return _Played(clip, sightings, is_seen)


def _is_seen(
    left: dict[int, tuple[bool, int]], who: int, random: np.random.Generator
) -> bool:
    """Return whether an object is seen now; left: state and frames left of it, by object."""
    is_seen, count = left.get(who, (False, 0))
    if count == 0:
        is_seen = not is_seen if who in left else bool(random.random() < 0.5)
        count = int(random.integers(1, (_LONGEST_SEEN if is_seen else _LONGEST_MISS) + 1))
    left[who] = is_seen, count - 1
    return is_seen


def _sighting(
    clip: Clip, frame: TrueFrame, seen: BoolArray, random: np.random.Generator
) -> Sighting:
    true = frame.boxes_xyxy[seen]
    size = np.tile(true[:, 2:] - true[:, :2], 2)
    jitter = (random.normal(0, _JITTER, true.shape) * size).astype(np.float32)
    found = boxes.clip(true + jitter, clip.size_wh)
    shifts = np.zeros((len(seen), 4), np.float32)
    shifts[seen] = jitter
    drawn = frame.silhouettes(clip.size_wh, shifts)
    shown = [] if drawn is None else [drawn[i] for i in np.flatnonzero(seen)]
    false = random.poisson(_FALSE_PER_FRAME)
    corner = random.uniform(0, 0.9, (false, 2)) * np.array(clip.size_wh)
    side = np.exp(random.uniform(np.log(12), np.log(60), (false, 1)))
    regions = Regions.of(
        np.concatenate([found, np.concatenate([corner, corner + side], axis=1)]), clip.kind,
        np.concatenate([random.uniform(0.3, 1.0, len(found)), random.uniform(0.1, 0.5, false)]),
        masks=[*shown, *[None] * (len(found) + false - len(shown))],
    )
    return Sighting(frame.stamp_ns, regions, clip.size_wh, frame.thumbnail)


def _measure(
    played: _Played, make: Callable[[], RegionTracker], window_s: float
) -> dict[str, object]:
    tracker, hidden, spent_ms = make(), [], []
    for sighting in played.sightings:
        start = time.thread_time()
        hidden += tracker.push(sighting)
        spent_ms.append((time.thread_time() - start) * 1e3)
    hidden += tracker.flush()
    regions = [item.regions for item in hidden]
    frames = played.clip.frames
    judged = [
        _judge(frame, found, played.clip.size_wh)
        for frame, found in zip(frames, regions, strict=True)
    ]
    areas = np.array([area for _, area in judged])
    shares = np.concatenate([share for share, _ in judged])
    all_covered = np.asarray(shares >= _COVERED_SHARE, np.bool_)
    is_known, in_gaps = _known(played), _gaps(played, window_s)
    switches, objects = _switches(played, regions)
    return {
        'frames': len(frames),
        'true_regions': len(all_covered),
        'covered': _share(all_covered),
        'covered_once_seen': _share(all_covered[is_known]),
        'covered_in_gaps': _share(all_covered[in_gaps]),
        'share_in_gaps': float(shares[in_gaps].mean()) if in_gaps.any() else 1.0,
        'switches': switches,
        'objects': objects,
        'hidden_share': float(areas[:, 0].mean()),
        'needless_share': float(areas[:, 1].mean()),
        'ms_per_frame': float(np.median(spent_ms)),
    }


def _share(values: BoolArray) -> float:
    return float(values.mean()) if len(values) else 1.0


def _judge(
    frame: TrueFrame, found: Regions, size_wh: tuple[int, int]
) -> tuple[Float32Array, tuple[float, float]]:
    """
    Return (N,) which share of each object is hidden, and two shares of the image.

    They are hidden, and hidden beyond truth and margin.
    """
    hidden = with_margin(found, MARGIN)
    silhouettes = frame.silhouettes(size_wh)
    need = _raster(boxes.grow(frame.boxes_xyxy, MARGIN), size_wh)
    if silhouettes is None:
        shares = _hidden_shares(frame.boxes_xyxy, hidden.boxes_xyxy)
        drawn = _raster(hidden.boxes_xyxy, size_wh)
    else:
        whole = to_silhouette(hidden, size_wh)
        shares = np.array([_hidden_share(each, whole) for each in silhouettes], np.float32)
        drawn = whole[::_RASTER_PX, ::_RASTER_PX][:need.shape[0], :need.shape[1]]
    return shares, (float(drawn.mean()), float((drawn & ~need).mean()))


def _hidden_share(silhouette: Mask, hidden: BoolArray) -> float:
    rows, columns = silhouette.inside.shape
    window = hidden[silhouette.y:silhouette.y + rows, silhouette.x:silhouette.x + columns]
    return float(window[silhouette.inside].mean()) if silhouette.inside.any() else 1.0


def _hidden_shares(true: Float32Array, hidden: Float32Array) -> Float32Array:
    """Return (N,): the share of each true box that lies under all hidden ones together."""
    if not len(hidden):
        return np.zeros(len(true), np.float32)
    steps = (np.arange(_GRID) + 0.5) / _GRID
    size = true[:, 2:] - true[:, :2]
    x = true[:, 0, None] + steps * size[:, 0, None]
    y = true[:, 1, None] + steps * size[:, 1, None]
    in_x = (x[..., None] >= hidden[:, 0]) & (x[..., None] < hidden[:, 2])
    in_y = (y[..., None] >= hidden[:, 1]) & (y[..., None] < hidden[:, 3])
    under = (in_y[:, :, None] & in_x[:, None]).any(axis=3)
    return np.asarray(under.mean(axis=(1, 2)), np.float32)


def _raster(boxes_xyxy: Float32Array, size_wh: tuple[int, int]) -> BoolArray:
    width, height = (side // _RASTER_PX for side in size_wh)
    canvas = np.zeros((height, width), np.bool_)
    for rect in boxes.to_rects(boxes_xyxy / np.float32(_RASTER_PX), (width, height)):
        canvas[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = True
    return canvas


def _seen_at(played: _Played) -> dict[int, list[int]]:
    """Return the stamps at which each object was seen."""
    seen_at: dict[int, list[int]] = {}
    for frame, seen in zip(played.clip.frames, played.is_seen, strict=True):
        for who in frame.objects[seen].tolist():
            seen_at.setdefault(who, []).append(frame.stamp_ns)
    return seen_at


def _known(played: _Played) -> BoolArray:
    """Return for each true region whether its object had been seen by then."""
    seen_at = _seen_at(played)
    return np.array([
        who in seen_at and seen_at[who][0] <= frame.stamp_ns
        for frame in played.clip.frames for who in frame.objects.tolist()
    ], np.bool_)


def _gaps(played: _Played, window_s: float) -> BoolArray:
    """Return for each true region: missed, but seen before and after within the window."""
    seen_at = _seen_at(played)
    return np.array([
        not is_seen and _is_between(seen_at.get(who, []), frame.stamp_ns, window_s)
        for frame, seen in zip(played.clip.frames, played.is_seen, strict=True)
        for who, is_seen in zip(frame.objects.tolist(), seen.tolist(), strict=True)
    ], np.bool_)


def _is_between(seen_ns: list[int], stamp_ns: int, window_s: float) -> bool:
    before = max((s for s in seen_ns if s < stamp_ns), default=None)
    after = min((s for s in seen_ns if s > stamp_ns), default=None)
    return before is not None and after is not None and after - before <= window_s * 1e9


def _switches(played: _Played, regions: list[Regions]) -> tuple[int, int]:
    """Return how often the id changes along an object, and how many objects were seen."""
    last: dict[int, int] = {}
    switches = 0
    for frame, seen, found in zip(played.clip.frames, played.is_seen, regions, strict=True):
        ids = found.track_ids[:int(seen.sum())].tolist()
        for who, track in zip(frame.objects[seen].tolist(), ids, strict=True):
            switches += last.get(who, track) != track
            last[who] = track
    return switches, len(last)


def _crowd(count: int) -> Iterator[Sighting]:
    random = np.random.default_rng(count)
    corner = random.uniform((0, 0), (1800, 1000), (count, 2))
    speed = random.normal(0, 3, (count, 2))
    thumbnail = random.integers(0, 255, (18, 32)).astype(np.uint8)
    for i in range(120):
        place = corner + speed * i
        is_seen = random.random(count) < 0.8
        drawn = np.concatenate([place, place + 40], axis=1)[is_seen]
        regions = Regions.of(drawn, Kind.FACE, random.random(len(drawn)))
        yield Sighting(i * 33_333_333, regions, (1920, 1080), thumbnail)
