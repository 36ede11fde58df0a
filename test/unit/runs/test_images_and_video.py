# SPDX-License-Identifier: Apache-2.0
"""Files and folders of images, and video files, on the same core."""

import cv2
import numpy as np
import pytest
from bag_builder import MagentaDetector, picture, shows_magenta

from anon_ros.audit.manifest import is_anonymized
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.core.settings import Settings
from anon_ros.errors import InputError, OutputError, RegionsError, UsageError
from anon_ros.runs.images import anonymize_images
from anon_ros.runs.video import anonymize_video

SETTINGS = Settings(target=('face',), threads=2)


def write_video(path, count=20):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (160, 96))
    for i in range(count):
        writer.write(picture(size_wh=(160, 96), squares=((20 + 2 * i, 30),), side=32))
    writer.release()
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return frames
        frames.append(frame)


def test_a_folder_of_images(tmp_path):
    source = tmp_path / 'source'
    (source / 'deep').mkdir(parents=True)
    cv2.imwrite(str(source / 'face.png'), picture())
    cv2.imwrite(str(source / 'deep' / 'face.jpg'), picture())
    cv2.imwrite(str(source / 'empty.jpg'), picture(squares=()))
    (source / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 no image')
    (source / 'notes.txt').write_text('not an image')
    result = anonymize_images(source, tmp_path / 'target', SETTINGS, detector=MagentaDetector())
    frames = RegionsReader(result.sidecar / 'regions.jsonl')
    assert {frame.topic: frame.outcome for frame in frames} == {
        'face.png': 'anonymized', 'deep/face.jpg': 'anonymized', 'empty.jpg': 'unchanged',
        'broken.jpg': 'masked',
    }
    target = tmp_path / 'target'
    assert is_anonymized(target)
    assert result.manifest.withheld == 1
    assert result.unwritten == ('broken.jpg',)
    assert (target / 'empty.jpg').read_bytes() == (source / 'empty.jpg').read_bytes()
    assert not (target / 'broken.jpg').exists()
    assert result.skipped == ('notes.txt',)
    assert not shows_magenta(cv2.imread(str(target / 'face.png')))
    assert not shows_magenta(cv2.imread(str(target / 'deep' / 'face.jpg')))
    outside = (cv2.imread(str(target / 'face.png')) == picture()).all(axis=2)
    assert outside.mean() > 0.8


def test_images_render_again_from_their_regions(tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    for i in range(3):
        cv2.imwrite(str(source / f'{i}.png'), picture(seed=i))
    first = anonymize_images(source, tmp_path / 'first', SETTINGS, detector=MagentaDetector())
    regions = first.sidecar / 'regions.jsonl'
    settings = Settings(target=('face',), method=('mask-out',))
    anonymize_images(source, tmp_path / 'second', settings, regions=regions)
    for i in range(3):
        image = cv2.imread(str(tmp_path / 'second' / f'{i}.png'))
        assert not shows_magenta(image)
        assert (image == 128).all(axis=2).sum() > 256
    (source / '0.png').write_bytes((source / '0.png').read_bytes() + b' ')
    with pytest.raises(RegionsError, match='another recording'):
        anonymize_images(source, tmp_path / 'third', settings, regions=regions)


def test_one_image(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), picture())
    target = tmp_path / 'b.png'
    result = anonymize_images(tmp_path / 'a.png', target, SETTINGS, detector=MagentaDetector())
    assert not shows_magenta(cv2.imread(str(target)))
    assert result.sidecar == tmp_path / 'b.png.anon'
    assert is_anonymized(target)


def test_images_say_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match='no such file'):
        anonymize_images(tmp_path / 'nothing', tmp_path / 'x', SETTINGS,
                         detector=MagentaDetector())
    (tmp_path / 'folder').mkdir()
    with pytest.raises(InputError, match='no images'):
        anonymize_images(tmp_path / 'folder', tmp_path / 'x', SETTINGS, detector=MagentaDetector())
    cv2.imwrite(str(tmp_path / 'a.png'), picture())
    with pytest.raises(OutputError, match='exists'):
        anonymize_images(tmp_path / 'a.png', tmp_path / 'folder', SETTINGS,
                         detector=MagentaDetector())


def test_a_video_keeps_its_length_and_loses_its_faces(tmp_path):
    source = write_video(tmp_path / 'source.mp4')
    result = anonymize_video(
        source, tmp_path / 'target.mp4', SETTINGS,
        detector=MagentaDetector(blind_frames={4, 5}),
    )
    before, after = frames_of(source), frames_of(tmp_path / 'target.mp4')
    assert len(before) == len(after) == result.manifest.frames == 20
    assert all(shows_magenta(frame) for frame in before)
    assert not any(shows_magenta(frame) for frame in after)
    assert result.manifest.withheld == 0

    assert is_anonymized(tmp_path / 'target.mp4')
    again = anonymize_video(
        source, tmp_path / 'again.mp4', SETTINGS, regions=result.sidecar / 'regions.jsonl'
    )
    assert again.manifest.regions_by_kind == result.manifest.regions_by_kind
    assert not any(shows_magenta(frame) for frame in frames_of(tmp_path / 'again.mp4'))


def test_a_picture_that_nobody_could_look_into_is_masked(tmp_path):
    class Dying(MagentaDetector):
        def detect(self, image_bgr):
            if self.calls >= 10:
                raise RuntimeError('gone')
            return super().detect(image_bgr)

    source = write_video(tmp_path / 'source.mp4')
    settings = Settings(target=('face',), threads=1)
    result = anonymize_video(
        source, tmp_path / 'target.mp4', settings, detector=Dying()
    )
    after = frames_of(tmp_path / 'target.mp4')
    assert result.manifest.withheld == 10
    assert len(after) == 20
    assert not any(shows_magenta(frame) for frame in after)
    assert all(np.ptp(frame) < 8 for frame in after[10:])


def test_a_video_says_what_is_wrong(tmp_path):
    source = write_video(tmp_path / 'source.mp4', 3)
    with pytest.raises(UsageError, match=r'\.txt'):
        anonymize_video(source, tmp_path / 'a.txt', SETTINGS,
                        detector=MagentaDetector())
    with pytest.raises(OutputError, match='exists'):
        anonymize_video(source, source, SETTINGS,
                        detector=MagentaDetector())
    (tmp_path / 'broken.mp4').write_bytes(source.read_bytes()[:200])
    with pytest.raises(InputError, match=r'broken\.mp4'):
        anonymize_video(tmp_path / 'broken.mp4', tmp_path / 'b.mp4', SETTINGS,
                        detector=MagentaDetector())
    assert not list(tmp_path.glob('*.partial'))
