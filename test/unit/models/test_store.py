# SPDX-License-Identifier: Apache-2.0
import hashlib
import http.server
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from anon_ros.errors import ModelError
from anon_ros.models.cards import ModelCard, ShippedSource, WebSource
from anon_ros.models.store import ModelStore

WEIGHTS = bytes(range(256)) * 300
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests_seen += 1
        if self.path == '/missing.onnx':
            self.send_error(404)
            return
        body = b'other' if self.path == '/other.onnx' else WEIGHTS
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1000] if self.path == '/short.onnx' else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Handler) as running:
        running.requests_seen = 0
        thread = threading.Thread(target=running.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in ('ANON_ROS_MODELS', 'ANON_ROS_CACHE', 'XDG_CACHE_HOME', 'http_proxy',
                 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)


def web_card(server, name='good', sha256=SHA256):
    port = server if isinstance(server, int) else server.server_address[1]
    return ModelCard(
        name=name, task='a test', file=f'{name}.onnx', sha256=sha256, size_bytes=len(WEIGHTS),
        source=WebSource(f'http://127.0.0.1:{port}/{name}.onnx'), licence='MIT', input='none',
    )


def store_of(*cards, cache, offline=None):
    return ModelStore(cache, offline, cards={known.name: known for known in cards})


def test_a_download_is_kept_and_not_repeated(server, tmp_path):
    store = store_of(web_card(server), cache=tmp_path / 'new' / 'cache')
    first = store.path('good')
    assert first.read_bytes() == WEIGHTS
    assert first == tmp_path / 'new' / 'cache' / 'good.onnx'
    assert store.path('good') == first
    assert server.requests_seen == 1
    assert [path.name for path in first.parent.iterdir()] == ['good.onnx']


def test_eight_digits_of_the_hash_are_enough_where_no_more_are_known(server, tmp_path):
    store = store_of(web_card(server, sha256=SHA256[:8]), cache=tmp_path)
    assert store.path('good').read_bytes() == WEIGHTS


@pytest.mark.parametrize(('name', 'cause'), [
    ('other', f'has sha256 {hashlib.sha256(b"other").hexdigest()}, expected {SHA256}'),
    ('short', 'cannot download'),
    ('missing', '404'),
])
def test_a_bad_download_leaves_nothing_and_says_what_to_do(server, tmp_path, name, cause):
    store = store_of(web_card(server, name), cache=tmp_path / 'cache')
    with pytest.raises(ModelError) as caught:
        store.path(name)
    message = str(caught.value)
    assert cause in message
    assert f'/{name}.onnx' in message
    assert SHA256 in message
    assert 'ANON_ROS_MODELS' in message
    assert list((tmp_path / 'cache').iterdir()) == []


def test_no_server_says_what_to_download_and_where_to_put_it(tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        port = taken.getsockname()[1]
    store = store_of(web_card(port), cache=tmp_path, offline=tmp_path / 'offline')
    with pytest.raises(ModelError) as caught:
        store.path('good')
    assert f'get http://127.0.0.1:{port}/good.onnx (sha256 {SHA256})' in str(caught.value)
    assert f'{tmp_path / "offline"} as good.onnx' in str(caught.value)


def test_the_offline_folder_comes_first_and_needs_no_network(server, tmp_path, monkeypatch):
    (tmp_path / 'good.onnx').write_bytes(WEIGHTS)
    monkeypatch.setenv('ANON_ROS_MODELS', str(tmp_path))
    store = store_of(web_card(server), cache=tmp_path / 'cache')
    assert store.path('good') == tmp_path / 'good.onnx'
    assert server.requests_seen == 0


def test_a_wrong_offline_file_is_never_used_nor_replaced(server, tmp_path):
    (tmp_path / 'good.onnx').write_bytes(b'wrong')
    store = store_of(web_card(server), cache=tmp_path / 'cache', offline=tmp_path)
    found = hashlib.sha256(b'wrong').hexdigest()
    with pytest.raises(ModelError, match=f'good.onnx has sha256 {found}, expected {SHA256}'):
        store.path('good')
    assert not store.pull()[0].is_ready
    assert (tmp_path / 'good.onnx').read_bytes() == b'wrong'
    assert server.requests_seen == 0


def test_a_damaged_cache_is_refused_and_pull_mends_it(server, tmp_path):
    store = store_of(web_card(server), cache=tmp_path)
    store.path('good').write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelError, match='delete it'):
        store.path('good')
    assert not store.verify()[0].is_ready
    assert store.pull()[0].is_ready
    assert store.path('good').read_bytes() == WEIGHTS


def test_verify_fetches_nothing(server, tmp_path):
    status, = store_of(web_card(server), cache=tmp_path).verify(['good'])
    assert (status.path, status.problem, status.is_ready) == (None, '', False)
    assert server.requests_seen == 0


def test_pull_goes_on_after_a_failure(server, tmp_path):
    store = store_of(web_card(server, 'missing'), web_card(server), cache=tmp_path)
    missing, good = store.pull()
    assert '404' in missing.problem
    assert good.is_ready


def test_many_threads_get_one_whole_file(server, tmp_path):
    store = store_of(web_card(server), cache=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(lambda _: store.path('good').read_bytes(), range(16)))
    assert set(contents) == {WEIGHTS}
    assert [path.name for path in tmp_path.iterdir()] == ['good.onnx']


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    store = store_of(web_card(server), cache=tmp_path / 'file' / 'cache')
    with pytest.raises(ModelError, match=r'file/cache cannot be written.*ANON_ROS_CACHE'):
        store.path('good')


@pytest.mark.parametrize(('variables', 'expected'), [
    ({'ANON_ROS_CACHE': '/a/b', 'XDG_CACHE_HOME': '/c'}, '/a/b'),
    ({'XDG_CACHE_HOME': '/c'}, '/c/anon_ros/models'),
    ({'HOME': '/home/somebody'}, '/home/somebody/.cache/anon_ros/models'),
])
def test_the_environment_chooses_the_cache(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(ModelStore().cache_dir) == expected


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ModelError, match='unknown'):
        ModelStore(tmp_path).path('nobody')


def test_shipped_weights_are_checked_too(tmp_path):
    def shipped(member, sha256):
        return ModelCard('s', 't', 's.onnx', ShippedSource(member), sha256, 1, 'MIT', 'none')

    with pytest.raises(ModelError, match='incomplete'):
        store_of(shipped('models/nowhere.onnx', SHA256), cache=tmp_path).path('s')
    with pytest.raises(ModelError, match=r'errors\.py has sha256'):
        store_of(shipped('errors.py', SHA256), cache=tmp_path).path('s')
    assert 'incomplete' in store_of(
        shipped('models/nowhere.onnx', SHA256), cache=tmp_path).pull()[0].problem
