# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window, and the review served by a process of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
RUN = 'import sys; sys.argv[0] = "anon-ros"; from anon_ros.cli.main import run; run()'
PATIENCE_MS = 120_000


def command(*arguments):
    return [sys.executable, '-c', RUN, *map(str, arguments)]


def environment():
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'COLUMNS': '160'}


@pytest.fixture(scope='session')
def chromium():
    """Return a browser; skip where there is none."""
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f'no browser on the PATH: {", ".join(NAMES)}')
    # Without namespaces of its own, as for root in a container, it starts only like this.
    arguments = ['--no-sandbox'] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """Return a new page that fails its test on any error of a script."""
    context = chromium.new_context(viewport={'width': 1280, 'height': 800})
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    errors = []
    opened.on('pageerror', lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


@pytest.fixture
def anon_ros():
    """Return a function that runs a command to its end."""
    def run(*arguments):
        return subprocess.run(
            command(*arguments), env=environment(), capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def served():
    """Return a context in which a review is served; it yields the address with the token."""
    @contextmanager
    def serve(*arguments):
        with subprocess.Popen(
            command('review', *arguments), env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as process:
            lines = []
            try:
                for line in process.stdout:
                    lines.append(line)
                    found = re.search(r'http://127\.0\.0\.1:\d+/#\S+', line)
                    if found:
                        yield found[0]
                        break
                else:
                    pytest.fail(''.join(lines))
            finally:
                process.send_signal(signal.SIGINT)
                rest = process.communicate(timeout=60)[0]
            assert process.returncode == 0, rest

    return serve
