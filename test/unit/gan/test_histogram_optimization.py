# SPDX-License-Identifier: Apache-2.0
"""The search for styles: what it lowers, what it looks at, and where it ends."""

import colorsys

import pytest

torch = pytest.importorskip('torch')

from anon_ros.gan.histogram_optimization import (  # noqa: E402
    PAPER_SEARCH,
    Search,
    saturation_and_value,
    search_styles,
    soft_histograms,
    tone_histograms,
    wasserstein,
)
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402

SIZE, COUNT = 16, 3
FEW = Search(learning_rate=0.1, steps=6)


@pytest.fixture(scope='module')
def generator():
    torch.manual_seed(0)
    shape = UNetShape((SIZE, SIZE), (8, 16, 16), z_dim=8, w_dim=16)
    return StyleGanUNet(shape).eval().requires_grad_(False)


@pytest.fixture(scope='module')
def crops():
    """Dark photos with a hole in the middle, and styles."""
    draw = torch.Generator().manual_seed(1)
    photos = torch.rand(COUNT, 3, SIZE, SIZE, generator=draw) * 0.6 - 0.9
    known = torch.ones(COUNT, 1, SIZE, SIZE)
    known[:, :, 4:13, 4:12] = 0
    return photos, known, torch.randn(COUNT, 16, generator=draw)


def search(generator, photos, known, styles, how=FEW):
    wanted = tone_histograms(photos, known[:, 0], how.bandwidth)
    return search_styles(
        lambda w: generator(photos, known, w=w), styles, wanted, 1 - known[:, 0], how)


def test_saturation_and_value_are_those_of_the_standard_library():
    rgb = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    rgb[0, :, 0, 0], rgb[0, :, 0, 1] = 0, 1
    found = saturation_and_value(rgb)[0]
    for y in range(5):
        for x in range(7):
            _, s, v = colorsys.rgb_to_hsv(*rgb[0, :, y, x].tolist())
            assert found[:, y, x].tolist() == pytest.approx([s, v], abs=1e-6)


def test_slopes_are_finite_where_all_is_black_or_gray():
    rgb = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    rgb[..., 1] = 0.5
    rgb.requires_grad_(True)
    saturation_and_value(rgb).sum().backward()
    assert torch.isfinite(rgb.grad).all()
    assert rgb.grad.abs().max() <= 255
    torch.manual_seed(0)
    varied = torch.rand(1, 3, 3, 3, dtype=torch.float64) * 0.8 + 0.1
    assert torch.autograd.gradcheck(saturation_and_value, varied.requires_grad_(True))


@pytest.mark.parametrize('bandwidth', [1.0, 0.02, 0.01])
def test_histograms_are_kernel_density_estimates(bandwidth):
    draw = torch.Generator().manual_seed(0)
    samples = torch.rand(2, 2, 200, generator=draw, dtype=torch.float64) ** 2
    weights = (torch.rand(2, 200, generator=draw) > 0.4).double()
    centres = torch.linspace(0, 1, 256, dtype=torch.float64)
    density = torch.exp(-0.5 * ((samples[..., None] - centres) / bandwidth) ** 2)
    exact = (density * weights[:, None, :, None]).sum(dim=2)
    exact = exact / exact.sum(dim=2, keepdim=True)
    found = soft_histograms(samples, weights, bandwidth)
    assert wasserstein(found, exact).max() < 0.05
    assert found.sum(dim=2) == pytest.approx(1, abs=1e-6)
    none = soft_histograms(samples, weights * 0, bandwidth)
    assert (none == 0).all()


def test_moving_all_samples_by_ten_bins_is_a_distance_of_ten():
    samples = torch.full((1, 1, 9), 100 / 255, requires_grad=True)
    ones = torch.ones(1, 9)
    moved = soft_histograms(samples + 10 / 255, ones, 0.01)
    found = wasserstein(moved, soft_histograms(samples.detach(), ones, 0.01))
    assert found.item() == pytest.approx(10, abs=0.05)
    found.sum().backward()
    assert samples.grad.sum().item() == pytest.approx(255, rel=0.01)


@pytest.mark.parametrize('how', [FEW, Search(bandwidth=1.0, learning_rate=0.05, steps=6)])
def test_the_search_lowers_the_distance_of_every_instance(generator, crops, how):
    photos, known, styles = crops
    wanted = tone_histograms(photos, known[:, 0], how.bandwidth)

    def left(w):
        tones = tone_histograms(generator(photos, known, w=w), 1 - known[:, 0], how.bandwidth)
        return wasserstein(tones, wanted).sum(dim=1)

    found, told = search(generator, photos, known, styles, how)
    assert (left(found) < 0.9 * left(styles)).all()
    assert torch.allclose(told, left(found), atol=1e-3)


def test_the_papers_search_goes_the_same_way_and_returns_the_last(generator, crops):
    photos, known, styles = crops
    how = Search(PAPER_SEARCH.bandwidth, PAPER_SEARCH.learning_rate, 8, takes_best=False)
    assert PAPER_SEARCH.steps == 100
    found, left = search(generator, photos, known, styles, how)
    _, before = search(generator, photos, known, styles,
                       Search(1.0, 1e-3, 1, takes_best=False))
    assert (left < before).all()
    # Adam's first steps are as long as its rate; the last forward is before the last step.
    assert (found - styles).abs().max().item() == pytest.approx(7e-3, rel=0.1)


def test_the_hole_is_no_input(generator, crops):
    photos, known, styles = crops
    other = torch.where(known.bool(), photos, -photos)
    assert (other != photos).any()
    first, second = (search(generator, each, known, styles)[0] for each in (photos, other))
    assert torch.equal(first, second)
    person = torch.ones_like(known)
    found = [
        search_styles(
            lambda w: generator(photos, known, w=w), styles,
            tone_histograms(each, person[:, 0], FEW.bandwidth), person[:, 0], FEW)[0]
        for each in (photos, other)]
    assert not torch.equal(*found)


def test_instances_do_not_disturb_each_other(generator, crops):
    photos, known, styles = crops
    together, left = search(generator, photos, known, styles)
    for i in range(COUNT):
        one = slice(i, i + 1)
        alone, told = search(generator, photos[one], known[one], styles[one])
        assert torch.allclose(alone, together[one], atol=1e-3)
        assert told.item() == pytest.approx(left[i].item(), rel=1e-2)


def test_a_search_ends_where_it_is_near_enough_or_nothing_moves(generator, crops):
    photos, known, styles = crops
    calls = []

    def generate(w):
        calls.append(len(w))
        return generator(photos, known, w=w)

    hole = 1 - known[:, 0]
    wanted = tone_histograms(photos, known[:, 0], FEW.bandwidth)
    near = Search(steps=6, least_loss=1e6)
    found, _ = search_styles(generate, styles, wanted, hole, near)
    assert calls == [COUNT]
    assert torch.equal(found, styles)
    found, _ = search_styles(generate, styles, wanted * 0, hole, FEW)
    assert torch.equal(found, styles)
    found, _ = search_styles(generate, styles, wanted, hole * 0, FEW)
    assert torch.equal(found, styles)
    assert calls == [COUNT] * 3
    only = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    found, _ = search_styles(generate, styles, wanted * only, hole, FEW)
    assert torch.equal(found[1], styles[1])
    assert not torch.equal(found[0], styles[0])


def test_no_weight_of_the_generator_gets_a_slope(generator, crops):
    photos, known, styles = crops
    with torch.no_grad():
        search(generator, photos, known, styles)
    assert all(weight.grad is None for weight in generator.parameters())
