# SPDX-License-Identifier: Apache-2.0
"""A verification survives its file, and what is none is named."""

import json

import pytest

from anon_ros.audit.verification import (
    StillSeen,
    Verification,
    read_verification,
    write_verification,
)
from anon_ros.errors import InputError, OutputError

FOUND = Verification(
    '1', '2026-01-01T00:00:00+00:00', 'ab' * 32, 'source', (), {'copied': 3}, ('differs',), 1, 10,
    4, 1, (StillSeen('/cam', 3, 'face', 0.5, (1.0, 2.0, 3.0, 4.0)),))


def test_it_survives_its_file(tmp_path):
    path = tmp_path / 'verification.json'
    write_verification(FOUND, path)
    assert read_verification(path) == FOUND
    assert not FOUND.ok
    with pytest.raises(OutputError):
        write_verification(FOUND, tmp_path / 'missing' / 'anon' / 'verification.json')
    with pytest.raises(InputError, match='cannot read'):
        read_verification(tmp_path / 'nothing.json')


@pytest.mark.parametrize('change', [
    lambda plain: plain.update(schema='other'), lambda plain: plain.pop('root'),
    lambda plain: plain['still_seen'][0].update(box_xyxy=[1, 2]),
    lambda plain: plain['still_seen'][0].update(score='high'),
    lambda plain: plain.update(differences='all'),
])
def test_what_is_none_is_named(tmp_path, change):
    plain = json.loads(FOUND.to_json())
    change(plain)
    path = tmp_path / 'verification.json'
    path.write_text(json.dumps(plain))
    with pytest.raises(InputError, match=r'verification\.json: no verification'):
        read_verification(path)
