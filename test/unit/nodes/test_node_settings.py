# SPDX-License-Identifier: Apache-2.0
"""The node's own parameters check themselves, and the YAML file holds their defaults."""

from pathlib import Path

import pytest
import yaml

from anon_ros.cli.options import load_config
from anon_ros.core import settings as settings_module
from anon_ros.core.settings import Settings
from anon_ros.errors import SettingError
from anon_ros.nodes import node_settings
from anon_ros.nodes.node_settings import CameraSettings, NodeSettings

CONFIG = Path(__file__).resolve().parents[3] / 'config' / 'anonymizer.yaml'


def test_the_config_file_holds_every_default_of_the_node_and_nothing_unknown():
    values = yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters']
    camera = values.pop('camera')
    assert camera == node_settings.defaults(CameraSettings)
    assert list(camera) == list(node_settings.specs(CameraSettings))
    own = {name: values.pop(name) for name in node_settings.specs(NodeSettings)}
    own['cameras'] = tuple(own['cameras'])
    assert own == node_settings.defaults(NodeSettings)
    assert values == settings_module.to_mapping(Settings())


def test_the_command_line_takes_the_settings_of_a_node_file():
    assert settings_module.from_mapping(load_config(CONFIG)) == Settings()


def test_every_parameter_is_described():
    for kind in (NodeSettings, CameraSettings):
        for name, spec in node_settings.specs(kind).items():
            assert spec.description.endswith('.'), name


def test_no_parameter_passes_the_original_on():
    choices = node_settings.specs(NodeSettings)['on_failure'].choices
    assert choices == ('drop', 'mask')


@pytest.mark.parametrize(('values', 'message'), [
    ({'cameras': ()}, 'cameras: at least one'),
    ({'cameras': ('front', 'front')}, 'names a camera twice'),
    ({'cameras': ('front/left',)}, "'front/left' is no name"),
    ({'cameras': ('',)}, "'' is no name"),
    ({'on_failure': 'pass'}, "'pass' is none of drop, mask"),
    ({'max_latency_ms': 0.0}, 'below the least value'),
    ({'watchdog_s': float('nan')}, 'below the least value'),
    ({'hold_s': 11.0}, 'above the largest value'),
])
def test_nonsense_is_named(values, message):
    with pytest.raises(SettingError, match=message):
        NodeSettings(**values)


def test_a_camera_names_its_topics_after_itself():
    camera = CameraSettings.of('front', {})
    assert (camera.input, camera.output) == ('front/image_raw', 'anonymized/front')
    assert CameraSettings.of('front', {'input': '/x/y'}).input == '/x/y'


def test_a_bad_parameter_of_a_camera_is_named_with_the_camera():
    with pytest.raises(SettingError, match=r"front\.transport: 'telepathy' is none of raw"):
        CameraSettings.of('front', {'transport': 'telepathy'})
