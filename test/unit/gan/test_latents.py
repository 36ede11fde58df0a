# SPDX-License-Identifier: Apache-2.0
"""Whose face comes where: from the key and the track, the same everywhere, and from no pixel."""

import dataclasses
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.regions import NO_TRACK, Kind, Regions
from anon_ros.errors import InputError
from anon_ros.gan import latents
from anon_ros.gan.latents import RunKey, identify

KEY = RunKey(bytes(range(32)))
KNOWN_SHA256 = '7e8c1b085e3fd5297d7844b5f96b43af9d056a14124584e83f860890eab34272'
KNOWN_CHOICE = 51
TRACKS = st.integers(0, 2**62)


def regions(track=7, kind=Kind.FACE, box=(1, 2, 30, 40)):
    return dataclasses.replace(Regions.of([box], kind), track_ids=np.array([track]))


def digest(key=KEY, source='/front', stamp_ns=5, **region):
    return identify(key, regions(**region), 0, source=source, stamp_ns=stamp_ns).digest


@given(TRACKS, st.integers(0, 2**60), st.tuples(*[st.floats(-1e5, 1e5, width=32)] * 4))
@settings(max_examples=50, deadline=None)
def test_a_track_stays_who_it_is(track, stamp_ns, corners):
    x, y, width, height = corners
    box = (x, y, x + abs(width), y + abs(height))
    assert digest(track=track, stamp_ns=stamp_ns, box=box) == digest(track=track)


@given(TRACKS, TRACKS)
@settings(max_examples=50, deadline=None)
def test_tracks_differ_from_each_other(first, second):
    assert (digest(track=first) == digest(track=second)) == (first == second)


def test_key_source_and_kind_count():
    people = [
        digest(), digest(key=RunKey(bytes(32))), digest(source='/rear'), digest(kind=Kind.BODY),
        digest(track=NO_TRACK), digest(track=NO_TRACK, stamp_ns=6),
        digest(track=NO_TRACK, box=(1, 2, 30, 41)), digest(track=NO_TRACK, source='/rear'),
    ]
    assert len(set(people)) == len(people)


def test_a_box_beyond_whole_numbers_is_somebody_too():
    huge = (-3e38, -3e38, 3e38, 3e38)
    assert digest(track=NO_TRACK, box=huge) == digest(track=NO_TRACK, box=huge)


def test_numbers_are_known_ones():
    """The same on every machine: a change here gives everybody another face."""
    person = identify(KEY, regions(), 0, source='/front', stamp_ns=5)
    numbers = person.latent(512)
    assert numbers.dtype == np.float32
    assert hashlib.sha256(numbers.astype('<f4').tobytes()).hexdigest() == KNOWN_SHA256
    assert person.choice(512) == KNOWN_CHOICE


def test_no_table_entry_depends_on_the_last_digits():
    """Libraries differ by 1e-15; an entry closer than that to a rounding edge could flip."""
    normal = latents.NormalDist()
    scaled = np.array([
        normal.inv_cdf((i + 0.5) / latents._LEVELS) for i in range(latents._LEVELS // 2)
    ]) * latents._GRID
    assert np.abs(np.abs(scaled - np.rint(scaled)) - 0.5).min() > 1e-7
    assert np.abs(scaled).max() < 2**24, 'float32 holds each entry exactly'


def test_numbers_are_normal():
    numbers = latents.Identity(bytes(32)).latent(200_000)
    assert abs(numbers.mean()) < 0.01
    assert abs(numbers.std() - 1) < 0.01
    assert abs((numbers**3).mean()) < 0.03
    assert abs((numbers**4).mean() - 3) < 0.1
    assert np.abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_more_numbers_begin_with_the_same(first, second):
    person = latents.Identity(bytes(32))
    shorter, longer = sorted([person.latent(first), person.latent(second)], key=len)
    np.testing.assert_array_equal(longer[:len(shorter)], shorter)


def test_choices_are_spread():
    counts = np.bincount([latents.Identity(bytes([i, j] * 16)).choice(8)
                          for i in range(40) for j in range(40)], minlength=8)
    assert len(counts) == 8
    assert counts.min() > 140
    assert counts.max() < 260


def test_the_table_cannot_be_changed():
    with pytest.raises(ValueError, match='read-only'):
        latents._normal_quantiles()[0] = 0


def test_a_drawn_key_is_another_one_each_time():
    assert RunKey.draw().secret != RunKey.draw().secret
    assert len(RunKey.draw().secret) == latents.KEY_BYTES


@pytest.mark.parametrize('content', [
    KEY.secret, KEY.secret.hex().encode(), KEY.secret.hex().upper().encode() + b'\n',
])
def test_a_key_is_read_from_a_file(content, tmp_path):
    path = tmp_path / 'key'
    path.write_bytes(content)
    assert RunKey.read(path) == KEY


@pytest.mark.parametrize('content', [
    b'', b'secret words', KEY.secret[:31], KEY.secret + b'\n', KEY.secret.hex().encode()[:62],
    b'\xff' * 64, b'zz' * 32,
])
def test_what_is_no_key_is_refused_and_not_shown(content, tmp_path):
    path = tmp_path / 'key'
    path.write_bytes(content)
    with pytest.raises(InputError, match='openssl rand -hex 32') as caught:
        RunKey.read(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    shown = str(caught.value)
    assert not content or content.decode('latin-1').strip() not in shown


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(InputError, match='nowhere: cannot read the key'):
        RunKey.read(tmp_path / 'nowhere')


def test_keys_and_identities_show_nothing():
    person = identify(KEY, regions(), 0, source='', stamp_ns=0)
    for secret, shown in ((KEY.secret, f'{KEY} {KEY!r}'), (person.digest, f'{person!r}')):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert pickle.loads(pickle.dumps(KEY)) == KEY


def test_latents_need_no_torch():
    code = 'import sys, anon_ros.gan.latents; print("torch" in sys.modules)'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            check=True)
    assert result.stdout.strip() == 'False'
