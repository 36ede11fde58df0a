# SPDX-License-Identifier: Apache-2.0
"""One result, or a folder of many: what a report, a sample and a signature may be about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anon_ros.audit import typed_json
from anon_ros.audit.fleet_report import render_fleet_report
from anon_ros.audit.fleet_summary import (
    FleetSummary,
    Result,
    find_results,
    seal_of,
    summarize,
)
from anon_ros.audit.manifest import (
    MANIFEST_NAME,
    REPORT_NAME,
    Seal,
    manifest_path,
    read_manifest,
    sidecar_path,
)
from anon_ros.audit.report import write_page
from anon_ros.audit.signature import FILE_NAME as SIGNATURE_NAME
from anon_ros.audit.signature import (
    Signature,
    sign,
    signature_changes,
    write_signature,
)
from anon_ros.errors import InputError, UsageError
from anon_ros.runs.check import SealCheck, check_seal
from anon_ros.runs.report import rebuild_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STATE_FOLDER = '.anon-fleet/state'
"""Where a fleet writes down what became of each bag."""


@dataclass(frozen=True)
class Results:
    """
    What somebody asks about.

    results: one, or all in a folder. sidecar: where lies what is told of all of them together.
    seal: theirs. is_many: whether it is a folder of many.
    """

    target: Path
    results: tuple[Result, ...]
    sidecar: Path
    seal: Seal
    is_many: bool


def results_in(target: Path) -> Results:
    """
    Return a result, or all results of a folder.

    Raises InputError where there is none, UsageError where one has no seal.
    """
    if is_result(target):
        sidecar = sidecar_path(target)
        one = Result(target.name, target, sidecar)
        return Results(target, (one,), sidecar, _seal(sidecar), False)
    results = tuple(find_results(target)) if target.is_dir() else ()
    if not results:
        raise InputError(f'{target}: neither a result of anon_ros nor a folder of results')
    seal = seal_of({result.name: _seal(result.sidecar) for result in results})
    return Results(target, results, target, seal, True)


def is_result(target: Path) -> bool:
    """Return whether a path is a result, not a folder of many."""
    return manifest_path(target).is_file()


def summary_of(folder: Path) -> FleetSummary:
    """Return what all results of a folder say, and which bags came to nothing."""
    return summarize(find_results(folder), _failed(folder))


def write_any_report(target: Path) -> Path:
    """
    Write the report of a result, or that of a folder of results, anew; return where it lies.

    Raises InputError where there is none or something cannot be read, OutputError where the
    report cannot be written.
    """
    if is_result(target):
        return rebuild_report(target)
    if not target.is_dir() or not any(find_results(target)):
        raise InputError(f'{target}: neither a result of anon_ros nor a folder of results')
    write_page(render_fleet_report(summary_of(target), target), target / REPORT_NAME)
    return target / REPORT_NAME


def check_results(
    folder: Path, *, root: str | None = None, key: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[str, SealCheck]]:
    """
    Yield what a check of each result of a folder finds, by name; first that of the folder itself.

    root, key: see check.check_seal; both of the folder.
    """
    results = results_in(folder)
    is_another = root is not None and not results.seal.root.startswith(root.strip().lower())
    named = [f'{folder}: its root is {results.seal.root}, not {root}'] if is_another else []
    signed = signature_changes(folder, results.seal, key)
    yield folder.resolve().name, SealCheck(results.seal.root, (*named, *signed))
    for result in results.results:
        yield result.name, check_seal(result.path, progress=progress)


def sign_results(
    target: Path, key: Path, signer: str, password: Callable[[], str] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Signature:
    """
    Sign a result, or a folder of results, after a check of all seals.

    key: an Ed25519 private key, PEM. password: asks for its password, where it has one.
    Raises UsageError where something was changed, or the key cannot be used.
    """
    results = results_in(target)
    signed = sign(results.sidecar, results.seal, key, signer, password)
    (results.sidecar / SIGNATURE_NAME).unlink(missing_ok=True)
    for result in results.results:
        found = check_seal(result.path, progress=progress)
        if not found.ok:
            raise UsageError(f'nothing is signed, since something was changed: {found.changes[0]}')
    write_signature(signed, results.sidecar / SIGNATURE_NAME)
    return signed


@dataclass(frozen=True)
class _State:
    """What a fleet says of a bag, as far as it matters here."""

    status: str
    error: str = ''


def _failed(folder: Path) -> dict[str, str]:
    """Return the bags that a fleet could not do, with the reason."""
    states = folder / STATE_FOLDER
    found = {}
    for path in sorted(states.rglob('*.json')):
        try:
            text = path.read_text(encoding='utf-8')
            state = typed_json.from_plain(_State, typed_json.parse(text))
        except (OSError, ValueError):
            continue  # a state that is just being written
        if state.status == 'failed':
            found[path.relative_to(states).as_posix().removesuffix('.json')] = state.error
    return found


def _seal(sidecar: Path) -> Seal:
    seal = read_manifest(sidecar / MANIFEST_NAME).seal
    if seal is None:
        raise UsageError(f'{sidecar}: the result was made by an older version and has no seal')
    return seal
