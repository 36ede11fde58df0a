# SPDX-License-Identifier: Apache-2.0
"""A signal may come at any moment, also while something is published."""

import live
import pytest
import rclpy
from std_msgs.msg import Empty

from anon_ros.nodes.shutdown import until_shutdown


@pytest.fixture
def context():
    domain = live.Domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain.number)
    yield context
    context.try_shutdown()
    domain.release()


def test_whoever_publishes_when_ros_ends_leaves_quietly(context):
    node = rclpy.create_node('leaving', context=context)
    publisher = node.create_publisher(Empty, 'nothing', 1)
    was_sent = False
    with until_shutdown(context):
        rclpy.shutdown(context=context)
        publisher.publish(Empty())
        was_sent = True
    assert not was_sent


def test_errors_while_ros_runs_are_told(context):
    with pytest.raises(RuntimeError, match='on its own'), until_shutdown(context):
        raise RuntimeError('on its own')


def test_an_interrupt_ends_it(context):
    with until_shutdown(context):
        raise KeyboardInterrupt
