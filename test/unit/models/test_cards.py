# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest

from anon_ros.errors import ModelError
from anon_ros.models.cards import CARDS, ShippedSource, WebSource, card


@pytest.mark.parametrize('known', CARDS.values(), ids=CARDS)
def test_each_card_is_complete(known):
    assert re.fullmatch(r'[0-9a-f]{8}|[0-9a-f]{64}', known.sha256)
    assert known.task
    assert known.licence
    assert known.input
    assert '/' not in known.file
    assert 0 <= known.threshold < 1
    assert known.size_bytes > 0 or isinstance(known.source, WebSource)


def test_files_and_names_are_unique():
    assert len({known.file for known in CARDS.values()}) == len(CARDS)
    assert all(name == known.name for name, known in CARDS.items())


@pytest.mark.parametrize('known', CARDS.values(), ids=CARDS)
def test_raw_files_are_pinned_to_a_commit(known):
    if isinstance(known.source, WebSource) and 'githubusercontent' in known.source.url:
        assert re.search(r'/[0-9a-f]{40}/', known.source.url)
    if isinstance(known.source, ShippedSource):
        assert len(known.sha256) == 64


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="'yunt' is unknown; there are yunet, centerface"):
        card('yunt')


def test_cards_agree_with_the_development_files(shared_dir):
    by_file = {known.file: known for known in CARDS.values()}
    for entry in json.loads((shared_dir / 'models' / 'models.json').read_text()):
        known = by_file[entry['file']]
        assert known.sha256 == entry['sha256']
        assert known.size_bytes == entry['bytes']
        assert known.licence == entry['licence']
        assert entry['commit'] in str(known.source)
        assert str(known.source).endswith(f"{entry['repository']}/{entry['commit']}/"
                                          f"{entry['path']}")
