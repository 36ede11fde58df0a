# SPDX-License-Identifier: Apache-2.0
"""Writes a bag out of sight and shows it when it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.bags.storage import bag_metadata
from anon_ros.bags.storage.compression import FILE_SUFFIX, compress_file
from anon_ros.bags.storage.mcap_source import McapSource
from anon_ros.bags.storage.mcap_target import McapTarget
from anon_ros.bags.storage.partial import Partial
from anon_ros.bags.storage.ros1_source import Ros1Source
from anon_ros.bags.storage.ros1_target import Ros1Target
from anon_ros.bags.storage.sqlite_target import SqliteTarget
from anon_ros.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anon_ros.bags.storage.interface import Attachment, Connection
    from anon_ros.bags.storage.source_bag import AnySource, SourceBag

AnyTarget = McapTarget | SqliteTarget | Ros1Target


class TargetBag:
    """
    A bag being written; a context manager that leaves the partial folder behind on an error.

    path: where it will lie. source: what it is made from.
    """

    def __init__(
        self, path: Path, source: SourceBag, keep: Callable[[Connection], bool],
        keep_attachment: Callable[[Attachment], bool], *, resume: bool,
    ) -> None:
        self.path = path
        self.source = source
        self._keep = keep
        self._keep_attachment = keep_attachment
        self._partial = Partial(path, self._names(), self._identity(), is_folder=source.is_folder,
                                resume=resume)
        self._targets: dict[AnySource, AnyTarget] = {}

    def _identity(self) -> dict[str, object]:
        return {
            'source': [[file.name, (self.source.path / file.name if self.source.is_folder
                                    else self.source.path).stat().st_size]
                       for file in self.source.files],
            'choice of topics': sorted({each.topic for each in self.source.connections
                                        if self._keep(each)}),
        }

    @property
    def sidecar_path(self) -> Path:
        """Where the sidecar folder grows: make it, and it is published with the bag."""
        return self._partial.sidecar

    def file(self, source_file: AnySource) -> AnyTarget:
        """Return the target of a source file, opened at first use."""
        if source_file not in self._targets:
            self._targets[source_file] = self._open(source_file)
        return self._targets[source_file]

    def _open(self, file: AnySource) -> AnyTarget:
        path = self._partial.part_path(file.name.removesuffix(FILE_SUFFIX))
        state = self._partial.state_path(file.name)
        if isinstance(file, McapSource):
            return McapTarget(file, path, state, self._keep, self._keep_attachment,
                              self._rewrite_metadata)
        if isinstance(file, Ros1Source):
            return Ros1Target(file, path, state, self._keep)
        return SqliteTarget(file, path, state, self._keep, self._keep_attachment,
                            self._rewrite_metadata)

    def _rewrite_metadata(self, text: str, target: McapTarget | SqliteTarget) -> str:
        return bag_metadata.rewrite_embedded(
            text, target.source, target.tally, self._kept_topics())

    def _kept_topics(self) -> set[str]:
        return {each.topic for each in self.source.connections if self._keep(each)}

    def finish(self) -> None:
        """
        Complete all files and publish the bag.

        Raises OutputError when messages are missing, or when it cannot be written.
        """
        self.complete()
        self.publish()

    def complete(self) -> None:
        """
        Complete all files.

        Raises OutputError when messages are missing, or when it cannot be written.
        """
        for file in self.source.files:
            self.file(file).finish()
            self._pack(file)
        if self.source.information is not None:
            self._write_metadata(self.source.information)

    def parts(self) -> dict[str, Path]:
        """Return where the files lie until they are published, by the names they get."""
        names = self._names()
        if self.source.is_folder:
            return {name: self._partial.part_path(name) for name in names}
        # A lone file is published under the target's name, whatever the source's was.
        return {self.path.name: self._partial.part_path(names[0])}

    def publish(self) -> None:
        """
        Show the completed bag.

        A folder comes to its place by one rename; a lone file behind its sidecar folder.
        Raises OutputError when it cannot be written.
        """
        if self.source.is_folder:
            self._partial.publish_folder(self._names())
        else:
            self._partial.publish_file(self.source.files[0].name)

    def _names(self) -> list[str]:
        names = [file.name for file in self.source.files]
        return names if self.source.information is None else [*names, bag_metadata.NAME]

    def _pack(self, file: AnySource) -> None:
        """Compress a finished file as a whole where the source is."""
        raw = self._partial.part_path(file.name.removesuffix(FILE_SUFFIX))
        if not file.name.endswith(FILE_SUFFIX) or not raw.exists():
            return
        packed = self._partial.part_path(file.name)
        beside = packed.with_name(packed.name + '.new')
        compress_file(raw, beside)
        beside.replace(packed)
        raw.unlink()

    def _write_metadata(self, information: bag_metadata.Information) -> None:
        data = (self.source.path / bag_metadata.NAME).read_bytes()
        drops = any(target.drops for target in self._targets.values())
        if drops or self.source.lacks_files:
            files = [(file, self.file(file).tally, file.name) for file in self.source.files]
            data = bag_metadata.dump(bag_metadata.rebuild(
                information, files, self._kept_topics())).encode()
        path = self._partial.part_path(bag_metadata.NAME)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(f'{path}: cannot be written ({error.strerror})') from error

    def close(self) -> None:
        """Let go of everything; what is unfinished stays in the partial folder."""
        for target in self._targets.values():
            target.close()
        self._partial.close()

    def __enter__(self) -> TargetBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def create_bag(
    target_path: Path | str, source: SourceBag, *, keep: Callable[[Connection], bool],
    keep_attachment: Callable[[Attachment], bool], resume: bool = False,
) -> TargetBag:
    """
    Begin to write a bag, or go on where an earlier run stopped.

    keep: tells which connections stay. keep_attachment: tells which attachments stay; there is
    no default, because they may hold images.
    Raises OutputError when the target exists, cannot be written, or when there is an unfinished
    run and `resume` is not set.
    """
    return TargetBag(Path(target_path), source, keep, keep_attachment, resume=resume)
