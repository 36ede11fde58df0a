# SPDX-License-Identifier: Apache-2.0
"""What a study measures, as plain values: one file a study, results.json."""

from __future__ import annotations

from dataclasses import dataclass, field

from anon_ros.study.study_file import Study  # noqa: TC001 - typed_json reads it


@dataclass(frozen=True)
class Figures:
    """Average precision in per cent; None where there is nothing of that size or class."""

    ap: float | None
    ap50: float | None
    ap75: float | None = None
    ap_small: float | None = None
    ap_medium: float | None = None
    ap_large: float | None = None

    @classmethod
    def nothing(cls) -> Figures:
        """Return the figures of a network that finds nothing."""
        return cls(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Evaluation:
    """
    What a tool says of one training. kind: segm, bbox or keypoints.

    is_official: of the dataset. note: why another tool had to do, '' where it is the official one.
    """

    tool: str
    kind: str
    overall: Figures
    by_class: dict[str, Figures] = field(default_factory=dict)
    note: str = ''


@dataclass(frozen=True)
class PixelFigure:
    """Of a second reading: average precision and intersection over union, per cent."""

    name: str
    average_precision: float
    iou: float


@dataclass(frozen=True)
class SeedResult:
    """One training's figures."""

    seed: int
    key: str
    evaluation: Evaluation
    weights_sha256: str
    train_images: int
    seconds: float
    device: str
    versions: dict[str, str]
    pixels: tuple[PixelFigure, ...] = ()


@dataclass(frozen=True)
class VariantImages:
    """
    A variant's images.

    folder: what the labels' paths start from. fingerprint: sha256 over all images in the order of
    the labels. images: how many there are. missing: images of the labels that are not there.
    """

    folder: str
    fingerprint: str
    images: int
    missing: int
    hidden: dict[str, int]
    untouched: dict[str, int]
    weaknesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """
    How far a fixed network sees the same in anonymized images as in the original ones.

    network: which. what: people or vehicles. f1: of boxes at an IoU of 0.5 or of pixels, 0..1.
    samples: boxes or pixels in the original.
    """

    network: str
    what: str
    f1: float
    samples: int


@dataclass(frozen=True)
class Privacy:
    """
    What attackers achieve on a variant's images; None where it could not be measured.

    found_again: the share that another detector still finds, and its 95 % interval.
    recognized: the best attacker's rank-1 over all strengths; attacker: who that is; chance: of
    guessing. gray: the same attacker's where people are replaced by gray. people: how many.
    """

    found_again: float | None
    found_low: float | None
    found_high: float | None
    recognized: float | None
    recognized_low: float | None
    recognized_high: float | None
    chance: float | None
    gray: float | None
    attacker: str
    people: int
    note: str = ''


@dataclass(frozen=True)
class VariantResult:
    """All that is known of a variant. note: what is missing and why."""

    name: str
    images: VariantImages | None
    seeds: tuple[SeedResult, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    privacy: Privacy | None = None
    note: str = ''


@dataclass(frozen=True)
class StudyResult:
    """A study's figures. labels_sha256: of what is trained and tested on."""

    tool_version: str
    study: Study
    variants: tuple[VariantResult, ...]
    train_images: int
    train_people: int
    val_images: int
    val_people: int
    val_sha256: str
    labels_sha256: dict[str, str]
    notes: tuple[str, ...] = ()

    def original(self) -> VariantResult:
        """Return the variant that the others are compared with."""
        name = next(each.name for each in self.study.variants if each.is_original)
        return next(each for each in self.variants if each.name == name)
