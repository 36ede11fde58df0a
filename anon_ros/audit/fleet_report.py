# SPDX-License-Identifier: Apache-2.0
"""The report of many results: their sums, and a table with the way to the report of each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from anon_ros.audit import charts, charts_heat
from anon_ros.audit.acceptance import FILE_NAME as ACCEPTANCE_NAME
from anon_ros.audit.acceptance import read_acceptance
from anon_ros.audit.charts_recall import recall_plot
from anon_ros.audit.findings import Findings
from anon_ros.audit.page import NAMES, asset, template
from anon_ros.audit.report import verdict
from anon_ros.audit.signature import FILE_NAME, read_signature, signature_changes
from anon_ros.core.regions import Kind
from anon_ros.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.audit.acceptance import Acceptance
    from anon_ros.audit.fleet_summary import FleetSummary


def render_fleet_report(summary: FleetSummary, folder: Path) -> str:
    """
    Return the report of a folder of results as an HTML text.

    Raises InputError where there is a signature that cannot be read.
    """
    kinds = [kind.label for kind in Kind]
    accepted = _accepted(summary, folder)
    signed = read_signature(folder / FILE_NAME) if (folder / FILE_NAME).is_file() else None
    maps = [charts_heat.by_hour_of_day(summary.hours, kind) for kind in kinds]
    return template('fleet.html.j2').render(
        css=asset('report.css'),
        name=folder.resolve().name,
        summary=summary,
        seal=summary.seal,
        signature=signed,
        signature_problem=_problem(summary, folder),
        findings=Findings(acceptance=accepted),
        recall=None if accepted is None else recall_plot(accepted.kinds),
        kinds=kinds,
        names=NAMES,
        verdict=verdict(summary.regions_by_kind, summary.frames),
        heights=charts.histogram(summary.heights),
        hours=[each for each in maps if each is not None],
        link=_link,
    )


def _accepted(summary: FleetSummary, folder: Path) -> Acceptance | None:
    path = folder / ACCEPTANCE_NAME
    found = read_acceptance(path) if path.is_file() else None
    return found if found is not None and found.root == summary.seal.root else None


def _problem(summary: FleetSummary, folder: Path) -> str:
    try:
        return next(signature_changes(folder, summary.seal, None), '')
    except UsageError as error:
        return str(error)


def _link(name: str) -> str:
    """Return a file's name as a link to it that can lead nowhere else."""
    return './' + quote(name, errors='surrogateescape')
