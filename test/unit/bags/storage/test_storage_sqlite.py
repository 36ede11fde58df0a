# SPDX-License-Identifier: Apache-2.0
"""sqlite3: rows, tables and schema versions survive; free pages do not."""

import random
import sqlite3

import pytest
from rosbags.highlevel import AnyReader

from anon_ros.bags.storage import create_bag, open_bag
from anon_ros.errors import BagError, OutputError

OLD_SCHEMA = (
    'CREATE TABLE topics(id INTEGER PRIMARY KEY,name TEXT NOT NULL,type TEXT NOT NULL,'
    'serialization_format TEXT NOT NULL{qos});'
    'CREATE TABLE messages(id INTEGER PRIMARY KEY,topic_id INTEGER NOT NULL,'
    'timestamp INTEGER NOT NULL, data BLOB NOT NULL);'
    'CREATE INDEX timestamp_idx ON messages (timestamp ASC);'
)


def make_old(path, tools, schema):
    """Write a lone file as Dashing (1) or Galactic (2) did."""
    qos = ', offered_qos_profiles TEXT NOT NULL' if schema == 2 else ''
    database = sqlite3.connect(path)
    database.executescript(f'PRAGMA page_size = 8192; PRAGMA user_version = 7; '
                           f'{OLD_SCHEMA.format(qos=qos)}')
    more = ('- history: 3\n  depth: 0',) if schema == 2 else ()
    marks = ', '.join('?' * (4 + len(more)))
    database.execute(f'INSERT INTO topics VALUES ({marks})',
                     (4, '/camera', 'sensor_msgs/CompressedImage', 'cdr', *more))
    database.execute(f'INSERT INTO topics VALUES ({marks})',
                     (9, '/imu', 'sensor_msgs/Imu', 'cdr', *more))
    for index, (topic, stamp_ns, data) in enumerate(tools.payloads(100)):
        database.execute('INSERT INTO messages VALUES (?, ?, ?, ?)',
                         (index * 3 + 1, 4 if topic == '/camera' else 9,
                          stamp_ns - index % 4 * 10**9, data))
    database.commit()
    database.close()
    return path


def contents(path):
    """Return everything that sqlite tells about a file."""
    database = sqlite3.connect(path)
    found = {'made': database.execute('SELECT type, name, sql FROM sqlite_master').fetchall()}
    for name in ('page_size', 'user_version', 'application_id', 'encoding'):
        found[name] = database.execute(f'PRAGMA {name}').fetchall()
    for kind, name, _ in found['made']:
        if kind == 'table':
            found[name] = database.execute(f'SELECT rowid, * FROM {name}').fetchall()
    assert database.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
    database.close()
    return found


@pytest.fixture(params=['1', '2', '4', '4 message'])
def any_db3(request, tools, tmp_path):
    if request.param in {'1', '2'}:
        return make_old(tmp_path / 'in.db3', tools, int(request.param))
    mode = 'message' if 'message' in request.param else 'none'
    return tools.make_ros2(tmp_path / 'in', 'sqlite3', mode, 100) / 'in.db3'


def change_cameras(message):
    return b'changed' * 9 if message.connection.topic == '/camera' else None


def test_unchanged_has_the_same_contents(any_db3, tools, tmp_path):
    target = tools.rewrite(any_db3, tmp_path / 'out.db3')
    assert contents(target) == contents(any_db3)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        {'out.db3', any_db3.relative_to(tmp_path).parts[0]})


def test_only_changed_payloads_differ(any_db3, tools, tmp_path):
    target = tools.rewrite(any_db3, tmp_path / 'out.db3', edit=change_cameras)
    before, after = contents(any_db3), contents(target)
    old, new = before.pop('messages'), after.pop('messages')
    assert before == after
    assert [row[:-1] for row in old] == [row[:-1] for row in new]
    differing = sum(a != b for a, b in zip(old, new, strict=True))
    assert differing == 20
    assert [row[-1] for row in tools.read(target) if row[2] == '/camera'] == [b'changed' * 9] * 20


def test_nothing_replaced_or_deleted_is_left_in_the_file(tools, tmp_path):
    source = tools.make_ros2(tmp_path / 'in', 'sqlite3', 'none', 60) / 'in.db3'
    database = sqlite3.connect(source)
    database.execute('PRAGMA secure_delete = OFF')
    database.execute('INSERT INTO messages VALUES (999, 1, 5, ?)', (b'deleted face' * 900,))
    database.commit()
    database.execute('DELETE FROM messages WHERE id = 999')
    database.commit()
    database.close()
    assert b'deleted face' in source.read_bytes()
    target = tools.rewrite(source, tmp_path / 'out.db3', edit=change_cameras)
    data = target.read_bytes()
    assert b'deleted face' not in data
    for topic, _, payload in tools.payloads(60):
        assert (payload[:300] in data) == (topic != '/camera')


