# SPDX-License-Identifier: Apache-2.0
"""Definitions are read in every spelling, and nonsense never ends a run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.bags.definitions import Field, canonical, closure, flatten, known_types, parse

HEADER = '=' * 80


@pytest.mark.parametrize('name', [
    'sensor_msgs/Image', 'sensor_msgs/msg/Image', 'sensor_msgs::msg::Image',
    'sensor_msgs::msg::dds_::Image_', 'sensor_msgs.Image',
])
def test_a_type_has_one_name_whatever_the_spelling(name):
    assert canonical(name) == 'sensor_msgs/Image'


def test_fields_of_every_kind_are_read():
    text = (
        '# a comment\nint8 A=1\nstring B=x # y\nbool flag true\nuint8[] data\nuint8[<=4] few\n'
        'float64[3] xyz [1.0, 2.0, 3.0]\nstring<=8 name "x"\nHeader header\nPoint p\n'
        'other_msgs/Thing[] things\ntime t\n'
    )
    assert parse('my_msgs/msg/Type', text)['my_msgs/Type'] == (
        Field('flag', 'bool'), Field('data', 'uint8', 0), Field('few', 'uint8', 0),
        Field('xyz', 'float64', 3), Field('name', 'string'), Field('header', 'std_msgs/Header'),
        Field('p', 'my_msgs/Point'), Field('things', 'other_msgs/Thing', 0),
        Field('t.sec', 'uint32'), Field('t.nanosec', 'uint32'),
    )


def test_windows_line_ends_and_sections_are_read():
    text = f'Inner x\r\n{HEADER}\r\nMSG: my_msgs/Inner\r\nuint8 y\r\n'
    types = parse('my_msgs/msg/Type', text)
    assert types['my_msgs/Inner'] == (Field('y', 'uint8'),)
    assert [field.name for field in flatten('my_msgs/msg/Type', types)] == ['x.y']


def test_interface_definitions_are_read_in_both_forms():
    inner = 'module m { module msg { struct Inner { octet y; }; }; };'
    outer = 'module m {\n module msg {\n struct Outer { m::msg::Inner x; sequence<m::msg::Inner> '
    outer += 'xs; unsigned long n; double d[2]; }; }; };'
    joined = f'{HEADER}\nIDL: m/msg/Outer\n{outer}\n{HEADER}\nIDL: m/msg/Inner\n{inner}'
    for text in (joined, inner + outer):
        types = parse('m/msg/Outer', text)
        assert types['m/Inner'][0].name == 'y'
        assert types['m/Outer'] == (
            Field('x', 'm/Inner'), Field('xs', 'm/Inner', 0), Field('n', 'uint32'),
            Field('d', 'float64', 2),
        )
        assert closure('m/msg/Outer', types) == ({'m/Outer', 'm/Inner'}, set())


def test_what_a_bag_does_not_define_is_what_ros_defines():
    types = known_types('sensor_msgs/msg/Image', '', is_ros1=False)
    names = [field.name for field in flatten('sensor_msgs/msg/Image', types)]
    assert names[:4] == ['header.stamp.sec', 'header.stamp.nanosec', 'header.frame_id', 'height']
    types = known_types('sensor_msgs/msg/Image', '', is_ros1=True)
    assert next(flatten('sensor_msgs/msg/Image', types)).name == 'header.seq'


def test_the_bags_own_definition_counts_more():
    types = known_types('std_msgs/msg/String', 'uint8 other', is_ros1=False)
    assert types['std_msgs/String'] == (Field('other', 'uint8'),)


def test_a_type_inside_itself_ends():
    types = parse('a/msg/B', 'B inner\nuint8 x')
    assert closure('a/msg/B', types) == ({'a/B'}, set())
    with pytest.raises(KeyError, match='contains itself'):
        list(flatten('a/msg/B', types))


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(
    st.text(max_size=80),
    st.text('ab/[]<=01 \n#"={}:;MSGIDLmodule struct', max_size=80),
))
def test_nonsense_is_read_or_is_nothing(text):
    types = parse('a/msg/B', text)
    closure('a/msg/B', types)
    assert all(isinstance(field, Field) for fields in types.values() for field in fields)
