# SPDX-License-Identifier: Apache-2.0
"""A folder here and a store of objects elsewhere keep the same promises."""

import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from anon_ros.errors import InputError, OutputError, UsageError
from anon_ros.fleet.places import check_apart, open_place

HOSTILE = ('../x', 'a/../../x', '/etc/passwd', 'a//b', '.', 'a\\..\\b', 'a/\0')


@pytest.fixture(params=['folder', 'file url', 'memory'])
def place(request, tmp_path):
    if request.param == 'memory':
        pytest.importorskip('fsspec')
        return open_place(f'memory://{uuid.uuid4().hex}', make=True)
    url = tmp_path / 'place'
    return open_place(f'file://{url}' if request.param == 'file url' else str(url), make=True)


def names(place, prefix=''):
    return sorted(file.name for file in place.files(prefix))


def test_files_are_written_read_listed_and_removed(place):
    place.write('a/b.json', b'one')
    place.write('a/b.json', b'twice')
    place.write('c.json', b'')
    assert place.read('a/b.json') == b'twice'
    assert place.read('a/b.json', 1, 3) == b'wi'
    assert place.read('c.json') == b''
    assert place.read('nothing') is None
    assert names(place) == ['a/b.json', 'c.json']
    assert names(place, 'a') == ['a/b.json'] == names(place, 'a/b.json')
    assert names(place, 'nothing') == []
    assert {file.name: file.size_bytes for file in place.files()}['a/b.json'] == 5
    place.remove('a')
    place.remove('a')
    assert names(place) == ['c.json']


def test_one_of_several_creators_succeeds(place):
    def create(number):
        return place.create('lease', str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(8)))
    if place.folder is not None:
        assert sum(made) == 1
        assert place.read('lease') == str(made.index(True)).encode()
    assert not place.create('lease', b'later')
    assert names(place) == ['lease']


def test_a_bag_is_published_whole_and_never_over_another(place, tmp_path):
    base = (place.folder or tmp_path) / '.staged'

    def stage():
        (base / 'bag' / 'anon').mkdir(parents=True)
        (base / 'bag' / 'metadata.yaml').write_text('m')
        (base / 'bag' / 'bag_0.mcap').write_bytes(b'data')
        (base / 'bag' / 'anon' / 'manifest.json').write_text('{}')
        return base / 'bag'

    place.publish(stage(), 'v/bag')
    whole = ['v/bag/anon/manifest.json', 'v/bag/bag_0.mcap', 'v/bag/metadata.yaml']
    assert names(place, 'v') == whole
    if not (base / 'bag').exists():
        stage()
    with pytest.raises(OutputError, match='never overwritten'):
        place.publish(base / 'bag', 'v/bag')
    lone = base / 'x.mcap'
    lone.write_bytes(b'lone')
    place.publish(lone, 'x.mcap')
    assert place.read('x.mcap') == b'lone'
    assert [name for name in names(place) if not name.startswith('.staged')] == [*whole, 'x.mcap']


def test_files_are_fetched(place, tmp_path):
    place.write('a/b.mcap', b'data')
    place.fetch('a/b.mcap', tmp_path / 'deep' / 'here.mcap')
    assert (tmp_path / 'deep' / 'here.mcap').read_bytes() == b'data'
    with pytest.raises(InputError):
        place.fetch('a/nothing', tmp_path / 'nothing')


@pytest.mark.parametrize('name', HOSTILE)
def test_names_that_lead_out_are_refused_by_every_method(place, tmp_path, name):
    (tmp_path / 'staged').write_bytes(b'')
    for refused in (
        lambda: place.read(name), lambda: place.write(name, b''), lambda: place.create(name, b''),
        lambda: place.remove(name), lambda: place.fetch(name, tmp_path / 'to'),
        lambda: place.publish(tmp_path / 'staged', name), lambda: list(place.files(name)),
    ):
        with pytest.raises(InputError, match='not touched'):
            refused()
    assert not (tmp_path / 'to').exists()


def test_a_place_travels_to_a_worker(place):
    place.write('a', b'data')
    assert pickle.loads(pickle.dumps(place)).read('a') == b'data'


def test_what_cannot_be_opened_says_so(tmp_path):
    with pytest.raises(InputError, match='no such folder'):
        open_place(str(tmp_path / 'nothing'))
    pytest.importorskip('fsspec')
    with pytest.raises(UsageError, match='nonsense'):
        open_place('nonsense://bucket/x')


def test_source_and_target_lie_apart(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'a')
    one = str(tmp_path / 'a')
    check_apart(one, str(tmp_path / 'ab'))
    for other in (tmp_path, tmp_path / 'a', tmp_path / 'link' / 'x', tmp_path / 'a' / 'deep'):
        with pytest.raises(UsageError, match='one in the other'):
            check_apart(one, str(other))
        with pytest.raises(UsageError, match='one in the other'):
            check_apart(f'file://{other}', one)


def test_prefixes_of_one_store_lie_apart():
    check_apart('s3://bucket/in', 's3://bucket/input')
    check_apart('s3://bucket/in', 'gs://bucket/in')
    with pytest.raises(UsageError):
        check_apart('s3://bucket/in', 's3://bucket/in/out')
