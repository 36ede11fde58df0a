# SPDX-License-Identifier: Apache-2.0
"""Three outcomes of a frame and no fourth."""

import numpy as np
import pytest

from anon_ros.anonymization.mask_out import MaskOut
from anon_ros.core.frame_anonymizer import FrameAnonymizer, Outcome
from anon_ros.core.regions import Kind, Mask, Regions
from anon_ros.errors import FrameError
from anon_ros.media.raw import RawImage, open_raw


def frame_of(image, encoding='bgr8'):
    height, width = image.shape[:2]
    return open_raw(RawImage(width, height, encoding, False, image.strides[0], image.tobytes()))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 100, (40, 60, 3), np.uint8)


@pytest.fixture
def anonymizer():
    return FrameAnonymizer(MaskOut(), margin=0.25)


def test_nothing_to_hide_keeps_the_bytes(anonymizer, image):
    done = anonymizer.anonymize(frame_of(image), Regions.empty())
    assert (done.outcome, done.payload) == (Outcome.UNCHANGED, None)


def test_a_box_is_hidden_with_its_margin(anonymizer, image):
    done = anonymizer.anonymize(frame_of(image), Regions.of([[20, 10, 40, 22]], Kind.FACE))
    assert done.outcome is Outcome.ANONYMIZED
    gray = (np.frombuffer(done.payload, np.uint8).reshape(40, 60, 3) == 128).all(axis=2)
    expected = np.zeros((40, 60), bool)
    expected[7:25, 15:45] = True
    assert np.array_equal(gray, expected)


def test_a_tiny_box_has_a_least_margin(anonymizer):
    hidden = anonymizer.hidden(Regions.of([[20, 10, 24, 14]], Kind.FACE))
    assert hidden.boxes_xyxy.tolist() == [[18, 8, 26, 16]]


def test_a_silhouette_is_hidden_as_it_is(anonymizer):
    mask = Mask(np.ones((4, 4), bool), 20, 10)
    regions = Regions.of([[20, 10, 24, 14]], Kind.BODY, masks=[mask])
    assert anonymizer.hidden(regions).masks == (mask,)


def test_what_does_not_decode_raises(anonymizer):
    from anon_ros.media.compressed import open_compressed

    with pytest.raises(FrameError):
        anonymizer.anonymize(
            open_compressed(b'\xff\xd8\xff\xe0'), Regions.of([[0, 0, 9, 9]], Kind.FACE)
        )
