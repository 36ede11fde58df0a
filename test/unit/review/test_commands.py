# SPDX-License-Identifier: Apache-2.0
"""What a page may ask for; everything else is refused in words."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anon_ros.errors import UsageError
from anon_ros.review.commands import Command, parse_command

DRAW = {'action': 'draw', 'stream': 0, 'frame': 3, 'kind': 'face', 'box': [1, 2, 30, 40.5]}


def parsed(value):
    return parse_command(json.dumps(value).encode())


def test_a_drawing():
    command = parsed(DRAW)
    assert (command.stream, command.frame, command.kind) == (0, 3, 'face')
    assert command.box == (1, 2, 30, 40.5)
    assert not command.is_confirmed


@pytest.mark.parametrize('change', [
    {'action': 'burn'}, {'action': None}, {'stream': '0'}, {'stream': 1.5}, {'frame': True},
    {'kind': 'dog'}, {'kind': 7}, {'box': [1, 2, 3]}, {'box': [1, 2, 3, 'x']}, {'box': 'box'},
    {'box': [1, 2, 3, 1e9]}, {'box': []}, {'track': 2**63}, {'track': -2}, {'side': 'left'},
    {'action': 'trim'}, {'is_confirmed': 'yes'}, {'is_confirmed': 1},
])
def test_nonsense_is_refused(change):
    with pytest.raises(UsageError):
        parsed({**DRAW, **change})


@pytest.mark.parametrize('text', [
    b'', b'null', b'[]', b'{', b'\xff\xfe', b'{"action": NaN}', b'[' * 5000, b'"draw"', b'{}',
    b'{"action": "draw", "stream": 0, "frame": 1, "kind": "face", "box": [1, 2, 3, Infinity]}',
])
def test_what_is_no_request_is_refused(text):
    with pytest.raises(UsageError):
        parse_command(text)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(
    st.sampled_from(['action', 'stream', 'frame', 'box', 'track', 'kind', 'side', 'region']),
    VALUES | st.sampled_from(['draw', 'trim', 'face', 'before']) | st.lists(VALUES, max_size=5),
))
def test_any_json_is_a_command_or_refused(value):
    try:
        command = parse_command(json.dumps(value).encode())
    except UsageError:
        return
    assert isinstance(command, Command)
