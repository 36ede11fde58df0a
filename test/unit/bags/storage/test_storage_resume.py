# SPDX-License-Identifier: Apache-2.0
"""A run killed at any moment goes on where it stopped and gives the same bag."""

import random
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from anon_ros.bags.storage import create_bag, open_bag
from anon_ros.bags.storage import partial as partial_module
from anon_ros.bags.storage.target_bag import TargetBag
from anon_ros.errors import OutputError

SLOW_RUN = """
import sys, time
from anon_ros.bags.storage import create_bag, open_bag, piece_target, sqlite_target
piece_target.CHECKPOINT_S = sqlite_target.CHECKPOINT_S = 0.01
sqlite_target._BATCH_ROWS = 3
with open_bag(sys.argv[1]) as bag, create_bag(
        sys.argv[2], bag, keep=lambda each: each.topic != '/own', keep_attachment=lambda _: True,
        resume=True) as out:
    print('begun', flush=True)
    for file in bag.files:
        target = out.file(file)
        for message in file.messages(target.messages_done):
            time.sleep(0.003)
            if message.connection.topic == '/own' or message.log_ns % 7 == 0:
                target.drop(message)
            elif message.connection.topic == '/camera':
                target.write(message, bytes(message.data[::-1]))
            else:
                target.write(message, message.data)
    out.finish()
"""


def keep(connection):
    return connection.topic != '/own'


def drop(message):
    return message.log_ns % 7 == 0


def edit(message):
    return bytes(message.data[::-1]) if message.connection.topic == '/camera' else None


def make(tools, folder, kind):
    if kind == 'ros1':
        return tools.make_ros1(folder / 'in.bag', 'lz4')
    if kind == 'sqlite3':
        return tools.make_ros2(folder / 'in', 'sqlite3')
    if kind == 'mcap unchunked':
        return tools.make_mcap(folder / 'in.mcap', use_chunking=False)
    if kind == 'mcap files':
        return tools.make_ros2(folder / 'in', 'mcap', 'file')
    return tools.make_mcap(folder / 'in.mcap', chunk_size=1 << 16, enable_data_crcs=True)


def same(one, two):
    if one.is_dir():
        assert sorted(each.name for each in one.iterdir()) == sorted(
            each.name for each in two.iterdir())
        for each in one.iterdir():
            same(each, two / each.name)
    elif one.suffix == '.db3':
        dumps = []
        for path in (one, two):
            database = sqlite3.connect(path)
            assert database.execute('PRAGMA integrity_check').fetchone() == ('ok',)
            dumps.append(list(database.iterdump()))
            database.close()
        assert dumps[0] == dumps[1]
    else:
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize('kind', ['mcap', 'mcap unchunked', 'mcap files', 'sqlite3', 'ros1'])
def test_killed_at_random_moments(tools, tmp_path, kind):
    source = make(tools, tmp_path, kind)
    (tmp_path / 'whole').mkdir()
    whole = tools.rewrite(source, tmp_path / 'whole' / source.name, keep=keep, drop=drop,
                          edit=edit)
    target = tmp_path / source.name.replace('in', 'out')
    dice = random.Random(kind)
    for _ in range(4):
        run = subprocess.Popen([sys.executable, '-c', SLOW_RUN, str(source), str(target)],
                               stdout=subprocess.PIPE)
        assert run.stdout.readline() == b'begun\n'
        time.sleep(dice.uniform(0.0, 0.12))
        run.kill()
        run.wait()
        run.stdout.close()
        if target.exists():  # faster than the kill: then it must be whole
            break
    else:
        tools.rewrite(source, target, keep=keep, drop=drop, edit=edit, resume=True)
    same(whole, target)


