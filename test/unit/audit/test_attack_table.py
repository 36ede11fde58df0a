# SPDX-License-Identifier: Apache-2.0
"""The table of an attack survives a file and finds its place in the report."""

import dataclasses

import pytest

from anon_ros.audit.attack_table import AttackRow, AttackTable, read_table, write_table
from anon_ros.errors import InputError, OutputError

ROW = AttackRow(
    'face', 'recognizer', 'informed', 'pixelate', 'all', 'rank-1', 0.01, 0.0, 0.03, 0.02, 500,
    gray=0.01, excess=0.0, excess_low=-0.01, excess_high=0.012,
)
TABLE = AttackTable('1', 'before', 'after', {'face': 500}, (ROW,), {'frame withheld': 3})


def test_a_table_survives_a_file(tmp_path):
    path = tmp_path / 'anon' / 'attack.json'
    write_table(TABLE, path)
    assert read_table(path) == TABLE
    path.write_text(path.read_text().replace('anon_ros/attack', 'something/else'))
    with pytest.raises(InputError, match='schema'):
        read_table(path)
    with pytest.raises(InputError, match=r'none\.json'):
        read_table(tmp_path / 'none.json')
    with pytest.raises(OutputError):
        write_table(TABLE, path / 'below')


def test_a_row_holds_where_gray_explains_it():
    assert ROW.holds
    assert dataclasses.replace(ROW, excess_low=0.001).holds
    assert not dataclasses.replace(ROW, low=0.021, excess_low=0.001).holds
    assert dataclasses.replace(ROW, low=0.021, gray=0.03, excess_low=0.001).holds
    assert not dataclasses.replace(ROW, note='too few').holds
    unpaired = dataclasses.replace(ROW, gray=None, excess=None, excess_low=None)
    assert not dataclasses.replace(unpaired, low=0.03).holds
    assert dataclasses.replace(unpaired, low=0.01).holds
