# SPDX-License-Identifier: Apache-2.0
"""Imports point one way, and what is heavy stays out until it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / 'anon_ros'

# A room may import its own and those on lines below it; rooms on one line only where ALLOWED says.
LEVELS = (
    ('cli',),
    ('bench',),
    ('fleet', 'study', 'review'),
    ('nodes', 'runs'),
    ('factory', 'demo'),
    ('datasets',),
    ('attacks', 'bags', 'training'),
    ('audit',),
    ('detection', 'tracking', 'anonymization', 'gan'),
    ('media', 'models'),
    ('core',),
    ('errors',),
)
ONLY_IN = {
    'rclpy': {'nodes'},
    'torch': {'bench/gan.py', 'training', 'detection/maskrcnn.py', 'gan', 'study'},
    'torchvision': {'training', 'detection/maskrcnn.py', 'study'},
    'rosbags': {'bags', 'demo', 'bench'},
    'ray': {'fleet'},
    'typer': {'cli'},
    'starlette': {'review'},
    'uvicorn': {'review'},
}


def modules():
    return sorted(PACKAGE.rglob('*.py'))


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def resolve(path):
    for name in imports_of(path):
        place = PACKAGE.parent / name.replace('.', '/')
        if name.startswith('anon_ros.') and place.with_suffix('.py').is_file():
            yield place.with_suffix('.py')


def level_of(room):
    return next(i for i, rooms in enumerate(LEVELS) if room in rooms)


@pytest.mark.parametrize('path', modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = room_of(path)
    if room == '__init__':
        return
    for name in imports_of(path):
        parts = name.split('.')
        if parts[0] != 'anon_ros' or len(parts) < 2 or parts[1] in {room, '__version__'}:
            continue
        assert level_of(parts[1]) > level_of(room), f'{room} imports {name}'


@pytest.mark.parametrize('path', modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    relative = str(path.relative_to(PACKAGE))
    for name in imports_of(path):
        rooms = ONLY_IN.get(name.split('.')[0])
        if rooms is not None:
            assert room_of(path) in rooms or relative in rooms, f'{relative} imports {name}'


def test_no_files_import_in_a_circle():
    imported = {path: set(resolve(path)) - {path} for path in modules()}
    while True:
        ground = [path for path, below in imported.items() if not below & imported.keys()]
        if not ground:
            break
        for path in ground:
            del imported[path]
    assert not imported, 'a circle is among these, or they import one'


def test_every_module_names_the_licence():
    for path in modules():
        assert path.read_text().startswith('# SPDX-License-Identifier: Apache-2.0\n'), path


def test_a_fresh_interpreter_imports_nothing_heavy():
    code = (
        'import sys, anon_ros, anon_ros.bags, anon_ros.cli.main; '
        'heavy = {"rclpy", "torch", "torchvision", "openvino", "onnxruntime", "ray"}; '
        'print(sorted(heavy & set(sys.modules)))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True,
        cwd=PACKAGE.parent,
    )
    assert result.stdout.strip() == '[]'
