# SPDX-License-Identifier: Apache-2.0
"""`anon-ros bench bag|faces|detect|...`: what is promised, measured."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from anon_ros.cli.options import DONE, JsonOption, command
from anon_ros.cli.progress import progress_bar
from anon_ros.core.settings import EFFORTS, Settings
from anon_ros.errors import SettingError

bench = typer.Typer(no_args_is_help=True, help='Measure speed, recall and cost on this machine.')
Data = Annotated[
    Path, typer.Option(envvar='ANON_ROS_DATA', help='The folder of development data.')
]
DATA = Path('../shared/data')
Rows = Sequence[Mapping[str, object]]


def bag(
    *,
    data: Data = DATA,
    sequences: Annotated[int, typer.Option(min=1, help='Sequences of moving heads.')] = 8,
    frames: Annotated[int, typer.Option(min=1, help='Frames of each sequence.')] = 15,
    deface: Annotated[bool, typer.Option(help='Run deface on the same bag.')] = True,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Compare bag to bag with deface: frames/s, recall by face height, false regions."""
    from anon_ros.bench import bags
    from anon_ros.bench.scenes import SceneMaker

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scenes = bags.sequences(SceneMaker(data), sequences, frames)
        source = Path(folder) / 'source'
        bags.write_bag(source, (scene.image_bgr for scene in scenes))
        if deface:
            run = bags.measure_deface(source, Path(folder) / 'deface', scenes)
            rows.append({**run.to_mapping(), 'speedup': 1.0})
            base = run.frames_per_s
        for effort in EFFORTS:
            chosen = bags.settings_for(settings, effort)
            run = bags.measure_ours(source, Path(folder) / effort, scenes, chosen)
            speedup = {'speedup': round(run.frames_per_s / base, 2)} if deface else {}
            rows.append({**run.to_mapping(), **speedup})
    return _show('bag to bag, 1920x1080 JPEG', rows, as_json=as_json)


