# SPDX-License-Identifier: Apache-2.0
"""What to do with a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.datasets.paper import LEAST_SIDE_PX
from anon_ros.gan.histograms import SURROUNDINGS

if TYPE_CHECKING:
    from pathlib import Path


DATASET, BY_PAPER = ' dataset', ', by the paper'
"""What a manifest calls a dataset, after the format; and one that the paper's protocol made."""


@dataclass(frozen=True)
class DatasetJob:
    """
    What to do.

    format: coco, cityscapes or bdd100k. region: face or body. protocol: safe or paper.
    faces: all that are found, those matched to annotated people, or those that are annotated
        themselves; None for what the protocol does.
    splits: as the format calls them, () for all. annotations: a COCO file beside the tree.
    on_error: stop at the first problem, or skip the image and count it.
    resume: go on where a run that was killed stopped. command: for the manifest.
    The paper's protocol only: min_size: root of the least area of a body's crop, in px; smaller
        people stay. reference: whose tones realistic people get, see anon_ros.gan.histograms.
    """

    source: Path
    target: Path
    format: str
    region: str = 'body'
    protocol: str = 'safe'
    faces: str | None = None
    splits: tuple[str, ...] = ()
    annotations: Path | None = None
    on_error: str = 'stop'
    resume: bool = False
    command: tuple[str, ...] = ()
    min_size: int = LEAST_SIDE_PX
    reference: str = SURROUNDINGS

    @property
    def result_storage(self) -> str:
        """Return what the manifest calls the copy."""
        return self.format + DATASET + (BY_PAPER if self.protocol == 'paper' else '')
