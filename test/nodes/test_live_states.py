# SPDX-License-Identifier: Apache-2.0
"""States, parameters, diagnostics and signals of the node."""

import signal

import pytest
from bag_builder import picture

pytest.importorskip('rclpy', reason="rclpy is not installed: pip install 'anon_ros[ros]'")
from lifecycle_msgs.msg import Transition
from live import DEADLINE_S, QUIET_S, image_message, original_pixels_left, pixels
from rcl_interfaces.srv import DescribeParameters
from sensor_msgs.msg import Image

OUT, IN = '/anonymized/camera/image', '/camera/image_raw'
FACE = 'target:=[face]'


def face(number):
    return image_message(picture(), number)


def connect(client):
    client.listen(OUT, Image)
    client.advertise(IN, Image)


def test_nothing_goes_out_unless_it_is_active(start, client):
    node = start(FACE, 'lazy:=false', autostart=False)
    connect(client)

    def shows_nothing():
        client.received[OUT].clear()
        for number in range(8):
            client.send(IN, face(number))
            client.spin(0.05)
        client.spin(QUIET_S)
        return not client.received[OUT]

    assert client.state() == 'unconfigured'
    assert shows_nothing()
    assert client.change_state(Transition.TRANSITION_CONFIGURE)
    assert shows_nothing()
    for _ in range(2):
        assert client.change_state(Transition.TRANSITION_ACTIVATE)
        client.send_until(IN, face, lambda: client.received[OUT], 'an image')
        assert client.change_state(Transition.TRANSITION_DEACTIVATE)
        client.spin(0.2)
        assert shows_nothing()
    # A frame that hangs in the network when the node is deactivated has nowhere to go.
    assert client.change_state(Transition.TRANSITION_ACTIVATE)
    client.wait_connected(IN)
    node.order('hang')
    client.send(IN, face(0))
    client.spin(0.3)
    assert client.change_state(Transition.TRANSITION_DEACTIVATE)
    client.received[OUT].clear()
    node.order('see')
    assert shows_nothing()
    assert client.change_state(Transition.TRANSITION_CLEANUP)
    assert client.state() == 'unconfigured'
    assert shows_nothing()
    assert client.change_state(Transition.TRANSITION_CONFIGURE)
    assert client.change_state(Transition.TRANSITION_ACTIVATE)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image after cleaning up')
    assert client.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert client.state() == 'finalized'
    assert shows_nothing()
    assert node.stop() == 0


def test_it_subscribes_only_while_someone_listens(start, client):
    start(FACE)
    client.advertise(IN, Image)
    client.wait_for(lambda: client.diagnostics(': camera'), 'diagnostics')
    client.spin()
    assert client.publishers[IN].get_subscription_count() == 0
    client.listen(OUT, Image)
    client.wait_connected(IN)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    for subscription in list(client.node.subscriptions):
        if subscription.topic_name == OUT:
            client.node.destroy_subscription(subscription)
    client.wait_for(
        lambda: client.publishers[IN].get_subscription_count() == 0, 'it unsubscribes'
    )


def test_parameters_change_under_load_between_frames(start, client):
    node = start(FACE)
    connect(client)
    client.wait_connected(IN)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    methods = ['mask-out', 'blur', 'pixelate', 'mask-out']
    for number, method in enumerate(methods):
        margin = 0.5 if number % 2 else 0.1
        assert client.set_parameters(method=[method], margin=margin).successful
        for sent in range(6):
            client.send(IN, face(number * 6 + sent))
            client.spin(0.03)
    assert client.get_parameter('margin') == 0.5
    client.spin()
    assert all(not original_pixels_left(pixels(each)) for each in client.received[OUT])
    client.received[OUT].clear()
    client.send_until(IN, face, lambda: len(client.received[OUT]) > 1, 'images')
    last = pixels(client.received[OUT][-1])
    assert len({tuple(each) for each in last[18:30, 22:34].reshape(-1, 3)}) == 1
    assert node.stop() == 0


@pytest.mark.parametrize(('values', 'reason'), [
    ({'margin': 0.3, 'method': ['smear']}, "'smear' is unknown"),
    ({'margin': 1.5}, 'margin'),
    ({'target': ['dog']}, "'dog' is none of"),
    ({'on_failure': 'pass'}, "'pass' is none of drop, mask"),
    ({'effort': 'thorough'}, 'read-only'),
    ({'cameras': ['other']}, 'read-only'),
])
def test_bad_parameters_are_refused_as_a_set(refusing, values, reason):
    client = refusing
    result = client.set_parameters(**values)
    assert not result.successful
    assert reason in result.reason
    assert client.get_parameter('margin') == 0.15


