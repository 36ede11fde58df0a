# SPDX-License-Identifier: Apache-2.0
"""Detectors for workers that are processes, and a fleet run as a process of its own."""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from bag_builder import BagBuilder, MagentaDetector, picture  # noqa: E402

from anon_ros.core.settings import Settings  # noqa: E402
from anon_ros.errors import ModelError  # noqa: E402
from anon_ros.fleet.run import FleetJob, Pace, Workers, run_fleet  # noqa: E402

CAMERA, TEXT = '/camera/image_raw', '/chatter'
SETTINGS = Settings(target=('face',), threads=1)
FAST = Pace(retries=2, pause_s=0.05, beat_s=0.1, stale_s=1.0)


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


def main():
    """Run a fleet: SOURCE TARGET WORK OPTIONS, the last as JSON."""
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
