# SPDX-License-Identifier: Apache-2.0
"""Real processes on a ROS domain of their own, and a client that sends and listens."""

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

with warnings.catch_warnings():
    # Its parser of interfaces imports what newer Pythons deprecate; once imported it is silent.
    warnings.simplefilter('ignore', DeprecationWarning)
    import rosidl_generator_py  # noqa: F401

import rclpy
from bag_builder import MAGENTA_BGR
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

HELPERS = Path(__file__).resolve().parent
DEADLINE_S = 120.0
QUIET_S = 0.6
FIRST_PORT = 41_300
DOMAINS = range(1, 101)


class Domain:
    """A ROS_DOMAIN_ID that no other test on this machine uses, as long as it is held."""

    def __init__(self):
        for number in sorted(DOMAINS, key=lambda n: (n * 37 + os.getpid()) % len(DOMAINS)):
            lock = socket.socket()
            try:
                lock.bind(('127.0.0.1', FIRST_PORT + number))
            except OSError:
                lock.close()
                continue
            self.number, self._lock = number, lock
            return
        raise RuntimeError('all ROS domains are in use')

    def release(self):
        self._lock.close()


class LiveNode:
    """A node process; its detector obeys `command`."""

    def __init__(self, folder, *arguments, autostart=True, code=None, environment=None):
        self.command = folder / 'command'
        self.command.write_text('see')
        self.log_path = folder / f'node_{len(list(folder.glob("node_*")))}.log'
        ros_arguments = ['--ros-args']
        for parameter in arguments:
            ros_arguments += ['-p', parameter]
        idle = [] if autostart else ['--idle']
        start = code or [str(HELPERS / 'magenta_node.py'), str(self.command), *idle]
        self._log = self.log_path.open('wb')
        self.process = subprocess.Popen(
            [sys.executable, *start, *ros_arguments], stdout=self._log, stderr=self._log,
            env={**os.environ, 'PYTHONPATH': str(HELPERS.parents[1]), **(environment or {})},
        )

    def order(self, command):
        temporary = self.command.with_suffix('.new')
        temporary.write_text(command)
        temporary.replace(self.command)

    @property
    def log(self):
        return self.log_path.read_text(errors='replace')

    def stop(self, sent=signal.SIGINT):
        """Send a signal; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sent)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._log.close()


class Client:
    """Publishes camera messages and keeps what comes back, by topic."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('client', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received = defaultdict(list)
        self.publishers = {}
        self.listen('/diagnostics', DiagnosticArray)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def listen(self, topic, kind, *, raw=False):
        profile = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        self.node.create_subscription(kind, topic, self.received[topic].append, profile, raw=raw)

    def advertise(self, topic, kind):
        profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.publishers[topic] = self.node.create_publisher(kind, topic, profile)

    def wait_for(self, condition, what, seconds=DEADLINE_S):
        end_s = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end_s:
                raise AssertionError(f'never came: {what}')
            self.executor.spin_once(0.02)

    def spin(self, seconds=QUIET_S):
        """Take what comes for a while; for showing that something does not come."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.executor.spin_once(0.02)

    def wait_connected(self, topic):
        publisher = self.publishers[topic]
        self.wait_for(lambda: publisher.get_subscription_count() > 0, f'a subscriber of {topic}')

    def send(self, topic, message):
        self.publishers[topic].publish(message)

    def send_until(self, topic, make, condition, what):
        """Send message after message until something holds; make: number -> message."""
        end_s, number = time.monotonic() + DEADLINE_S, 0
        while not condition():
            if time.monotonic() > end_s:
                raise AssertionError(f'never came: {what}')
            self.send(topic, make(number))
            number += 1
            self.spin(0.05)

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.wait_for(client.service_is_ready, f'service {name}')
        future = client.call_async(request)
        self.wait_for(future.done, f'an answer of {name}')
        self.node.destroy_client(client)
        return future.result()

    def state(self):
        answer = self.call(GetState, '/anonymizer/get_state', GetState.Request())
        return answer.current_state.label

    def change_state(self, transition):
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call(ChangeState, '/anonymizer/change_state', request).success

    def set_parameters(self, **values):
        request = SetParametersAtomically.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ])
        name = '/anonymizer/set_parameters_atomically'
        return self.call(SetParametersAtomically, name, request).result

    def get_parameter(self, name):
        request = GetParameters.Request(names=[name])
        answer = self.call(GetParameters, '/anonymizer/get_parameters', request)
        message = ParameterMessage(name=name, value=answer.values[0])
        return Parameter.from_parameter_msg(message).value

    def diagnostics(self, suffix):
        """Return the newest status whose name ends so: (level, message, values)."""
        for array in reversed(self.received['/diagnostics']):
            for status in array.status:
                if status.name.endswith(suffix):
                    values = {item.key: item.value for item in status.values}
                    return status.level, status.message, values
        return None


def image_message(image, number, encoding='bgr8', frame_id='optical'):
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, step=image.strides[0])
    stamp(message, number, frame_id)
    message.data.frombytes(memoryview(np.ascontiguousarray(image)).cast('B'))
    return message


def compressed_message(data, number, format_='bgr8; jpeg compressed bgr8'):
    message = CompressedImage(format=format_)
    stamp(message, number, 'optical')
    message.data.frombytes(data)
    return message


def info_message(number, width=96):
    message = CameraInfo(width=width, height=64, distortion_model='plumb_bob', d=[0.1] * 5)
    stamp(message, number, 'optical')
    return message


def stamp(message, number, frame_id):
    message.header.stamp.sec = 1_000 + number // 10
    message.header.stamp.nanosec = number % 10 * 100_000_000
    message.header.frame_id = frame_id


def pixels(message):
    flat = np.frombuffer(message.data, np.uint8)
    return flat.reshape(message.height, message.step // 3, 3)


def original_pixels_left(image_bgr):
    """Return how many pixels are still as magenta as before."""
    return int((image_bgr == MAGENTA_BGR).all(axis=2).sum())
