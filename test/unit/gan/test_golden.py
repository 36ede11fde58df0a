# SPDX-License-Identifier: Apache-2.0
"""DeepPrivacy2's generators: ours compute what the authors' do, and nothing of the hole."""

import json
import os
import zlib

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')

from anon_ros import gan  # noqa: E402 - it needs torch
from anon_ros.errors import ModelError  # noqa: E402

NAMES = ('face_fdf128', 'face_fdf256', 'body_fdh_nocse', 'body_triagan')
TOLERANCE = 1e-3


def by_rule(name, like):
    """Return the tensor that the golden outputs were made with."""
    if name.endswith('resample_filter'):
        return like
    random = np.random.default_rng(zlib.crc32(name.encode()))
    value = random.standard_normal(tuple(like.shape), dtype=np.float32)
    return torch.from_numpy(np.asarray(value if name.endswith('.weight') else value * 0.1))


class Golden:
    def __init__(self, folder, name):
        self.shapes = json.loads((folder / f'{name}.keys.json').read_text())
        self.generator = gan.build_generator(name)
        with np.load(folder / f'{name}.npz') as values:
            self.inputs = {key: torch.from_numpy(value) for key, value in values.items()}
        self.expected = self.inputs.pop('out')
        self.names = {key: list(t.shape) for key, t in self.generator.state_dict().items()}
        self.generator.load_state_dict({
            key: by_rule(key, value) for key, value in self.generator.state_dict().items()
        }, assign=True)
        self.output = self.run()

    @torch.no_grad()
    def run(self, **changes):
        return self.generator(**{**self.inputs, **changes})


@pytest.fixture(scope='module', autouse=True)
def all_cores():
    """Let these networks, which are large, have every core."""
    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module', params=NAMES)
def golden(request, shared_dir):
    return Golden(shared_dir / 'golden', request.param)


def test_tensors_have_the_published_names_and_shapes(golden):
    assert golden.names == golden.shapes


def test_outputs_agree(golden):
    np.testing.assert_allclose(golden.output, golden.expected, rtol=0, atol=TOLERANCE)
    hole = (golden.inputs['mask'] == 0).expand_as(golden.expected)
    assert hole.any()
    assert golden.expected[hole].std() > 0.1, 'the agreement says nothing of a constant'


def test_styles_agree(golden):
    with torch.no_grad():
        styles = golden.generator.style_net(golden.inputs['z'])
    np.testing.assert_allclose(styles, golden.inputs['w'], rtol=0, atol=TOLERANCE)


def test_no_output_bit_depends_on_the_hole(golden):
    img, mask = golden.inputs['img'], golden.inputs['mask']
    other = -img.flip(1) * 3
    other[:, :, ::2] = torch.nan
    other[:, 0, 1::4] = torch.inf
    output = golden.run(img=torch.where(mask == 0, other, img))
    assert torch.equal(output, golden.output)


def test_what_is_known_stays(golden):
    known = (golden.inputs['mask'] == 1).expand_as(golden.output)
    assert torch.equal(golden.output[known], golden.inputs['img'][known])


def test_unknown_names_are_listed():
    with pytest.raises(ModelError, match="'face_fdf512' is unknown; there are face, body, face_"):
        gan.build_generator('face_fdf512')
