# SPDX-License-Identifier: Apache-2.0
"""Anonymize a bag from Python, and read what was found in it."""

import sys
from pathlib import Path

from anon_ros.audit.manifest import REGIONS_NAME
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag


def main(source: Path, target: Path) -> None:
    settings = Settings(target=('face',), effort='fast', method=('blur',))
    result = anonymize_bag(BagJob(source, target, copied=('/camera/depth/*',)), settings)
    for frame in RegionsReader(result.sidecar / REGIONS_NAME):
        faces = frame.regions.of_kind(Kind.FACE)
        print(f'{frame.topic} at {frame.stamp_ns} ns: {len(faces)} faces')
    print(f'{result.manifest.withheld} of {result.manifest.frames} frames withheld')


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
