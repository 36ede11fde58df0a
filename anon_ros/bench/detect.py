# SPDX-License-Identifier: Apache-2.0
"""People, plates and time: the tables of `anon-ros bench detect`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.bench.people import PeopleTable, measure_parts, measure_people
from anon_ros.bench.people_truth import compose, load_coco, load_street
from anon_ros.bench.plates import measure_plates
from anon_ros.core.interfaces import Sighting
from anon_ros.core.settings import EFFORTS
from anon_ros.detection.people import build_people_detector
from anon_ros.media.thumbnail import thumbnail
from anon_ros.models.store import ModelStore
from anon_ros.training.plate_frames import load_plate_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anon_ros.bench.people_truth import PeopleFrame
    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.regions import Regions, UInt8Array
    from anon_ros.core.settings import Settings

SEQUENCE_HZ = 15
COMPOSITES = 12


def people_rows(data_dir: Path, settings: Settings) -> Iterator[dict[str, object]]:
    """Yield a row for each effort and set of frames with people, the sequence tracked too."""
    store = ModelStore()
    sequence = load_street(data_dir / 'street' / 'sequence')
    sets = {
        'street frames': load_street(data_dir / 'street' / 'frames'),
        'street sequence': sequence,
        'COCO': load_coco(data_dir / 'people'),
        'composites': compose(data_dir, 0, COMPOSITES),
    }
    for effort in EFFORTS:
        chosen = replace(settings, target=('body',), effort=effort)
        threads = factory.thread_count(settings)
        detector = build_people_detector(chosen, store, threads)
        with_keypoints = build_people_detector(chosen, store, threads, with_keypoints=True)
        for name, frames in sets.items():
            has_keypoints = any(frame.keypoints is not None for frame in frames)
            searcher = with_keypoints if has_keypoints else detector
            yield _people_row(measure_people(searcher, frames, f'{effort}, {name}'))
        tracked = _tracked(detector, sequence, settings)
        yield _people_row(measure_people(tracked, sequence, f'{effort}, street sequence, tracked'))


def people_part_rows(data_dir: Path) -> list[dict[str, object]]:
    """Return a row for each network pass: ms for a street frame."""
    images = [frame.image_bgr for frame in load_street(data_dir / 'street' / 'frames')[:8]]
    return [
        {'part': part.name, 'ms_per_frame': round(part.ms_per_frame, 1),
         'frames_per_s': round(1000 / part.ms_per_frame, 1)}
        for part in measure_parts(ModelStore(), images)
    ]


def plate_rows(data_dir: Path, settings: Settings) -> Iterator[dict[str, object]]:
    """Yield a row for each effort on the held-out frames with plates."""
    frames = load_plate_frames(data_dir / 'plates', 'valid')
    for effort in EFFORTS:
        detector = factory.build_detector(
            replace(settings, target=('plate',), effort=effort), ModelStore()
        )
        table = measure_plates(detector, frames, settings.margin)
        yield {
            'effort': effort, 'frames': table.frames,
            **{f'{group.name} ({group.plates})': round(group.covered, 3)
               for group in table.groups},
            'false_regions_per_frame': round(table.false_per_frame, 2),
            'ms_per_frame': round(table.ms_per_frame, 1),
        }


class _Replayed:
    """Gives the regions that were found before, by image."""

    def __init__(self, images_bgr: Sequence[UInt8Array], regions: Sequence[Regions]) -> None:
        self._regions = {
            id(image): each for image, each in zip(images_bgr, regions, strict=True)
        }

    def detect(self, image_bgr: UInt8Array) -> Regions:
        """Return what was found in this very image."""
        return self._regions[id(image_bgr)]


def _tracked(
    detector: RegionDetector, frames: Sequence[PeopleFrame], settings: Settings
) -> _Replayed:
    """Return a sequence's regions after the tracker, as they are hidden."""
    tracker, anonymizer = factory.build_tracker(settings), factory.build_anonymizer(settings)
    done = []
    for i, frame in enumerate(frames):
        done += tracker.push(Sighting(
            i * 10**9 // SEQUENCE_HZ, detector.detect(frame.image_bgr), frame.size_wh,
            thumbnail(frame.image_bgr),
        ))
    done += tracker.flush()
    hidden = [anonymizer.hidden(sighting.regions) for sighting in done]
    return _Replayed([frame.image_bgr for frame in frames], hidden)


def _people_row(table: PeopleTable) -> dict[str, object]:
    def rounded(value: float | None) -> float | str:
        return '' if value is None else round(value, 4)

    return {
        'detector': table.name, 'frames': table.frames,
        'pixels_covered': round(table.pixels_covered, 4),
        'others_touched': round(table.others_touched, 4),
        **{f'{group.name} ({group.people})': round(group.covered, 3) for group in table.groups},
        'least_covered': round(table.least_covered, 3), 'mask_iou': rounded(table.mask_iou),
        'keypoint_error': rounded(table.keypoint_error), 'oks': rounded(table.oks),
        'ms_per_frame': round(table.ms_per_frame, 1),
    }
