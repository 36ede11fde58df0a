# SPDX-License-Identifier: Apache-2.0
"""Hide boxes that you already know in one JPEG; all other blocks keep their coefficients."""

import sys
from pathlib import Path

from anon_ros import factory
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.media.compressed import open_compressed


def main(source: Path, target: Path) -> None:
    frame = open_compressed(source.read_bytes(), max_pixels=100_000_000)
    width, height = frame.size_wh
    middle = [[width * 0.4, height * 0.4, width * 0.6, height * 0.6]]
    anonymizer = factory.build_anonymizer(Settings(method=('pixelate',), margin=0.0))
    done = anonymizer.anonymize(frame, Regions.of(middle, Kind.FACE))
    target.write_bytes(done.payload or source.read_bytes())


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
