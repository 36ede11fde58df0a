# SPDX-License-Identifier: Apache-2.0
"""
Who works on a bag: a lease beside the results that is renewed while the work goes on.

    .anon-fleet/leases/<bag>.lease/000001    who, and how often it was renewed

A lease that has not changed for a while is stale, and whoever sees that takes the next number. It
counts only if then no other lease is there but the stale ones; where two try at once, both step
back. Clocks are not compared: a watcher counts the time during which he sees no change. That needs
nothing of a store but that one of several creators of a name succeeds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.errors import AnonError
from anon_ros.fleet.bags import STATE_FOLDER

if TYPE_CHECKING:
    from anon_ros.fleet.place import Place

BEAT_S = 10.0
STALE_S = 60.0
"""Without a change for as long, a lease's owner is taken for dead."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a bag; name: of its file in the target. token: whose it is."""

    bag: str
    name: str
    token: str

    def is_held(self, target: Place) -> bool:
        """Return whether it is still the last one, and this owner's."""
        last = max(_leases(target, self.bag), default='')
        data = target.read(self.name) if last == self.name else None
        return data is not None and _token(data) == self.token


@dataclass
class _Seen:
    """A lease of somebody else, and since when it has looked like this, by our own clock."""

    data: bytes
    since_s: float


@dataclass
class Leases:
    """
    The leases that one run holds on a target, and what it has seen of others'.

    stale_s: see STALE_S; beat_s: how often its own ones are renewed.
    """

    target: Place
    beat_s: float = BEAT_S
    stale_s: float = STALE_S
    _held: dict[str, Lease] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _beats: int = 0
    _lost: set[str] = field(default_factory=set)

    def __enter__(self) -> Leases:
        self._thread = threading.Thread(target=self._beat, name='anon-lease', daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for bag in list(self._held):
            # A store that is gone: they go stale. What ends the run matters more.
            with contextlib.suppress(AnonError):
                self.release(bag)

    def acquire(self, bag: str) -> Lease | None:
        """
        Return a lease on a bag; None while somebody else works on it.

        Whoever gets one has to look again at the bag's state: its last owner may have finished.
        """
        before = _leases(self.target, bag)
        if not all(self._is_stale(name) for name in before):
            return None
        number = int(max(before, default='0').rpartition('/')[2]) + 1
        lease = Lease(bag, f'{_folder(bag)}/{number:06d}', uuid.uuid4().hex)
        if not self.target.create(lease.name, self._content(lease)):
            return None
        rivals = [name for name in _leases(self.target, bag) if name not in before]
        if rivals != [lease.name] or not all(self._is_stale(name) for name in before):
            self.target.remove(lease.name)
            return None
        with self._lock:
            self._held[bag] = lease
        for name in [*before, *_half_written(self.target, bag)]:
            self.target.remove(name)
        return lease

    def release(self, bag: str) -> None:
        """Give a bag back."""
        with self._lock:
            lease = self._held.pop(bag, None)
            if lease is not None and lease.is_held(self.target):
                self.target.remove(lease.name)

    def lost(self) -> set[str]:
        """Return the bags that somebody else has taken over, each once."""
        with self._lock:
            lost, self._lost = self._lost, set()
        return lost

    def _is_stale(self, name: str) -> bool:
        data = self.target.read(name)
        if data is None:
            # It was given back this very moment: what it says of the bag is not known yet.
            return False
        seen = self._seen.get(name)
        if seen is None or seen.data != data:
            seen = self._seen[name] = _Seen(data, time.monotonic())
        return time.monotonic() - seen.since_s >= self.stale_s or _is_dead(data)

    def _beat(self) -> None:
        while not self._stop.wait(self.beat_s):
            self._beats += 1
            for bag in list(self._held):
                # What is given back meanwhile must not be written again.
                with self._lock:
                    self._renew(bag)

    def _renew(self, bag: str) -> None:
        lease = self._held.get(bag)
        if lease is None:
            return
        try:
            if lease.is_held(self.target):
                self.target.write(lease.name, self._content(lease))
                return
        except AnonError:
            # The store is not there at present: the next beat tries again.
            return
        del self._held[bag]
        self._lost.add(bag)

    def _content(self, lease: Lease) -> bytes:
        return json.dumps({
            'token': lease.token, 'beat': self._beats, 'host': socket.gethostname(),
            'machine': _machine(), 'pid': os.getpid(), 'started': _start_of(os.getpid()),
        }).encode()


def _folder(bag: str) -> str:
    return f'{STATE_FOLDER}/leases/{bag}.lease'


def _leases(target: Place, bag: str) -> list[str]:
    return sorted(file.name for file in target.files(_folder(bag))
                  if file.name.rpartition('/')[2].isdecimal())


def _half_written(target: Place, bag: str) -> list[str]:
    """Return what whoever died while writing a lease has left, see LocalPlace."""
    return [file.name for file in target.files(_folder(bag))
            if file.name.rpartition('/')[2].startswith('.')]


def _token(data: bytes) -> str:
    try:
        return str(json.loads(data)['token'])
    except (ValueError, KeyError, TypeError):
        return ''


def _is_dead(data: bytes) -> bool:
    """Return whether an owner on this very machine has ended: nobody has to wait for it."""
    try:
        owner = json.loads(data)
        pid, machine, started = owner['pid'], owner['machine'], owner['started']
    except (ValueError, KeyError, TypeError):
        return False
    return bool(machine) and machine == _machine() and _start_of(pid) != started


def _machine() -> str:
    """Return what is the same for processes that see each other's numbers; '' where unknown."""
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()
        return f'{boot} {Path("/proc/self/ns/pid").readlink()}'
    except OSError:
        return ''


def _start_of(pid: object) -> str:
    """Return when a process began, as the kernel counts; '' where there is none."""
    try:
        stat = Path(f'/proc/{int(str(pid))}/stat').read_text(encoding='utf-8', errors='replace')
    except (OSError, ValueError):
        return ''
    # The name in parentheses may hold anything; the 20th field after it is the start time.
    fields = stat.rpartition(')')[2].split()
    return '' if fields[0] in {'Z', 'X'} else fields[19]
