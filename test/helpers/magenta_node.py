# SPDX-License-Identifier: Apache-2.0
"""The real node in a process of its own, with the magenta detector, which a file commands."""

import os
import sys
import time
from pathlib import Path

from bag_builder import MagentaDetector

from anon_ros.nodes.run import run_node


class CommandedDetector:
    """
    Finds magenta squares as long as the file says 'see'.

    'raise': fails as a network does. 'hang': does not come back before the file says something
    else. 'slow': takes 0.3 s. 'lie': gives nonsense.
    """

    def __init__(self, command):
        self.command = Path(command)
        self.finder = MagentaDetector()

    def detect(self, image_bgr):
        command = self.command.read_text()
        if command == 'raise':
            raise RuntimeError('the device is gone')
        if command == 'lie':
            return None
        if command == 'slow':
            time.sleep(0.3)
        while command == 'hang' and self.command.read_text() == 'hang':
            time.sleep(0.01)
        return self.finder.detect(image_bgr)


class BatchingDetector(CommandedDetector):
    """The same for several images at once; writes down how many came together."""

    def detect_batch(self, images_bgr):
        with self.command.with_suffix('.batches').open('a') as file:
            file.write(f'{len(images_bgr)}\n')
        time.sleep(0.02)
        return [self.detect(image) for image in images_bgr]


if __name__ == '__main__':
    kind = BatchingDetector if os.environ.get('ANON_ROS_TEST_BATCH') else CommandedDetector
    run_node(
        sys.argv[:1] + sys.argv[2:], autostart='--idle' not in sys.argv,
        build_detector=lambda _: kind(sys.argv[1]),
    )
