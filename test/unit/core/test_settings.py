# SPDX-License-Identifier: Apache-2.0
"""Settings check themselves and say what is wrong."""

from pathlib import Path

import pytest
import yaml

from anon_ros.core import settings as settings_module
from anon_ros.core.regions import Kind
from anon_ros.core.settings import Settings
from anon_ros.errors import SettingError


def test_every_setting_is_described():
    for name, spec in settings_module.specs().items():
        assert spec.description.endswith('.'), name


def test_a_mapping_leads_back_to_the_same_settings():
    settings = Settings(target=('body',), margin=0.3, method=('blur', 'face=mask-out'))
    assert settings_module.from_mapping(settings_module.to_mapping(settings)) == settings


@pytest.mark.parametrize(('values', 'message'), [
    ({'effort': 'lazy'}, "effort: 'lazy' is none of fast, balanced, thorough"),
    ({'margin': -0.1}, 'margin: -0.1 is below'),
    ({'margin': float('nan')}, 'margin: nan is below'),
    ({'cells': 17}, 'cells: 17 is above'),
    ({'cells': True}, 'cells: True is no int'),
    ({'cells': 2.5}, 'cells: 2.5 is no int'),
    ({'target': []}, 'target: at least one'),
    ({'target': ['dog']}, "target: 'dog' is none of"),
    ({'method': ['smear']}, "method: 'smear' is unknown"),
    ({'method': ['dog=blur']}, "method: 'dog' is no target"),
    ({'efort': 'fast'}, "setting 'efort' is unknown"),
])
def test_nonsense_is_named(values, message):
    with pytest.raises(SettingError, match=message):
        settings_module.from_mapping(values)


def test_whole_numbers_pass_for_fractions():
    assert settings_module.from_mapping({'window_s': 2}).window_s == 2.0


def test_a_method_for_one_target_wins_whatever_its_place():
    chosen = settings_module.method_by_kind(Settings(method=('face=blur', 'mask-out')))
    assert chosen == {Kind.FACE: 'blur', Kind.BODY: 'mask-out', Kind.PLATE: 'mask-out'}


def test_weights_for_a_target_win_and_a_file_may_have_an_equals_sign():
    chosen = settings_module.weights_by_kind(Settings(weights=('body=a=b.pt', 'runs/lr=0.1.pt')))
    assert chosen == {
        Kind.FACE: 'runs/lr=0.1.pt', Kind.BODY: 'a=b.pt', Kind.PLATE: 'runs/lr=0.1.pt'}
    assert set(settings_module.weights_by_kind(Settings()).values()) == {'shipped'}


def test_a_threshold_of_zero_leaves_it_to_the_effort():
    assert Settings().threshold(Kind.FACE) is None
    assert Settings(face_threshold=0.4).threshold(Kind.FACE) == 0.4


def test_the_config_file_holds_every_default():
    path = Path(__file__).resolve().parents[3] / 'config' / 'anonymizer.yaml'
    values = yaml.safe_load(path.read_text())['/**']['ros__parameters']
    defaults = settings_module.to_mapping(Settings())
    assert {name: values[name] for name in defaults} == defaults
