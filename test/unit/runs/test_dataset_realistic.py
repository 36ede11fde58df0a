# SPDX-License-Identifier: Apache-2.0
"""Datasets of people who do not exist: whom the paper replaces, from what, and in which order."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip('torch')

from anon_ros.audit import rle  # noqa: E402
from anon_ros.audit.manifest import read_manifest  # noqa: E402
from anon_ros.cli.main import app  # noqa: E402
from anon_ros.core.regions import Mask  # noqa: E402
from anon_ros.core.settings import Settings  # noqa: E402
from anon_ros.datasets.formats import create_dataset  # noqa: E402
from anon_ros.datasets.problems import Problems  # noqa: E402
from anon_ros.datasets.records import ImageRecord, Instance  # noqa: E402
from anon_ros.errors import ModelError, UsageError  # noqa: E402
from anon_ros.gan.conditions import POSE_MAPS  # noqa: E402
from anon_ros.gan.stylegan_unet import StyleGanUNet, UNetShape  # noqa: E402
from anon_ros.gan.triagan import TriaGan, TriaGanShape  # noqa: E402
from anon_ros.gan.weights_file import save_weights  # noqa: E402
from anon_ros.runs.dataset import TAKEN_TONES, anonymize_dataset  # noqa: E402
from anon_ros.runs.dataset_job import DatasetJob  # noqa: E402

SIZE_WH = (160, 120)
NEAR, FAR, RIDER = (20, 20, 40, 70), (45, 30, 30, 40), (120, 40, 20, 40)
"""x, y, width, height; the two persons overlap."""
FACE = (30.0, 24.0, 46.0, 42.0)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Files of tiny networks with random weights, by name."""
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(0)
    networks = {
        'face': StyleGanUNet(UNetShape((32, 32), (8, 16, 16), z_dim=8, w_dim=16)),
        'body': StyleGanUNet(UNetShape(
            (48, 32), (8, 16, 16), z_dim=8, w_dim=16, condition_channels=POSE_MAPS)),
        'triagan': TriaGan(TriaGanShape((48, 32), 8, (1, 2), 1, 1, z_dim=8, w_dim=16)),
    }
    for name, network in networks.items():
        save_weights(folder / f'{name}.safetensors', network)
    return {name: folder / f'{name}.safetensors' for name in networks}


@pytest.fixture
def models(shared_dir, monkeypatch):
    monkeypatch.setenv('ANON_ROS_MODELS', str(shared_dir / 'models'))


def block(at, **more):
    x, y, width, height = at
    inside = np.zeros(SIZE_WH[::-1], bool)
    inside[y:y + height, x:x + width] = True
    return Instance(rle=rle.encode(Mask(inside, 0, 0), SIZE_WH), **more)


def standing(at):
    x, y, width, height = at
    shares = np.linspace(0.1, 0.9, 17)
    return tuple((x + width * (1 - s), y + height * s, 2.0) for s in shares.tolist())


def picture(seed, change_at=None):
    noise = np.random.default_rng(seed).integers(0, 200, (*SIZE_WH[::-1], 3), np.uint8)
    image = cv2.GaussianBlur(noise, (5, 5), 0)
    if change_at is not None:
        x, y, width, height = change_at
        image[y:y + height, x:x + width] = 255 - image[y:y + height, x:x + width]
    return cv2.imencode('.png', image)[1].tobytes()


def make(folder, name, count=2, change_at=None):
    """A dataset whose images show two persons and a rider, but for the last: nobody."""
    people = (
        block(NEAR, id='1', category='person', keypoints=standing(NEAR)),
        block(FAR, id='2', category='person', keypoints=standing(FAR)),
        block(RIDER, id='3', category='rider'),
    )
    if name == 'coco':
        people += (Instance('4', 'face', FACE),)
    writer = create_dataset(folder, name, Problems())
    for number in range(count):
        core = f'town_000000_{number:06d}' if name == 'cityscapes' else str(number + 1)
        split = '10k/train' if name == 'bdd100k' else 'train'
        shown = people if number < count - 1 else ()
        writer.add(ImageRecord(core, split, f'{split}/{number + 1}.png', SIZE_WH, shown),
                   picture(number, change_at))
    writer.close()
    return folder


