# SPDX-License-Identifier: Apache-2.0
"""The page on which people label a sample: one file beside the pictures, which works offline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from markupsafe import Markup

from anon_ros.audit import typed_json
from anon_ros.audit.page import asset, template
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from anon_ros.audit.labels import Labels

PAGE_NAME = 'label.html'


def write_label_page(labels: Labels, path: Path) -> None:
    """Write the page; raise OutputError where that cannot be done."""
    try:
        path.write_text(render_label_page(labels), encoding='utf-8')
    except OSError as error:
        raise OutputError(f'{path}: cannot write the page: {error.strerror}') from error


def render_label_page(labels: Labels) -> str:
    """Return the page as an HTML text; the labels stand in it as JSON."""
    # A script ends at the next "</script", whatever it says: no '<' may stand in it.
    data = json.dumps(typed_json.to_plain(labels), allow_nan=False).replace('<', '\\u003c')
    return template('label.html.j2').render(
        css=asset('label.css'), script=asset('label.js'),
        data=Markup(data),  # noqa: S704  # no '<' is left in it
    )
