# SPDX-License-Identifier: Apache-2.0
"""What anonymizing a dataset costs: images/s, memory, and that a killed run is gone on with."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anon_ros.datasets.formats import create_dataset, open_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS = (
    ('body', 'blur'), ('body', 'mask-out'), ('body', 'realistic'),
    ('face', 'blur'), ('face', 'mask-out'), ('face', 'realistic'),
)
_MAIN = 'from anon_ros.cli.main import run; run()'
_OUTSIDE = frozenset({'manifest.json', 'report.html'})
"""What names times: it differs from run to run."""


def make_dataset(folder: Path, people: Path, count: int) -> None:
    """Write a COCO dataset of that many images: the annotated samples, again and again."""
    source = open_dataset(
        people, 'coco', Problems(), annotations=people / 'test_coco.json')
    samples = list(source.records())
    writer = create_dataset(folder, 'coco', Problems())
    for number in range(count):
        record = samples[number % len(samples)]
        instances = tuple(
            replace(each, id=str(100 * number + k + 1))
            for k, each in enumerate(record.instances))
        path = f'train/{number + 1:012d}.jpg'
        writer.add(
            replace(record, id=str(number + 1), split='train', path=path, instances=instances),
            people / record.path)
    writer.close()


def measure_variants(folder: Path, people: Path, count: int) -> list[dict[str, object]]:
    """
    Return a row for each variant: speed, memory beside that of a tenth, and a killed run.

    people: the folder of the annotated samples.
    """
    small, large = folder / 'small', folder / 'large'
    make_dataset(small, people, count // 10)
    make_dataset(large, people, count)
    rows = []
    for region, method in VARIANTS:
        name = f'{region}_{method}'
        tenth = measure(small, folder / f'{name}_small', region, method, 'paper')
        whole = measure(large, folder / name, region, method, 'paper')
        resumed = measure_resume(
            large, folder / name, folder / f'{name}_resumed', region, method, 'paper')
        rows.append({
            **whole, 'peak_mib_of_a_tenth': tenth['peak_mib'],
            'killed_at': resumed['written_at_kill'], 'same_bytes': resumed['same_bytes']})
        for each in (f'{name}_small', name, f'{name}_resumed'):
            shutil.rmtree(folder / each)
    return rows


def measure(
    source: Path, target: Path, region: str, method: str, protocol: str
) -> dict[str, object]:
    """Return images/s, CPU time and peak memory of a whole run in a process of its own."""
    process = _start(source, target, region, method, protocol)
    started_s = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - started_s
    images = sum(1 for path in target.rglob('*.jpg'))
    return {
        'protocol': protocol, 'region': region, 'method': method, 'images': images,
        'exit_status': process.returncode, 'wall_s': round(wall_s, 1),
        'images_per_s': round(images / wall_s, 2),
        'cpu_ms_per_image': round((usage.ru_utime + usage.ru_stime) / max(images, 1) * 1e3, 1),
        'peak_mib': round(usage.ru_maxrss / 1024, 1),
    }


def measure_resume(
    source: Path, whole: Path, target: Path, region: str, method: str, protocol: str,
    share: float = 0.4,
) -> dict[str, object]:
    """
    Kill a run when that share of the images is written, go on with it, and compare.

    whole: what a run that was not disturbed wrote.
    """
    process = _start(source, target, region, method, protocol)
    partial = target.with_name(target.name + '.partial')
    wanted = share * len(list(whole.rglob('*.jpg')))
    while process.poll() is None and sum(1 for _ in partial.rglob('*.jpg')) < wanted:
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = sum(1 for _ in partial.rglob('*.jpg'))
    _start(source, target, region, method, protocol, '--resume').wait()
    return {
        'region': region, 'method': method, 'written_at_kill': written,
        'same_bytes': digest(target) == digest(whole), 'digest': digest(target)[:16],
    }


def digest(root: Path) -> str:
    """
    Return a hash over the names and bytes of all files but manifest and report.

    Raises InputError where there is nothing.
    """
    total = hashlib.sha256()
    files = sorted(p for p in root.rglob('*') if p.is_file() and p.name not in _OUTSIDE)
    if not files:
        raise InputError(f'{root}: there is nothing in it')
    for path in files:
        total.update(path.relative_to(root).as_posix().encode() + b'\0')
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _start(
    source: Path, target: Path, region: str, method: str, protocol: str, *more: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen([
        sys.executable, '-c', _MAIN, 'dataset', str(source), str(target), '--format', 'coco',
        '--region', region, '--method', method, '--protocol', protocol, '--effort', 'fast',
        '--json', *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
