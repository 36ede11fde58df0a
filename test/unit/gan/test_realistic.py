# SPDX-License-Identifier: Apache-2.0
"""Realistic: the hole is no input in any encoding, who cannot be painted is counted and hidden."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

import tiny_gan  # noqa: E402

from anon_ros.anonymization.mask_out import MaskOut  # noqa: E402
from anon_ros.anonymization.pixelate import Pixelate  # noqa: E402
from anon_ros.core.frame_anonymizer import FrameAnonymizer  # noqa: E402
from anon_ros.core.holes import holes_of  # noqa: E402
from anon_ros.core.interfaces import Hidden, Sighting  # noqa: E402
from anon_ros.core.regions import Kind, Mask, Regions  # noqa: E402
from anon_ros.errors import ModelError  # noqa: E402
from anon_ros.gan.inpainter import Inpainter  # noqa: E402
from anon_ros.gan.latents import RunKey  # noqa: E402
from anon_ros.gan.painters import BodyPainter, FacePainter  # noqa: E402
from anon_ros.gan.realistic import Realistic  # noqa: E402
from anon_ros.gan.stylegan_unet import StyleGanUNet  # noqa: E402
from anon_ros.gan.styles import StyleSampler  # noqa: E402
from anon_ros.gan.synthesizer import Synthesizer  # noqa: E402
from anon_ros.media.compressed import open_compressed  # noqa: E402
from anon_ros.media.encodings import find_encoding  # noqa: E402
from anon_ros.media.raw import RawImage, open_raw  # noqa: E402
from anon_ros.media.video_frame import VideoPicture  # noqa: E402
from anon_ros.tracking import TwoSidedTracker  # noqa: E402

WIDTH, HEIGHT = 128, 96
KEY = RunKey(bytes(range(32)))
CLASSIC = Pixelate(cells=6, seed=3)


def synthesizer(generator):
    return Synthesizer(Inpainter(generator, StyleSampler(generator, 'truncated', psi=1.0)))


def face_painter(generator=None, margin=0.0):
    chosen = generator or tiny_gan.face_generator()
    return FacePainter(synthesizer(chosen), KEY, margin=margin, least_px=8)


def body_painter():
    return BodyPainter(synthesizer(tiny_gan.body_generator()), KEY, margin=0.0, least_px=32)


def anonymizer(painters=None, classic=CLASSIC, kinds=(Kind.FACE,)):
    painters = {Kind.FACE: face_painter()} if painters is None else painters
    return FrameAnonymizer(classic, margin=0.0, synthesizer=Realistic(kinds, painters))


def noise(seed, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)


def raw(image, encoding='bgr8'):
    step = image.nbytes // HEIGHT
    return open_raw(RawImage(WIDTH, HEIGHT, encoding, False, step, image.tobytes()),
                    allow_depth=True)


def random_raw(encoding):
    known = find_encoding(encoding)
    step = WIDTH * known.channels * known.sample_bytes
    rows = {'nv12': HEIGHT * 3 // 2, 'nv24': HEIGHT * 3}.get(encoding, HEIGHT)
    data = np.random.default_rng(5).integers(0, 256, step * rows, np.uint8).tobytes()
    return open_raw(RawImage(WIDTH, HEIGHT, encoding, False, step, data))


def picture(pixel_format):
    import av

    frame = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    for plane in frame.planes:
        size = plane.buffer_size
        plane.update(np.random.default_rng(2).integers(20, 220, size, np.uint8).tobytes())
    return VideoPicture(frame, 'h264')


def jpeg():
    image = cv2.GaussianBlur(noise(1), (0, 0), 4)
    return open_compressed(cv2.imencode('.jpg', image)[1].tobytes())


OPENERS = {
    **{name: (lambda name=name: random_raw(name)) for name in (
        'bgr8', 'rgba8', 'mono8', 'mono16', 'bayer_grbg8', 'bayer_rggb16', 'nv12', 'nv24',
        'yuyv', 'rgb16')},
    'png': lambda: open_compressed(cv2.imencode('.png', noise(1))[1].tobytes()),
    'png 16': lambda: open_compressed(
        cv2.imencode('.png', noise(1).astype(np.uint16) * 201)[1].tobytes()),
    # Its hidden regions end where its blocks do: a block that is hidden in part is coded anew.
    'jpeg': jpeg,
    'video': lambda: picture('yuv420p'),
    'video 10': lambda: picture('yuv444p10le'),
}


def scribble(frame, regions, seed):
    """Put something else into every sample that hides one of the regions."""
    random = np.random.default_rng(seed)
    for plane in frame.planes():
        for hole in holes_of(regions, plane.grid):
            if not hole.rect.is_empty:
                samples = plane.read(hole.rect)
                other = random.uniform(0, plane.amplitude, samples.shape).astype(np.float32)
                plane.write(hole.rect, other, hole.inside)


def samples_of(frame):
    return [plane.read(plane.grid.bounds) for plane in frame.planes()]


@pytest.mark.parametrize('name', OPENERS)
def test_no_sample_of_any_hole_is_an_input(name):
    """Two margins of 2 px make blocks of whole 16 px, for the sake of JPEG."""
    open_frame = OPENERS[name]
    faces = Regions.of([[18, 18, 46, 46], [66, 34, 94, 62], [50, 66, 78, 94]], Kind.FACE)
    with_margin = anonymizer()
    results = []
    for seed in (None, 1, 2):
        frame = open_frame()
        before = samples_of(frame)
        if seed is not None:
            scribble(frame, with_margin.hidden(faces), seed)
            if name == 'jpeg':
                frame = open_compressed(bytes(frame.encode()))
        synthesis = with_margin.overwrite(frame, faces)
        assert synthesis.synthesized == {'face': 3}
        results.append(samples_of(frame))
        for old, new, plane in zip(before, results[-1], frame.planes(), strict=True):
            inside = np.zeros(old.shape[:2], bool)
            for hole in holes_of(with_margin.hidden(faces), plane.grid):
                rect = hole.rect
                inside[rect.y_min:rect.y_max, rect.x_min:rect.x_max] = True
            assert np.array_equal(old[~inside], new[~inside])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert np.array_equal(one, two)


def test_a_face_that_is_painted_shows_no_mosaic():
    image = cv2.GaussianBlur(noise(1), (0, 0), 5)
    regions = Regions.of([[30, 30, 60, 60]], Kind.FACE)
    realistic, classic = raw(image), raw(image)
    anonymizer().overwrite(realistic, regions)
    FrameAnonymizer(CLASSIC, margin=0.0).overwrite(classic, regions)
    differs = (realistic.view_bgr() != classic.view_bgr()).any(axis=2)
    assert differs[28:62, 28:62].mean() > 0.95
    assert differs.sum() == differs[28:62, 28:62].sum()


@pytest.mark.parametrize(('box', 'kind', 'reason'), [
    ([30, 30, 36, 36], Kind.FACE, 'face: smaller than 8 px'),
    ([-5, -5, 140, 120], Kind.FACE, 'face: larger than the image'),
    ([300, 10, 330, 40], Kind.FACE, 'face: outside of the image'),
    ([30, 30, 60, 60], Kind.PLATE, 'plate: never synthesized'),
    ([30, 30, 60, 90], Kind.BODY, 'body: its generator is not loaded'),
])
def test_who_cannot_be_painted_keeps_the_classic_method_and_is_counted(box, kind, reason):
    check_that_it_stays_classic(lambda: raw(noise(0)), Regions.of([box], kind), reason)


def test_distances_are_no_colours():
    check_that_it_stays_classic(
        lambda: raw(noise(0, 2), '16UC1'), Regions.of([[30, 30, 60, 60]], Kind.FACE),
        'face: no colours to paint in')


def check_that_it_stays_classic(open_frame, regions, reason):
    frame, twin = open_frame(), open_frame()
    synthesis = anonymizer(kinds=tuple(Kind)).overwrite(frame, regions)
    assert (synthesis.synthesized, synthesis.classic_instead) == ({}, {reason: 1})
    FrameAnonymizer(CLASSIC, margin=0.0).overwrite(twin, regions)
    assert frame.encode() == twin.encode()


def test_where_nothing_is_known_nobody_is_painted():
    """A face in the midst of a body that stays a mosaic."""
    regions = Regions.concatenate([
        Regions.of([[50, 40, 70, 60]], Kind.FACE), Regions.of([[10, 5, 120, 95]], Kind.BODY)])
    synthesis = anonymizer().overwrite(raw(noise(0)), regions)
    assert synthesis.classic_instead == {'face: nothing around it is known': 1}


def person(box=(40, 10, 80, 90), **changes):
    x_min, y_min, x_max, y_max = box
    inside = np.zeros((y_max - y_min, x_max - x_min), np.uint8)
    centre = ((x_max - x_min) // 2, (y_max - y_min) // 2)
    cv2.ellipse(inside, centre, (centre[0] - 1, centre[1] - 1), 0, 0, 360, 1, -1)
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :, 0] = np.linspace(x_min + 5, x_max - 5, 17)
    keypoints[0, :, 1] = np.linspace(y_min + 5, y_max - 5, 17)
    keypoints[0, :, 2] = 0.9
    given = {'masks': [Mask(inside.astype(bool), x_min, y_min)], 'keypoints': keypoints,
             **changes}
    return Regions.of([box], Kind.BODY, **given)


BOTH = (Kind.FACE, Kind.BODY)


def both_painters():
    return {Kind.FACE: face_painter(), Kind.BODY: body_painter()}


@pytest.mark.parametrize(('body', 'reason'), [
    (person(masks=None), 'body: no silhouette'),
    (person(keypoints=None), 'body: no keypoints'),
    (person(keypoints=np.full((1, 17, 3), np.nan, np.float32)), 'body: no keypoints'),
    (person((40, 10, 60, 38)), 'body: smaller than 32 px'),
])
def test_a_body_that_nobody_could_draw_keeps_the_classic_method(body, reason):
    synthesis = anonymizer(both_painters(), kinds=BOTH).overwrite(raw(noise(0)), body)
    assert (synthesis.synthesized, synthesis.classic_instead) == ({}, {reason: 1})


def test_a_body_is_painted_in_its_silhouette_and_the_hole_is_no_input():
    body = person()
    results = []
    for seed in (None, 1):
        frame = raw(noise(0))
        if seed is not None:
            scribble(frame, body, seed)
        synthesis = anonymizer(both_painters(), kinds=BOTH).overwrite(frame, body)
        assert synthesis.synthesized == {'body': 1}
        results.append(frame.view_bgr().copy())
    assert np.array_equal(*results)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[10:90, 40:80] = body.masks[0].inside
    changed = (results[0] != noise(0)).any(axis=2)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.99


def test_a_small_face_goes_with_the_body_that_is_painted():
    regions = Regions.concatenate([person(), Regions.of([[57, 30, 61, 34]], Kind.FACE)])
    frame = raw(noise(0))
    synthesis = anonymizer(both_painters(), kinds=BOTH).overwrite(frame, regions)
    assert synthesis.synthesized == {'body': 1, 'face': 1}
    alone = raw(noise(0))
    anonymizer(both_painters(), kinds=BOTH).overwrite(alone, person())
    # The generator knew nothing of the face: both are the same person.
    assert np.array_equal(frame.view_bgr(), alone.view_bgr())


def test_a_face_is_painted_upon_the_body():
    regions = Regions.concatenate([person(), Regions.of([[54, 30, 66, 42]], Kind.FACE)])
    frame, without = raw(noise(0)), raw(noise(0))
    synthesis = anonymizer(both_painters(), kinds=BOTH).overwrite(frame, regions)
    assert synthesis.synthesized == {'body': 1, 'face': 1}
    anonymizer({Kind.BODY: body_painter()}, kinds=(Kind.BODY,)).overwrite(without, person())
    differs = (frame.view_bgr() != without.view_bgr()).any(axis=2)
    assert differs[28:44, 52:68].mean() > 0.9
    assert differs.sum() == differs[28:44, 52:68].sum()


@pytest.mark.parametrize('kind', [Kind.FACE, Kind.PLATE])
def test_what_has_a_classic_method_of_its_own_stays_upon_a_painted_body(kind):
    regions = Regions.concatenate([person(), Regions.of([[50, 40, 70, 50]], kind)])
    frame = raw(noise(0))
    anonymizer(
        {Kind.BODY: body_painter()}, MaskOut(), kinds=(Kind.BODY,)).overwrite(frame, regions)
    gray = (frame.view_bgr() == 128).all(axis=2)
    assert gray[38:52, 48:72].all()
    assert gray.sum() == gray[38:52, 48:72].sum()


def test_the_same_track_gets_the_same_face_and_another_one_another():
    image = cv2.GaussianBlur(noise(1), (0, 0), 5)

    def painted(track, key=KEY, source='camera', box=(30, 30, 60, 60)):
        regions = Regions.of([box], Kind.FACE).with_tracks(np.array([track]))
        painter = FacePainter(
            synthesizer(tiny_gan.face_generator()), key, margin=0.0, least_px=8)
        frame = raw(image)
        anonymizer({Kind.FACE: painter}).overwrite(frame, regions, source)
        return frame.view_bgr().astype(int)

    assert np.array_equal(painted(7), painted(7))
    near = painted(7, box=(30, 30, 61, 60))
    assert np.abs(painted(7) - painted(8)).max() > np.abs(painted(7) - near)[35:55, 35:55].max()
    assert not np.array_equal(painted(7), painted(7, source='other'))
    assert not np.array_equal(painted(7), painted(7, key=RunKey(bytes(32))))


def test_many_frames_are_one_batch_and_give_what_each_gives_alone():
    class Counting(StyleGanUNet):
        batches = ()

        def forward(self, img, mask, **others):
            self.batches += (len(img),)
            return super().forward(img, mask, **others)

    generator = tiny_gan.face_generator(Counting)
    made = anonymizer({Kind.FACE: face_painter(generator)})
    regions = [
        Regions.of([[20, 20, 40, 40], [60, 20, 90, 50]], Kind.FACE), Regions.empty(),
        Regions.of([[30, 50, 60, 80]], Kind.FACE)]
    together, alone = ([raw(noise(i)) for i in range(3)] for _ in range(2))
    for frame, each in zip(together, regions, strict=True):
        made.hide(frame, each)
    done = made.synthesize([
        Hidden(frame, each) for frame, each in zip(together, regions, strict=True)])
    assert [dict(each.synthesized) for each in done] == [{'face': 2}, {}, {'face': 1}]
    assert generator.batches == (3,)
    for frame, each, other in zip(alone, regions, together, strict=True):
        made.overwrite(frame, each)
        assert np.abs(frame.view_bgr().astype(int) - other.view_bgr()).max() <= 1


class Greedy(StyleGanUNet):
    """Takes so much memory that only small batches fit."""

    most = 0
    batches = ()
    error = torch.OutOfMemoryError('CUDA out of memory')

    def forward(self, img, mask, **others):
        self.batches += (len(img),)
        if len(img) > self.most:
            raise self.error
        return super().forward(img, mask, **others)


FIVE = Regions.of([[8 + 24 * i, 30, 24 + 24 * i, 46] for i in range(5)], Kind.FACE)


@pytest.mark.parametrize('error', [
    torch.OutOfMemoryError('CUDA out of memory'), MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
])
def test_without_enough_memory_the_batch_is_halved(error):
    greedy = tiny_gan.face_generator(Greedy)
    greedy.most, greedy.error = 2, error
    frame, twin = raw(noise(0)), raw(noise(0))
    synthesis = anonymizer({Kind.FACE: face_painter(greedy)}).overwrite(frame, FIVE)
    assert synthesis.synthesized == {'face': 5}
    assert greedy.batches == (5, 2, 3, 1, 2)
    anonymizer().overwrite(twin, FIVE)
    assert np.abs(frame.view_bgr().astype(int) - twin.view_bgr()).max() <= 1


def test_without_any_memory_the_classic_method_stays(caplog):
    painter = face_painter(tiny_gan.face_generator(Greedy))
    for _ in range(2):
        frame, twin = raw(noise(0)), raw(noise(0))
        synthesis = anonymizer({Kind.FACE: painter}).overwrite(frame, FIVE)
        assert synthesis.classic_instead == {'face: no memory is left on the device': 5}
        FrameAnonymizer(CLASSIC, margin=0.0).overwrite(twin, FIVE)
        assert frame.encode() == twin.encode()
    assert len(caplog.records) == 1


class Broken(StyleGanUNet):
    """Fails as a device does that has gone, or gives nonsense."""

    gives = None

    def forward(self, img, **_):
        if self.gives is None:
            raise RuntimeError('CUDA error: device-side assert triggered')
        return torch.full_like(img, self.gives)


@pytest.mark.parametrize('gives', [None, float('nan')])
def test_any_other_failure_raises_with_everything_hidden_already(gives):
    broken = tiny_gan.face_generator(Broken)
    broken.gives = gives
    frame, twin = raw(noise(0)), raw(noise(0))
    with pytest.raises(ModelError, match='a generator'):
        anonymizer({Kind.FACE: face_painter(broken)}).overwrite(frame, FIVE)
    FrameAnonymizer(CLASSIC, margin=0.0).overwrite(twin, FIVE)
    assert frame.encode() == twin.encode()
    with pytest.raises(ModelError):
        synthesizer(broken).try_out()


class Numbered(StyleGanUNet):
    """Paints the first of a batch black, the second one white."""

    def forward(self, img, **_):
        shades = torch.linspace(-1, 1, len(img))[:, None, None, None]
        return shades.expand_as(img).clone()


@pytest.mark.parametrize('is_large_first', [False, True])
def test_the_largest_is_painted_last(is_large_first):
    small, large = [40, 30, 60, 50], [50, 25, 100, 75]
    boxes = [large, small] if is_large_first else [small, large]
    frame = raw(noise(0))
    painter = face_painter(tiny_gan.face_generator(Numbered))
    anonymizer({Kind.FACE: painter}).overwrite(frame, Regions.of(boxes, Kind.FACE))
    assert (frame.view_bgr()[34:46, 54:60] == (0 if is_large_first else 255)).all()


def test_a_body_stays_painted_along_its_track():
    """Where nobody saw it too: no flicker between a person and a pattern."""
    tracker = TwoSidedTracker(1.0, carry_s=0.4)
    done = []
    for number in range(9):
        seen = person((30 + 2 * number, 10, 70 + 2 * number, 90))
        is_seen = number in {1, 2, 5, 6, 7}
        regions = seen if is_seen else Regions.empty()
        done += tracker.push(Sighting(number * 10**8, regions, (WIDTH, HEIGHT)))
    for out in done + tracker.flush():
        synthesis = anonymizer(both_painters(), kinds=BOTH).overwrite(raw(noise(0)), out.regions)
        assert (synthesis.synthesized, synthesis.classic_instead) == ({'body': 1}, {})
