# SPDX-License-Identifier: Apache-2.0
"""The page on ROS names every parameter and cause, and the XML files are sound."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from anon_ros.core import settings as settings_module
from anon_ros.nodes import node_settings
from anon_ros.nodes.dds_profile import find_profile
from anon_ros.nodes.node_settings import CameraSettings, NodeSettings

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / 'docs' / 'ros.md').read_text()


def test_every_parameter_stands_on_the_page_with_its_mark():
    rows = dict(re.findall(r'^\| (`[^|]+`) \| (yes|no) \|', PAGE, re.MULTILINE))
    mark_by_name = {
        name: mark for names, mark in rows.items() for name in re.findall(r'`([^`]+)`', names)
    }
    specs = {
        **settings_module.specs(), **node_settings.specs(NodeSettings),
        **{f'NAME.{name}': spec for name, spec in node_settings.specs(CameraSettings).items()},
    }
    assert mark_by_name == {name: 'yes' if spec.is_live else 'no' for name, spec in specs.items()}


def test_every_cause_stands_on_the_page():
    sources = ''.join(path.read_text() for path in (ROOT / 'anon_ros' / 'nodes').glob('*.py'))
    causes = set(re.findall(r"_(?:fail|fail_all|count)\([\w\[\]., ]*, '(\w+)'", sources))
    assert {'decode', 'detection', 'anonymization', 'deadline', 'overload', 'defect'} == causes
    for cause in causes:
        assert f'| `{cause}` |' in PAGE


@pytest.mark.parametrize('name', ['fastdds_large_images.xml', 'sros2_policy.xml'])
def test_xml_is_well_formed(name):
    ET.parse(ROOT / 'config' / name)


def test_the_shared_memory_holds_several_of_the_largest_images():
    tree = ET.parse(find_profile())
    values = {element.tag.rpartition('}')[2]: element.text for element in tree.iter()}
    assert int(values['segment_size']) >= 8 * 1920 * 1080 * 3
    assert int(values['maxMessageSize']) >= 1920 * 1080 * 3 + 4096


def test_nobody_but_driver_and_anonymizer_touches_the_raw_camera():
    policy = ET.parse(ROOT / 'config' / 'sros2_policy.xml').getroot()
    readers = {
        enclave.get('path')
        for enclave in policy.iter('enclave') for topics in enclave.iter('topics')
        if topics.get('subscribe') for topic in topics
        if topic.text.startswith('camera/')
    }
    assert readers == {'/anonymizer'}