def faces(
    *,
    data: Data = DATA,
    frames: Annotated[int, typer.Option(min=1, help='Frames that are not related.')] = 40,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Measure the face detectors alone, frame by frame, without tracks."""
    from anon_ros import factory
    from anon_ros.bench import bags
    from anon_ros.bench import faces as faces_bench
    from anon_ros.bench.scenes import SceneMaker
    from anon_ros.core.boxes import grow
    from anon_ros.core.frame_anonymizer import LEAST_MARGIN_PX
    from anon_ros.models.store import ModelStore

    finders = {
        effort: faces_bench.hidden_boxes(
            factory.build_detector(bags.settings_for(settings, effort), ModelStore()),
            lambda boxes: grow(boxes, settings.margin, LEAST_MARGIN_PX),
        )
        for effort in EFFORTS
    }
    tallies = faces_bench.measure_faces(finders, SceneMaker(data).scenes(1, frames))
    return _show('faces', [tally.to_mapping() for tally in tallies], as_json=as_json)


def detect(
    *, data: Data = DATA, settings: Settings, as_json: JsonOption = False
) -> int:
    """Measure people, plates and what tracks fill in, on frames whose truth is known."""
    from anon_ros.bench import detect as tables
    from anon_ros.bench.time import measure_speed, measure_time

    found = {
        'people': list(tables.people_rows(data, settings)),
        'people, by part': tables.people_part_rows(data),
        'plates': list(tables.plate_rows(data, settings)),
        'time: a detector that misses 1 to 10 frames in a row': measure_time(data),
        'time: cost of a tracker': measure_speed(),
    }
    if as_json:
        print(json.dumps(found))
        return DONE
    for title, rows in found.items():
        _show(title, rows, as_json=False)
    return DONE


def copy(*, as_json: JsonOption = False) -> int:
    """Measure what copying untouched messages costs against a bare rosbags loop."""
    from anon_ros.bench.throughput import PLUGINS, measure_copy

    with tempfile.TemporaryDirectory() as folder:
        rows = [measure_copy(Path(folder), storage) for storage in PLUGINS]
    return _show('copying untouched messages', rows, as_json=as_json)


def memory(
    *,
    data: Data = DATA,
    frames: Annotated[list[int] | None, typer.Option(help='Lengths to compare.')] = None,
    as_json: JsonOption = False,
) -> int:
    """Measure the peak memory of a whole run, by the length of the bag."""
    from anon_ros.bench import bags
    from anon_ros.bench.scenes import SceneMaker
    from anon_ros.bench.throughput import measure_memory

    with tempfile.TemporaryDirectory() as folder:
        scenes = bags.sequences(SceneMaker(data), 2, 15)
        rows = [measure_memory(Path(folder), scenes, count) for count in frames or (300, 3000)]
    return _show('peak memory', rows, as_json=as_json)


def overhead(
    *,
    data: Data = DATA,
    frames: Annotated[int, typer.Option(min=1, help='Frames of the bag.')] = 150,
    as_json: JsonOption = False,
) -> int:
    """Measure the wall time at `fast` over what decode, network and encode take alone."""
    from anon_ros.bench import bags
    from anon_ros.bench.scenes import SceneMaker
    from anon_ros.bench.throughput import measure_overhead

    with tempfile.TemporaryDirectory() as folder:
        scenes = bags.sequences(SceneMaker(data), 3, 15)
        rows = [measure_overhead(Path(folder), scenes, frames)]
    return _show('wall time over what cannot be avoided', rows, as_json=as_json)


def dataset(
    *,
    data: Data = DATA,
    images: Annotated[int, typer.Option(min=8, help='Images of the larger dataset.')] = 1000,
    as_json: JsonOption = False,
) -> int:
    """Measure the paper's six variants of a dataset: images/s, memory, and a killed run."""
    from anon_ros.bench import datasets

    with tempfile.TemporaryDirectory() as folder:
        rows = datasets.measure_variants(Path(folder), data / 'people', images)
    return _show('a dataset by its annotations, the protocol of the paper', rows, as_json=as_json)


PRIVACY_PARTS = ('faces', 'plates', 'people', 'margin', 'cost')


def privacy(
    *,
    data: Data = DATA,
    only: Annotated[
        list[str] | None, typer.Option(help=f'Parts: {", ".join(PRIVACY_PARTS)}.')
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help='Of the faces, these alone.')] = None,
    identities: Annotated[
        int | None, typer.Option(min=20, help='Faces by one look, for pixelate.')] = None,
    patient: Annotated[
        int | None, typer.Option(help='Faces along a track, for pixelate.')] = None,
    pixels: Annotated[int | None, typer.Option(
        min=20, help='Faces along a track, for pixelate under the pixels.')] = None,
    others: Annotated[
        int | None, typer.Option(min=20, help='Faces by one look, for other methods.')] = None,
    height: Annotated[list[int] | None, typer.Option(help='Face heights in px.')] = None,
    workers: Annotated[int, typer.Option(min=1, help='Processes side by side.')] = 2,
    as_json: JsonOption = False,
) -> int:
    """Attack our methods and those of others: faces, plates, people, margins; and the cost."""
    from anon_ros.bench import privacy as faces_attacked
    from anon_ros.bench.privacy_cost import measure_cost
    from anon_ros.bench.privacy_people import PeopleSamples, measure_people
    from anon_ros.bench.privacy_plates import measure_plates

    parts = tuple(only or PRIVACY_PARTS)
    if unknown := set(parts) - set(PRIVACY_PARTS):
        raise SettingError(f'only: there is no {min(unknown)}, but {", ".join(PRIVACY_PARTS)}')
    given = {
        'identities': identities, 'patient': patient, 'pixels': pixels, 'others': others}
    samples = faces_attacked.Samples(
        **{name: count for name, count in given.items() if count is not None})
    people = PeopleSamples()
    Console(stderr=True).print(f'{samples}\n{people}')
    with progress_bar('privacy', 'jobs') as show:
        def progress(done: int, total: int) -> None:
            show(done, total, None)

        measures: dict[str, tuple[str, Callable[[], Rows]]] = {
            'faces': ('faces under attack', lambda: faces_attacked.measure_faces(
                data, samples=samples, heights_px=tuple(height or faces_attacked.HEIGHTS_PX),
                methods=tuple(method or ()), workers=workers, progress=progress)),
            'plates': ('plates under attack', lambda: measure_plates(data, workers=workers)),
            'people': ('people under attack', lambda: measure_people(
                data, samples=people, workers=workers, progress=progress)),
            'margin': ('what surrounds a region, by margin',
                       lambda: faces_attacked.measure_margins(data)),
            'cost': ('cost beside a plain mosaic', measure_cost),
        }
        tables = {title: measure() for part, (title, measure) in measures.items()
                  if part in parts}
    if as_json:
        print(json.dumps({title: list(table) for title, table in tables.items()}))
        return DONE
    for title, table in tables.items():
        _show(title, table, as_json=False)
    return DONE


