# SPDX-License-Identifier: Apache-2.0
"""Open a result, and its source where it is given, so that their pictures can be looked at."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from anon_ros.audit.chain import ChainReader, Fate
from anon_ros.audit.manifest import CHAIN_NAME
from anon_ros.bags.storage import open_bag
from anon_ros.core import settings as settings_module
from anon_ros.errors import InputError
from anon_ros.review.bag_frames import BagFrames
from anon_ros.review.pictures import ImageReader, Pictures, VideoReader
from anon_ros.review.result import BAG, open_result
from anon_ros.review.session import Material
from anon_ros.runs.images import TOPIC as IMAGES
from anon_ros.runs.images import images_source
from anon_ros.runs.records import source_record
from anon_ros.runs.result_frames import opening_tools
from anon_ros.runs.sidecar import files_source
from anon_ros.runs.verify import plan_of
from anon_ros.runs.video import TOPIC as VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anon_ros.bags.jobs import Tools
    from anon_ros.bags.storage import SourceBag
    from anon_ros.review.pictures import Reader
    from anon_ros.review.result import Result


@contextmanager
def open_material(
    path: Path, source: Path | None, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Iterator[Material]:
    """
    Yield a result and its pictures, and those of its source where it is given.

    progress: called with what is read, messages done, and in all.
    Raises InputError where something cannot be read, where the result was changed since it was
    made, or where the source is another recording.
    """
    result = open_result(path)
    with ExitStack() as stack:
        if source is not None:
            check_source(result, source)
        after = _reader(result, path, stack, progress, is_source=False)
        before = None if source is None else _reader(
            result, source, stack, progress, is_source=True)
        yield Material(result, Pictures(after), None if before is None else Pictures(before))


def check_source(result: Result, source: Path) -> None:
    """Raise RegionsError, with what differs, where a result was made from something else."""
    if result.kind == IMAGES:
        found = images_source(source)
    elif result.kind == VIDEO:
        found = files_source(source, [source], VIDEO)
    else:
        with open_bag(source) as bag:
            found = source_record(bag, plan_of(result.manifest))
    result.index.reader.check_source(found)


def bag_frames(
    result: Result, bag: SourceBag, tools: Tools, progress: Callable[[int, int], None], *,
    is_source: bool,
) -> BagFrames:
    """Return the frames of a result's bag, or of its source's."""
    indices = itertools.count() if is_source else kept_indices(result)
    return BagFrames(bag, result.streams, tools, indices, progress=progress)


def kept_indices(result: Result) -> Iterator[int]:
    """
    Yield, for each message of a result's bag, its index among those of the source.

    Raises InputError where the result has no chain, which tells.
    """
    path = result.sidecar / CHAIN_NAME
    if not path.exists():
        raise InputError(
            f'{result.path}: it has no {CHAIN_NAME}: it was made by an older version; make it '
            'again with `anon-ros bag --regions`'
        )
    for index, record in enumerate(ChainReader(path)):
        if Fate(record.fate).is_kept:
            yield index


def _reader(
    result: Result, path: Path, stack: ExitStack,
    progress: Callable[[str, int, int], None], *, is_source: bool,
) -> Reader:
    settings = settings_module.from_mapping(result.manifest.settings)
    if result.kind == BAG:
        bag = stack.enter_context(open_bag(path))
        return bag_frames(
            result, bag, opening_tools(settings, [each.name for each in result.streams]),
            lambda done, total: progress(path.name, done, total), is_source=is_source,
        )
    if result.kind == VIDEO:
        return VideoReader(path)
    return ImageReader(path, int(settings.max_megapixels * 1e6))
