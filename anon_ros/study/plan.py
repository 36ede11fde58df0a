# SPDX-License-Identifier: Apache-2.0
"""Which study is done where, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anon_ros.study.trainings import Crew

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.study.study_file import Study


@dataclass(frozen=True)
class StudyPlan:
    """
    What to do where.

    data: the dataset's root. out: a folder that grows. only: names of variants, () for all; the
    others keep what they have. crew: how trainings run side by side.
    threads: of each training and of the making of images, 0 for all cores. loaders: processes
    that decode images for each training. trains: False to report what is there.
    """

    study: Study
    data: Path
    out: Path
    only: tuple[str, ...] = ()
    crew: Crew = field(default_factory=Crew)
    device: str = 'auto'
    threads: int = 0
    loaders: int = 0
    annotations: Path | None = None
    trains: bool = True
