# SPDX-License-Identifier: Apache-2.0
"""Without torch the GAN says what to install."""

import subprocess
import sys

import pytest

from anon_ros import gan
from anon_ros.errors import ModelError
from anon_ros.gan import extra


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(extra, 'PACKAGES', ('json', 'no_torch', 'no_safetensors'))
    with pytest.raises(ModelError, match=r'need no_torch and no_safetensors: pip install .*\[gan'):
        gan.build_generator('face_fdf128')


def test_the_room_opens_without_torch():
    code = (
        'import sys; sys.modules["torch"] = None\n'
        'from anon_ros import gan\n'
        'from anon_ros.errors import ModelError\n'
        'try: gan.build_generator("face")\n'
        'except (ModelError, ValueError) as error: print(error)'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            check=True)
    assert "pip install 'anon_ros[gan]'" in result.stdout
