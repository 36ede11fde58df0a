# SPDX-License-Identifier: Apache-2.0
"""Video files: pictures, their times, sound and rotation go through; other pictures do not."""

from fractions import Fraction

import av
import jpeg_samples
import numpy as np
import pytest

from anon_ros.core.boxes import Rect
from anon_ros.errors import EncodingError, InputError, OutputError, UsageError
from anon_ros.media.video_file import VideoFileReader, VideoFileWriter, container_of


@pytest.fixture
def video(tmp_path):
    """Twelve pictures at uneven times, B-pictures, sound, a title, turned by 90 degrees."""
    path = tmp_path / 'source.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, 600)
        stream.options = {'crf': '20', 'x264-params': 'bframes=2'}
        stream.set_display_rotation(90)
        container.metadata['title'] = 'a street'
        sound = container.add_stream('aac', rate=44100)
        picture = jpeg_samples.picture(160, 64)
        for index in range(12):
            shown = np.ascontiguousarray(picture[:, 4 * index:4 * index + 96])
            frame = av.VideoFrame.from_ndarray(shown, 'bgr24').reformat(format='yuv420p')
            frame.pts, frame.time_base = 20 * index + 3 * (index % 2), Fraction(1, 600)
            container.mux(stream.encode(frame))
            tone = av.AudioFrame.from_ndarray(
                np.sin(np.arange(1024) / 9, dtype=np.float32)[None] / 2, 'fltp', 'mono')
            tone.sample_rate, tone.pts = 44100, 1024 * index
            container.mux(sound.encode(tone))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path


def sound_of(path):
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio)
        return [bytes(packet) for packet in packets if packet.size]


def times_of(path):
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    # Matroska knows no negative times, which sound may begin with: all move together.
    return [time - times[0] for time in times]


def fill(picture, rect):
    for plane in picture.planes():
        part = plane.grid.covering(rect)
        samples = plane.read(part)
        samples[...] = plane.middle
        plane.write(part, samples, np.ones(samples.shape[:2], bool))


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov'])
def test_everything_but_the_hole_goes_through(video, tmp_path, suffix):
    target = tmp_path / f'target{suffix}.partial'
    with VideoFileReader(video) as source:
        assert source.size_wh == (96, 64)
        assert source.picture_count == 12
        with VideoFileWriter(target, source, container_of(target.with_suffix(''))) as out:
            for picture in source.pictures():
                fill(picture, Rect(16, 16, 48, 48))
                out.write(picture)
    assert sound_of(target) == sound_of(video)
    assert times_of(target) == pytest.approx(times_of(video), abs=0.002)
    with VideoFileReader(video) as source, VideoFileReader(target) as result:
        assert result.texts['title'] == 'a street'
        turned = [next(reader.pictures()) and reader.rotation_degrees
                  for reader in (source, result)]
        assert turned[0] == turned[1] != 0
    with VideoFileReader(video) as source, VideoFileReader(target) as result:
        for old, new in zip(source.pictures(), result.pictures(), strict=True):
            difference = np.abs(old.view_bgr().astype(int) - new.view_bgr())
            assert difference[:, 60:].mean() < 8
            inside = new.view_bgr()[20:44, 20:44].astype(int)
            assert np.abs(inside - inside.mean()).max() < 20


def test_masked_pictures(video, tmp_path):
    target = tmp_path / 'target.mp4'
    with VideoFileReader(video) as source, VideoFileWriter(target, source, 'mp4') as out:
        for index, picture in enumerate(source.pictures()):
            out.write_masked(picture if index else None)
    with VideoFileReader(target) as result:
        pictures = list(result.pictures())
    assert len(pictures) == 12
    assert max(picture.view_bgr().std() for picture in pictures) < 1


def test_cover_pictures_and_further_videos_are_left_out(video, tmp_path):
    covered = tmp_path / 'covered.mkv'
    with av.open(str(covered), 'w') as container:
        streams = [container.add_stream('libx264', rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, 'yuv420p'
        container.add_attachment('cover.jpg', 'image/jpeg', jpeg_samples.jpeg(64, 64))
        for index in range(3):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(jpeg_samples.picture(96, 64), 'bgr24')
                frame = frame.reformat(format='yuv420p')
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    target = tmp_path / 'target.mkv'
    with VideoFileReader(covered) as source, VideoFileWriter(target, source, 'matroska') as out:
        for picture in source.pictures():
            out.write(picture)
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ['video']


def test_an_error_midway_ends_nothing_well(video, tmp_path):
    target = tmp_path / 'target.mp4'

    def write_and_fail():
        with VideoFileReader(video) as source, VideoFileWriter(target, source, 'mp4') as out:
            out.write(next(source.pictures()))
            raise RuntimeError('midway')

    with pytest.raises(RuntimeError, match='midway'):
        write_and_fail()
    target.unlink()


def test_bad_files_are_named(tmp_path):
    noise = tmp_path / 'noise.mp4'
    noise.write_bytes(b'hello' * 100)
    with pytest.raises(InputError, match=r'noise\.mp4'):
        VideoFileReader(noise)
    with pytest.raises(InputError, match=r'missing\.mp4'):
        VideoFileReader(tmp_path / 'missing.mp4')
    sound = tmp_path / 'sound.mp4'
    with av.open(str(sound), 'w') as container:
        stream = container.add_stream('aac', rate=44100)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        tone.sample_rate = 44100
        container.mux(stream.encode(tone))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match='no video'):
        VideoFileReader(sound)


def test_a_target_that_cannot_be_written_is_named(video, tmp_path):
    with VideoFileReader(video) as source:
        writer = VideoFileWriter(tmp_path / 'nowhere' / 'target.mp4', source, 'mp4')
        with pytest.raises(OutputError, match='nowhere'):
            writer.write(next(source.pictures()))


def test_too_many_pixels(video):
    with pytest.raises(EncodingError, match='96 x 64'):
        VideoFileReader(video, max_pixels=6143)


def test_unknown_container(tmp_path):
    with pytest.raises(UsageError, match=r"'\.xyz' is none of"):
        container_of(tmp_path / 'a.xyz')
