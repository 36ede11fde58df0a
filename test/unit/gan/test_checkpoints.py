# SPDX-License-Identifier: Apache-2.0
"""Weights that a user brings: recognized, checked, licensed; and no code of theirs is run."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')
pytest.importorskip('safetensors')

from safetensors.torch import save_file  # noqa: E402 - it needs torch

from anon_ros.core.regions import Kind  # noqa: E402
from anon_ros.errors import ModelError  # noqa: E402
from anon_ros.gan import checkpoints, zoo  # noqa: E402
from anon_ros.gan.checkpoints import load_checkpoint  # noqa: E402
from anon_ros.gan.stylegan_unet import UNetShape  # noqa: E402
from anon_ros.gan.triagan import TriaGanShape  # noqa: E402
from anon_ros.gan.weights_file import save_weights  # noqa: E402

SMALL = {
    'face_fdf128': UNetShape((16, 16), (8, 8, 8), z_dim=8, w_dim=8),
    'face_fdf256': UNetShape((32, 32), (4, 8, 8, 8), z_dim=8, w_dim=8),
    'body_fdh_nocse': UNetShape(
        (40, 24), (4, 8, 8, 8), z_dim=8, w_dim=8, has_linear_skips=False),
    'body_triagan': TriaGanShape((16, 8), 4, (1, 2), z_dim=8, w_dim=8),
}
KINDS = {name: Kind.from_label(name.split('_', maxsplit=1)[0]) for name in SMALL}


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    """Take the published networks' names at sizes that a test has time for."""
    for name, shape in SMALL.items():
        monkeypatch.setitem(zoo.SHAPES, name, shape)


def state_of(name):
    torch.manual_seed(5)
    return zoo.build(SMALL[name]).state_dict()


def saved(path, content):
    torch.save(content, path)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / 'fdf128.ckpt', {'EMA_generator': state_of('face_fdf128')})


@pytest.mark.parametrize('name', SMALL)
@pytest.mark.parametrize('extension', ['ckpt', 'safetensors'])
def test_each_network_is_recognized(name, extension, tmp_path):
    path = tmp_path / f'weights.{extension}'
    state = state_of(name)
    if extension == 'safetensors':
        save_file(state, path, {'format': 'pt'})
    else:
        torch.save({'EMA_generator': state, 'train_state': {'next_log_step': 0}}, path)
    found = load_checkpoint(path, KINDS[name], accept_licence=True)
    assert found.network == name
    assert found.generator.shape == SMALL[name]
    assert not found.generator.training
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not found.is_published
    assert ('Faces' in found.licence) == (KINDS[name] == Kind.FACE)
    for key, value in state.items():
        assert torch.equal(found.generator.state_dict()[key], value), key


@pytest.mark.parametrize('name', SMALL)
def test_real_names_and_shapes_are_recognized(name, shared_dir, monkeypatch):
    monkeypatch.undo()
    shapes = json.loads((shared_dir / 'golden' / f'{name}.keys.json').read_text())
    state = {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}
    assert checkpoints._recognize(Path('x'), state, KINDS[name], '') == name


@pytest.mark.parametrize(('name', 'other'), [
    ('face_fdf128', Kind.BODY), ('body_triagan', Kind.FACE)])
def test_faces_are_no_bodies(name, other, tmp_path):
    path = saved(tmp_path / 'x.ckpt', state_of(name))
    with pytest.raises(ModelError, match=f'holds {name}, which is not for target {other.label}'):
        load_checkpoint(path, other, accept_licence=True)


def test_the_published_file_is_known(checkpoint, monkeypatch):
    md5 = hashlib.md5(checkpoint.read_bytes(), usedforsecurity=False).hexdigest()
    entry = checkpoints.Published(Kind.FACE, checkpoints.FDF, md5)
    monkeypatch.setitem(checkpoints.PUBLISHED, 'face_fdf128', entry)
    assert load_checkpoint(checkpoint, Kind.FACE, accept_licence=True).is_published


