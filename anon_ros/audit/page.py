# SPDX-License-Identifier: Apache-2.0
"""What all pages have in common: where their templates lie, and how values become text."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2
from markupsafe import Markup

from anon_ros.audit import charts
from anon_ros.audit.acceptance import percent

ASSETS = Path(__file__).parent / 'assets'
NAMES = {'face': ('face', 'faces'), 'body': ('person', 'people'), 'plate': ('plate', 'plates')}


def template(name: str) -> jinja2.Template:
    """Return a template of the assets; what it shows is escaped and can be seen."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, finalize=shown,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters.update(
        count=count, data_uri=data_uri, clock=charts.clock, groups=groups, percent=percent)
    return environment.get_template(name)


def asset(name: str) -> Markup:
    """Return a file of ours as it is."""
    return Markup((ASSETS / name).read_text(encoding='utf-8'))  # noqa: S704  # our own file


def count(number: int, one: str = '', many: str = '') -> str:
    """Return a number with its noun."""
    return f'{number:,} {one if number == 1 else many}'.strip()


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG as something that an image can show without a request."""
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode('ascii')


def groups(digest: str) -> str:
    """Return a hash in groups of eight, so that people can compare it."""
    return ' '.join(digest[at:at + 8] for at in range(0, len(digest), 8))


def shown(value: object) -> object:
    """Return a text with every character that cannot be seen spelled out; the rest as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return ''.join(
        char if char.isprintable() else char.encode('unicode_escape').decode() for char in value
    )
