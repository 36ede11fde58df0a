# SPDX-License-Identifier: Apache-2.0
"""JSON read item by item says what JSON read at once says."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anon_ros.datasets import json_stream
from anon_ros.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner,
                                                                max_size=3), max_leaves=8)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.booleans(),
       st.integers(1, 9))
def test_items_are_those_of_the_whole(tmp_path, monkeypatch, value, is_ascii, block):
    monkeypatch.setattr(json_stream, '_BLOCK_BYTES', block)
    path = tmp_path / 'value.json'
    path.write_bytes(json.dumps(value, ensure_ascii=is_ascii, indent=1).encode(
        'utf-8', 'surrogatepass') if is_ascii else json.dumps(value, indent=1).encode())
    found = {key: [] if isinstance(item, list) else None for key, item in value.items()}
    with path.open('rb') as file:
        for item in json_stream.items(path):
            again = json_stream.read_item(file, item.offset, item.length)
            assert again == item.value
            if item.is_element:
                found[item.key].append(item.value)
            else:
                found[item.key] = item.value
    assert found == value


def test_text_beyond_ascii_keeps_its_place(tmp_path):
    path = tmp_path / 'value.json'
    path.write_text('[{"a": "Zürich 日本"}, {"b": 2}]', encoding='utf-8')
    first, second = json_stream.items(path)
    assert first.value == {'a': 'Zürich 日本'}
    with path.open('rb') as file:
        assert json_stream.read_item(file, second.offset, second.length) == {'b': 2}


@pytest.mark.parametrize('text', [
    b'', b'{', b'[1, ', b'[1 2]', b'{"a" 1}', b'{1: 2}', b'[1]]', b'nonsense', b'["\xff"]',
    b'[' * 100_000, b'[NaN]', b'[1,]x',
])
def test_damage_is_named(tmp_path, text):
    path = tmp_path / 'value.json'
    path.write_bytes(text)
    with pytest.raises(InputError, match=r'value\.json: damaged at byte'):
        list(json_stream.items(path))
