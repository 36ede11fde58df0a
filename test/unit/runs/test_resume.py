# SPDX-License-Identifier: Apache-2.0
"""A run that is killed leaves nothing that opens, and goes on where it stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bag_builder import MagentaDetector, picture
from rosbags.highlevel import AnyReader, AnyReaderError

from anon_ros.audit.manifest import read_manifest
from anon_ros.audit.regions_file import RegionsReader
from anon_ros.bags.storage import open_bag
from anon_ros.core.settings import Settings
from anon_ros.errors import AnonError, OutputError, RegionsError
from anon_ros.runs.bag import BagJob, anonymize_bag

HELPERS = Path(__file__).resolve().parents[2] / 'helpers'
SETTINGS = Settings(target=('face',), threads=2, seed=1)
SLOW_RUN = """
import sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {helpers!r}]
from bag_builder import MagentaDetector
from anon_ros.bags.storage import piece_target, sqlite_target
from anon_ros.core.settings import Settings
from anon_ros.runs.bag import BagJob, anonymize_bag

# As if two seconds and hundreds of messages had passed.
piece_target.CHECKPOINT_S = sqlite_target.CHECKPOINT_S = 0.0
sqlite_target._BATCH_ROWS = 4

class Slow(MagentaDetector):
    def detect(self, image_bgr):
        time.sleep(0.01)
        return super().detect(image_bgr)

anonymize_bag(
    BagJob(Path(sys.argv[1]), Path(sys.argv[2])), Settings(target=('face',), threads=2, seed=1),
    detector=Slow(),
)
"""


def long_bag(builder, path, storage):
    for i in range(150):
        builder.raw('/camera/image_raw', (i + 1) * 10**8, picture(squares=((10 + i % 60, 20),)))
        builder.text('/chatter', (i + 1) * 10**8 + 1, f'{i}')
    return builder.write(path, storage)


def messages_of(path):
    with AnyReader([path]) as reader:
        return [(c.topic, stamp_ns, bytes(raw)) for c, stamp_ns, raw in reader.messages()]


def start(source, target):
    code = SLOW_RUN.format(root=str(HELPERS.parents[1]), helpers=str(HELPERS))
    return subprocess.Popen([sys.executable, '-c', code, str(source), str(target)])


def kill_when(process, condition, deadline_s=60.0):
    """Kill a process as soon as the condition holds; fail if it ends or hangs before."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert process.poll() is None, 'the run ended before it could be killed'
        assert time.monotonic() < end_s, 'the run never got there'
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def lines_in(path):
    return path.read_bytes().count(b'\n') if path.exists() else 0


@pytest.mark.parametrize(('storage', 'after_frames'), [
    ('mcap', 0), ('mcap', 40), ('sqlite3', 70), ('ros1', 100),
])
def test_kill_and_resume(builder, tmp_path, storage, after_frames):
    source = long_bag(builder, tmp_path / 'source', storage)
    suffix = '.bag' if storage == 'ros1' else ''
    whole, target = tmp_path / f'whole{suffix}', tmp_path / f'target{suffix}'
    expected = anonymize_bag(BagJob(source, whole), SETTINGS, detector=MagentaDetector())
    partial = target.with_name(target.name + '.partial')
    regions = partial / 'bag' / 'anon' / 'regions.jsonl'
    kill_when(start(source, target), lambda: lines_in(regions) > after_frames)
    assert not target.exists()
    for path in [partial, *(p for p in partial.rglob('*') if p.is_dir())]:
        with pytest.raises(AnonError):
            open_bag(path)
        with pytest.raises((AnyReaderError, FileNotFoundError)), AnyReader([path]):
            pass
    with pytest.raises(OutputError, match='resume'):
        anonymize_bag(BagJob(source, target), SETTINGS, detector=MagentaDetector())
    detector = MagentaDetector()
    result = anonymize_bag(BagJob(source, target, resume=True), SETTINGS, detector=detector)
    if after_frames >= 70:
        assert detector.calls < 150, 'nothing was left to go on from'
    assert messages_of(target) == messages_of(whole)
    assert not partial.exists()
    assert result.manifest.frames == 150
    frames = list(RegionsReader(result.sidecar / 'regions.jsonl'))
    assert [frame.index for frame in frames] == list(range(0, 300, 2))
    manifest = read_manifest(result.sidecar / 'manifest.json')
    assert manifest.regions_by_kind == expected.manifest.regions_by_kind
    assert manifest.seal.root == expected.manifest.seal.root
    chains = [each / 'chain.bin' for each in (result.sidecar, expected.sidecar)]
    assert chains[0].read_bytes() == chains[1].read_bytes()


def test_other_settings_do_not_go_on(builder, tmp_path):
    source = long_bag(builder, tmp_path / 'source', 'mcap')
    target = tmp_path / 'target'
    regions = tmp_path / 'target.partial' / 'bag' / 'anon' / 'regions.jsonl'
    kill_when(start(source, target), lambda: lines_in(regions) > 10)
    other = Settings(target=('face',), threads=2, margin=0.5, seed=1)
    with pytest.raises(RegionsError, match=r'margin was 0\.15 and is 0\.5'):
        anonymize_bag(BagJob(source, target, resume=True), other, detector=MagentaDetector())


def test_a_full_disk_ends_the_run_and_leaves_no_bag(builder, tmp_path, monkeypatch):
    source = long_bag(builder, tmp_path / 'source', 'mcap')
    code = SLOW_RUN.format(root=str(HELPERS.parents[1]), helpers=str(HELPERS))
    # A limit on the size of files stands in for a disk that is full: both fail the write.
    limited = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
"""
    result = subprocess.run(
        [sys.executable, '-c', limited + code, str(source), str(tmp_path / 'target')],
        capture_output=True, text=True, check=False,
    )
    assert result.returncode != 0
    assert 'OutputError' in result.stderr
    assert not (tmp_path / 'target').exists()