def test_a_published_body_is_no_face_of_the_same_shapes(tmp_path, monkeypatch):
    path = saved(tmp_path / 'x.ckpt', state_of('body_fdh_nocse'))
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    entry = checkpoints.Published(Kind.BODY, checkpoints.FDH, md5)
    monkeypatch.setitem(checkpoints.PUBLISHED, 'body_fdh_nocse', entry)
    with pytest.raises(ModelError, match='holds body_fdh_nocse, which is not for target face'):
        load_checkpoint(path, Kind.FACE, accept_licence=True)


def test_the_licence_is_shown_and_has_to_be_accepted(checkpoint):
    with pytest.raises(ModelError, match=r'CC BY, BY-SA, BY-NC .*--accept-licence'):
        load_checkpoint(checkpoint, Kind.FACE)


def test_a_wrong_hash_comes_first(checkpoint):
    right = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    load_checkpoint(checkpoint, Kind.FACE, accept_licence=True, sha256=right.upper())
    with pytest.raises(ModelError, match=f'has sha256 {right}, expected {"0" * 64}'):
        load_checkpoint(checkpoint, Kind.FACE, accept_licence=True, sha256='0' * 64)


def test_the_averaged_generator_is_taken(tmp_path):
    states = {name: state_of('face_fdf128') for name in ('generator', 'EMA_generator')}
    states['EMA_generator']['to_rgb.bias'] = torch.tensor([1.0, 2, 3])
    path = saved(tmp_path / 'x.ckpt', {**states, 'discriminator': {'x': torch.ones(2)}})
    found = load_checkpoint(path, Kind.FACE, accept_licence=True)
    assert found.generator.to_rgb.bias.tolist() == [1, 2, 3]


@pytest.mark.parametrize('place', ['beside', 'inside'])
def test_centres_come_along(place, tmp_path):
    state, centres = state_of('face_fdf128'), torch.rand(5, 8)
    content = {'EMA_generator': state}
    if place == 'beside':
        content['w_centers'] = centres
    else:
        state['style_net.w_centers'] = centres
    path = saved(tmp_path / 'x.ckpt', content)
    found = load_checkpoint(path, Kind.FACE, accept_licence=True)
    assert torch.equal(found.centres, centres)


def test_an_output_of_a_growing_network_is_the_output(tmp_path):
    state = state_of('body_triagan')
    for part in ('weight', 'bias'):
        state[f'decoder.to_rgb.4.{part}'] = state.pop(f'decoder.to_rgb.{part}')
    path = saved(tmp_path / 'x.ckpt', {'EMA_generator': state})
    assert load_checkpoint(path, Kind.BODY, accept_licence=True).network == 'body_triagan'


def test_half_precision_becomes_whole(tmp_path):
    state = {name: value.half() for name, value in state_of('face_fdf128').items()}
    found = load_checkpoint(saved(tmp_path / 'x.ckpt', state), Kind.FACE, accept_licence=True)
    assert found.generator.to_rgb.weight.dtype == torch.float32


def test_weights_do_not_hang_on_the_file(checkpoint):
    found = load_checkpoint(checkpoint, Kind.FACE, accept_licence=True)
    before = found.generator.to_rgb.weight.clone()
    with checkpoint.open('r+b') as stream:
        stream.write(bytes(checkpoint.stat().st_size))
    assert torch.equal(found.generator.to_rgb.weight, before)


def test_missing_renamed_and_misshapen_tensors_are_named(tmp_path):
    state = state_of('face_fdf128')
    state['to_bgr.weight'] = state.pop('to_rgb.weight')
    state['to_rgb.bias'] = torch.ones(4)
    path = saved(tmp_path / 'x.ckpt', state)
    with pytest.raises(ModelError) as caught:
        load_checkpoint(path, Kind.FACE, accept_licence=True)
    for part in ('to_rgb.weight is missing', 'to_bgr.weight is unknown',
                 'to_rgb.bias has the shape (4,), expected (3,)', str(path)):
        assert part in str(caught.value)


