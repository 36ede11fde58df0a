# SPDX-License-Identifier: Apache-2.0
"""Live on the vehicle: the lifecycle node, and the player of bags. rclpy is imported here only."""
