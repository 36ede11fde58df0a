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
_NEW, _OLD = 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'
_CHOICES_OF_USERS = (_NEW, _OLD, 'FASTDDS_BUILTIN_TRANSPORTS')


def variable() -> str:
    """Return the environment variable that this ROS distribution reads."""
    return _OLD if os.environ.get('ROS_DISTRO') in {'humble', 'iron', 'jazzy'} else _NEW


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
    if path is not None and not any(os.environ.get(name) for name in _CHOICES_OF_USERS):
        os.environ[variable()] = str(path)
