# SPDX-License-Identifier: Apache-2.0
"""The server over real HTTP: what it answers, and above all what it refuses."""

import http.client
import json
import re
import shutil
import socket
import threading
import time

import pytest
from reviewed import missed_box, opened

from anon_ros.errors import OutputError
from anon_ros.review.application import ASSETS, load_assets
from anon_ros.review.guard import MAX_BODY_BYTES
from anon_ros.review.serving import HOST, listen, make_server

TOKEN = 'a-token-of-some-length'
AUTHORITY = {'Authorization': f'Bearer {TOKEN}'}
JSON = {**AUTHORITY, 'Content-Type': 'application/json'}
DRAW = {'action': 'draw', 'stream': 0, 'frame': 10, 'kind': 'face', 'box': missed_box(10)}
GUARDED = ('/api/session', '/api/queue', '/api/streams/0/timeline', '/api/streams/0/frames/0',
           '/api/streams/0/frames/0/after.jpg', '/api/streams/0/frames/0/before.jpg',
           '/api/streams/0/tracks/0', '/api/', '/api/nothing')


class Client:
    """Speaks plain HTTP to the server, as rude as it likes."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host='Host' in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None and 'Content-Length' not in (headers or {}) and (
                'Transfer-Encoding' not in (headers or {})
            ):
                connection.putheader('Content-Length', str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask('GET', path, {**AUTHORITY, **headers})

    def post(self, path, value=None, **headers):
        return self.ask('POST', path, {**JSON, **headers}, json.dumps(value or {}).encode())


@pytest.fixture(scope='module')
def client(made, tmp_path_factory):
    target = tmp_path_factory.mktemp('served') / 'anonymized'
    shutil.copytree(made.target, target)
    with opened(target, made.source) as session, listen(0) as listening:
        server = make_server(session, TOKEN, listening)
        thread = threading.Thread(target=server.run, kwargs={'sockets': [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Client(listening.getsockname()[1])
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def pending(client):
    return json.loads(client.get('/api/session')[2])['pending']


def test_the_page_and_its_files_hold_nothing_and_need_no_token(client):
    status, headers, page = client.ask('GET', '/')
    assert status == 200
    assert headers['content-type'].startswith('text/html')
    for name in re.findall(rb'(?:href|src)="/assets/([^"]+)"', page):
        status, headers, _ = client.ask('GET', f'/assets/{name.decode()}')
        assert status == 200, name
        assert headers['x-content-type-options'] == 'nosniff'
    for module in (name for name in load_assets() if name.endswith('.js')):
        status, headers, text = client.ask('GET', f'/assets/{module}')
        assert headers['content-type'].startswith('text/javascript')
        for other in re.findall(rb"from '\./([^']+)'", text):
            assert other.decode() in load_assets()


def test_nothing_is_loaded_from_anywhere_else():
    for path in ASSETS.iterdir():
        text = path.read_text()
        text = text.replace('http://www.w3.org/2000/svg', '')
        assert not re.search(r'//[a-z0-9-]+\.[a-z]', text), path
        assert 'innerHTML' not in text
        assert ' style="' not in text


def test_every_answer_says_what_a_browser_may_do_with_it(client):
    for status, headers, _ in (
        client.ask('GET', '/'), client.get('/api/session'), client.ask('GET', '/api/session'),
        client.get('/api/streams/0/frames/0/before.jpg'), client.ask('GET', '/nothing'),
    ):
        assert headers['cache-control'] == 'no-store', status
        assert "default-src 'none'" in headers['content-security-policy']
        assert "script-src 'self'" in headers['content-security-policy']
        assert headers['x-frame-options'] == 'DENY'
        assert headers['referrer-policy'] == 'no-referrer'
        assert headers['cross-origin-resource-policy'] == 'same-origin'
        assert 'set-cookie' not in headers
        assert 'access-control-allow-origin' not in headers
        assert 'server' not in headers


def test_with_the_token_it_answers(client):
    status, _, body = client.get('/api/session')
    assert status == 200
    assert json.loads(body)['has_source'] is True
    for side in ('before', 'after'):
        status, headers, body = client.get(f'/api/streams/0/frames/3/{side}.jpg')
        assert (status, headers['content-type'], body[:2]) == (200, 'image/jpeg', b'\xff\xd8')
    assert json.loads(client.get('/api/streams/0/timeline?bins=7')[2])['edges'][-1] == 24
    assert json.loads(client.get('/api/streams/0/tracks/0')[2])['frames'] == 24


def test_what_is_done_is_done_and_undone(client):
    status, _, body = client.post('/api/edits', DRAW)
    assert status == 200
    track = json.loads(body)['track']
    status, _, body = client.post(f'/api/streams/0/tracks/{track}/follow')
    assert status == 200
    assert json.loads(body)['frames'] >= 16
    assert json.loads(client.post('/api/undo')[2])['can_redo'] is True
    assert client.post('/api/undo')[0] == 409
    assert client.post('/api/redo')[0] == 200
    assert client.post('/api/undo')[0] == 200


@pytest.mark.parametrize('authority', [
    None, '', 'Bearer', 'Bearer ', f'Bearer {TOKEN}x', f'Bearer {TOKEN[:-1]}', f'Basic {TOKEN}',
    TOKEN, f'Bearer {TOKEN.upper()}', f'Bearer  {TOKEN}', 'Bearer \xe4\xf6\xfc',
])
def test_a_wrong_token_is_refused(client, authority):
    headers = {} if authority is None else {'Authorization': authority}
    for path in GUARDED:
        status, _, body = client.ask('GET', path, headers)
        assert status == 401, path
        assert b'token' in body
    before = pending(client)
    assert client.ask('POST', '/api/edits', {**headers, 'Content-Type': 'application/json'},
                      json.dumps(DRAW).encode())[0] == 401
    assert pending(client) == before


def test_two_tokens_are_none(client):
    connection = http.client.HTTPConnection(HOST, client.port, timeout=60)
    connection.putrequest('GET', '/api/session')
    connection.putheader('Authorization', f'Bearer {TOKEN}')
    connection.putheader('Authorization', f'Bearer {TOKEN}')
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_a_token_in_the_address_or_in_a_cookie_does_not_count(client):
    assert client.ask('GET', f'/api/session?token={TOKEN}')[0] == 401
    assert client.ask('GET', '/api/session', {'Cookie': f'token={TOKEN}'})[0] == 401


@pytest.mark.parametrize('origin', [
    'http://evil.example', 'https://127.0.0.1:{port}', 'http://127.0.0.1:1', 'http://127.0.0.1',
    'null', '', 'http://127.0.0.1:{port}.evil.example', 'http://localhost:{port}',
    'http://127.0.0.1:{port}@evil.example', 'http://[', 'file://',
])
def test_a_page_from_another_origin_is_refused(client, origin):
    origin = origin.replace('{port}', str(client.port))
    assert client.get('/api/session', Origin=origin)[0] == 403
    assert client.post('/api/edits', DRAW, Origin=origin)[0] == 403
    assert client.ask('OPTIONS', '/api/edits', {'Origin': origin})[0] == 405


def test_its_own_page_is_not_refused(client):
    origin = f'http://127.0.0.1:{client.port}'
    headers = {'Origin': origin, 'Sec-Fetch-Site': 'same-origin'}
    assert client.get('/api/session', **headers)[0] == 200
    local = f'localhost:{client.port}'
    assert client.get('/api/session', Host=local, Origin=f'http://{local}')[0] == 200


@pytest.mark.parametrize('site', ['cross-site', 'same-site', 'anything'])
def test_what_a_browser_marks_as_foreign_is_refused(client, site):
    assert client.get('/api/session', **{'Sec-Fetch-Site': site})[0] == 403
    assert client.ask('GET', '/', {'Sec-Fetch-Site': site})[0] == 403


@pytest.mark.parametrize('host', [
    'evil.example', 'evil.example:{port}', '127.0.0.1', '127.0.0.1:1', '127.0.0.1:{port}.evil',
    '0.0.0.0:{port}', '', 'localhost', '127.1:{port}', '2130706433:{port}',
])
def test_a_name_that_was_bound_to_loopback_is_refused(client, host):
    host = host.replace('{port}', str(client.port))
    assert client.get('/api/session', Host=host)[0] == 421
    assert client.ask('GET', '/', {'Host': host})[0] == 421


@pytest.mark.parametrize('path', [
    '/assets/../result.py', '/assets/..%2fresult.py', '/assets/%2e%2e/%2e%2e/etc/passwd',
    '/assets/%2e%2e%2fapplication.py', '/../../etc/passwd', '//etc/passwd',
    '/assets//etc/passwd', '/assets/....//guard.py', '/assets/index.html%00.js',
    '/assets/..\\guard.py', '/assets/%252e%252e%252fguard.py', '/assets/', '/assets/review.css/',
    '/anon/regions.jsonl', '/assets/C:/windows/win.ini', '/assets/.htaccess',
])
def test_no_path_leads_to_a_file(client, path):
    for headers in ({}, AUTHORITY):
        status, _, body = client.ask('GET', path, headers)
        assert status == 404, path
        assert b'root:' not in body
        assert b'SPDX' not in body


@pytest.mark.parametrize('path', [
    '/api/streams/0/frames/-1', '/api/streams/-1/frames/0', '/api/streams/0/frames/1.5',
    '/api/streams/0/frames/abc', '/api/streams/../frames/0', '/api/streams/0/frames/..%2f0',
    '/api/streams/0/frames/0/../../../after.jpg', '/api/streams/0/frames/0/passwd.jpg',
    '/api/streams/0/frames/0/..%2fafter.jpg', '/api/streams/0/frames/0/after.png',
    '/api/streams/0/frames/0/after.jpg/x', '/api/streams/0/frames/%00',
])
def test_frames_have_numbers_not_names(client, path):
    assert client.get(path)[0] == 404


@pytest.mark.parametrize('path', [
    '/api/streams/9/frames/0', '/api/streams/0/frames/999999999999999999999999',
    '/api/streams/0/tracks/77', '/api/streams/9/timeline',
    '/api/streams/0/frames/99/after.jpg',
])
def test_numbers_that_stand_for_nothing_are_refused(client, path):
    status, _, body = client.get(path)
    assert status == 409
    assert b'there is no' in body


@pytest.mark.parametrize('bins', ['0', '-5', 'x', '1e9', '99999999999999999999', '', '%00'])
def test_odd_bins_do_no_harm(client, bins):
    status, _, body = client.get(f'/api/streams/0/timeline?bins={bins}')
    assert status == 200
    assert 1 <= len(json.loads(body)['risk']) <= 24


def test_an_oversized_request_is_refused(client):
    before = pending(client)
    body = b' ' * MAX_BODY_BYTES + json.dumps(DRAW).encode()
    # It says how large it is, and is refused before it is read.
    announced = {**JSON, 'Content-Length': str(10**12)}
    assert client.ask('POST', '/api/edits', announced, b'{}')[0] == 413
    assert client.ask('POST', '/api/edits', JSON, body)[0] == 413
    assert pending(client) == before


def test_an_oversized_request_that_does_not_say_so_is_refused(client):
    before = pending(client)
    with socket.create_connection((HOST, client.port), timeout=60) as connection:
        head = (
            f'POST /api/edits HTTP/1.1\r\nHost: {HOST}:{client.port}\r\n'
            f'Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n'
            'Transfer-Encoding: chunked\r\n\r\n'
        )
        connection.sendall(head.encode())
        chunk = b'4000\r\n' + b' ' * 0x4000 + b'\r\n'
        sent = 0
        try:
            while sent < 64 * MAX_BODY_BYTES:
                connection.sendall(chunk)
                sent += 0x4000
            pytest.fail('it took all of it')
        except OSError:
            assert sent < 64 * MAX_BODY_BYTES
    assert pending(client) == before


@pytest.mark.parametrize('length', ['-1', '1x', '٣', '1, 2'])
def test_odd_lengths_are_refused(client, length):
    headers = {**JSON, 'Content-Length': length.encode().decode('latin-1')}
    assert client.ask('POST', '/api/undo', headers, b'{}')[0] in {400, 413}


@pytest.mark.parametrize('kind', [
    'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', '',
    'application/json-evil', 'text/html;application/json',
])
def test_what_a_form_could_send_is_refused(client, kind):
    headers = {**AUTHORITY, 'Content-Type': kind}
    assert client.ask('POST', '/api/edits', headers, json.dumps(DRAW).encode())[0] == 415


@pytest.mark.parametrize('method', ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])
def test_other_methods_are_refused(client, method):
    assert client.ask(method, '/api/edits', AUTHORITY)[0] == 405


@pytest.mark.parametrize('body', [b'', b'null', b'{', b'\xff', b'[' * 9000, b'{"action":"draw"}'])
def test_nonsense_is_refused_in_words(client, body):
    status, _, said = client.ask('POST', '/api/edits', JSON, body)
    assert status == 409
    assert 'error' in json.loads(said)


def test_reading_by_posting_and_posting_by_reading_is_refused(client):
    assert client.get('/api/undo')[0] == 405
    assert client.post('/api/queue')[0] == 405


def test_striking_takes_a_confirmation(client):
    strike = {'action': 'strike', 'stream': 0, 'frame': 10, 'region': 0}
    status, _, body = client.post('/api/edits', strike)
    assert status == 409
    assert b'confirmed' in body


def test_it_listens_on_loopback_only(client):
    with listen(0) as listening:
        assert listening.getsockname()[0] == '127.0.0.1'
        with pytest.raises(OutputError, match='cannot be used'):
            listen(listening.getsockname()[1])
