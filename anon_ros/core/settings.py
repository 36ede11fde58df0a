# SPDX-License-Identifier: Apache-2.0
"""
Every setting once: default, range, unit and description.

The command line, the YAML file and the node's parameters are derived from this class.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anon_ros.core.regions import Kind
from anon_ros.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLASSIC_METHODS = ('pixelate', 'blur', 'mask-out')
REALISTIC = 'realistic'
METHODS = (*CLASSIC_METHODS, REALISTIC)
SYNTHESIZED_KINDS = (Kind.FACE, Kind.BODY)
"""What a generator can draw; other kinds get the first classic method in its place."""
SAMPLINGS = ('multi-modal', 'truncated', 'mean')
HISTOGRAMS = ('none', 'equalize', 'match', 'optimize', 'optimize-paper')
SHIPPED_WEIGHTS = 'shipped'
EFFORTS = ('fast', 'balanced', 'thorough')
FACE_DETECTORS = ('auto', 'yunet', 'centerface')
BODY_DETECTORS = ('light', 'maskrcnn')
AUTO_THRESHOLD = 0.0
_LABELS = tuple(kind.label for kind in Kind)
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Spec:
    """
    What is known of a setting beside its default.

    description: one line; it says the unit.
    choices: the allowed values, or () for any. minimum, maximum: the allowed range.
    is_live: whether a running node may change it (it needs no new model and no new graph).
    """

    description: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_live: bool = True


def _setting(default: Any, description: str, **spec: Any) -> Any:
    return field(default=default, metadata={'spec': Spec(description, **spec)})


@dataclass(frozen=True)
class Settings:
    """How to anonymize: what is searched, how hard, and what is put in its place."""

    target: tuple[str, ...] = _setting(
        ('face', 'plate'), 'What to hide: face, body, plate.',
        choices=_LABELS,
    )
    method: tuple[str, ...] = _setting(
        ('pixelate',),
        f'How to hide it: {", ".join(METHODS)}; or TARGET=METHOD for one target.',
    )
    effort: str = _setting(
        'balanced', 'How hard to search: fast, balanced or thorough.',
        choices=EFFORTS, is_live=False,
    )
    device: str = _setting(
        'auto', 'Where networks run: auto, cpu or cuda:N.', is_live=False,
    )
    face_detector: str = _setting(
        'auto', 'The face network; auto takes YuNet and, without its weights, CenterFace.',
        choices=FACE_DETECTORS, is_live=False,
    )
    body_detector: str = _setting(
        'light', 'The networks that find people.', choices=BODY_DETECTORS, is_live=False,
    )
    face_threshold: float = _setting(
        AUTO_THRESHOLD, 'Least score of a face, 0..1; 0 takes the value of the effort.',
        minimum=0.0, maximum=1.0,
    )
    body_threshold: float = _setting(
        AUTO_THRESHOLD, 'Least score of a person, 0..1; 0 takes the value of the effort.',
        minimum=0.0, maximum=1.0,
    )
    plate_threshold: float = _setting(
        AUTO_THRESHOLD, 'Least score of a plate, 0..1; 0 takes the value of the effort.',
        minimum=0.0, maximum=1.0,
    )
    margin: float = _setting(
        0.15, "What is hidden around a region on each side, as a share of the region's size.",
        minimum=0.0, maximum=1.0,
    )
    cells: int = _setting(
        6, 'Cells of a mosaic along the longer side of a region.', minimum=1, maximum=16,
    )
    weights: tuple[str, ...] = _setting(
        (SHIPPED_WEIGHTS,),
        'Weights of realistic people: shipped, or a file; or TARGET=FILE for one target.',
        is_live=False,
    )
    accept_licence: bool = _setting(
        False, 'Whether the licence of weights from elsewhere is accepted.', is_live=False,
    )
    sampling: str = _setting(
        'truncated', 'Whom realistic people are drawn near: many centres, one mean, or just it.',
        choices=SAMPLINGS,
    )
    truncation: float = _setting(
        0.4, 'How far realistic people are drawn from there, 0..1; 1 is as far as they come.',
        minimum=0.0, maximum=1.0,
    )
    histogram: str = _setting(
        'none', 'How the tones of realistic people are made to fit what is around them.',
        choices=HISTOGRAMS,
    )
    realistic_min_px: int = _setting(
        8, 'Least side of a realistic face, and a quarter of that of a body, in px.',
        minimum=1, maximum=4096,
    )
    identity_key: str = _setting(
        '', 'File of the secret key that realistic people are drawn from; without, a random one.',
        is_live=False,
    )
    window_s: float = _setting(
        1.0, 'How far a recording is searched ahead and back for a track, in s; 0 for not at all.',
        minimum=0.0, maximum=10.0, is_live=False,
    )
    carry_s: float = _setting(
        0.75, 'How long a track is hidden before its first and after its last sighting, in s.',
        minimum=0.0, maximum=10.0, is_live=False,
    )
    body_carry_s: float = _setting(
        0.4, 'The same for people, in s: the longer, the more is hidden where they are not.',
        minimum=0.0, maximum=10.0, is_live=False,
    )
    threads: int = _setting(
        0, 'Worker threads; 0 for one per core.', minimum=0, maximum=256, is_live=False,
    )
    max_megapixels: float = _setting(
        100.0, 'Larger images are withheld before they are decoded, in millions of px.',
        minimum=0.01, maximum=1000.0,
    )
    seed: int = _setting(
        0, 'Seed of the patterns in place of regions; 0 draws a secret one for each run.',
        minimum=0, maximum=LARGEST_SEED,
    )

    def __post_init__(self) -> None:
        """Check every value; raise SettingError that names the setting and its range."""
        for name, spec in specs().items():
            check_value(name, getattr(self, name), spec)
        method_by_kind(self)

    def threshold(self, kind: Kind) -> float | None:
        """Return the least score of a kind, or None where the effort decides."""
        value = float(getattr(self, f'{kind.label}_threshold'))
        return None if value == AUTO_THRESHOLD else value


def specs() -> dict[str, Spec]:
    """Return what is known of each setting, by name, in the order of declaration."""
    return {item.name: item.metadata['spec'] for item in dataclasses.fields(Settings)}


def target_kinds(settings: Settings) -> tuple[Kind, ...]:
    """Return the kinds to hide, without repeats, in the order given."""
    return tuple(dict.fromkeys(Kind.from_label(label) for label in settings.target))


def method_by_kind(settings: Settings) -> dict[Kind, str]:
    """
    Return the method for each kind.

    Raises SettingError for an entry that is neither METHOD nor TARGET=METHOD.
    """
    chosen, specific = METHODS[0], {}
    for entry in settings.method:
        label, _, method = entry.rpartition('=')
        if method not in METHODS:
            raise SettingError(f"method: '{method}' is unknown; there are {', '.join(METHODS)}")
        if not label:
            chosen = method
        elif label not in _LABELS:
            raise SettingError(
                f"method: '{label}' is no target; there are {', '.join(_LABELS)}")
        else:
            specific[Kind.from_label(label)] = method
    return {**dict.fromkeys(Kind, chosen), **specific}


def weights_by_kind(settings: Settings) -> dict[Kind, str]:
    """Return the file of weights for each kind, or SHIPPED_WEIGHTS."""
    chosen, specific = SHIPPED_WEIGHTS, {}
    for entry in settings.weights:
        label, _, file = entry.partition('=')
        # A file's own name may have an equals sign.
        if file and label in _LABELS:
            specific[Kind.from_label(label)] = file
        else:
            chosen = entry
    return {**dict.fromkeys(Kind, chosen), **specific}


def from_mapping(values: Mapping[str, object], base: Settings | None = None) -> Settings:
    """
    Return settings with the given values, the others as in base or by default.

    Lists become tuples, whole numbers pass for fractions.
    Raises SettingError for a name that is unknown or a value of the wrong type or range.
    """
    base = base or Settings()
    known = specs()
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SettingError(f"setting '{unknown[0]}' is unknown; there are {', '.join(known)}")
    changes = {name: _coerce(name, value, getattr(base, name)) for name, value in values.items()}
    return dataclasses.replace(base, **changes)


def to_mapping(settings: Settings) -> dict[str, object]:
    """Return all settings as plain values for JSON or YAML; the way back is from_mapping."""
    values = dataclasses.asdict(settings)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _coerce(name: str, value: Any, like: object) -> Any:
    if isinstance(like, tuple):
        items = value.split(',') if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise SettingError(f'{name}: {value!r} is no list')
        return tuple(str(item).strip() for item in items)
    if isinstance(like, float) and type(value) is int:
        return float(value)
    if type(value) is not type(like):
        raise SettingError(f'{name}: {value!r} is no {type(like).__name__}')
    return value


def check_value(name: str, value: Any, spec: Spec) -> None:
    """Raise SettingError, with the allowed range, for a value outside it."""
    items: Iterable[Any] = value if isinstance(value, tuple) else (value,)
    if value == ():
        raise SettingError(f'{name}: at least one value is needed')
    for item in items:
        if spec.choices and item not in spec.choices:
            raise SettingError(f"{name}: '{item}' is none of {', '.join(spec.choices)}")
        if spec.minimum is not None and not item >= spec.minimum:
            raise SettingError(f'{name}: {item} is below the least value {spec.minimum:g}')
        if spec.maximum is not None and not item <= spec.maximum:
            raise SettingError(f'{name}: {item} is above the largest value {spec.maximum:g}')
