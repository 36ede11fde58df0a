# SPDX-License-Identifier: Apache-2.0
"""The realistic method in bags, images, videos and live frames: hidden, counted, to the byte."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

import tiny_gan
from bag_builder import MagentaDetector, picture, shows_magenta
from rosbags.highlevel import AnyReader

from anon_ros import factory
from anon_ros.audit.frame_regions import FrameRegions, from_plain, to_line
from anon_ros.audit.manifest import read_manifest
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core.interfaces import Synthesis
from anon_ros.core.regions import Kind, Regions
from anon_ros.core.settings import Settings
from anon_ros.errors import InputError, ModelError
from anon_ros.models.store import ModelStore
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.images import anonymize_images
from anon_ros.runs.verify import verify_bag
from anon_ros.runs.video import anonymize_video

RAW, JPEG, TEXT = '/camera/image_raw', '/camera/image_raw/compressed', '/chatter'
TINY = 'face: smaller than 8 px'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return tiny_gan.save_face(tmp_path_factory.mktemp('weights') / 'face.safetensors')


@pytest.fixture
def realistic(weights):
    return Settings(
        target=('face',), method=('face=realistic',), weights=(str(weights),), threads=2,
        device='cpu', seed=3)


def messages_of(path):
    with AnyReader([path]) as reader:
        return [(c.topic, stamp_ns, bytes(raw)) for c, stamp_ns, raw in reader.messages()]


def image_of(path, topic):
    with AnyReader([path]) as reader:
        for connection, _, raw in reader.messages():
            if connection.topic == topic:
                message = reader.deserialize(raw, connection.msgtype)
                if hasattr(message, 'format'):
                    return cv2.imdecode(message.data, cv2.IMREAD_COLOR)
                return message.data.reshape(message.height, message.width, 3)
    raise AssertionError(topic)


def fill(builder, frames=6):
    for i in range(frames):
        builder.raw(RAW, (i + 10) * 10**8, picture(squares=((20 + i, 16),)))
        builder.text(TEXT, (i + 10) * 10**8 + 1, f'message {i}')
        builder.jpeg(JPEG, (i + 10) * 10**8 + 2, picture(squares=((40, 8 + i),)))
    return builder


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_keeps_all_but_the_faces_and_says_who_was_synthesized(
    builder, tmp_path, realistic, weights, storage
):
    source, target = fill(builder).write(tmp_path / 'source', storage), tmp_path / 'target'
    result = anonymize_bag(BagJob(source, target), realistic, detector=MagentaDetector())
    assert verify_bag(source, target, search_every=0).ok
    for (topic, stamp_ns, old), (new_topic, new_stamp_ns, new) in zip(
        messages_of(source), messages_of(target), strict=True
    ):
        assert (topic, stamp_ns) == (new_topic, new_stamp_ns)
        assert (old == new) == (topic == TEXT)
    for topic in (RAW, JPEG):
        assert not shows_magenta(image_of(target, topic))
    manifest = read_manifest(result.sidecar / 'manifest.json')
    assert [(c.synthesized, c.classic_instead) for c in manifest.cameras.values()] == [
        ({'face': 6}, {}), ({'face': 6}, {})]
    model, = manifest.models
    assert (model.name, model.licence) == ('stylegan-unet', 'MIT')
    assert len(model.sha256) == 64
    frames = list(RegionsReader(result.sidecar / 'regions.jsonl'))
    assert all(frame.synthesis.synthesized == {'face': 1} for frame in frames)


def test_it_differs_from_the_mosaic_within_the_faces_only(builder, tmp_path, realistic):
    source = fill(builder, 1).write(tmp_path / 'source')
    images = []
    for name, settings in (
        ('realistic', realistic), ('classic', Settings(target=('face',), threads=1)),
    ):
        anonymize_bag(BagJob(source, tmp_path / name), settings, detector=MagentaDetector())
        images.append(image_of(tmp_path / name, RAW))
    differs = (images[0] != images[1]).any(axis=2)
    assert differs[16:32, 20:36].mean() > 0.9
    assert differs.sum() == differs[12:36, 16:40].sum()


@pytest.mark.parametrize('given', ['seed', 'key'])
def test_the_same_key_gives_the_same_faces_again(builder, tmp_path, realistic, given):
    key = tmp_path / 'key'
    key.write_text('ab' * 32)
    changes = {'seed': 4} if given == 'seed' else {'identity_key': str(key), 'seed': 0}
    source = fill(builder, 3).write(tmp_path / 'source')
    results = []
    for name in ('first', 'second', 'other'):
        settings = realistic if name == 'other' else replace(realistic, **changes)
        anonymize_bag(BagJob(source, tmp_path / name), settings, detector=MagentaDetector())
        results.append([image_of(tmp_path / name, topic) for topic in (RAW, JPEG)])
        written = (tmp_path / name / 'anon' / 'manifest.json').read_text()
        assert 'ab' * 32 not in written
    for first, second, other in zip(*results, strict=True):
        assert np.array_equal(first, second)
        assert not np.array_equal(first, other)


def test_images_count_what_is_too_small(tmp_path, realistic):
    source = tmp_path / 'source'
    source.mkdir()
    cv2.imwrite(str(source / 'large.png'), picture())
    cv2.imwrite(str(source / 'small.jpg'), picture(side=6))
    cv2.imwrite(str(source / 'nobody.png'), picture(squares=()))
    result = anonymize_images(source, tmp_path / 'target', realistic, detector=MagentaDetector())
    assert not shows_magenta(cv2.imread(str(tmp_path / 'target' / 'large.png')))
    assert not shows_magenta(cv2.imread(str(tmp_path / 'target' / 'small.jpg')))
    counts = result.manifest.cameras['images']
    assert (counts.synthesized, counts.classic_instead) == ({'face': 1}, {TINY: 1})
    lines = (result.sidecar / 'regions.jsonl').read_text().splitlines()[1:-1]
    told = {line['topic']: line for line in map(json.loads, lines)}
    assert told['small.jpg']['classic_instead'] == {TINY: 1}
    assert 'synthesized' not in told['nobody.png']


def test_a_failing_generator_masks_the_image(tmp_path, realistic, monkeypatch):
    from anon_ros.gan.inpainter import Inpainter

    source = tmp_path / 'source.png'
    cv2.imwrite(str(source), picture())
    fill_well, calls = Inpainter.fill, []

    def fail_later(self, holes, identities):
        calls.append(len(holes))
        if len(calls) > 1:
            raise RuntimeError('the device is gone')
        return fill_well(self, holes, identities)

    monkeypatch.setattr(Inpainter, 'fill', fail_later)
    result = anonymize_images(
        source, tmp_path / 'target.png', realistic, detector=MagentaDetector())
    assert result.manifest.withheld == 1
    assert len(np.unique(cv2.imread(str(tmp_path / 'target.png')))) == 1


def test_a_video_is_painted_along_its_tracks(tmp_path, realistic):
    source = tmp_path / 'source.mp4'
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*'mp4v'), 10, (160, 96))
    for i in range(8):
        writer.write(picture(size_wh=(160, 96), squares=((20 + 2 * i, 30),), side=32))
    writer.release()
    result = anonymize_video(
        source, tmp_path / 'target.mp4', realistic, detector=MagentaDetector())
    counts = result.manifest.cameras['video']
    assert (counts.synthesized, counts.withheld) == ({'face': 8}, 0)
    capture = cv2.VideoCapture(str(tmp_path / 'target.mp4'))
    is_read, frame = capture.read()
    assert is_read
    assert not shows_magenta(frame)


def test_what_is_missing_is_said_before_anything_is_written(builder, tmp_path, realistic):
    source = fill(builder, 1).write(tmp_path / 'source')
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(b'no weights')
    for changes, error, message in (
        ({'weights': (str(tmp_path / 'nowhere.pt'),)}, ModelError, 'is not there'),
        ({'weights': (str(damaged),)}, ModelError, 'damaged.safetensors'),
        ({'identity_key': str(damaged)}, InputError, 'holds no key'),
        ({'method': ('realistic',), 'target': ('body',)}, ModelError, 'for target'),
    ):
        with pytest.raises(error, match=message):
            anonymize_bag(
                BagJob(source, tmp_path / 'target'), replace(realistic, **changes),
                detector=MagentaDetector())
    assert not list(tmp_path.glob('target*'))


def test_kinds_without_weights_name_what_to_do(monkeypatch):
    from anon_ros.gan import assembly

    monkeypatch.setattr(assembly, 'CARDS', {})
    with pytest.raises(ModelError, match='--weights body=FILE, or take --method body=pixelate'):
        factory.build_anonymizer(
            Settings(target=('body',), method=('realistic',), device='cpu'), ModelStore())


def test_without_torch_the_extra_is_named(monkeypatch):
    from anon_ros.gan import extra

    monkeypatch.setattr(extra, 'PACKAGES', ('no_such_torch', 'safetensors'))
    with pytest.raises(ModelError, match=r'no_such_torch: pip install .anon_ros\[gan\]'):
        factory.build_anonymizer(Settings(target=('face',), method=('realistic',)))


def test_plates_alone_need_no_network(monkeypatch):
    from anon_ros.gan import extra
    from anon_ros.media.raw import RawImage, open_raw

    monkeypatch.setattr(extra, 'PACKAGES', ('no_such_torch',))
    anonymizer = factory.build_anonymizer(Settings(target=('plate',), method=('realistic',)))
    image = picture()
    height, width = image.shape[:2]
    frame = open_raw(RawImage(width, height, 'bgr8', False, 3 * width, image.tobytes()))
    done = anonymizer.anonymize(frame, Regions.of([[20, 16, 36, 32]], Kind.PLATE))
    assert done.synthesis.classic_instead == {'plate: never synthesized': 1}
    assert not shows_magenta(frame.view_bgr())


def test_a_run_that_goes_on_counts_all():
    """What a run that was killed had counted stands in its regions file."""
    synthesis = Synthesis({'face': 2}, {TINY: 3})
    frame = FrameRegions('/c', 1, 2, 3, (8, 8), Regions.empty(), 'anonymized', '', synthesis)
    again = from_plain(json.loads(to_line(frame)))
    assert again.synthesis == synthesis
    recorder = RunRecorder()
    for _ in range(2):
        recorder.frame(
            '/c', 0, again.regions, 'anonymized', None, again.synthesis)
    counts = recorder.counts()['/c']
    assert (counts.synthesized, counts.classic_instead) == ({'face': 4}, {TINY: 6})


@pytest.mark.parametrize('line', [
    '"synthesized":[1]', '"synthesized":{"face":-1}', '"classic_instead":{"x":"many"}',
    '"classic_instead":{"x":true}',
])
def test_nonsense_in_a_regions_file_is_refused(line):
    text = '{"topic":"/c","index":1,"stamp_ns":2,"log_ns":3,"size_wh":[8,8],"regions":[],%s}'
    with pytest.raises(ValueError, match=r'synthesized|classic_instead'):
        from_plain(json.loads(text % line))
