# SPDX-License-Identifier: Apache-2.0
"""Pictures in folders, video files and video topics are reviewed and corrected too."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from bag_builder import MagentaDetector, shows_magenta
from reviewed import FRAMES, SETTINGS, SIZE_WH, act, frame, missed_box, opened, shows_yellow

from anon_ros.audit.manifest import manifest_path, read_manifest, sidecar_path
from anon_ros.errors import InputError, UsageError
from anon_ros.media.video_seek import VideoSeeker
from anon_ros.review.apply import ApplyJob, apply_review
from anon_ros.runs.check import check_seal
from anon_ros.runs.images import anonymize_images
from anon_ros.runs.video import anonymize_video

PICTURES = 4


@pytest.fixture
def folder(tmp_path):
    """Return a folder of pictures, one of them below, and the result."""
    source = tmp_path / 'photos'
    (source / 'below').mkdir(parents=True)
    for i in range(PICTURES):
        place = source / 'below' if i == 2 else source
        cv2.imwrite(str(place / f'{i}.{"png" if i == 1 else "jpg"}'), frame(i + 6))
    (source / 'z_broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 broken')
    anonymize_images(source, tmp_path / 'done', SETTINGS, detector=MagentaDetector())
    return source, tmp_path / 'done'


def pictures(path):
    return {
        each.name: cv2.imread(str(each)) for each in sorted(path.rglob('*'))
        if each.suffix in {'.jpg', '.png'}
    }


def test_a_picture_of_a_folder_is_corrected_and_the_others_keep_their_bytes(folder):
    _, target = folder
    before = {path: path.read_bytes() for path in target.rglob('*.*g')}
    with opened(target) as session:
        camera, = session.overview()['streams']
        assert (camera['name'], camera['frames'], camera['is_sequence']) == ('images', 5, False)
        names = [session.frame(0, n)['name'] for n in range(5)]
        number = names.index('below/2.jpg')
        assert session.frame(0, names.index('z_broken.jpg'))['is_withheld']
        told = act(session, 'draw', number, 'images', kind='face', box=missed_box(8))
        # A picture is no frame of a film: nothing is followed into the next one.
        assert session.follow(0, told['track'])['frames'] == 1
    done = apply_review(ApplyJob(target, None, None, 'bert'))
    assert done.frames == 1
    changed = [path.name for path, data in before.items() if path.read_bytes() != data]
    assert changed == ['2.jpg']
    assert not shows_yellow(pictures(target)['2.jpg'])
    assert check_seal(target).ok
    record, = read_manifest(manifest_path(target)).corrections
    assert (record.topic, record.frames) == ('images', 1)


def test_a_box_without_track_is_struck_in_its_picture_only(folder):
    source, target = folder
    with opened(target, source) as session:
        number = [session.frame(0, n)['name'] for n in range(5)].index('0.jpg')
        act(session, 'strike', number, 'images', region=0, is_confirmed=True)
        assert session.frame(0, number)['regions'][0]['state'] == 'struck'
    with pytest.raises(UsageError, match='--source'):
        apply_review(ApplyJob(target, None, None, 'bert'))
    apply_review(ApplyJob(target, source, None, 'bert'))
    assert (target / '0.jpg').read_bytes() == (source / '0.jpg').read_bytes()
    shown = {name: shows_magenta(image) for name, image in pictures(target).items()}
    assert [name for name, is_shown in shown.items() if is_shown] == ['0.jpg']


def test_a_lone_picture(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.jpg'), frame(8))
    anonymize_images(
        tmp_path / 'a.jpg', tmp_path / 'b.jpg', SETTINGS, detector=MagentaDetector())
    with opened(tmp_path / 'b.jpg', tmp_path / 'a.jpg') as session:
        act(session, 'draw', 0, 'images', kind='face', box=missed_box(8))
    apply_review(ApplyJob(tmp_path / 'b.jpg', None, None, 'bert'))
    assert not shows_yellow(cv2.imread(str(tmp_path / 'b.jpg')))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.jpg', 'b.jpg', 'b.jpg.anon']


def test_a_regions_file_cannot_lead_out_of_the_folder(folder, tmp_path):
    _, target = folder
    cv2.imwrite(str(tmp_path / 'secret.jpg'), np.full((64, 64, 3), 9, np.uint8))
    regions = sidecar_path(target) / 'regions.jsonl'
    regions.write_text(regions.read_text().replace('"0.jpg"', '"../secret.jpg"'))
    # As whoever forges a result would: the manifest names the forged file.
    manifest = json.loads(manifest_path(target).read_text())
    manifest['regions_file'] = None
    manifest_path(target).write_text(json.dumps(manifest))
    with opened(target) as session, pytest.raises(InputError, match='outside'):
        session.picture(0, 0, before=False)


def write_video(path):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=10)
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt, stream.time_base = 'yuv420p', Fraction(1, 10)
        stream.options = {'crf': '8', 'g': '6', 'bf': '2'}
        for i in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(frame(i, is_missed=i < 20), 'bgr24')
            picture.pts = i
            container.mux(stream.encode(picture.reformat(format='yuv420p')))
        container.mux(stream.encode(None))


def shown(path):
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format='bgr24') for picture in container.decode(video=0)]


def test_a_video_file_is_rendered_again_from_its_source(tmp_path):
    source, target = tmp_path / 'a.mp4', tmp_path / 'b.mp4'
    write_video(source)
    anonymize_video(source, target, SETTINGS, detector=MagentaDetector())
    assert any(shows_yellow(image) for image in shown(target))
    with opened(target, source) as session:
        told = act(session, 'draw', 10, 'video', kind='face', box=missed_box(10))
        assert session.follow(told['stream'], told['track'])['frames'] >= 20
        before = cv2.imdecode(
            np.frombuffer(session.picture(0, 13, before=True), np.uint8), cv2.IMREAD_COLOR)
        assert shows_magenta(before)
    with pytest.raises(UsageError, match='--source'):
        apply_review(ApplyJob(target, None, None, 'bert'))
    apply_review(ApplyJob(target, source, None, 'bert'))
    images = shown(target)
    assert len(images) == FRAMES
    assert not any(shows_yellow(image) or shows_magenta(image) for image in images)
    names = ['a.mp4', 'b.mp4', 'b.mp4.anon']
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert len(read_manifest(manifest_path(target)).corrections) == 1


def test_a_video_is_looked_up_by_number(tmp_path):
    write_video(tmp_path / 'a.mp4')
    images = shown(tmp_path / 'a.mp4')
    seeker = VideoSeeker(tmp_path / 'a.mp4')
    assert len(seeker) == FRAMES
    for number in (17, 0, FRAMES - 1, 5):
        found = dict(seeker.images_bgr(number))
        assert (found[number] == images[number]).all()
    (tmp_path / 'no.mp4').write_bytes(b'no video')
    with pytest.raises(InputError, match='no video'):
        VideoSeeker(tmp_path / 'no.mp4')
