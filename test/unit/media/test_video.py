# SPDX-License-Identifier: Apache-2.0
"""Groups of pictures: one packet a picture, in and out; whatever else comes is refused."""

import subprocess
import sys
from fractions import Fraction

import av
import jpeg_samples
import numpy as np
import pytest

from anon_ros.core.boxes import Rect
from anon_ros.errors import EncodingError
from anon_ros.media.nal import codec_of, is_keyframe, parameter_sets, split_units, video_size
from anon_ros.media.raw import RawImage, open_raw
from anon_ros.media.video import crf_for, decode_gop, encode_gop, masked_gop
from anon_ros.media.video_frame import FORMATS, VideoPicture, gray_picture

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265'}
CODECS = tuple(ENCODERS)


def encode(codec, count=6, size_wh=(96, 64), pixel_format='yuv420p', bframes=0, **options):
    """Packets of a moving picture by the encoder itself, in the order it gives them."""
    encoder = av.VideoCodecContext.create(ENCODERS[codec], 'w')
    encoder.width, encoder.height = size_wh
    encoder.pix_fmt = pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
    encoder.thread_count = 1
    extra = f'bframes={bframes}:repeat-headers=1:annexb=1:scenecut=0'
    if codec == 'hevc':
        extra += ':log-level=none:info=0:pools=none:frame-threads=1'
    encoder.options = {
        'preset': 'superfast', 'crf': '20', f'{ENCODERS[codec][3:]}-params': extra,
        **({} if bframes else {'tune': 'zerolatency'}), **options,
    }
    picture = jpeg_samples.picture(size_wh[0] + 4 * count, size_wh[1])
    packets = []
    for index in range(count):
        shown = np.ascontiguousarray(picture[:, 4 * index:4 * index + size_wh[0]])
        frame = av.VideoFrame.from_ndarray(shown, 'bgr24').reformat(format=pixel_format)
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [bytes(packet) for packet in packets]


GOPS = {codec: encode(codec) for codec in CODECS}


def fill(picture, rect):
    for plane in picture.planes():
        part = plane.grid.covering(rect)
        samples = plane.read(part)
        samples[...] = plane.middle
        plane.write(part, samples, np.ones(samples.shape[:2], bool))
    return picture


