# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all, and files that one process holds."""

import fcntl
import os
import subprocess
import sys

import pytest

from anon_ros.core.file_lock import open_locked
from anon_ros.core.whole_file import write_whole


def test_a_file_is_written_anew_in_one_step(tmp_path):
    path = tmp_path / 'a'
    write_whole(path, b'one')
    held = path.open('rb')
    write_whole(path, b'two')
    assert (path.read_bytes(), held.read()) == (b'two', b'one')
    held.close()
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / 'missing' / 'a', b'')


def test_one_holds_a_file_until_it_lets_go(tmp_path):
    path = tmp_path / 'lock'
    one = open_locked(path)
    with pytest.raises(BlockingIOError):
        open_locked(path)
    os.close(one)
    os.close(open_locked(path))
    with pytest.raises(OSError, match='No such file'):
        open_locked(tmp_path / 'missing' / 'lock')


def test_who_is_killed_lets_go(tmp_path):
    path = tmp_path / 'lock'
    code = ('import sys, time; from pathlib import Path; '
            'from anon_ros.core.file_lock import open_locked; '
            'open_locked(Path(sys.argv[1])); print(1, flush=True); time.sleep(60)')
    with subprocess.Popen(
            [sys.executable, '-c', code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'1\n'
        with pytest.raises(BlockingIOError):
            open_locked(path)
        process.kill()
    os.close(open_locked(path))


def test_a_file_system_without_locks_does_not_stop_it(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    os.close(open_locked(tmp_path / 'lock'))


def test_what_cannot_be_written_leaves_nothing_beside_it(tmp_path):
    place = tmp_path / 'a.json'
    place.mkdir()
    with pytest.raises(OSError, match='directory'):
        write_whole(place, b'{}')
    assert [each.name for each in tmp_path.iterdir()] == ['a.json']