@pytest.mark.parametrize('kind', ['mcap', 'mcap unchunked', 'sqlite3', 'ros1'])
def test_going_on_begins_at_the_checkpoint(tools, tmp_path, kind):
    source = make(tools, tmp_path, kind)
    with open_bag(source) as bag, create_bag(
            tmp_path / 'out', bag, keep=lambda _: True, keep_attachment=lambda _: True) as out:
        target = out.file(bag.files[0])
        for number, message in enumerate(bag.files[0].messages()):
            if number == 100:
                break
            target.write(message, message.data)
        reached = target.checkpoint()
    with open_bag(source) as bag, create_bag(
            tmp_path / 'out', bag, keep=lambda _: True, keep_attachment=lambda _: True,
            resume=True) as out:
        target = out.file(bag.files[0])
        assert target.messages_done == reached
        assert reached == 100 if kind == 'sqlite3' else reached < 100
        assert reached > 0 or kind == 'mcap unchunked'
        for message in bag.files[0].messages(reached):
            target.write(message, message.data)
        out.finish()
    whole = tools.rewrite(source, tmp_path / 'whole')
    same(whole, tmp_path / 'out')


class KilledError(BaseException):
    pass


@pytest.mark.parametrize('shape', ['folder', 'file'])
@pytest.mark.parametrize('step', ['_reveal', 'refuse_existing', '_sync_folder', 'rmtree'])
def test_killed_while_publishing(tools, tmp_path, monkeypatch, shape, step):
    source = tools.make_ros2(tmp_path / 'in', 'mcap', 'none', 30)
    if shape == 'file':
        source /= 'in.mcap'
    target = tmp_path / 'out'

    def die(*_args, **_options):
        raise KilledError

    def run(*, resume):
        with open_bag(source) as bag, create_bag(
                target, bag, keep=lambda _: True, keep_attachment=lambda _: True,
                resume=resume) as out:
            out.sidecar_path.mkdir(exist_ok=True)
            (out.sidecar_path / 'manifest.json').write_text('{}')
            writer = out.file(bag.files[0])
            for message in bag.files[0].messages(writer.messages_done):
                writer.write(message, message.data)
            publish(out)

    def publish(out: TargetBag):
        if not killed:
            killed.append(True)
            module = shutil if step == 'rmtree' else partial_module
            with monkeypatch.context() as patch:
                patch.setattr(module, step, die)
                out.finish()
        out.finish()

    killed = []
    with pytest.raises(KilledError):
        run(resume=False)
    if target.exists():  # all is shown already: nothing is left to do
        with pytest.raises(OutputError, match='exists already'):
            run(resume=True)
    else:
        run(resume=True)
        assert not (tmp_path / 'out.partial').exists()
    assert len(tools.read(target)) == 30
    sidecar = target / 'anon' if shape == 'folder' else tmp_path / 'out.anon'
    assert (sidecar / 'manifest.json').exists()


def test_killed_between_the_last_commit_and_its_record(tools, tmp_path, monkeypatch):
    source = make(tools, tmp_path, 'sqlite3')
    whole = tools.rewrite(source, tmp_path / 'whole')

    def die(*_args):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(partial_module.State, 'save', die)
        with pytest.raises(KilledError):
            tools.rewrite(source, tmp_path / 'out')
    same(whole, tools.rewrite(source, tmp_path / 'out', resume=True))


@pytest.mark.parametrize('text', ['', '{', '[]', '{"counts": 3}', '{"unknown": 1}'])
def test_broken_state_is_one_clear_line(tools, tmp_path, text):
    source = tools.make_mcap(tmp_path / 'in.mcap', 30)
    with open_bag(source) as bag, create_bag(
            tmp_path / 'out', bag, keep=lambda _: True, keep_attachment=lambda _: True) as out:
        out.file(bag.files[0]).checkpoint()
    (tmp_path / 'out.partial' / 'state' / 'in.mcap.json').write_text(text)
    with pytest.raises(OutputError, match='cannot be resumed from'):
        tools.rewrite(source, tmp_path / 'out', resume=True)


def test_growing_file_that_became_shorter_is_not_trusted(tools, tmp_path):
    source = tools.make_mcap(tmp_path / 'in.mcap')
    with open_bag(source) as bag, create_bag(
            tmp_path / 'out', bag, keep=lambda _: True, keep_attachment=lambda _: True) as out:
        target = out.file(bag.files[0])
        for message in bag.files[0].messages():
            target.write(message, message.data)
        assert target.checkpoint() > 0
    part = tmp_path / 'out.partial' / 'bag' / 'in.mcap.part'
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(OutputError, match='shorter than it was'):
        tools.rewrite(source, tmp_path / 'out', resume=True)
