# SPDX-License-Identifier: Apache-2.0
"""Who has checked a result, and what came of it: the four cards at the head of its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anon_ros.audit.page import count

if TYPE_CHECKING:
    from anon_ros.audit.findings import Findings
    from anon_ros.audit.manifest import Manifest


@dataclass(frozen=True)
class Check:
    """One card. state: good, warn or open; open where nobody has looked. anchor: in the page."""

    title: str
    state: Literal['good', 'warn', 'open']
    text: str
    anchor: str


def checks_of(manifest: Manifest, findings: Findings) -> tuple[Check, ...]:
    """Return the cards, in the order in which one checks."""
    return (
        _verified(findings), _sampled(findings), _attacked(findings),
        _signed(manifest, findings),
    )


def _verified(findings: Findings) -> Check:
    found = findings.verification
    if found is None:
        return Check('Verified', 'open', 'Not compared with its source yet.', 'seal')
    if not found.ok:
        number = len(found.changes) + found.difference_count
        differs = count(number, 'thing differs', 'things differ')
        return Check('Verified', 'warn', f'{differs} from what was written.', 'verification')
    compared = f'compared with {found.source}' if found.source else 'checked by its seal alone'
    if found.outside:
        seen = count(found.outside, 'sighting', 'sightings')
        text = f'Nothing else changed, {compared}; another detector has {seen} that nothing hides.'
        return Check('Verified', 'warn', text, 'verification')
    return Check('Verified', 'good', f'Nothing else changed, {compared}.', 'verification')


def _sampled(findings: Findings) -> Check:
    found = findings.acceptance
    if found is None:
        return Check('Sampled', 'open', 'No sample was labelled by people.', 'risks')
    missed = sum(kind.recall.missed for kind in found.kinds)
    return Check(
        'Sampled', 'warn' if missed else 'good', ' '.join(found.sentences[:-1]), 'acceptance')


def _attacked(findings: Findings) -> Check:
    found = findings.attack
    if found is None:
        return Check('Attacked', 'open', 'Nobody has tried to find anybody again.', 'means')
    failed = sum(not row.holds and not row.note for row in found.rows)
    if failed:
        text = f'{count(failed, "attack", "attacks")} found more than chance explains.'
        return Check('Attacked', 'warn', text, 'attack')
    return Check('Attacked', 'good', 'No attack found more than chance explains.', 'attack')


def _signed(manifest: Manifest, findings: Findings) -> Check:
    if manifest.seal is None:
        return Check('Signed', 'open', 'There is no seal to sign.', 'means')
    found = findings.signature
    if found is None:
        return Check('Signed', 'open', f'Root {manifest.seal.root[:16]}, not signed.', 'seal')
    if findings.signature_problem:
        text = f'By {found.signer}, but: {findings.signature_problem}'
        return Check('Signed', 'warn', text, 'seal')
    return Check('Signed', 'good', f'By {found.signer} on {found.signed[:10]}.', 'seal')
