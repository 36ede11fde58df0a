# SPDX-License-Identifier: Apache-2.0
"""Crops in, crops out: what is known stays, what is hidden is no input, tones fit."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from anon_ros.core.regions import Kind, Regions  # noqa: E402
from anon_ros.gan.conditions import POSE_MAPS  # noqa: E402
from anon_ros.gan.histogram_optimization import PAPER_SEARCH, Search  # noqa: E402
from anon_ros.gan.histograms import HISTOGRAMS, Tones, joint_histogram  # noqa: E402
from anon_ros.gan.inpainter import MOST_AT_ONCE, Hole, Inpainter, needs_pose  # noqa: E402
from anon_ros.gan.latents import RunKey, identify  # noqa: E402
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402
from anon_ros.gan.styles import StyleSampler  # noqa: E402
from anon_ros.gan.triagan import TriaGan, TriaGanShape  # noqa: E402

HEIGHT, WIDTH = 24, 16
HIDDEN = np.zeros((HEIGHT, WIDTH), bool)
HIDDEN[6:20, 4:12] = True
KEY = RunKey(bytes(32))
FEW = Search(learning_rate=0.1, steps=3)


def unet(condition_channels=0):
    torch.manual_seed(0)
    return StyleGanUNet(UNetShape(
        (HEIGHT, WIDTH), (8, 16, 16), z_dim=8, w_dim=16, condition_channels=condition_channels,
    )).eval()


def triagan():
    torch.manual_seed(0)
    return TriaGan(TriaGanShape((HEIGHT, WIDTH), 8, (1, 2), 1, 1, z_dim=8, w_dim=16)).eval()


GENERATORS = {'unet': unet, 'posed unet': lambda: unet(POSE_MAPS), 'triagan': triagan}


@pytest.fixture(scope='module', params=GENERATORS)
def generator(request):
    return GENERATORS[request.param]()


def inpainter(generator, *tones, sampling='mean', psi=0.0, search=FEW):
    sampler = StyleSampler(generator, sampling, psi=psi)
    return Inpainter(generator, sampler, Tones(*tones), search)


def hole(seed=0, **more):
    image = np.random.default_rng(seed).integers(0, 90, (HEIGHT, WIDTH, 3), np.uint8)
    keypoints = np.random.default_rng(seed).random((17, 3)).astype(np.float32)
    given = {
        'image_bgr': image, 'hidden': HIDDEN, 'visible': ~HIDDEN, 'silhouette': HIDDEN,
        'keypoints': keypoints, **more}
    return Hole(**given)


def identities(count):
    boxes = np.array([[i, 0, i + 1, 1] for i in range(count)], np.float32)
    regions = Regions.of(boxes, Kind.FACE)
    return [identify(KEY, regions, i, source='', stamp_ns=0) for i in range(count)]


def changed(image):
    return np.where(HIDDEN[..., None], 255 - image, image)


@pytest.mark.parametrize('histogram', HISTOGRAMS[:-1])
def test_what_is_known_stays_and_what_is_hidden_is_no_input(generator, histogram):
    painter = inpainter(generator, histogram)
    assert painter.size_wh == (WIDTH, HEIGHT)
    first = hole()
    other = hole(image_bgr=changed(first.image_bgr))
    a, b = (painter.fill([each], identities(1))[0] for each in (first, other))
    assert a.shape == (HEIGHT, WIDTH, 3)
    assert a.dtype == np.float32
    assert (a >= 0).all()
    assert (a <= 255).all()
    assert np.array_equal(a, b)
    if histogram not in {'equalize', 'match'}:
        assert np.abs(a - first.image_bgr)[~HIDDEN].max() < 1e-3
        assert np.abs(a - first.image_bgr)[HIDDEN].max() > 10


@pytest.mark.parametrize('histogram', ['match', 'optimize'])
def test_the_papers_reference_takes_from_the_person(generator, histogram):
    painter = inpainter(generator, histogram, 'person')
    original = hole().image_bgr
    a, b = (
        painter.fill([hole(person_bgr=person)], identities(1))[0]
        for person in (original, changed(original)))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize('histogram', ['match', 'optimize'])
def test_tones_come_nearer(histogram):
    generator = unet()

    def distance(tones):
        image = inpainter(generator, tones, sampling='truncated', psi=1.0).fill(
            [hole()], identities(1))[0]
        shares = [
            np.cumsum(counts) / counts.sum() for counts in (
                joint_histogram(np.rint(image).astype(np.uint8), HIDDEN),
                joint_histogram(hole().image_bgr, ~HIDDEN))]
        return np.abs(shares[0] - shares[1]).sum()

    assert distance(histogram) < 0.9 * distance('none')


def test_the_papers_search_is_its_own_and_looks_at_no_hidden_pixel_either():
    painter = inpainter(unet(), 'optimize-paper', search=None)
    own = inpainter(unet(), 'optimize', search=PAPER_SEARCH)
    other = hole(image_bgr=changed(hole().image_bgr))
    a, b = painter.fill([hole()], identities(1))[0], own.fill([other], identities(1))[0]
    assert np.array_equal(a, b)
    assert not np.array_equal(a, inpainter(unet()).fill([hole()], identities(1))[0])


def test_many_are_filled_as_they_are_alone(generator):
    painter = inpainter(generator, sampling='truncated', psi=1.0)
    count = MOST_AT_ONCE + 2
    holes = [hole(seed) for seed in range(count)]
    together = painter.fill(holes, identities(count))
    assert len(together) == count
    for i in (0, MOST_AT_ONCE - 1, MOST_AT_ONCE + 1):
        alone = painter.fill([holes[i]], identities(count)[i:i + 1])[0]
        assert np.abs(alone - together[i]).max() < 0.05
    assert painter.fill([], []) == []


def test_poses_are_asked_for_and_used():
    assert not needs_pose(unet())
    for name in ('posed unet', 'triagan'):
        painter = inpainter(GENERATORS[name]())
        assert painter.needs_pose
        first, moved = hole(), hole(keypoints=1 - hole().keypoints)
        narrow = hole(silhouette=HIDDEN & (np.arange(WIDTH) < 8))
        a, b, c = painter.fill([first, moved, narrow], identities(3))
        assert not np.array_equal(a, b)
        assert not np.array_equal(a, c)
