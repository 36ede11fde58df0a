# SPDX-License-Identifier: Apache-2.0
"""
Quality of service of each endpoint, and whether it can be overridden.

Every function returns a fresh profile: rclpy writes overrides into the object it is given, so a
shared one would carry the override of one topic to the next.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions, QoSPolicyKind

if TYPE_CHECKING:
    from collections.abc import Callable

INFO_DEPTH = 10


def image_input(depth: int = 1, *, is_reliable: bool = False) -> QoSProfile:
    """Return the profile of a camera's subscription: best effort matches every publisher."""
    best_effort, reliable = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
    return _profile(reliable if is_reliable else best_effort, depth)


def image_output(depth: int = 1) -> QoSProfile:
    """Return the profile of what goes out: it matches every subscriber that is not latched."""
    return _profile(ReliabilityPolicy.RELIABLE, depth)


def is_reliable(profile: QoSProfile) -> bool:
    """Return whether a publisher with that profile sends lost messages again."""
    return bool(profile.reliability == ReliabilityPolicy.RELIABLE)


def overriding() -> QoSOverridingOptions:
    """Let history, depth, reliability and durability be set by qos_overrides parameters."""
    return QoSOverridingOptions([
        QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    ])


def describe(profile: QoSProfile) -> str:
    """Return the profile in one line, as it is after overrides."""
    return (
        f'{profile.reliability.name.lower()}, {profile.durability.name.lower()}, '
        f'{profile.history.name.lower()} {profile.depth}'
    )


def subscription_events(
    incompatible: Callable[[Any], None], lost: Callable[[Any], None] | None
) -> Any:
    """
    Return the event callbacks of a subscription.

    lost: None where the middleware does not tell of lost messages.
    """
    found = event_module().SubscriptionEventCallbacks
    if lost is None:
        return found(incompatible_qos=incompatible)
    return found(incompatible_qos=incompatible, message_lost=lost)


def publisher_events(incompatible: Callable[[Any], None]) -> Any:
    """Return the event callbacks of a publisher."""
    return event_module().PublisherEventCallbacks(incompatible_qos=incompatible)


def can_destroy_subscriptions() -> bool:
    """Return whether rclpy lets a subscription go while it spins: not before ROS 2 Iron."""
    return bool(event_module().__name__ == 'rclpy.event_handler')


def event_module() -> Any:
    """Return rclpy's module of event callbacks, whose name changed with ROS 2 Iron."""
    try:
        return importlib.import_module('rclpy.event_handler')
    except ModuleNotFoundError:
        return importlib.import_module('rclpy.qos_event')


def _profile(reliability: ReliabilityPolicy, depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )
