# SPDX-License-Identifier: Apache-2.0
"""Regions check what goes into them and keep it through every change."""

import numpy as np
import pytest

from anon_ros.core.regions import NO_TRACK, Kind, Mask, Origin, Regions


def test_empty_has_no_regions():
    assert len(Regions.empty()) == 0
    assert Regions.empty().boxes_xyxy.shape == (0, 4)


def test_of_fills_in_what_is_not_given():
    regions = Regions.of([[1, 2, 3, 4]], Kind.PLATE)
    assert regions.scores.tolist() == [1.0]
    assert regions.track_ids.tolist() == [NO_TRACK]
    assert regions.origins.tolist() == [Origin.DETECTED]
    assert regions.masks == (None,)


@pytest.mark.parametrize('field', ['kinds', 'scores', 'track_ids', 'origins'])
def test_a_wrong_length_is_named(field):
    good = Regions.of([[1, 2, 3, 4]], Kind.FACE)
    values = {**good.__dict__, field: np.zeros(2, good.__dict__[field].dtype)}
    with pytest.raises(ValueError, match=field):
        Regions(**values)


def test_nan_boxes_are_refused():
    with pytest.raises(ValueError, match='NaN'):
        Regions.of([[1, 2, np.nan, 4]], Kind.FACE)


def test_concatenate_keeps_order_masks_and_keypoints():
    mask = Mask(np.ones((2, 2), bool), 0, 0)
    keypoints = np.ones((1, 17, 3), np.float32)
    both = Regions.concatenate([
        Regions.of([[0, 0, 2, 2]], Kind.BODY, masks=[mask], keypoints=keypoints),
        Regions.empty(),
        Regions.of([[5, 5, 9, 9]], Kind.FACE, [0.5]),
    ])
    assert both.kinds.tolist() == [Kind.BODY, Kind.FACE]
    assert both.masks == (mask, None)
    assert np.isnan(both.keypoints[1]).all()
    assert (both.keypoints[0] == 1).all()


def test_select_takes_flags_and_indices():
    regions = Regions.of([[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]], Kind.FACE, [0.1, 0.2, 0.3])
    assert regions.select(np.array([True, False, True])).scores.tolist() == pytest.approx(
        [0.1, 0.3])
    assert regions.select([2, 0]).scores.tolist() == pytest.approx([0.3, 0.1])
    assert len(regions.select([])) == 0


@pytest.mark.parametrize('kind', list(Kind))
def test_labels_lead_back_to_kinds(kind):
    assert Kind.from_label(kind.label) is kind
