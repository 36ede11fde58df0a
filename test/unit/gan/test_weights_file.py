# SPDX-License-Identifier: Apache-2.0
"""Our own weights: what is saved comes back, and what is damaged or foreign is named."""

import json

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')
pytest.importorskip('safetensors')

from safetensors.torch import load_file, save_file  # noqa: E402 - it needs torch

from anon_ros.errors import ModelError, OutputError  # noqa: E402
from anon_ros.gan import weights_file  # noqa: E402
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402
from anon_ros.gan.triagan import TriaGan, TriaGanShape  # noqa: E402
from anon_ros.gan.weights_file import load_weights, read_metadata, save_weights  # noqa: E402

SHAPES = (
    UNetShape((16, 16), (4, 8, 8), z_dim=8, w_dim=8, has_linear_skips=False),
    TriaGanShape((16, 8), 4, (1, 2), blocks=1, middle_blocks=1, z_dim=8, w_dim=8),
)


def build(shape):
    torch.manual_seed(3)
    return TriaGan(shape) if isinstance(shape, TriaGanShape) else StyleGanUNet(shape)


@pytest.fixture(params=SHAPES, ids=['unet', 'tria'])
def generator(request):
    return build(request.param)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'face.safetensors'
    save_weights(path, build(SHAPES[0]), {'steps': 3, 'licence': 'MIT'})
    return path


def rewrite(path, metadata=None, **tensors):
    """Change a file's tensors, None to drop one, and its metadata."""
    old = {'anon_ros': json.dumps(read_metadata(path))}
    kept = {name: value for name, value in {**load_file(path), **tensors}.items()
            if value is not None}
    save_file(kept, path, old if metadata is None else metadata)


def test_a_generator_comes_back_in_half_precision(generator, tmp_path):
    path = tmp_path / 'some.safetensors'
    save_weights(path, generator, {'steps': 3, 'losses': [0.5, 1]})
    loaded = load_weights(path)
    assert type(loaded) is type(generator)
    assert loaded.shape == generator.shape
    assert not loaded.training
    assert all(value.requires_grad for value in loaded.parameters())
    for name, value in generator.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == torch.float32
        assert torch.equal(found, value.half().float()), name
    metadata = read_metadata(path)
    assert metadata.pop('kind') in weights_file.KINDS
    assert metadata.pop('shape')['size_hw'] == list(generator.shape.size_hw)
    assert metadata == {'steps': 3, 'losses': [0.5, 1]}


def test_the_same_weights_are_the_same_file(generator, tmp_path):
    first, second = tmp_path / 'a.safetensors', tmp_path / 'b.safetensors'
    extra = {f'note {i}': i for i in range(20)}
    save_weights(first, generator, extra)
    save_weights(second, load_weights(first), extra)
    assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}


def test_extra_metadata_cannot_claim_another_network(tmp_path):
    path = tmp_path / 'face.safetensors'
    save_weights(path, build(SHAPES[0]), {'kind': 'tria-gan', 'shape': {}})
    assert load_weights(path).shape == SHAPES[0]


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e6])
def test_a_training_that_ran_away_is_not_saved(value, saved):
    before = saved.read_bytes()
    generator = build(SHAPES[0])
    torch.nn.init.constant_(generator.to_rgb.bias, value)
    with pytest.raises(ModelError, match=r'to_rgb\.bias is not finite in half precision'):
        save_weights(saved, generator)
    assert saved.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match=r'cannot write .*nowhere'):
        save_weights(tmp_path / 'nowhere' / 'face.safetensors', build(SHAPES[0]))


def test_missing_unknown_and_misshapen_tensors_are_named(saved):
    bias = load_file(saved)['to_rgb.bias']
    rewrite(saved, **{'to_rgb.bias': None})
    with pytest.raises(ModelError, match=r'face\.safetensors: to_rgb\.bias is missing: not this'):
        load_weights(saved)
    rewrite(saved, **{'to_rgb.bias': bias, 'to_bgr.bias': bias.clone()})
    with pytest.raises(ModelError, match=r'to_bgr\.bias is unknown'):
        load_weights(saved)
    rewrite(saved, **{'to_bgr.bias': None, 'to_rgb.bias': bias[:2].clone()})
    with pytest.raises(ModelError, match=r'to_rgb\.bias has the shape \(2,\), expected \(3,\)'):
        load_weights(saved)


def test_many_problems_are_counted(saved):
    rewrite(saved, **{name: None for name in load_file(saved) if name.startswith('encoder')})
    with pytest.raises(ModelError, match=r'encoder\.0\.conv0\.weight is missing, .* and \d+ more'):
        load_weights(saved)


@pytest.mark.parametrize('entry', [
    {}, {'kind': 'magic'}, {'kind': ['tria-gan']}, {'kind': 'stylegan-unet'},
    {'kind': 'stylegan-unet', 'shape': 3}, {'kind': 'stylegan-unet', 'shape': {'channels': 'x'}},
    {'kind': 'stylegan-unet', 'shape': {'size_hw': [16, 16], 'channels': [0, 0]}},
    {'kind': 'stylegan-unet', 'shape': {'size_hw': [16, 16], 'channels': [-4, 8]}},
    {'kind': 'stylegan-unet', 'shape': {'size_hw': [16, 16], 'channels': [4, 8], 'depth': 2}},
    {'kind': 'tria-gan', 'shape': {'size_hw': [15, 15], 'dim': 4, 'multipliers': [1, 2]}},
])
def test_metadata_that_give_no_network_are_refused(entry, saved):
    rewrite(saved, {'anon_ros': json.dumps(entry)})
    with pytest.raises(ModelError, match=r'face\.safetensors: its metadata'):
        load_weights(saved)


def test_shapes_beyond_memory_are_refused(saved):
    shape = {'size_hw': [16, 16], 'channels': [4, 4], 'z_dim': 10**12}
    rewrite(saved, {'anon_ros': json.dumps({'kind': 'stylegan-unet', 'shape': shape})})
    with pytest.raises(ModelError, match='give no shape of a stylegan-unet'):
        load_weights(saved)


@pytest.mark.parametrize('metadata', [{'other': 'x'}, {'anon_ros': '['}, {'anon_ros': '[1]'}])
def test_files_of_other_software_say_nothing_of_us(metadata, saved):
    rewrite(saved, metadata)
    with pytest.raises(ModelError, match='its metadata'):
        load_weights(saved)


@pytest.mark.parametrize('damage', [
    slice(0), slice(-1), slice(40), slice(8, None),
])
def test_damaged_files_are_named(damage, saved):
    saved.write_bytes(saved.read_bytes()[damage])
    with pytest.raises(ModelError, match=r'face\.safetensors: no safetensors file'):
        load_weights(saved)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ModelError, match='nowhere: no safetensors file'):
        load_weights(tmp_path / 'nowhere')