@pytest.mark.parametrize('codec', CODECS)
def test_one_picture_a_packet_and_back(codec):
    rect = Rect(16, 16, 64, 48)
    before = list(decode_gop(GOPS[codec], codec))
    assert [picture.size_wh for picture in before] == [(96, 64)] * 6
    hidden = (fill(picture, rect) for picture in decode_gop(GOPS[codec], codec))
    packets = encode_gop(hidden, codec, crf=18)
    assert [is_keyframe(packet, codec) for packet in packets] == [True] + [False] * 5
    assert parameter_sets(packets[0], codec)
    for old, new in zip(before, decode_gop(packets, codec), strict=True):
        assert new.size_wh == old.size_wh
        assert new.pixel_format == old.pixel_format
        difference = np.abs(old.view_bgr().astype(int) - new.view_bgr())
        outside = np.ones((64, 96), bool)
        outside[8:56, 8:72] = False
        assert difference[outside].mean() < 6
        inside = new.view_bgr()[20:44, 20:60].astype(int)
        assert np.abs(inside - inside.mean()).max() < 16


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('pixel_format', FORMATS)
def test_pixel_formats(codec, pixel_format):
    try:
        packets = encode(codec, 2, pixel_format=pixel_format)
    except av.error.FFmpegError:
        pytest.skip(f'this {codec} encoder does not write {pixel_format}')
    pictures = list(decode_gop(packets, codec))
    planes = pictures[0].planes()
    step_x, step_y, bits = FORMATS[pictures[0].pixel_format]
    assert len(planes) == (3 if step_x else 1)
    assert planes[0].amplitude == 2**bits - 1
    assert [plane.is_chroma for plane in planes] == [False, True, True][:len(planes)]
    for plane in planes[1:]:
        assert plane.grid.step_xy == (step_x, step_y)
        assert plane.grid.size_wh == (96 // step_x, 64 // step_y)
    out = encode_gop(pictures, codec, crf=18)
    again = next(decode_gop(out, codec))
    assert again.pixel_format == pictures[0].pixel_format
    assert np.abs(again.view_bgr().astype(int) - pictures[0].view_bgr()).mean() < 8


@pytest.mark.parametrize('codec', CODECS)
def test_decoding_is_lazy(codec):
    packets = [GOPS[codec][0], b'\0\0\1\xffnonsense']
    pictures = decode_gop(packets, codec)
    assert next(pictures).size_wh == (96, 64)
    with pytest.raises(EncodingError):
        list(pictures)


@pytest.mark.parametrize('codec', CODECS)
def test_view_shows_what_was_overwritten(codec):
    picture = next(decode_gop(GOPS[codec], codec))
    assert not picture.view_bgr().flags.writeable
    before = picture.view_bgr()
    fill(picture, Rect(0, 0, 96, 64))
    assert before.std() > 10
    assert picture.view_bgr().std() < 1


@pytest.mark.parametrize('codec', CODECS)
def test_writing_does_not_reach_the_next_picture(codec):
    """A decoder predicts from its own copy, not from what we overwrote."""
    untouched = [picture.view_bgr() for picture in decode_gop(GOPS[codec], codec)]
    for index, picture in enumerate(decode_gop(GOPS[codec], codec)):
        assert np.array_equal(picture.view_bgr(), untouched[index])
        fill(picture, Rect(0, 0, 96, 64))


@pytest.mark.parametrize('codec', CODECS)
def test_a_lone_picture_is_a_keyframe(codec):
    picture = list(decode_gop(GOPS[codec], codec))[3]
    for packet in (picture.encode(), picture.encode_masked()):
        assert is_keyframe(packet, codec)
        assert next(decode_gop([packet], codec)).size_wh == (96, 64)
    assert next(decode_gop([picture.encode_masked()], codec)).view_bgr().std() < 1


@pytest.mark.parametrize('codec', CODECS)
def test_masked_group(codec):
    """Only the parameter sets are looked at: damaged pictures are masked all the same."""
    damaged = [b'junk', parameter_sets(GOPS[codec][0], codec), b'\0\0\1\x02junk']
    packets = masked_gop(damaged, codec)
    views = [picture.view_bgr() for picture in decode_gop(packets, codec)]
    assert [view.shape for view in views] == [(64, 96, 3)] * 3
    assert max(view.std() for view in views) < 1


@pytest.mark.parametrize('codec', CODECS)
def test_parameter_sets_may_come_earlier(codec):
    parameters = parameter_sets(GOPS[codec][0], codec)
    types = {0x67, 0x68} if codec == 'h264' else {0x40, 0x42, 0x44}
    bare = [b''.join(b'\0\0\0\1' + unit for unit in split_units(GOPS[codec][0])
                     if unit[0] not in types), *GOPS[codec][1:]]
    with pytest.raises(EncodingError, match='size is unknown'):
        list(decode_gop(bare, codec))
    with pytest.raises(EncodingError, match='size is unknown'):
        masked_gop(bare, codec)
    assert len(list(decode_gop(bare, codec, parameters=parameters))) == 6
    assert len(masked_gop(bare, codec, parameters=parameters)) == 6


@pytest.mark.parametrize('codec', CODECS)
def test_a_groups_own_parameter_sets_win(codec):
    earlier = parameter_sets(encode(codec, 1, (64, 64))[0], codec)
    pictures = list(decode_gop(GOPS[codec], codec, parameters=earlier))
    assert [picture.size_wh for picture in pictures] == [(96, 64)] * 6


@pytest.mark.parametrize('codec', CODECS)
def test_b_pictures_are_refused(codec):
    packets = encode(codec, 12, bframes=3)
    with pytest.raises(EncodingError, match='pictures'):
        list(decode_gop(packets, codec))


@pytest.mark.parametrize('codec', CODECS)
def test_lost_packets_are_found(codec):
    with pytest.raises(EncodingError, match='keyframe'):
        list(decode_gop(GOPS[codec][1:], codec))
    with pytest.raises(EncodingError, match='keyframe'):
        list(decode_gop([], codec))
    with pytest.raises(EncodingError):
        list(decode_gop([*GOPS[codec], parameter_sets(GOPS[codec][0], codec)], codec))


@pytest.mark.parametrize('codec', CODECS)
def test_another_size_within_a_group_is_refused(codec):
    other = encode(codec, 1, (64, 64))
    with pytest.raises(EncodingError, match='promised'):
        list(decode_gop([*GOPS[codec], *other], codec))


@pytest.mark.parametrize('codec', CODECS)
def test_too_many_pixels_are_refused_before_decoding(codec):
    with pytest.raises(EncodingError, match='96 x 64'):
        next(decode_gop(GOPS[codec], codec, max_pixels=6143))
    with pytest.raises(EncodingError, match='96 x 64'):
        masked_gop(GOPS[codec], codec, max_pixels=6143)


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('size_wh', [(96, 64), (102, 58), (160, 1080), (34, 18)])
@pytest.mark.parametrize('pixel_format', ['yuv420p', 'yuv444p'])
def test_size_from_parameter_sets(codec, size_wh, pixel_format):
    packets = encode(codec, 1, size_wh, pixel_format)
    assert video_size(packets, codec) == size_wh


def test_size_of_interlaced_video():
    packets = encode('h264', 1, (96, 1080), flags='+ildct+ilme')
    assert video_size(packets, 'h264') == (96, 1080)


@pytest.mark.parametrize('codec', CODECS)
def test_damaged_parameter_sets_are_refused(codec):
    parameters = parameter_sets(GOPS[codec][0], codec)
    unit = next(u for u in split_units(parameters) if u[0] in (0x67, 0x42))
    for end in range(2, 8):
        with pytest.raises(EncodingError, match='ends early'):
            video_size([b'\0\0\1' + unit[:end]], codec)


@pytest.mark.parametrize('name', ['h264', 'H264', 'libx264', 'h264_nvenc', 'h264;yuv420p;bgr24'])
def test_names_of_h264(name):
    assert codec_of(name) == 'h264'


@pytest.mark.parametrize('name', ['h265', 'hevc', 'hevc_vaapi', 'libx265'])
def test_names_of_h265(name):
    assert codec_of(name) == 'hevc'


@pytest.mark.parametrize('name', ['', 'vp9', 'av1', 'jpeg'])
def test_other_codecs_are_refused(name):
    with pytest.raises(EncodingError, match='not supported'):
        codec_of(name)


def test_length_prefixed_packets_are_told():
    unit = split_units(GOPS['h264'][1])[0]
    with pytest.raises(EncodingError, match='length-prefixed'):
        is_keyframe(len(unit).to_bytes(4, 'big') + unit, 'h264')
    for noise in (b'', b'hello', bytes(9)):
        with pytest.raises(EncodingError, match='not Annex B'):
            is_keyframe(noise, 'h264')


@pytest.mark.parametrize('codec', CODECS)
def test_pictures_that_no_encoder_takes_are_refused(codec):
    odd = VideoPicture(gray_picture((95, 63)), codec)
    with pytest.raises(EncodingError, match='95 x 63'):
        encode_gop([odd], codec, crf=20)


def test_other_pixel_formats_are_refused():
    with pytest.raises(EncodingError, match='rgb24'):
        VideoPicture(av.VideoFrame(16, 16, 'rgb24'), 'h264')


def test_size_of_the_result_is_near_the_source():
    for codec in CODECS:
        packets = encode(codec, 8, (320, 240))
        source = sum(map(len, packets))
        result = sum(map(len, encode_gop(decode_gop(packets, codec), codec, packets)))
        assert 0.2 < result / source < 3


def test_only_pictures_of_a_video_are_encoded():
    still = open_raw(RawImage(2, 2, 'mono8', False, 2, bytes(4)))
    with pytest.raises(EncodingError, match='no picture of a video'):
        encode_gop([still], 'h264')
    assert encode_gop([], 'h264') == []


def test_crf_falls_as_bits_rise():
    values = [crf_for(size, 10, (1920, 1080)) for size in (0, 10**4, 10**5, 10**6, 10**8)]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == (30, 16)


FUZZ = """
import random, sys
sys.path.insert(0, sys.argv[1])
import test_video
from anon_ros.errors import EncodingError
from anon_ros.media.video import decode_gop, masked_gop
rng, read = random.Random(int(sys.argv[2])), 0
for _ in range(120):
    codec = rng.choice(test_video.CODECS)
    packets = [bytearray(packet) for packet in test_video.GOPS[codec]]
    for _ in range(rng.choice([0, 1, 3])):
        packet = rng.choice(packets)
        packet[rng.randrange(min(len(packet), rng.choice([60, 5000])))] = rng.randrange(256)
    try:
        for picture in decode_gop(packets, codec, max_pixels=100_000):
            picture.planes()
            assert picture.view_bgr().shape == (64, 96, 3)
        read += 1
    except EncodingError:
        pass
    try:
        masked_gop(packets, codec, max_pixels=100_000)
    except EncodingError:
        pass
print('read', read)
"""


def test_flipped_bytes_end_no_process():
    folder = __file__.rpartition('/')[0]
    done = subprocess.run(
        [sys.executable, '-c', FUZZ, folder, '5'], capture_output=True, text=True, timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 10
