# SPDX-License-Identifier: Apache-2.0
"""What a run flags can be found again in the regions file."""

import numpy as np
from bag_builder import BagBuilder, picture

from anon_ros.audit.flags import NO_VEHICLE
from anon_ros.audit.regions_file import RegionsIndex
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.factory import Networks
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, Means, anonymize_bag


class PlateDetector:
    def detect(self, _image_bgr):
        return Regions.of([[20, 16, 36, 32]], Kind.PLATE)


class NoVehicles:
    def stray(self, _image_bgr, regions):
        return np.ones(len(regions), bool)


def test_a_stray_plate_names_its_message_among_all(tmp_path):
    builder = BagBuilder()
    for i in range(12):
        builder.text('/chatter', (i + 1) * 10**8, 'hello')
        builder.raw('/camera', (i + 1) * 10**8 + 1, picture())
    source = builder.write(tmp_path / 'source', 'sqlite3')
    networks = Networks(PlateDetector(), NoVehicles(), ModelStore())
    result = anonymize_bag(
        BagJob(source, tmp_path / 'target'), Settings(target=('plate',), threads=1),
        means=Means(networks=networks))
    flags = [flag for flag in result.manifest.flags.first if flag.reason == NO_VEHICLE]
    assert [flag.index for flag in flags] == [1, 19], 'one of a second'
    index = RegionsIndex(result.sidecar / 'regions.jsonl')
    for flag in flags:
        assert index.find('/camera', flag.index).stamp_ns == flag.stamp_ns
