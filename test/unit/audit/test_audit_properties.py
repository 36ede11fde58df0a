# SPDX-License-Identifier: Apache-2.0
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.audit.manifest import BagRecord, FileRecord, Manifest, ModelRecord, TopicRecord
from anon_ros.audit.recorder import RunRecorder
from anon_ros.audit.report import Pictures, render_report
from anon_ros.audit.tally import MAX_BINS
from anon_ros.core.regions import Kind, Regions

FACE = Regions.of([[0, 0, 9, 30]], Kind.FACE)
STAMP = st.integers(-2**63, 2**64 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | STAMP | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def valid_manifest():
    recorder = RunRecorder()
    recorder.frame('/cam', 5, FACE, 'anonymized')
    recorder.frame('/cam', 9, Regions.empty(), 'masked', 'why')
    recorder.timing('detect', 0.25)
    camera = recorder.counts()['/cam']
    manifest = Manifest(
        '1', ('a',), 's', 'f', 1.0, {'cells': 6, 'target': ['face']}, (ModelRecord('m', 'h'),),
        BagRecord('a', 'mcap', 'x', 1, 2, 3), BagRecord('b', 'mcap', files=(FileRecord('c', 4),)),
        (TopicRecord('/cam', 't', 'anonymized', 2, camera),
         TopicRecord('/no', 't', 'dropped', 4, dropped={'asked': 4})),
        recorder.timings(), FileRecord('r', 7, 'cd'),
    )
    return json.loads(manifest.to_json())


def places(value, path=()):
    """Return the path of each value in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*path, key))


VALID = valid_manifest()
PLACES = list(places(VALID))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), PLAIN)
def test_a_manifest_with_one_odd_value_is_refused_or_rendered(path, value):
    content = json.loads(json.dumps(VALID))
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    try:
        manifest = Manifest.from_json(json.dumps(content))
    except ValueError:
        return
    assert render_report(manifest, Pictures()).endswith('</html>')


@settings(max_examples=200, deadline=None)
@given(st.lists(STAMP | st.integers(0, 10**11), min_size=1, max_size=40))
def test_every_frame_is_in_the_bin_of_its_stamp(stamps):
    recorder = RunRecorder()
    for stamp_ns in stamps:
        recorder.frame('/cam', stamp_ns, FACE, 'anonymized')
    series = recorder.counts()['/cam'].over_time
    assert len(series.frames) <= MAX_BINS
    expected = [0] * len(series.frames)
    for stamp_ns in stamps:
        expected[(stamp_ns - series.start_ns) // series.bin_ns] += 1
    assert series.frames == series.regions['face'] == tuple(expected)
