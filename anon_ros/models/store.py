# SPDX-License-Identifier: Apache-2.0
"""Where the weights are: in an offline folder, a Python package, the cache, or still to fetch."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from anon_ros.errors import ModelError
from anon_ros.models.cards import CARDS, PackageSource, ShippedSource, WebSource, card
from anon_ros.models.download import fetch_from_package, fetch_from_web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anon_ros.models.cards import ModelCard

OFFLINE_VARIABLE = 'ANON_ROS_MODELS'
CACHE_VARIABLE = 'ANON_ROS_CACHE'
_PACKAGE_DIR = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ModelStatus:
    """
    How one network's weights stand.

    path: where they are, or None where they are nowhere. problem: '' where they are in order.
    """

    card: ModelCard
    path: Path | None
    problem: str = ''

    @property
    def is_ready(self) -> bool:
        """Whether the weights are there and have the right hash."""
        return self.path is not None and not self.problem


class ModelStore:
    """
    Gives the weights of a network as a file whose hash was checked.

    Searches the offline folder, anon_ros itself, the installed Python packages and the cache, in
    this order, and fetches what is in none of them. Safe from several threads and processes: a
    file gets its name only when it is whole.
    """

    def __init__(
        self,
        cache_dir: Path | None = None,
        offline_dir: Path | None = None,
        *,
        cards: Mapping[str, ModelCard] = CARDS,
    ) -> None:
        """
        Use the given folders, by default those of the environment.

        cache_dir: ANON_ROS_CACHE, or anon_ros/models in the user's cache folder.
        offline_dir: ANON_ROS_MODELS, or none.
        """
        offline = os.environ.get(OFFLINE_VARIABLE)
        self.cache_dir = cache_dir or _default_cache_dir()
        self.offline_dir = offline_dir or (Path(offline) if offline else None)
        self._cards = cards
        self._used: dict[str, ModelCard] = {}

    def path(self, name: str) -> Path:
        """
        Return the file of the network's weights; fetch it where it is not there yet.

        Raises ModelError: the name is unknown, the hash is wrong, or it cannot be fetched.
        """
        wanted = self._card(name)
        status = self._find(wanted)
        if status.problem:
            raise ModelError(status.problem)
        path = status.path or self._fetch(wanted)
        self._used[name] = wanted
        return path

    def add(self, brought: ModelCard) -> None:
        """Count weights that the user named a file of among those that are used."""
        self._used[brought.name] = brought

    @property
    def used(self) -> tuple[ModelCard, ...]:
        """The cards of all networks whose weights were asked for and found, in that order."""
        return tuple(self._used.values())

    def verify(self, names: Iterable[str] | None = None) -> list[ModelStatus]:
        """Return how the weights stand, of all networks or the named ones; fetch nothing."""
        return [self._find(self._card(name)) for name in names or self._cards]

    def pull(self, names: Iterable[str] | None = None) -> list[ModelStatus]:
        """
        Fetch what is missing or damaged in the cache; return how all stand afterwards.

        A file that cannot be fetched does not keep the others from it: its status says why.
        """
        return [self._pull(self._card(name)) for name in names or self._cards]

    def _pull(self, wanted: ModelCard) -> ModelStatus:
        status = self._find(wanted)
        is_ours_to_replace = status.path in (None, self.cache_dir / wanted.file)
        if status.is_ready or not is_ours_to_replace or isinstance(wanted.source, ShippedSource):
            return status
        try:
            return ModelStatus(wanted, self._fetch(wanted))
        except ModelError as error:
            return ModelStatus(wanted, None, str(error))

    def _card(self, name: str) -> ModelCard:
        return self._cards[name] if name in self._cards else card(name)

    def _find(self, wanted: ModelCard) -> ModelStatus:
        if self.offline_dir is not None and (self.offline_dir / wanted.file).exists():
            return _checked(wanted, self.offline_dir / wanted.file)
        if isinstance(wanted.source, ShippedSource):
            return self._find_shipped(wanted, wanted.source)
        if isinstance(wanted.source, PackageSource):
            installed = _installed_member(wanted.source)
            # Another version of the package may hold other weights: only the right ones count.
            if installed is not None and _checked(wanted, installed).is_ready:
                return ModelStatus(wanted, installed)
        cached = self.cache_dir / wanted.file
        return _checked(wanted, cached) if cached.exists() else ModelStatus(wanted, None)

    def _find_shipped(self, wanted: ModelCard, source: ShippedSource) -> ModelStatus:
        shipped = _PACKAGE_DIR / source.member
        if shipped.exists():
            return _checked(wanted, shipped)
        return ModelStatus(
            wanted, None, f'{shipped} is missing: this installation of anon_ros is incomplete')

    def _fetch(self, wanted: ModelCard) -> Path:
        target = self.cache_dir / wanted.file
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.cache_dir, prefix=f'.{wanted.file}.')
            os.close(handle)
        except OSError as error:
            raise ModelError(
                f'the model cache {self.cache_dir} cannot be written: {error}; '
                f'set {CACHE_VARIABLE} to another folder'
            ) from error
        partial = Path(name)
        try:
            self._fetch_into(wanted, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _fetch_into(self, wanted: ModelCard, partial: Path) -> None:
        try:
            if isinstance(wanted.source, WebSource):
                fetch_from_web(wanted.source, partial)
            elif isinstance(wanted.source, PackageSource):
                fetch_from_package(wanted.source, partial)
        except ModelError as error:
            raise ModelError(f'{error}. {self._by_hand(wanted)}') from error
        found = _sha256(partial)
        if not found.startswith(wanted.sha256):
            raise ModelError(
                f'{wanted.source} has sha256 {found}, expected {wanted.sha256}: it was changed '
                f'or cut short on its way, and is not used. {self._by_hand(wanted)}'
            )

    def _by_hand(self, wanted: ModelCard) -> str:
        folder = self.offline_dir or f'a folder that {OFFLINE_VARIABLE} names'
        return (
            f"To provide the model '{wanted.name}' by hand, get {wanted.source} "
            f'(sha256 {wanted.sha256}) and put it into {folder} as {wanted.file}'
        )


def _default_cache_dir() -> Path:
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own)
    users = os.environ.get('XDG_CACHE_HOME')
    return (Path(users) if users else Path.home() / '.cache') / 'anon_ros' / 'models'


def _installed_member(source: PackageSource) -> Path | None:
    try:
        found = Path(str(metadata.distribution(source.package).locate_file(source.member)))
    except metadata.PackageNotFoundError:
        return None
    return found if found.is_file() else None


def _checked(wanted: ModelCard, path: Path) -> ModelStatus:
    try:
        found = _sha256(path)
    except OSError as error:
        return ModelStatus(wanted, path, f'{path} cannot be read: {error}')
    if found.startswith(wanted.sha256):
        return ModelStatus(wanted, path)
    problem = (
        f"{path} has sha256 {found}, expected {wanted.sha256} for the model '{wanted.name}': "
        f'delete it, or fetch it again with: anon-ros models pull {wanted.name}'
    )
    return ModelStatus(wanted, path, problem)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
