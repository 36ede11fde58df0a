# SPDX-License-Identifier: Apache-2.0
"""Small generators: blind to the hole in every precision, reacting to all else they are told."""

import pytest

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')

from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402 - it needs torch
from anon_ros.gan.triagan import TriaGan, TriaGanShape  # noqa: E402

UNET = UNetShape((32, 16), (8, 16, 16), z_dim=8, w_dim=8, condition_channels=1)
TRIA = TriaGanShape((32, 16), 8, (1, 2, 2), z_dim=8, w_dim=8)
SHAPES = (UNET, TRIA)


def build(shape):
    torch.manual_seed(1)
    generator = (TriaGan if isinstance(shape, TriaGanShape) else StyleGanUNet)(shape).eval()
    for name, value in generator.named_parameters():
        if name.endswith(('layer_scale', 'noise_strength')):
            torch.nn.init.constant_(value, 0.5)
    return generator


def inputs(shape, count=2):
    torch.manual_seed(2)
    height, width = shape.size_hw
    mask = torch.ones(count, 1, height, width)
    mask[:, :, 8:24, 4:12] = 0
    values = {
        'img': torch.rand(count, 3, height, width) * 2 - 1, 'mask': mask,
        'z': torch.randn(count, shape.z_dim),
    }
    if isinstance(shape, UNetShape):
        return values | {'maps': torch.rand(count, 1, height, width)}
    joint_map = torch.zeros(count, 1, height, width, dtype=torch.uint8)
    joint_map[:, :, 10, 5:10] = 3
    return values | {
        'segmentation': 1 - mask, 'keypoints': torch.ones(count, 17, 3) / 2,
        'joint_map': joint_map,
    }


@torch.no_grad()
def run(generator, values, **changes):
    return generator(**{**values, **changes})


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('has_whole_weights', [True, False])
def test_no_output_bit_depends_on_the_hole(shape, dtype, has_whole_weights):
    generator, values = build(shape), inputs(shape)
    if not has_whole_weights:
        generator.to(dtype)
        values['z'] = values['z'].to(dtype)
    values = {name: value.to(dtype) if value.is_floating_point() and name != 'z' else value
              for name, value in values.items()}
    hole = values['mask'] == 0
    first = run(generator, values)
    assert first.dtype == dtype
    assert first.isfinite().all()
    for other in (torch.nan, torch.inf, -1.0, 5.0):
        changed = values['img'].masked_fill(hole, other)
        assert torch.equal(run(generator, values, img=changed), first)


@pytest.mark.parametrize('shape', SHAPES)
def test_everything_else_counts(shape):
    generator, values = build(shape), inputs(shape)
    first = run(generator, values)
    hole = (values['mask'] == 0).expand_as(first)
    for name, value in values.items():
        if name in {'mask', 'keypoints'}:
            continue
        other = value.flip(0) if name == 'z' else 1 - value
        changed = run(generator, values, **{name: other})
        assert not torch.equal(changed[hole], first[hole]), name


def test_keypoints_count_where_they_are_seen():
    generator, values = build(TRIA), inputs(TRIA)
    first = run(generator, values)
    elsewhere = values['keypoints'] * torch.tensor([0.5, 1, 1])
    assert torch.equal(run(generator, values, keypoints=elsewhere), first), 'all are unseen'
    seen, seen_elsewhere = values['keypoints'].ceil() * 0.4, elsewhere.ceil() * 0.6
    seen[..., 2] = seen_elsewhere[..., 2] = 1
    assert not torch.equal(run(generator, values, keypoints=seen),
                           run(generator, values, keypoints=seen_elsewhere))


@pytest.mark.parametrize('shape', SHAPES)
def test_what_is_known_stays_whatever_is_generated(shape):
    generator, values = build(shape), inputs(shape)
    output = generator.to_rgb if isinstance(shape, UNetShape) else generator.decoder.to_rgb
    torch.nn.init.constant_(output.bias, torch.nan)
    known = (values['mask'] == 1).expand_as(values['img'])
    result = run(generator, values)
    assert torch.equal(result[known], values['img'][known])
    assert result[~known].isnan().all()


@pytest.mark.parametrize('shape', SHAPES)
def test_a_batch_is_its_images(shape):
    generator, values = build(shape), inputs(shape, 3)
    whole = run(generator, values)
    for i in range(3):
        alone = run(generator, {name: value[i:i + 1] for name, value in values.items()})
        torch.testing.assert_close(alone[0], whole[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize('shape', SHAPES)
def test_a_style_stands_for_its_latent(shape):
    generator, values = build(shape), inputs(shape)
    with torch.no_grad():
        w = generator.style_net(values['z'])
    assert torch.equal(run(generator, values, z=None, w=w), run(generator, values))


@pytest.mark.parametrize('shape', SHAPES)
def test_every_parameter_learns(shape):
    generator, values = build(shape).train(), inputs(shape)
    with torch.autocast('cpu', torch.bfloat16):
        result = generator(**values)
    torch.autograd.backward(result.float().square().sum())
    still = [name for name, value in generator.named_parameters()
             if value.grad is None or not value.grad.any()]
    assert not still


def test_noise_is_fresh_in_training_and_fixed_afterwards():
    generator, values = build(TRIA), inputs(TRIA)
    assert torch.equal(run(generator, values), run(generator, values))
    generator.train()
    assert not torch.equal(run(generator, values), run(generator, values))


@pytest.mark.parametrize('size_hw', [(30, 16), (32, 18)])
def test_sizes_that_do_not_halve_are_refused(size_hw):
    with pytest.raises(ValueError, match='no multiple of 4'):
        TriaGanShape(size_hw, 8, (1, 2, 2))
