# SPDX-License-Identifier: Apache-2.0
"""Regions over time."""

from anon_ros.tracking.online import OnlineTracker
from anon_ros.tracking.two_sided import TwoSidedTracker

__all__ = ['OnlineTracker', 'TwoSidedTracker']
