# SPDX-License-Identifier: Apache-2.0
"""Tones that fit: the distance falls, and the person is looked at only where that is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.errors import UsageError
from anon_ros.gan.histograms import (
    Tones,
    blend,
    equalize,
    joint_histogram,
    match,
    tone_curve,
)

HIDDEN = np.zeros((48, 32), bool)
HIDDEN[12:40, 8:24] = True
KNOWN = np.ones_like(HIDDEN)


def noise(seed, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (48, 32, 3), np.uint8)


def distance(a, b):
    """The sum of what lies between the two cumulated histograms, in levels."""
    shares = [np.cumsum(joint_histogram(each)) / each.size for each in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum())


def test_the_tones_of_the_generated_person_become_those_of_the_surroundings():
    original, generated = noise(0, 20, 80), noise(1, 100, 256)
    matched = match(generated, original, HIDDEN, KNOWN)
    around = original[~HIDDEN]
    assert distance(generated[HIDDEN], around) > 100
    assert distance(matched[HIDDEN], around) < 1.5
    whole = match(generated, original, HIDDEN, KNOWN, 'person')
    assert distance(whole, original) < 1.5


@pytest.mark.parametrize(('reference', 'is_free'), [('surroundings', True), ('person', False)])
def test_only_the_papers_reference_takes_from_the_person(reference, is_free):
    generated, original = noise(1), noise(0, 20, 80)
    other = original.copy()
    other[HIDDEN] = 255 - other[HIDDEN]
    first, second = (
        match(generated, each, HIDDEN, KNOWN, reference) for each in (original, other))
    assert (first == second).all() == is_free


def test_what_may_not_be_looked_at_does_not_count():
    generated, original = noise(1), noise(0, 20, 80)
    visible = KNOWN.copy()
    visible[:, :8] = False
    other = original.copy()
    other[:, :8] = 255
    assert (match(generated, original, HIDDEN, visible)
            == match(generated, other, HIDDEN, visible)).all()
    assert (match(generated, original, HIDDEN, KNOWN)
            != match(generated, other, HIDDEN, KNOWN)).any()


def test_without_surroundings_the_tones_stay():
    generated = noise(1)
    assert (match(generated, noise(0), KNOWN, KNOWN) == generated).all()
    assert (match(generated, noise(0), ~KNOWN, KNOWN) == generated).all()


def test_equalizing_makes_the_histogram_flat():
    flat = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    dull = noise(0, 90, 140)
    assert distance(equalize(dull), flat) < 8
    assert distance(dull, flat) > 40
    assert (equalize(flat) == flat).all()
    assert (equalize(np.full((4, 4, 3), 7, np.uint8)) == 255).all()


LEVEL_COUNTS = st.dictionaries(st.integers(0, 255), st.integers(0, 5), max_size=8)


def to_counts(levels):
    return np.array([levels.get(level, 0) for level in range(256)])


@settings(max_examples=50, deadline=None)
@given(LEVEL_COUNTS, LEVEL_COUNTS)
def test_a_curve_never_falls_and_stays_among_the_wanted_levels(counts, wanted):
    counts, wanted = to_counts(counts), to_counts(wanted)
    curve = tone_curve(counts, wanted)
    assert (np.diff(curve) >= 0).all()
    if counts.any() and wanted.any():
        levels = np.flatnonzero(wanted)
        assert levels[0] <= curve[0]
        assert curve[-1] == levels[-1]
    if counts.any():
        assert np.abs(tone_curve(counts, counts)[counts > 0] - np.flatnonzero(counts)).max() < 1e-3


def test_the_curve_worked_out_by_hand():
    counts, wanted = np.zeros(256, int), np.zeros(256, int)
    counts[[10, 20]] = 1, 3
    wanted[[100, 200]] = 1, 1
    # A quarter is below all that is wanted; the whole is its last level.
    assert tone_curve(counts, wanted)[[10, 20]].tolist() == [100, 200]
    counts[[10, 20]] = 3, 1
    assert tone_curve(counts, wanted)[10] == 150


def test_the_blend_is_all_within_and_nothing_far_off():
    changed, generated = np.full((96, 96, 3), 200, np.uint8), np.full((96, 96, 3), 40, np.uint8)
    inside = np.zeros((96, 96), bool)
    inside[30:66, 30:66] = True
    mixed = blend(changed, generated, inside)
    assert (mixed[48, 48] == 200).all()
    assert (mixed[:20] == 40).all()
    assert 40 < mixed[30, 48, 0] < 200
    assert (np.diff(mixed[20:48, 48, 0].astype(int)) >= 0).all()
    assert (blend(changed, generated, np.zeros((96, 96), bool)) == generated).all()


@pytest.mark.parametrize(('histogram', 'reference', 'error'), [
    ('flat', 'surroundings', "histogram: 'flat' is none of none, equalize, match, optimize, "),
    ('match', 'me', "reference: 'me' is none of surroundings, person"),
    ('none', 'person', 'needs histogram match, optimize or optimize-paper'),
    ('equalize', 'person', "'equalize' has no reference"),
])
def test_wrong_words_are_named(histogram, reference, error):
    with pytest.raises(UsageError, match=error):
        Tones(histogram, reference)
    assert not Tones('match').takes_from_person
    assert Tones('match', 'person').takes_from_person