def test_dropped_topic_is_gone(tools, tmp_path):
    source = tools.make_ros2(tmp_path / 'in', 'sqlite3', 'none', 100)
    target = tools.rewrite(source, tmp_path / 'out', keep=lambda each: each.topic != '/camera')
    assert b'/camera' not in (target / 'in.db3').read_bytes()
    assert b'CompressedImage' not in (target / 'in.db3').read_bytes()
    expected = [row for row in contents(source / 'in.db3')['messages'] if row[2] != 1]
    assert contents(target / 'in.db3')['messages'] == expected
    with AnyReader([target]) as reader:
        assert sum(1 for _ in reader.messages()) == 80 == reader.message_count


def test_unknown_tables_come_only_by_permission(tools, tmp_path):
    source = make_old(tmp_path / 'in.db3', tools, 1)
    database = sqlite3.connect(source)
    database.execute('CREATE TABLE previews(image BLOB)')
    database.execute('INSERT INTO previews VALUES (?)', (b'a face' * 50,))
    database.execute('CREATE INDEX preview_idx ON previews (image)')
    database.commit()
    database.close()
    with open_bag(source) as bag:
        table, = bag.attachments
        assert (table.name, table.size) == ('table previews', 300)
        assert table.data == b'a face' * 50
    kept = tools.rewrite(source, tmp_path / 'kept.db3')
    assert contents(kept)['previews'] == contents(source)['previews']
    dropped = tools.rewrite(source, tmp_path / 'out.db3', keep_attachment=lambda _: False)
    assert b'a face' not in dropped.read_bytes()
    assert len(tools.read(dropped)) == 100


def test_samples_spread_over_the_file(any_db3, tools):
    everything = [row[-1] for row in tools.read(any_db3) if row[2] == '/camera']
    with open_bag(any_db3) as bag:
        file = bag.files[0]
        camera = next(each for each in file.connections if each.topic == '/camera')
        places = [everything.index(data) for data in file.sample(camera, 5)]
    assert places == [0, 5, 10, 14, 19]


def test_old_type_names_are_normalised_but_stay_in_the_file(tools, tmp_path):
    source = make_old(tmp_path / 'in.db3', tools, 1)
    with open_bag(source) as bag:
        assert [each.msgtype for each in bag.connections] == [
            'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Imu']
    target = tools.rewrite(source, tmp_path / 'out.db3')
    assert contents(target)['topics'][0][3] == 'sensor_msgs/CompressedImage'


def test_truncated_is_one_clear_line(tools, tmp_path):
    source = make_old(tmp_path / 'in.db3', tools, 1)
    data = source.read_bytes()
    for size in (1, 50, 99, 100, 5000, 20000, len(data) - 1):
        source.write_bytes(data[:size])
        with pytest.raises(BagError, match=r'in\.db3: ') as info:
            tools.read(source)
        assert '\n' not in str(info.value)


def test_any_flipped_byte_is_a_clear_error_or_harmless(tools, tmp_path):
    source = make_old(tmp_path / 'in.db3', tools, 2)
    data = source.read_bytes()
    dice = random.Random(2)
    broken = tmp_path / 'broken.db3'
    told = []
    for place in [*range(0, 110, 5), *(dice.randrange(len(data)) for _ in range(25)),
                  *(page + dice.randrange(12) for page in range(0, len(data), 8 * 8192))]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << dice.randrange(8)
        broken.write_bytes(flipped)
        try:
            tools.rewrite(broken, tmp_path / f'out{place}.db3')
        except BagError as error:
            told.append(str(error))
        except OutputError:  # a statement of the damaged source that no database takes
            continue
    assert all('broken.db3' in each for each in told)
    assert len(told) > 5


def test_recording_that_did_not_end_is_refused(tools, tmp_path):
    source = make_old(tmp_path / 'in.db3', tools, 1)
    (tmp_path / 'in.db3-wal').write_bytes(b'rows nobody would see')
    with pytest.raises(BagError, match=r'in\.db3-wal: the recording did not end'):
        open_bag(source)


def test_not_a_bag(tmp_path):
    path = tmp_path / 'photos.db3'
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE photos(data BLOB)')
    database.commit()
    database.close()
    with pytest.raises(BagError, match='not a bag'):
        open_bag(path)


@pytest.mark.parametrize('fault', ['twice', 'left out', 'not kept'])
def test_a_rewriter_that_loses_order_is_stopped(any_db3, tmp_path, fault):
    def run(bag):
        keep = (lambda each: each.topic != '/imu') if fault == 'not kept' else (lambda _: True)
        with create_bag(tmp_path / 'out.db3', bag, keep=keep,
                        keep_attachment=lambda _: True) as out:
            messages = list(bag.files[0].messages())
            if fault == 'twice':
                messages.insert(90, messages[3])
            elif fault == 'left out':
                del messages[50]
            for message in messages:
                out.file(bag.files[0]).write(message, message.data)
            out.finish()

    with open_bag(any_db3) as bag, pytest.raises(OutputError):
        run(bag)
    assert not (tmp_path / 'out.db3').exists()
