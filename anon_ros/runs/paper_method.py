# SPDX-License-Identifier: Apache-2.0
"""The method of a paper's run: what fills crops, and who is too small for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros import factory
from anon_ros.core.regions import Kind
from anon_ros.core.settings import REALISTIC, method_by_kind
from anon_ros.datasets import paper
from anon_ros.datasets.fillers import RealisticFiller, traditional
from anon_ros.gan.histograms import Tones

if TYPE_CHECKING:
    from anon_ros.core.regions import Regions, UInt8Array
    from anon_ros.core.settings import Settings
    from anon_ros.datasets.fillers import Filler
    from anon_ros.models.store import ModelStore
    from anon_ros.runs.dataset_job import DatasetJob


@dataclass(frozen=True)
class PaperMethod:
    """
    Hides people as the paper does. Safe from several threads.

    least_side_px: root of the least area of a body's crop.
    """

    kind: Kind
    filler: Filler
    least_side_px: int

    def hide(self, image: UInt8Array, regions: Regions, source: str) -> int:
        """Hide regions in an image, in place; return how many were too small to be touched."""
        if self.kind is Kind.FACE:
            return paper.hide_faces(image, regions, self.filler, source=source)
        return paper.hide_bodies(
            image, regions, self.filler, source=source, least_side_px=self.least_side_px)


def build_paper_method(job: DatasetJob, settings: Settings, store: ModelStore) -> PaperMethod:
    """Return the method of a job; raises ModelError where a generator's weights are missing."""
    kind = Kind.from_label(job.region)
    method = method_by_kind(settings)[kind]
    if method == REALISTIC:
        tones = Tones(settings.histogram, job.reference)
        filler: Filler = _realistic(settings, kind, tones, store)
    else:
        filler = traditional(method, kind)
    return PaperMethod(kind, filler, job.min_size)


def _realistic(settings: Settings, kind: Kind, tones: Tones, store: ModelStore) -> Filler:
    inpainter = factory.build_inpainter(settings, kind, tones, store)
    from anon_ros.gan.assembly import run_key
    from anon_ros.gan.synthesizer import Synthesizer

    # The paper's seed is 0: without another one a run gives the same people again.
    key = run_key(settings, settings.seed)
    synthesizer = Synthesizer(inpainter)
    synthesizer.try_out()
    return RealisticFiller(synthesizer, key, tones.takes_from_person)
