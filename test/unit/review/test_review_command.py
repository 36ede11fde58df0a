# SPDX-License-Identifier: Apache-2.0
"""`anon-ros review`: what it says where something cannot be done."""

import json

import pytest
from reviewed import act, missed_box, opened
from typer.testing import CliRunner

from anon_ros.cli.main import app


def run(*arguments, **environment):
    return CliRunner().invoke(app, ['review', *map(str, arguments)], env=environment)


def fails(result, *words):
    assert result.exit_code == 2, result.output
    assert 'Traceback' not in result.output
    for word in words:
        assert word in result.output


@pytest.mark.parametrize('token', ['short', 'fifteen-letters', 'a token with \n a line', 'ä' * 20])
def test_a_poor_token_is_refused(reviewed, token):
    fails(run(reviewed.target, '--token', token), 'token')
    fails(run(reviewed.target, ANON_ROS_REVIEW_TOKEN=token), 'token')


def test_what_does_not_go_together_is_refused(reviewed, tmp_path):
    fails(run(reviewed.target, '--out', tmp_path / 'new'), '--apply')
    fails(run(tmp_path / 'nothing'), 'nothing')
    fails(run(reviewed.target, '--port', '70000'))
    fails(run(reviewed.target, '--apply'), 'nothing to apply')
    fails(run(reviewed.target, '--source', tmp_path / 'nothing'), 'nothing')


def test_apply_says_what_was_done(reviewed):
    with opened(reviewed.target) as session:
        told = act(session, 'draw', 10, kind='plate', box=missed_box(10))
        act(session, 'trim', 10, track=told['track'], side='before')
        act(session, 'trim', 11, track=told['track'], side='after')
    result = run(reviewed.target, '--apply', '--json')
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said['frames'] == 2
    assert said['corrections'][0]['kind'] == 'plate'
