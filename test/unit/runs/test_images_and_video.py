# SPDX-License-Identifier: Apache-2.0
"""Files and folders of images, and video files, on the same core."""

import cv2
import numpy as np
import pytest
from bag_builder import MagentaDetector, picture, shows_magenta

from anon_ros.audit.recorder import RunRecorder
from anon_ros.core.frame_anonymizer import Outcome
from anon_ros.core.settings import Settings
from anon_ros.errors import InputError, OutputError, UsageError
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
    outcomes = {image.name: image.outcome for image in result.images}
    assert outcomes == {
        'face.png': Outcome.ANONYMIZED, 'deep/face.jpg': Outcome.ANONYMIZED,
        'empty.jpg': Outcome.UNCHANGED, 'broken.jpg': Outcome.MASKED,
    }
    target = tmp_path / 'target'
    assert (target / 'empty.jpg').read_bytes() == (source / 'empty.jpg').read_bytes()
    assert not (target / 'broken.jpg').exists()
    assert result.skipped == ('notes.txt',)
    assert not shows_magenta(cv2.imread(str(target / 'face.png')))
    assert not shows_magenta(cv2.imread(str(target / 'deep' / 'face.jpg')))
    outside = (cv2.imread(str(target / 'face.png')) == picture()).all(axis=2)
    assert outside.mean() > 0.8


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
    recorder = RunRecorder()
    result = anonymize_video(
        source, tmp_path / 'target.mp4', SETTINGS, recorder=recorder,
        detector=MagentaDetector(blind_frames={4, 5}),
    )
    before, after = frames_of(source), frames_of(tmp_path / 'target.mp4')
    assert len(before) == len(after) == result.pictures == 20
    assert all(shows_magenta(frame) for frame in before)
    assert not any(shows_magenta(frame) for frame in after)
    assert result.withheld == 0


def test_a_picture_that_nobody_could_look_into_is_masked(tmp_path):
    class Dying(MagentaDetector):
        def detect(self, image_bgr):
            if self.calls >= 10:
                raise RuntimeError('gone')
            return super().detect(image_bgr)

    source = write_video(tmp_path / 'source.mp4')
    settings = Settings(target=('face',), threads=1)
    result = anonymize_video(
        source, tmp_path / 'target.mp4', settings, recorder=RunRecorder(), detector=Dying()
    )
    after = frames_of(tmp_path / 'target.mp4')
    assert result.withheld == 10
    assert len(after) == 20
    assert not any(shows_magenta(frame) for frame in after)
    assert all(np.ptp(frame) < 8 for frame in after[10:])


def test_a_video_says_what_is_wrong(tmp_path):
    source = write_video(tmp_path / 'source.mp4', 3)
    with pytest.raises(UsageError, match=r'\.txt'):
        anonymize_video(source, tmp_path / 'a.txt', SETTINGS, recorder=RunRecorder(),
                        detector=MagentaDetector())
    with pytest.raises(OutputError, match='exists'):
        anonymize_video(source, source, SETTINGS, recorder=RunRecorder(),
                        detector=MagentaDetector())
    (tmp_path / 'broken.mp4').write_bytes(source.read_bytes()[:200])
    with pytest.raises(InputError, match=r'broken\.mp4'):
        anonymize_video(tmp_path / 'broken.mp4', tmp_path / 'b.mp4', SETTINGS,
                        recorder=RunRecorder(), detector=MagentaDetector())
    assert not list(tmp_path.glob('*.partial'))
