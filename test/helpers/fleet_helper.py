# SPDX-License-Identifier: Apache-2.0
"""Detectors for workers that are processes, and a fleet run as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from bag_builder import BagBuilder, MagentaDetector, picture  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402

from anon_ros.audit.manifest import is_anonymized, read_manifest  # noqa: E402
from anon_ros.core.settings import Settings  # noqa: E402
from anon_ros.errors import ModelError  # noqa: E402
from anon_ros.fleet import run  # noqa: E402
from anon_ros.fleet.engine import Failed, Finished  # noqa: E402
from anon_ros.fleet.run import FleetJob, Pace, Workers, run_fleet  # noqa: E402
from anon_ros.fleet.tasks import failure_of  # noqa: E402
from anon_ros.fleet.worker import Worker  # noqa: E402

CAMERA, TEXT = '/camera/image_raw', '/chatter'
SETTINGS = Settings(target=('face',), threads=1)
FAST = Pace(retries=2, pause_s=0.05, beat_s=0.1, stale_s=1.0, elsewhere_s=0.2)


class SlowDetector(MagentaDetector):
    """Takes its time, so that it can be killed at work."""

    def detect(self, image_bgr):
        time.sleep(0.02)
        return super().detect(image_bgr)


class DeadlyDetector(MagentaDetector):
    """Kills its process at a picture with a blue corner: always, as one does that is too large."""

    def detect(self, image_bgr):
        if (image_bgr[0, 0] == (255, 0, 0)).all():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(image_bgr)


class OnceDeadlyDetector(MagentaDetector):
    """Kills its process in the middle of the first bag, once for all processes."""

    def detect(self, image_bgr):
        mark = Path(os.environ['ANON_ROS_TEST_MARK'])
        if self.calls == 10 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(image_bgr)


class MissingDetector:
    """Does not start."""

    def __init__(self):
        raise ModelError('yunet: the weights are nowhere')


def fill(builder, frames=12, first=0):
    """Add a moving magenta square and a text to each frame."""
    for i in range(first, first + frames):
        stamp_ns = (i + 1) * 10**8
        builder.raw(CAMERA, stamp_ns, picture(seed=i % 7, squares=((10 + i % 60, 20),)))
        builder.text(TEXT, stamp_ns + 1, f'message {i}')
    return builder


def write_bags(folder, count=3, frames=12, storage='mcap'):
    """Write some bags in a folder, each of a vehicle of its own."""
    for number in range(count):
        path = folder / f'vehicle_{number:02d}' / 'drive'
        path.parent.mkdir(parents=True)
        fill(BagBuilder(), frames, first=number * 100).write(path, storage)
    return folder


class InlineEngine:
    """One worker in this very process: what a fleet does, without what processes cost."""

    slots = 1

    def __init__(self, job, _):
        self._worker = Worker(job)
        self._events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self, slot, task):
        try:
            self._events.append(Finished(slot, self._worker.run(task, lambda _: None)))
        except Exception as error:  # noqa: BLE001 - as a process does
            self._events.append(Failed(slot, failure_of(error)))

    def cancel(self, _):
        self._events.clear()

    def wait(self, _):
        events, self._events = self._events, []
        return events


@dataclass
class Fleet:
    """Source, target and the user's own folder of a fleet."""

    source: Path
    target: Path
    work: Path

    def run(self, settings=SETTINGS, workers=0, detector=MagentaDetector, pace=FAST, **options):
        """Run it on as many processes, 0 for this one; return the result."""
        engine = run.LocalEngine if workers else InlineEngine
        workers = Workers(workers or 1) if isinstance(workers, int) else workers
        job = FleetJob(**{
            'source': str(self.source), 'target': str(self.target), 'work': self.work,
            'new_detector': detector, **options,
        })
        with patch.object(run, 'LocalEngine', engine):
            return run_fleet(job, settings, workers, pace)

    def start(self, **options):
        """Start it as a process of its own."""
        return subprocess.Popen(
            [sys.executable, __file__, str(self.source), str(self.target),
             str(self.work), json.dumps(options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def names(self):
        """Return the names of all bags of the source."""
        return sorted(f'{path.name}/drive' for path in self.source.iterdir())

    def results(self):
        """Return the names of the bags that are there, whole, with all that is written of them."""
        found = []
        for path in sorted(self.target.glob('*/drive')):
            assert is_anonymized(path)
            assert read_manifest(path / 'anon' / 'manifest.json').source.name == 'drive'
            found.append(f'{path.parent.name}/drive')
        return found

    def leftovers(self):
        """Return the files that belong neither to a result nor to its state."""
        return sorted(
            str(path.relative_to(self.target)) for path in self.target.rglob('*')
            if path.is_file() and 'state' not in path.parts
            and not any(path.is_relative_to(self.target / name) for name in self.results())
        )

    def state(self, name):
        """Return what the target says of a bag."""
        return json.loads((self.target / '.anon-fleet' / 'state' / f'{name}.json').read_text())


def fates(result):
    """Return what became of each bag."""
    return {bag.name: bag.fate for bag in result.bags}


def bag_bytes(folder):
    """Return the files of all bags below a folder, without what is written about them."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
        if path.is_file() and 'anon' not in path.parts and '.anon-fleet' not in path.parts
    }


def messages_of(path):
    """Return all messages of a bag."""
    with AnyReader([path]) as reader:
        return [(connection.topic, stamp_ns, bytes(raw), reader.deserialize(
            raw, connection.msgtype)) for connection, stamp_ns, raw in reader.messages()]


def main():
    """Run a fleet: SOURCE TARGET WORK OPTIONS, the last as JSON."""
    # Shells ignore it in what they start in the background, and so would all of its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    source, target, work, options = sys.argv[1:]
    options = json.loads(options)
    detector = globals()[options.pop('detector', 'MagentaDetector')]
    workers = Workers(options.pop('workers', 2))
    job = FleetJob(source, target, work=Path(work), new_detector=detector, **options)
    result = run_fleet(job, SETTINGS, workers, FAST)
    sys.stdout.write(json.dumps({bag.name: bag.fate for bag in result.bags}))


if __name__ == '__main__':
    # As a module of a name of its own: a worker has to find the detectors.
    import fleet_helper

    fleet_helper.main()