def gan(
    *,
    data: Data = DATA,
    golden: Annotated[Path, typer.Option(help='Golden outputs; left out where not there.')] =
    Path('../shared/golden'),
    as_json: JsonOption = False,
) -> int:
    """Measure the generators: golden agreement, who is found again, identities, speed."""
    from anon_ros.bench import gan as generators
    from anon_ros.bench import gan_faces, gan_people
    from anon_ros.models.store import ModelStore

    tables: dict[str, Rows] = {}
    if golden.is_dir():
        tables['agreement with the published generators'] = generators.measure_golden(golden)
    tables |= {
        'held-out faces that other networks find': gan_faces.measure_detection(
            data, ModelStore()),
        'likeness, by the descriptors of dlib': gan_faces.measure_likeness(data),
        'identities': gan_faces.measure_identities(data),
        'held-out people that YOLOX finds': gan_people.measure_people(data, ModelStore()),
        'looks of people, by colours in stripes': gan_people.measure_looks(data),
        'speed on the CPU': generators.measure_generators(),
    }
    if as_json:
        print(json.dumps({title: list(table) for title, table in tables.items()}))
        return DONE
    for title, table in tables.items():
        _show(title, table, as_json=False)
    return DONE


def fleet(
    *,
    data: Data = DATA,
    bags: Annotated[int, typer.Option(min=1, help='Bags of the fleet.')] = 12,
    frames: Annotated[int, typer.Option(min=1, help='Frames of each bag.')] = 10,
    workers: Annotated[int, typer.Option(min=1, help='Of one thread each.')] = 2,
    ray: Annotated[bool, typer.Option(help='Also on a Ray cluster of this machine.')] = True,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """
    Measure a fleet of bags against one process: speed-up, overhead, identical results.

    With --json the table goes to the standard error, too.
    """
    from anon_ros.bench.fleet import FleetBench
    from anon_ros.bench.scenes import SceneMaker

    scenes = list(SceneMaker(data).moving_scene(0, 15))
    with tempfile.TemporaryDirectory() as folder:
        measured = FleetBench(Path(folder), scenes, settings)
        measured.write(bags, frames)
        rows = list(measured.run(workers, with_ray=ray))
    title = f'{bags} bags of {frames} frames of 1920x1080'
    if as_json:
        _print_table(title, rows, Console(width=200, stderr=True))
    return _show(title, rows, as_json=as_json)


def costs(
    *,
    data: Data = DATA,
    frames: Annotated[int, typer.Option(min=1, help='Frames of each measurement.')] = 20,
    settings: Settings,
    as_json: JsonOption = False,
) -> int:
    """Measure what a frame costs, by effort and by what is hidden: for a plan of machines."""
    from anon_ros.bench.costs import measure_costs
    from anon_ros.bench.scenes import SceneMaker

    scenes = list(SceneMaker(data).moving_scene(0, 15))
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure_costs(Path(folder), scenes, settings, frames))
    return _show('a frame of 1920x1080, bag to bag', rows, as_json=as_json)


def live(
    *,
    data: Data = DATA,
    rate_hz: Annotated[float, typer.Option(min=1, help='Frames per second of the camera.')] = 30.0,
    seconds: Annotated[float, typer.Option(min=1, help='Of each measurement, in s.')] = 20.0,
    memory_seconds: Annotated[float, typer.Option(help='Of the memory, 0 for none, in s.')] = 0.0,
    as_json: JsonOption = False,
) -> int:
    """Measure the live node over real DDS at 1280x720: latency, overload, six cameras, memory."""
    from anon_ros.bench import live as live_bench
    from anon_ros.bench.scenes import SceneMaker

    scenes = SceneMaker(data).moving_scene(0, 15, size_wh=(1280, 720))
    images = [scene.image_bgr for scene in scenes]
    options = live_bench.LiveOptions(rate_hz=rate_hz, seconds=seconds)
    tables = {
        'latency beside a relay': [live_bench.measure_latency(images, options)],
        'overload': [live_bench.measure_overload(images)],
        'six cameras in one process': [live_bench.measure_cameras(images)],
    }
    if memory_seconds:
        options = live_bench.LiveOptions(rate_hz=10.0, seconds=memory_seconds)
        tables['memory'] = [live_bench.measure_memory(images, options)]
    if as_json:
        print(json.dumps(tables))
        return DONE
    for title, table in tables.items():
        _show(title, table, as_json=False)
    return DONE


def _show(title: str, rows: Rows, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({title: list(rows)}))
        return DONE
    wide = len({name for row in rows for name in row}) >= 8
    _print_table(title, rows, Console(width=200 if wide else None))
    return DONE


def _print_table(title: str, rows: Rows, console: Console) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*[name.replace('_', ' ') for name in names], title=title)
    for row in rows:
        table.add_row(*[_text(row.get(name, '')) for name in names])
    console.print(table)


def _text(value: object) -> str:
    return f'{value:.4g}' if isinstance(value, float) else str(value)


for function in (
    bag, faces, detect, copy, memory, overhead, dataset, privacy, gan, fleet, costs, live,
):
    bench.command()(command(function))
