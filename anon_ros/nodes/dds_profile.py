# SPDX-License-Identifier: Apache-2.0
"""
Fast DDS with room for images, unless the user has a profile of their own.

With its default shared memory of 0.5 MB most frames of a raw camera are lost; docs/ros.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = 'fastdds_large_images.xml'
VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_OTHERS = ('FASTDDS_BUILTIN_TRANSPORTS', 'FASTRTPS_XML_PROFILES')


def find_profile() -> Path | None:
    """Return the file in the share folder of this installation, or in the source tree."""
    source = Path(__file__).resolve().parents[2]
    prefixes = [source, Path(sys.prefix) / 'share' / 'anon_ros']
    prefixes += [Path(each) / 'share' / 'anon_ros'
                 for each in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if each]
    found = (prefix / 'config' / NAME for prefix in prefixes)
    return next((path for path in found if path.is_file()), None)


def use_profile() -> None:
    """Set the profile for this process, before ROS starts, where nothing else is set."""
    path = find_profile()
    is_set = any(os.environ.get(name) for name in (*VARIABLES, *_OTHERS))
    if path is not None and not is_set:
        # Jazzy and later read the first, Humble the second and would not know the first.
        is_old = os.environ.get('ROS_DISTRO') in {'humble', 'iron'}
        os.environ[VARIABLES[1] if is_old else VARIABLES[0]] = str(path)
