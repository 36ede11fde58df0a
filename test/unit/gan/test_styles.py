# SPDX-License-Identifier: Apache-2.0
"""Styles of identities: the mean one, near it, or near one of many centres, always the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='torch is not installed: the GAN is not tested')

from anon_ros.errors import SettingError  # noqa: E402
from anon_ros.gan import styles  # noqa: E402 - it needs torch
from anon_ros.gan.latents import Identity  # noqa: E402
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402
from anon_ros.gan.styles import StyleSampler, k_means, style_centres  # noqa: E402

PEOPLE = [Identity(bytes([i] * 32)) for i in range(40)]


@pytest.fixture(scope='module')
def generator():
    torch.manual_seed(7)
    network = StyleGanUNet(UNetShape((8, 8), (4, 4), z_dim=6, w_dim=5)).eval()
    network.style_net.w_avg.copy_(torch.arange(5.0))
    return network


def style_of(generator, person):
    with torch.no_grad():
        return generator.style_net(torch.from_numpy(person.latent(6))[None])[0]


@pytest.mark.parametrize('sampling', styles.SAMPLINGS)
@pytest.mark.parametrize('psi', [0.0, 0.5, 1.0])
def test_nobody_gives_no_style(sampling, psi, generator):
    assert StyleSampler(generator, sampling, psi=psi).sample([]).shape == (0, 5)


def test_the_mean_is_the_same_for_all(generator):
    result = StyleSampler(generator, 'mean', psi=1).sample(PEOPLE)
    assert torch.equal(result, torch.arange(5.0).expand(40, 5))
    result[0] = 9
    assert generator.style_net.w_avg[0] == 0, 'the caller has a copy'


@pytest.mark.parametrize('psi', [0.0, 0.25, 1.0])
def test_truncation_goes_part_of_the_way(psi, generator):
    result = StyleSampler(generator, 'truncated', psi=psi).sample(PEOPLE)
    mean = torch.arange(5.0)
    for person, style in zip(PEOPLE, result, strict=True):
        expected = mean + psi * (style_of(generator, person) - mean)
        torch.testing.assert_close(style, expected, rtol=0, atol=1e-5)


def test_multi_modal_takes_a_centre_by_identity(generator):
    centres = torch.rand(7, 5)
    result = StyleSampler(generator, centres=centres).sample(PEOPLE)
    for person, style in zip(PEOPLE, result, strict=True):
        assert torch.equal(style, centres[person.choice(7)])
    assert len({tuple(style.tolist()) for style in result}) == 7
    near = StyleSampler(generator, centres=centres, psi=0.5).sample(PEOPLE[:1])[0]
    expected = (result[0] + style_of(generator, PEOPLE[0])) / 2
    torch.testing.assert_close(near, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('sampling', styles.SAMPLINGS)
def test_a_person_has_the_same_style_in_any_company(sampling, generator):
    sampler = StyleSampler(generator, sampling, psi=0.7)
    whole = sampler.sample(PEOPLE)
    torch.testing.assert_close(sampler.sample(PEOPLE[::-1]).flip(0), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(sampler.sample(PEOPLE[3:4])[0], whole[3], rtol=0, atol=1e-6)


def test_centres_belong_to_the_generator(generator):
    first = style_centres(generator, 8)
    assert first.shape == (8, 5)
    assert torch.equal(style_centres(generator, 8), first)
    sampler = StyleSampler(generator)
    assert sampler.centres is sampler.centres
    assert sampler.centres.shape == (styles.CENTRES, 5)


def test_styles_follow_the_generator_s_precision(generator):
    half = StyleGanUNet(generator.shape).eval()
    half.load_state_dict(generator.state_dict())
    sampler = StyleSampler(half.half(), psi=0.5)
    assert sampler.sample(PEOPLE[:2]).dtype == torch.float16


def test_unknown_settings_are_named(generator):
    with pytest.raises(SettingError, match="sampling: 'median' is unknown; there are multi-modal"):
        StyleSampler(generator, 'median')
    for psi in (-0.1, 1.1, float('nan')):
        with pytest.raises(SettingError, match=r'psi: .* is outside 0\.\.1'):
            StyleSampler(generator, psi=psi)


def test_clusters_far_apart_are_found():
    random = np.random.default_rng(0)
    places = np.array([[0, 0], [50, 0], [0, 50]])
    points = (places[:, None] + random.normal(0, 1, (3, 100, 2))).transpose(1, 0, 2)
    found = k_means(torch.from_numpy(points.reshape(-1, 2)).float(), 3)
    assert sorted((found / 10).round().mul(10).tolist()) == [[0, 0], [0, 50], [50, 0]]


def test_points_that_are_all_alike_are_their_own_centres():
    assert torch.equal(k_means(torch.ones(10, 3), 4), torch.ones(4, 3))


@given(st.integers(2, 30), st.integers(1, 5), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_every_centre_is_the_mean_of_its_points(count, k, seed):
    points = torch.from_numpy(np.random.default_rng(seed).normal(size=(count + k, 2))).float()
    centres = k_means(points, k)
    nearest = torch.cdist(points, centres).argmin(dim=1)
    for i in range(k):
        if (nearest == i).any():
            torch.testing.assert_close(centres[i], points[nearest == i].mean(dim=0),
                                       rtol=0, atol=1e-4)
