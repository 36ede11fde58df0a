# SPDX-License-Identifier: Apache-2.0
"""One review: what may be asked of it, and what may be done in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from anon_ros.core import settings as settings_module
from anon_ros.core.regions import NO_TRACK, Kind, Origin
from anon_ros.errors import UsageError
from anon_ros.review import views
from anon_ros.review.corrections import CORRECTIONS_NAME, write_corrections
from anon_ros.review.edits import Edit, Path, Turn
from anon_ros.review.following import Footage, Limits, Trace, trace
from anon_ros.review.queue import build_queue, doubtful
from anon_ros.review.views import FrameKey

if TYPE_CHECKING:
    from anon_ros.review.commands import Command
    from anon_ros.review.edits import Drawn, State
    from anon_ros.review.flow import Box
    from anon_ros.review.journal import Journal
    from anon_ros.review.pictures import Pictures
    from anon_ros.review.queue import QueueItem
    from anon_ros.review.result import Result, Stream

LEAST_BOX_PX = 2.0


@dataclass(frozen=True)
class Material:
    """
    What is reviewed and shown.

    before: the pictures of the source; None where it was not given: then nothing that is hidden
    is ever read, and nothing can be struck.
    """

    result: Result
    after: Pictures
    before: Pictures | None


class Session:
    """A reviewer at a result. Safe from several threads at once."""

    def __init__(self, material: Material, journal: Journal, reviewer: str) -> None:
        """Take an open journal, which is not closed here; reviewer: who it is."""
        self._material = material
        self._result = material.result
        self._journal = journal
        self._reviewer = reviewer
        self._lock = threading.Lock()
        self._settings = settings_module.from_mapping(self._result.manifest.settings)
        self._queue = build_queue(self._result)
        self._saved_at = ''
        self._save()

    @property
    def has_source(self) -> bool:
        """Whether the pictures before can be shown, and regions struck."""
        return self._material.before is not None

    def overview(self) -> dict[str, Any]:
        """Return what is reviewed, by whom, and how far it is."""
        state = self._journal.state
        return {
            'name': self._result.path.name, 'kind': self._result.kind,
            'reviewer': self._reviewer, 'has_source': self.has_source,
            'streams': [views.stream_view(stream) for stream in self._result.streams],
            'kinds': [kind.label for kind in Kind],
            'targets': list(self._settings.target), **self._progress(state),
        }

    def queue(self) -> list[dict[str, Any]]:
        """Return what is worth a look, the riskiest first."""
        state = self._journal.state
        return views.queue_view(self._items(state), self._result, state)

    def timeline(self, stream_id: int, bins: int) -> dict[str, Any]:
        """Return a stream over time; raise UsageError where there is no such stream."""
        stream = self._stream(stream_id)
        state = self._journal.state
        scores = {
            item.number: item.score for item in reversed(self._items(state))
            if item.stream == stream_id
        }
        return views.timeline_view(stream, scores, state, bins)

    def frame(self, stream_id: int, number: int) -> dict[str, Any]:
        """Return what is known of a frame; raise UsageError where there is none."""
        key = self._key(stream_id, number)
        frame = self._result.regions(key.stream, number)
        return views.frame_view(key, frame, self._settings.margin, self._journal.state)

    def track(self, stream_id: int, track: int) -> dict[str, Any]:
        """Return where a track is; raise UsageError where there is none."""
        stream = self._stream(stream_id)
        if track not in stream.tracks:
            raise UsageError(f'there is no track {track}')
        return views.track_view(stream, track)

    def picture(self, stream_id: int, number: int, *, before: bool, width: int = 0) -> bytes:
        """
        Return a frame as JPEG; before: of the source. width: of a thumbnail, 0 for all pixels.

        Raises UsageError where there is no such frame or no source, FrameError where the frame
        has nothing to show.
        """
        stream = self._key(stream_id, number).stream
        pictures = self._material.before if before else self._material.after
        if pictures is None:
            raise UsageError('the pictures before are not there: start with --source')
        if width:
            return pictures.thumbnail(stream, number, width)
        return pictures.jpeg(stream, number)

    def act(self, command: Command) -> dict[str, Any]:
        """
        Do what a reviewer asks for; it is saved when this returns.

        Raises UsageError where it cannot be done.
        """
        with self._lock:
            edit = self._edit(command)
            self._journal.append(edit)
            self._save()
            return self._done(edit)

    def turn(self, *, is_undone: bool) -> dict[str, Any]:
        """Undo the last edit, or do again what was undone last; raise UsageError if none."""
        with self._lock:
            state = self._journal.state
            edits = state.alive if is_undone else state.undone
            if not edits:
                raise UsageError(f'there is nothing to {"undo" if is_undone else "do again"}')
            self._journal.append(Turn(edits[-1].id, is_undone, self._reviewer, now()))
            self._save()
            return self._done(edits[-1])

    def follow(self, stream_id: int, track: int) -> dict[str, Any]:
        """
        Follow a drawn region through time; it may take seconds.

        Raises UsageError where there is no such region, or it was changed meanwhile.
        """
        stream = self._stream(stream_id)
        drawn = self._drawn(stream, track)
        found = self._trace(stream, drawn)
        with self._lock:
            now = self._journal.state.drawn.get((stream.name, track))
            if now is None or now.digest != drawn.digest:
                raise UsageError('the region was changed while it was followed')
            self._journal.append(Path(
                stream.name, track, drawn.digest,
                {str(stream.indices[number]): box for number, box in found.boxes.items()},
                {str(stream.indices[number]): why for number, why in found.doubts.items()},
            ))
            self._save()
            return {'track': track, 'frames': len(found.boxes), 'doubts': len(found.doubts),
                    **self._progress(self._journal.state)}

    def follow_all(self) -> None:
        """Follow what was drawn and not followed yet."""
        for (name, track), drawn in self._journal.state.drawn.items():
            stream = next(each for each in self._result.streams if each.name == name)
            if stream.is_sequence and not drawn.is_followed:
                self.follow(stream.number, track)

    def open_doubts(self) -> int:
        """Return in how many frames a drawn region is doubtful and nobody has accepted it."""
        state = self._journal.state
        return sum(not self._is_accepted(item, state) for item in doubtful(self._result, state))

    def _edit(self, command: Command) -> Edit:
        key = self._key(command.stream, command.frame)
        fields: dict[str, Any] = {'track': NO_TRACK, 'kind': '', 'box': ()}
        if command.action == 'draw':
            fields = {'track': self._new_track(key.stream), 'kind': command.kind,
                      'box': self._box(key, command.box)}
        elif command.action == 'strike':
            fields = self._struck(key, command)
        elif command.action != 'accept':
            drawn = self._drawn(key.stream, command.track)
            box = self._box(key, command.box) if command.action == 'move' else ()
            fields = {'track': command.track, 'kind': drawn.drawn_by.kind, 'box': box}
        return Edit(
            self._journal.next_id, command.action, self._reviewer, now(), key.stream.name,
            key.index, side=command.side, **fields,
        )

    def _struck(self, key: FrameKey, command: Command) -> dict[str, Any]:
        """Return what a strike names; it shows the original, so it takes the source."""
        if not self.has_source:
            raise UsageError(
                'striking a region shows what is under it, so the original has to be there: '
                'start with --source'
            )
        if not command.is_confirmed:
            raise UsageError('striking a region shows what is under it: it has to be confirmed')
        regions = self._result.regions(key.stream, key.number).regions
        if not 0 <= command.region < len(regions):
            raise UsageError(f'there is no region {command.region} in this frame')
        if regions.origins[command.region] == Origin.MANUAL:
            raise UsageError('what a person drew is never struck')
        kind = Kind(int(regions.kinds[command.region])).label
        track = int(regions.track_ids[command.region])
        if track != NO_TRACK:
            if (key.stream.name, track) in self._journal.state.struck:
                raise UsageError(f'track {track} is struck already')
            return {'track': track, 'kind': kind, 'box': ()}
        box = tuple(regions.boxes_xyxy[command.region].tolist())
        return {'track': NO_TRACK, 'kind': kind, 'box': box}

    def _box(self, key: FrameKey, box: Box) -> Box:
        """Return a drawn box inside the frame; raise UsageError where it is too small."""
        if key.stream.is_withheld[key.number]:
            raise UsageError('the frame is withheld: there is nobody to be seen in it')
        width, height = self._result.regions(key.stream, key.number).size_wh
        x_min, x_max = sorted((min(max(box[0], 0), width), min(max(box[2], 0), width)))
        y_min, y_max = sorted((min(max(box[1], 0), height), min(max(box[3], 0), height)))
        if x_max - x_min < LEAST_BOX_PX or y_max - y_min < LEAST_BOX_PX:
            raise UsageError(f'a region is at least {LEAST_BOX_PX:g} px wide and high')
        return x_min, y_min, x_max, y_max

    def _new_track(self, stream: Stream) -> int:
        tracks = [edit.track for edit in self._journal.edits if edit.stream == stream.name]
        return max([stream.next_track, *(track + 1 for track in tracks)])

    def _trace(self, stream: Stream, drawn: Drawn) -> Trace:
        keys = {
            number: box for index, box in drawn.keys.items()
            for number in [stream.find(index)] if number is not None
        }
        if not stream.is_sequence:
            return Trace(keys, {})
        footage = Footage(
            stream.log_ns, lambda number: self._material.after.image_bgr(stream, number),
            lambda number: self._result.regions(stream, number).regions,
            self._settings.carry_s,
        )
        first = None if drawn.first is None else stream.find(drawn.first)
        last = None if drawn.last is None else stream.find(drawn.last)
        return trace(footage, keys, Limits(first, last))

    def _drawn(self, stream: Stream, track: int) -> Drawn:
        drawn = self._journal.state.drawn.get((stream.name, track))
        if drawn is None:
            raise UsageError(f'track {track} was not drawn in this review')
        return drawn

    def _key(self, stream_id: int, number: int) -> FrameKey:
        stream = self._stream(stream_id)
        if not 0 <= number < len(stream):
            raise UsageError(f'there is no frame {number}')
        return FrameKey(stream, number)

    def _stream(self, stream_id: int) -> Stream:
        if not 0 <= stream_id < len(self._result.streams):
            raise UsageError(f'there is no camera {stream_id}')
        return self._result.streams[stream_id]

    def _save(self) -> None:
        """Bring the corrections in line with the journal."""
        write_corrections(
            self._result.sidecar / CORRECTIONS_NAME, self._result, self._journal.state)
        self._saved_at = now()

    def _done(self, edit: Edit) -> dict[str, Any]:
        stream = next(each for each in self._result.streams if each.name == edit.stream)
        return {
            'edit': edit.id, 'action': edit.action, 'track': edit.track, 'stream': stream.number,
            'number': stream.find(edit.index), **self._progress(self._journal.state),
        }

    def _progress(self, state: State) -> dict[str, Any]:
        items = self._items(state)
        seen = sum(self._is_accepted(item, state) for item in items)
        return {
            'saved_at': self._saved_at, 'pending': sum(e.action != 'accept' for e in state.alive),
            'can_undo': bool(state.alive), 'can_redo': bool(state.undone),
            'queue_length': len(items), 'queue_seen': seen,
        }

    def _items(self, state: State) -> list[QueueItem]:
        return [*doubtful(self._result, state), *self._queue]

    def _is_accepted(self, item: QueueItem, state: State) -> bool:
        stream = self._result.streams[item.stream]
        return (stream.name, stream.indices[item.number]) in state.accepted


def now() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
