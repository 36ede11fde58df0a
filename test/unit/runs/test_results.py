# SPDX-License-Identifier: Apache-2.0
"""Reports, seals and signatures of one result and of many."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from bag_builder import BagBuilder, MagentaDetector, picture, shows_magenta
from report_page import decode

from anon_ros.audit.fleet_summary import find_results
from anon_ros.audit.seal import hash_json
from anon_ros.audit.signature import read_signature
from anon_ros.core.settings import Settings
from anon_ros.errors import InputError, UsageError
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.check import check_seal
from anon_ros.runs.results import (
    check_results,
    results_in,
    sign_results,
    summary_of,
    write_any_report,
)
from anon_ros.runs.verify import keep_verification, verify_bag

pytest.importorskip('cryptography')
SETTINGS = Settings(target=('face',), threads=1, seed=1)
HOSTILE = '/"><img src=x onerror=alert(1)>&{{7*7}}'


def make_key(path, password=None):
    from cryptography.hazmat.primitives import serialization as how
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    locked = how.BestAvailableEncryption(password) if password else how.NoEncryption()
    path.write_bytes(key.private_bytes(how.Encoding.PEM, how.PrivateFormat.PKCS8, locked))
    public = path.with_suffix('.pub')
    public.write_bytes(key.public_key().public_bytes(
        how.Encoding.PEM, how.PublicFormat.SubjectPublicKeyInfo))
    return path, public


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('results')
    builder = BagBuilder()
    for i in range(8):
        builder.raw('/camera', (i + 1) * 10**8, picture(squares=((20 + i, 16),)))
        builder.raw(HOSTILE, (i + 1) * 10**8 + 1, picture(squares=((50, 16),)))
        builder.text('/chatter', (i + 1) * 10**8 + 2, 'hello')
    source = builder.write(folder / 'source')
    target = folder / 'target'
    anonymize_bag(BagJob(source, target), SETTINGS, detector=MagentaDetector())
    return source, target


@pytest.fixture
def target(made, tmp_path):
    shutil.copytree(made[1], tmp_path / 'target')
    return tmp_path / 'target'


@pytest.fixture
def fleet(made, tmp_path):
    """Return a folder of three results in folders, one that failed and one that is not done."""
    folder = tmp_path / 'fleet'
    for name in ('a', 'b/one day', 'b/javascript:alert(1)'):
        shutil.copytree(made[1], folder / name)
    (folder / 'c.partial' / 'bag' / 'anon').mkdir(parents=True)
    shutil.copy(folder / 'a' / 'anon' / 'manifest.json', folder / 'c.partial' / 'bag' / 'anon')
    state = folder / '.anon-fleet' / 'state' / 'd'
    state.mkdir(parents=True)
    (state / 'bad.json').write_text(json.dumps({'status': 'failed', 'error': 'is <b>damaged</b>'}))
    (state / 'good.json').write_text(json.dumps({'status': 'done'}))
    (state / 'half.json').write_text('{"status": ')
    return folder


class Links(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def offline(html):
    """Check that a page asks nobody for anything and runs nothing."""
    written = re.sub(r'data:image/jpeg;base64,[\w+/=]+', '', html)
    assert not re.search(r'https?:|@import|url\(', written, re.IGNORECASE)
    for tag, attributes in Links(html).tags:
        assert tag not in {'script', 'link', 'iframe', 'object', 'embed', 'base', 'form'}
        assert not any(name.startswith('on') for name in attributes)
        for name in {'src', 'href'} & attributes.keys():
            assert attributes[name].startswith(('data:image/jpeg;base64,', '#', './'))


def test_a_report_is_rebuilt_from_what_lies_beside_the_result(target):
    before = (target / 'anon' / 'report.html').read_text()
    (target / 'anon' / 'report.html').unlink()
    path = write_any_report(target)
    assert path.read_text() == before
    assert before.count('<img') >= 2
    offline(before)
    assert '&lt;img src=x' in before


class Unsure(MagentaDetector):
    """Is never sure, so that its tracks are risky."""

    def detect(self, image_bgr):
        found = super().detect(image_bgr)
        return replace(found, scores=np.full(len(found), 0.3, np.float32))


def test_no_picture_of_a_report_shows_what_was_hidden(made, tmp_path):
    source, _ = made
    target = tmp_path / 'target'
    anonymize_bag(BagJob(source, target), SETTINGS, detector=Unsure())
    page = (target / 'anon' / 'report.html').read_text()
    assert 'never seen clearly' in page
    images = [attributes['src'] for tag, attributes in Links(page).tags if tag == 'img']
    assert len(images) > page.count('class="outline odd"') > 0
    assert not any(shows_magenta(decode(image)) for image in images)
    assert shows_magenta(picture())


def test_a_signature_is_checked_and_names_its_key(target, tmp_path):
    key, public = make_key(tmp_path / 'key.pem')
    _, other = make_key(tmp_path / 'other.pem')
    signed = sign_results(target, key, 'Käthe Müller')
    assert check_seal(target, key=public).ok
    assert check_seal(target).ok
    assert f'signed with another key, {signed.key_id}' in check_seal(target, key=other).changes[0]
    page = write_any_report(target).read_text()
    assert 'Käthe Müller' in page
    assert 'To be signed by hand' not in page


def test_without_a_signature_a_page_is_there_to_sign_by_hand(target, tmp_path):
    _, public = make_key(tmp_path / 'key.pem')
    page = write_any_report(target).read_text()
    assert 'To be signed by hand' in page
    assert 'nobody has signed' in check_seal(target, key=public).changes[0]


@pytest.mark.parametrize(('change', 'words'), [
    (lambda plain: plain.update(signer='Somebody Else'), 'not what the key has signed'),
    (lambda plain: plain.update(root='0' * 64), 'not what the key has signed'),
    (lambda plain: plain['files'].update({'attack.json': '0' * 64}), 'not what the key'),
    (lambda plain: plain.update(signature='0' * 128), 'not what the key has signed'),
    (lambda plain: plain.update(signature=''), 'not what the key has signed'),
    (lambda plain: plain.update(signature='zz'), 'no signature'),
    (lambda plain: plain.update(public_key='00'), 'no signature'),
])
def test_a_signature_that_was_changed_is_named(target, tmp_path, change, words):
    sign_results(target, make_key(tmp_path / 'key.pem')[0], 'A')
    path = target / 'anon' / 'signature.json'
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    assert words in check_seal(target).changes[0]


def test_what_was_known_when_it_was_signed_is_signed_too(target, made, tmp_path):
    keep_verification(target, check_seal(target), verify_bag(made[0], target, search_every=0),
                      'source')
    sign_results(target, make_key(tmp_path / 'key.pem')[0], 'A')
    assert list(read_signature(target / 'anon' / 'signature.json').files) == ['verification.json']
    path = target / 'anon' / 'verification.json'
    written = path.read_text()
    keep_verification(target, check_seal(target), None, '')
    assert path.read_text() == written, 'what is signed stays'
    path.write_text(written.replace('"source": "source"', '"source": "others"'))
    assert 'verification.json: was changed after A signed' in check_seal(target).changes[0]
    path.write_text(written)
    (target / 'anon' / 'attack.json').write_text('{}')
    assert 'attack.json: was added after A signed' in check_seal(target).changes[0]
    (target / 'anon' / 'attack.json').unlink()
    path.unlink()
    assert 'verification.json: is missing' in check_seal(target).changes[0]


def test_a_verification_stands_in_the_report(target, made):
    found = keep_verification(
        target, check_seal(target, made[0]), verify_bag(made[0], target, search_every=0),
        made[0].name)
    assert found.ok
    assert found.messages == {'copied': 8, 'changed': 16}
    page = (target / 'anon' / 'report.html').read_text()
    assert 'Nothing else changed' in page
    assert 'compared with source' in page


def test_what_was_changed_is_not_signed(target, tmp_path):
    (target / 'anon' / 'regions.jsonl').write_text('{}')
    with pytest.raises((UsageError, InputError), match=r'regions\.jsonl'):
        sign_results(target, make_key(tmp_path / 'key.pem')[0], 'A')
    assert not (target / 'anon' / 'signature.json').exists()


def test_keys_that_are_none_say_so(target, tmp_path):
    (tmp_path / 'text').write_text('no key')
    with pytest.raises(UsageError, match='no private key'):
        sign_results(target, tmp_path / 'text', 'A')
    with pytest.raises(UsageError, match='cannot be read'):
        sign_results(target, tmp_path / 'nothing', 'A')
    key, public = make_key(tmp_path / 'key.pem', b'secret')
    with pytest.raises(UsageError, match='password'):
        sign_results(target, key, 'A')
    with pytest.raises(UsageError, match='another password'):
        sign_results(target, key, 'A', lambda: 'wrong')
    sign_results(target, key, 'A', lambda: 'secret')
    assert check_seal(target, key=public).ok
    with pytest.raises(UsageError, match='no public key'):
        check_seal(target, key=key)


def test_results_are_found_and_what_is_not_done_is_not(fleet):
    assert [each.name for each in find_results(fleet)] == ['a', 'b/javascript:alert(1)',
                                                           'b/one day']


def test_the_report_of_a_fleet_leads_to_each_result(fleet):
    path = write_any_report(fleet)
    page = path.read_text()
    offline(page)
    links = [a['href'] for tag, a in Links(page).tags if tag == 'a' and a['href'][0] == '.']
    assert links == ['./a/anon/report.html', './b/javascript%3Aalert%281%29/anon/report.html',
                     './b/one%20day/anon/report.html']
    assert '3 recordings' in page
    assert 'is &lt;b&gt;damaged&lt;/b&gt;' in page
    assert summary_of(fleet).frames == 3 * 16
    (fleet / 'a' / 'anon' / 'manifest.json').write_text('{')
    page = write_any_report(fleet).read_text()
    assert 'no manifest' in page


def test_lone_files_are_results_too(tmp_path, made):
    folder = tmp_path / 'lone'
    folder.mkdir()
    source = next(made[0].glob('*.mcap'))
    anonymize_bag(BagJob(source, folder / 'x.mcap'), SETTINGS, detector=MagentaDetector())
    assert [each.name for each in find_results(folder)] == ['x.mcap']
    assert 'href="./x.mcap.anon/report.html"' in write_any_report(folder).read_text()
    assert all(check.ok for _, check in check_results(folder))


def test_a_fleet_is_sealed_and_signed_as_one(fleet, tmp_path):
    key, public = make_key(tmp_path / 'key.pem')
    root = results_in(fleet).seal.root
    assert root == hash_json({
        each.name: check_seal(each.path).root for each in find_results(fleet)})
    sign_results(fleet, key, 'A')
    assert all(check.ok for _, check in check_results(fleet, root=root[:8], key=public))
    shutil.rmtree(fleet / 'b' / 'one day')
    found = dict(check_results(fleet, root=root, key=public))
    assert not found['fleet'].ok
    assert found['a'].ok


def test_one_changed_result_of_a_fleet_is_named(fleet):
    path = next((fleet / 'b' / 'one day').glob('*.mcap'))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = dict(check_results(fleet))
    assert [name for name, check in found.items() if not check.ok] == ['b/one day']


def test_a_folder_without_results_says_so(tmp_path):
    for ask in (write_any_report, results_in):
        with pytest.raises(InputError, match='neither a result'):
            ask(tmp_path)
        with pytest.raises(InputError, match='neither a result'):
            ask(tmp_path / 'nothing')