@pytest.fixture(scope='module')
def refusing(tmp_path_factory):
    from live import Client, Domain, LiveNode

    domain = Domain()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv('ROS_DOMAIN_ID', str(domain.number))
        environment.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        node = LiveNode(tmp_path_factory.mktemp('refusing'), FACE)
        client = Client(domain.number)
        yield client
        client.close()
        node.stop()
    domain.release()


def test_parameters_are_described_with_ranges(refusing):
    request = DescribeParameters.Request(names=['margin', 'cells', 'effort', 'camera.input'])
    answer = refusing.call(DescribeParameters, '/anonymizer/describe_parameters', request)
    margin, cells, effort, camera = answer.descriptors
    assert margin.floating_point_range[0].to_value == 1.0
    assert not margin.read_only
    assert cells.integer_range[0].from_value == 1
    assert effort.read_only
    assert 'fast, balanced, thorough' in effort.additional_constraints
    assert camera.read_only
    assert all(each.description for each in answer.descriptors)


@pytest.mark.parametrize(('parameter', 'reason'), [
    ('margin:=2.0', 'margin'), ('effort:=lazy', "effort: 'lazy' is none of"),
    ('cameras:=[a, a]', 'names a camera twice'), ('margin:=wide', 'margin'),
    ('camera.transport:=pigeon', "camera.transport: 'pigeon' is none of"),
])
def test_bad_parameters_at_the_start_end_it_with_one_line(start, domain, parameter, reason):
    command = ['node', '--ros-args', '-p', parameter]
    code = f'import sys; sys.argv[1:] = {command!r}; from anon_ros.cli.main import run; run()'
    node = start(code=['-c', code])
    assert node.process.wait(DEADLINE_S) == 2
    line = node.log.strip().splitlines()[-1]
    assert line.startswith('anon-ros: ')
    assert reason in line


def test_missing_weights_fail_to_configure_and_say_so(start, client, tmp_path):
    code = 'import sys; from anon_ros.nodes.run import run_node; run_node(sys.argv)'
    node = start('face_detector:=yunet', code=['-c', code], environment={
        'ANON_ROS_CACHE': str(tmp_path), 'ANON_ROS_MODELS': str(tmp_path),
        'https_proxy': 'http://127.0.0.1:9', 'PIP_INDEX_URL': 'http://127.0.0.1:9',
    })
    assert not client.change_state(Transition.TRANSITION_CONFIGURE)
    assert client.state() == 'unconfigured'
    assert 'cannot configure: ' in node.log
    client.wait_for(
        lambda: (client.diagnostics('worker') or (b'',))[0] == b'\2', 'an error in diagnostics'
    )


def test_diagnostics_tell_rates_latencies_and_causes(start, client):
    node = start(FACE, 'max_latency_ms:=2000.0')
    connect(client)
    client.wait_connected(IN)
    client.send_until(IN, face, lambda: len(client.received[OUT]) > 8, 'images')
    client.wait_for(
        lambda: (client.diagnostics(': camera') or [None])[0] == b'\0', 'it is well'
    )
    node.order('raise')
    client.send_until(
        IN, face, lambda: client.diagnostics(': camera')[0] in {b'\1', b'\2'}, 'a warning'
    )
    _, message, values = client.diagnostics(': camera')
    assert 'by detection' in message
    assert int(values['withheld_detection']) >= 1
    assert int(values['published']) >= 8
    assert float(values['output_hz']) >= 0
    for stage in ('queue', 'decode', 'detect', 'anonymize', 'total'):
        p50, p95, p99 = (float(values[f'{stage}_p{q}_ms']) for q in (50, 95, 99))
        assert p50 <= p95 <= p99
    level, message, values = client.diagnostics(': worker')
    assert (level, message) == (b'\0', 'active')
    assert float(values['memory_mib']) > 10


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_in_the_middle_of_work(start, client, sent):
    node = start(FACE)
    connect(client)
    client.wait_connected(IN)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    client.send(IN, face(1))
    assert node.stop(sent) == 0
    assert 'Traceback' not in node.log


def test_a_hanging_network_does_not_keep_it_from_ending(start, client):
    node = start(FACE)
    connect(client)
    client.wait_connected(IN)
    client.send_until(IN, face, lambda: client.received[OUT], 'an image')
    node.order('hang')
    client.send(IN, face(1))
    client.spin()
    assert node.stop() == 0


def test_an_override_of_qos_takes_effect(start, client):
    name = f'qos_overrides.{OUT}.publisher.depth'
    node = start(FACE, f'{name}:=7')
    client.wait_for(lambda: client.diagnostics(': camera'), 'diagnostics')
    assert client.get_parameter(name) == 7
    assert 'publishes /anonymized/camera/image (reliable, volatile, keep_last 7)' in node.log
