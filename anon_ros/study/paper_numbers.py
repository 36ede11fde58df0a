# SPDX-License-Identifier: Apache-2.0
"""
What arXiv 2306.05135's authors measured on BDD100K, from their logs; to be set beside.

Mask R-CNN R50-FPN on 10k/val, mean over seeds 0 to 2, by `bdd100k.eval.run -t ins_seg`. All of
these trainings began with the official checkpoint, which had been trained on the original images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anon_ros.study.study_file import Variant


class PaperRow(NamedTuple):
    """AP, AP50 of all classes, AP and AP50 of pedestrians, AP of riders; per cent."""

    ap: float
    ap50: float
    pedestrian_ap: float
    pedestrian_ap50: float
    rider_ap: float


ORIGINAL = PaperRow(20.17, 34.9, 31.97, 61.1, 9.70)
_ROWS = {
    ('face', 'blur'): PaperRow(20.50, 35.93, 31.70, 61.00, 9.43),
    ('face', 'mask-out'): PaperRow(20.27, 35.23, 31.37, 60.93, 8.80),
    ('face', 'realistic'): PaperRow(20.60, 35.83, 31.63, 60.73, 8.67),
    ('body', 'blur'): PaperRow(15.43, 26.33, 0.50, 1.73, 4.23),
    ('body', 'mask-out'): PaperRow(15.33, 25.53, 0.00, 0.07, 3.90),
    ('body', 'realistic'): PaperRow(17.03, 28.90, 12.77, 23.50, 5.80),
}
_NO_METHOD = frozenset({'faces', 'weights'})
_NAIVE = PaperRow(15.83, 26.60, 4.73, 9.27, 6.07)
_LEAST_16 = PaperRow(17.30, 29.8, 13.40, 25.2, 6.95)
_LEAST_32 = PaperRow(18.40, 32.6, 19.87, 41.8, 5.97)


def paper_row(variant: Variant) -> PaperRow | None:
    """Return what the paper has for a variant; None where it has nothing like it."""
    if variant.is_original:
        return ORIGINAL
    if variant.protocol != 'paper':
        return None
    key = (variant.region, variant.method)
    options = {name: value for name, value in variant.options.items() if name not in _NO_METHOD}
    if not options:
        return _ROWS.get(key)
    if key == ('body', 'realistic'):
        return _body_row(options)
    return None


def _body_row(options: dict[str, object]) -> PaperRow | None:
    if options == {'min_size': 16}:
        return _LEAST_16
    if options == {'min_size': 32}:
        return _LEAST_32
    if options == {'histogram': 'match', 'reference': 'person'}:
        return _NAIVE
    return None