def photos(root):
    return sorted(
        path for path in root.rglob('*') if path.suffix in {'.jpg', '.png'}
        and not {'gtFine', 'labels'} & set(path.relative_to(root).parts))


def read(root, number=0):
    return cv2.imread(str(photos(root)[number])).astype(int)


def part(image, at):
    x, y, width, height = at
    return image[y:y + height, x:x + width]


def settings_for(weights, name, **more):
    target = 'face' if name == 'face' else 'body'
    return Settings(
        method=('realistic',), weights=(f'{target}={weights[name]}',), device='cpu', threads=2,
        **more)


def job(source, target, name='coco', **more):
    return DatasetJob(source, target, name, protocol='paper', **more)


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.mark.parametrize(('name', 'network'), [
    ('coco', 'body'), ('cityscapes', 'triagan'), ('bdd100k', 'body'),
])
def test_persons_are_replaced_and_nobody_else(tmp_path, models, weights, name, network):
    source, target = make(tmp_path / 'source', name), tmp_path / 'out'
    result = run(
        'dataset', source, target, '--format', name, '--protocol', 'paper', '--region', 'body',
        '--method', 'realistic', '--weights', f'body={weights[network]}', '--device', 'cpu',
        '--json')
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said['regions']['body'] == 2
    assert said['untouched_people'] == {'rider': 1}
    assert said['weaknesses'] == []
    before, after = read(source), read(target)
    for at in (NEAR, FAR):
        assert np.abs(part(before, at) - part(after, at)).mean() > 10
    # JPEG at full quality moves levels a little.
    assert np.abs(part(before, RIDER) - part(after, RIDER)).max() <= 12
    assert photos(source)[1].read_bytes() == photos(target)[1].read_bytes()
    settings = read_manifest(target / 'anon/manifest.json').settings
    assert (settings['sampling'], settings['truncation']) == ('multi-modal', 0.0)


@pytest.mark.parametrize(('name', 'sampling'), [('coco', 'mean'), ('bdd100k', 'multi-modal')])
def test_styles_are_drawn_as_the_paper_does_unless_they_are_chosen(
    tmp_path, weights, name, sampling
):
    source = make(tmp_path / 'source', name, count=1)
    for given, expected in (
        ({}, (sampling, 0.0)),
        ({'sampling': 'multi-modal'}, ('multi-modal', Settings().truncation)),
    ):
        target = tmp_path / f'out{len(given)}{given.get("sampling", "")}'
        result = anonymize_dataset(
            job(source, target, name, region='face', faces='annotated'),
            settings_for(weights, 'face', **given))
        used = result.manifest.settings
        assert (used['sampling'], used['truncation']) == expected


@pytest.mark.parametrize(('region', 'at', 'histogram'), [
    ('body', NEAR, 'none'), ('body', NEAR, 'match'), ('face', (30, 24, 16, 18), 'equalize'),
    ('face', (30, 24, 16, 18), 'optimize'),
])
def test_the_hole_is_no_input(tmp_path, weights, region, at, histogram):
    # One person only: of two, the paper paints the smaller while the larger is to be seen.
    faces = 'annotated' if region == 'face' else None
    images = []
    for name, change_at in (('a', None), ('b', at)):
        source = make(tmp_path / name, 'coco', change_at=change_at)
        anonymize_dataset(
            job(source, tmp_path / f'{name}_out', region=region, faces=faces, min_size=50),
            settings_for(weights, region, histogram=histogram))
        images.append(read(tmp_path / f'{name}_out'))
        assert np.abs(part(read(source), at) - part(images[-1], at)).mean() > 5
    assert (images[0] == images[1]).all()


@pytest.mark.parametrize('histogram', ['match', 'optimize'])
def test_the_papers_reference_takes_from_the_person_and_says_so(tmp_path, weights, histogram):
    images = []
    for name, change_at in (('a', None), ('b', (30, 24, 16, 18))):
        source, target = make(tmp_path / name, 'coco', change_at=change_at), tmp_path / f'{name}2'
        result = run(
            'dataset', source, target, '--format', 'coco', '--protocol', 'paper', '--region',
            'face', '--faces', 'annotated', '--method', 'realistic', '--device', 'cpu',
            '--weights', weights['face'], '--histogram', histogram, '--reference', 'person')
        assert result.exit_code == 0, result.output
        assert TAKEN_TONES in result.stdout
        assert read_manifest(target / 'anon/manifest.json').flags.counts[TAKEN_TONES] == 1
        images.append(read(target))
    assert (images[0] != images[1]).any()


