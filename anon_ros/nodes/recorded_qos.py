# SPDX-License-Identifier: Apache-2.0
"""The QoS that topics had when they were recorded, as rosbag2's metadata.yaml tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH = 10
MOST_DEPTH = 1000
# Bags of ROS 2 before Jazzy hold rmw's numbers, later ones the names.
_RELIABILITY = {
    1: ReliabilityPolicy.RELIABLE, 'reliable': ReliabilityPolicy.RELIABLE,
    2: ReliabilityPolicy.BEST_EFFORT, 'best_effort': ReliabilityPolicy.BEST_EFFORT,
}
_DURABILITY = {
    1: DurabilityPolicy.TRANSIENT_LOCAL, 'transient_local': DurabilityPolicy.TRANSIENT_LOCAL,
}
_HISTORY = {2: HistoryPolicy.KEEP_ALL, 'keep_all': HistoryPolicy.KEEP_ALL}


def recorded_profiles(information: Mapping[str, Any] | None) -> dict[str, QoSProfile]:
    """
    Return a publisher's profile for each topic that the metadata tell one of.

    information: the contents of metadata.yaml, None without one.
    """
    entries = (information or {}).get('topics_with_message_count') or []
    profiles = {}
    for entry in entries:
        topic = entry['topic_metadata']
        offered = _offered(topic.get('offered_qos_profiles'))
        if offered:
            profiles[str(topic['name'])] = publisher_profile(offered)
    return profiles


def publisher_profile(offered: list[Mapping[str, Any]]) -> QoSProfile:
    """
    Return a fresh profile that serves whoever the recorded publishers served.

    offered: one mapping a publisher; without any a reliable, volatile profile.
    """
    reliable = [_RELIABILITY.get(each.get('reliability', 1)) for each in offered]
    durable = [_DURABILITY.get(each.get('durability', 2)) for each in offered]
    history = [_HISTORY.get(each.get('history', 1)) for each in offered]
    depths = [each['depth'] for each in offered if isinstance(each.get('depth'), int)]
    is_best_effort = bool(reliable) and all(
        each is ReliabilityPolicy.BEST_EFFORT for each in reliable
    )
    is_latched = bool(durable) and all(each is not None for each in durable)
    return QoSProfile(
        reliability=ReliabilityPolicy.BEST_EFFORT if is_best_effort
        else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_ALL if any(history) else HistoryPolicy.KEEP_LAST,
        depth=min(max(1, *depths), MOST_DEPTH) if any(depths) else DEPTH,
    )


def _offered(value: object) -> list[Mapping[str, Any]]:
    """Return the profiles, whether they are written as YAML or as YAML in a string."""
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return []
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
