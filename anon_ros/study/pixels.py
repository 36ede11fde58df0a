# SPDX-License-Identifier: Apache-2.0
"""The second reading: images whose people are known by the pixel, and a precision for pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anon_ros.datasets.files import IMAGE_SUFFIXES
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LABELS_SUFFIX = '_labels.png'


def average_precision(hits: NDArray[np.float64], misses: NDArray[np.float64]) -> float:
    """
    Return the area under precision over recall.

    hits, misses: how many of either kind have each score, the lowest first.
    """
    true = np.cumsum(hits[::-1])
    false = np.cumsum(misses[::-1])
    if not true[-1]:
        return 0.0
    recall = true / true[-1]
    precision = true / np.maximum(true + false, 1)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def labelled_images(folder: Path) -> list[tuple[Path, Path]]:
    """Return images with the labels that lie beside them; raises InputError where none do."""
    pairs = [
        (path, labels) for path in sorted(folder.glob('*'))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.endswith(_LABELS_SUFFIX)
        and (labels := path.with_name(path.stem + _LABELS_SUFFIX)).is_file()]
    if not pairs:
        raise InputError(f'{folder}: no image with its {_LABELS_SUFFIX} beside it')
    return pairs