def test_a_killed_run_is_gone_on_with_to_the_same_bytes(tmp_path, weights):
    source = make(tmp_path / 'source', 'coco', count=5)
    settings = settings_for(weights, 'body', sampling='truncated', truncation=1.0)
    anonymize_dataset(job(source, tmp_path / 'whole'), settings)

    def kill(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        anonymize_dataset(job(source, tmp_path / 'out'), settings, progress=kill)
    anonymize_dataset(job(source, tmp_path / 'out', resume=True), settings)
    trees = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob('*')
         if path.is_file() and path.name not in {'manifest.json', 'report.html'}}
        for root in (tmp_path / 'whole', tmp_path / 'out')]
    assert trees[0] == trees[1]
    anonymize_dataset(job(source, tmp_path / 'other'), replace(settings, seed=7))
    assert (read(tmp_path / 'whole') != read(tmp_path / 'other')).any()


def test_the_safe_protocol_hides_the_rider_too(tmp_path, models, weights):
    source = make(tmp_path / 'source', 'coco')
    result = anonymize_dataset(
        DatasetJob(source, tmp_path / 'out', 'coco'), settings_for(weights, 'body', seed=1))
    assert result.manifest.regions_by_kind['body'] == 3
    for at in (NEAR, FAR, RIDER):
        assert np.abs(part(read(source), at) - part(read(tmp_path / 'out'), at)).mean() > 5


def test_tones_are_made_to_fit_by_the_safe_protocol_too(tmp_path, weights):
    images = {}
    for name, histogram, change_at in (
        ('plain', 'none', None), ('a', 'match', None), ('b', 'match', (30, 24, 16, 18)),
    ):
        source = make(tmp_path / name, 'coco', change_at=change_at)
        anonymize_dataset(
            DatasetJob(source, tmp_path / f'{name}_out', 'coco', 'face', faces='annotated'),
            settings_for(weights, 'face', histogram=histogram, seed=1))
        images[name] = read(tmp_path / f'{name}_out')
    assert (images['plain'] != images['a']).any()
    assert (images['a'] == images['b']).all()


def test_small_people_stay_by_the_least_size(tmp_path, weights):
    source = make(tmp_path / 'source', 'coco')
    result = anonymize_dataset(
        job(source, tmp_path / 'out', min_size=50), settings_for(weights, 'body'))
    assert result.untouched == {'rider': 1, 'too small': 1}


@pytest.mark.parametrize(('change', 'settings', 'text'), [
    ({'reference': 'person'}, {}, "reference: 'person' needs histogram"),
    ({'reference': 'person', 'protocol': 'safe'}, {'histogram': 'match'}, 'only --protocol paper'),
    ({'reference': 'nobody'}, {}, 'none of surroundings, person'),
    ({}, {'histogram': 'match', 'method': ('blur',)}, "'blur' has no tones to fit"),
    ({'min_size': 0}, {}, 'min-size: 0 is below'),
    ({'min_size': 16, 'protocol': 'safe'}, {}, 'name --protocol paper'),
])
def test_what_cannot_be_is_said(tmp_path, weights, change, settings, text):
    source = make(tmp_path / 'source', 'coco')
    with pytest.raises(UsageError, match=text):
        anonymize_dataset(
            replace(job(source, tmp_path / 'out'), **change),
            replace(settings_for(weights, 'body'), **settings))
    assert not list(tmp_path.glob('out*'))


def test_missing_weights_are_named_before_the_first_image(tmp_path, weights):
    source = make(tmp_path / 'source', 'coco')
    for given, text in (
        (f'body={tmp_path}/none.safetensors', 'none.safetensors is not there'),
        (f'face={weights["body"]}', 'bodies'),
    ):
        region = given.split('=', maxsplit=1)[0]
        with pytest.raises(ModelError, match=text):
            anonymize_dataset(
                job(source, tmp_path / 'out', region=region, faces='annotated'),
                replace(settings_for(weights, 'body'), weights=(given,)))
        assert not list(tmp_path.glob('out*'))