def test_values_that_are_not_finite_are_refused(tmp_path):
    state = state_of('face_fdf128')
    state['to_rgb.bias'][1] = torch.nan
    with pytest.raises(ModelError, match=r'to_rgb\.bias is not finite'):
        load_checkpoint(saved(tmp_path / 'x.ckpt', state), Kind.FACE, accept_licence=True)


def test_surface_guided_weights_are_explained(tmp_path):
    state = state_of('body_fdh_nocse')
    state['from_rgb.weight'] = torch.ones(4, 21, 1, 1)
    with pytest.raises(ModelError, match=r'surface embeddings \(CSE\)'):
        load_checkpoint(saved(tmp_path / 'x.ckpt', state), Kind.BODY, accept_licence=True)


@pytest.mark.parametrize('content', [
    {}, {'a': torch.ones(3)}, {'EMA_generator': {}}, {'EMA_generator': 3}, [torch.ones(2)], 7,
    {'EMA_generator': {3: torch.ones(1)}},
])
def test_other_contents_are_refused(content, tmp_path):
    path = saved(tmp_path / 'x.ckpt', content)
    with pytest.raises(ModelError, match=r'x\.ckpt'):
        load_checkpoint(path, Kind.FACE, accept_licence=True)


@pytest.mark.parametrize('content', [
    b'', b'PK', b'PK\x03\x04' + bytes(50), b'\x80\x02.', b'plain text, longer than nine bytes',
    bytes(8) + b'{', b'\x80\x04\x95' + bytes(20),
])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / 'x.ckpt'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r'x\.ckpt'):
        load_checkpoint(path, Kind.FACE, accept_licence=True)


def test_cut_files_are_refused(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r'fdf128\.ckpt'):
        load_checkpoint(checkpoint, Kind.FACE, accept_licence=True)


@pytest.mark.parametrize('path', ['nowhere', '.'])
def test_what_is_no_file_is_named(path, tmp_path):
    with pytest.raises(ModelError, match='cannot read the weights'):
        load_checkpoint(tmp_path / path, Kind.FACE)


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Shell(Attack):
    def __reduce__(self):
        import os
        return os.system, (f'touch {self.path}',)


class Builtin(Attack):
    def __reduce__(self):
        return eval, (f'open({str(self.path)!r}, "w")',)


@pytest.mark.parametrize(('attack', 'named'), [
    (Attack, 'getattr'), (Shell, 'system'), (Builtin, 'eval')])
@pytest.mark.parametrize('is_archive', [True, False])
def test_code_is_never_run_and_is_named(attack, named, is_archive, tmp_path):
    trace = tmp_path / 'ran'
    content = {'EMA_generator': {**state_of('face_fdf128'), 'x': attack(trace)}}
    path = tmp_path / 'x.ckpt'
    torch.save(content, path, _use_new_zipfile_serialization=is_archive)
    with pytest.raises(ModelError, match=f'would call .*{named}.*could run any code'):
        load_checkpoint(path, Kind.FACE, accept_licence=True)
    assert not trace.exists()
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ModelError, match=r'x\.ckpt'):
        load_checkpoint(path, Kind.FACE, accept_licence=True)
    assert not trace.exists()


def test_our_own_files_need_no_acceptance(tmp_path):
    path = tmp_path / 'own.safetensors'
    shape = UNetShape((8, 8), (4, 4), z_dim=4, w_dim=4)
    save_weights(path, zoo.build(shape), {'licence': 'Apache-2.0', 'shows': 'face'})
    found = load_checkpoint(path, Kind.FACE)
    assert found.generator.shape == shape
    assert (found.network, found.licence) == ('stylegan-unet', 'Apache-2.0')
    with pytest.raises(ModelError, match='holds a network for target face, not for body'):
        load_checkpoint(path, Kind.BODY)


def test_our_own_body_is_no_face(tmp_path):
    path = tmp_path / 'own.safetensors'
    save_weights(path, zoo.build(SMALL['body_triagan']))
    assert load_checkpoint(path, Kind.BODY).licence == 'none stated'
    with pytest.raises(ModelError, match='for target body, not for face'):
        load_checkpoint(path, Kind.FACE)
