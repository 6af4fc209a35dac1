# SPDX-License-Identifier: Apache-2.0
"""The interfaces that are defined: files of the host's configurator, read when somebody asks."""

from __future__ import annotations

import logging
from pathlib import Path

from virloom.drivers.interface.configurators.configurator import Configurator, Foreign
from virloom.drivers.interface.documents import document_in
from virloom.drivers.interface.validate import parts_of
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.host.files import ensure_directory, remove_temporaries, sync_directory, write_atomic
from virloom.model.interface import HostInterface

logger = logging.getLogger(__name__)

#: Path, time of change in nanoseconds, and size: what tells whether a file must be read again.
_Stamp = tuple[int, int, int]


class Definitions:
    """Ours and the administrators'.

    Args:
        configurator: Whose files they are.
    """

    def __init__(self, configurator: Configurator) -> None:
        self._configurator = configurator
        self._read: dict[str, tuple[_Stamp, HostInterface | None]] = {}

    def ours(self) -> dict[str, HostInterface]:
        """The documents by the names of their interfaces.

        Files whose documents are spoilt do not count, and are left alone.
        """
        found: dict[str, tuple[_Stamp, HostInterface | None]] = {}
        for path in self._paths():
            stamp = _stamp(path)
            if stamp is None:
                continue
            known = self._read.get(path.name)
            found[path.name] = known if known and known[0] == stamp else (stamp, _document(path))
        self._read = found
        return {model.name or "": model for _, model in found.values() if model is not None}

    def foreign(self) -> dict[str, Foreign]:
        """What administrators have configured."""
        return dict(self._configurator.foreign())

    def all(self) -> dict[str, HostInterface]:
        """Ours and theirs; of one that both have, theirs."""
        foreign = {name: one.model for name, one in self.foreign().items()}
        return {**self.ours(), **foreign}

    def parts(self) -> dict[str, str]:
        """The names of those that are parts of others of ours, and whose."""
        return {part: name for name, model in self.ours().items() for part in parts_of(model)}

    def write(self, model: HostInterface) -> None:
        """Defines an interface, or defines it anew; its parts lose definitions of their own.

        Raises:
            SystemFailure: It cannot be written; then what was there is there.
        """
        ensure_directory(self._configurator.directory, 0o755)
        files = self._configurator.files(model)
        before = self._files_of(model.name or "")
        for name, text in reversed(files.items()):  # the one with the document comes last
            self._write(name, text)
        self._remove(before - set(files))
        for part in parts_of(model):
            self.remove(part)

    def remove(self, name: str) -> None:
        """Undefines an interface; one that is not defined is none.

        Raises:
            SystemFailure: It cannot be removed.
        """
        self._remove(self._files_of(name))

    # -- all at once ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, str]:
        """All files of ours, by name."""
        return {path.name: path.read_text() for path in self._paths()}

    def restore(self, snapshot: dict[str, str]) -> None:
        """Makes the files of ours those of an earlier :meth:`snapshot`."""
        ensure_directory(self._configurator.directory, 0o755)
        present = self.snapshot()
        for name, text in snapshot.items():
            if present.get(name) != text:
                self._write(name, text)
        self._remove(set(present) - set(snapshot))

    def tidy(self) -> None:
        """Removes what a killed writer has left."""
        directory = self._configurator.directory
        if directory.is_dir():
            remove_temporaries(directory)
        ours = self.ours()
        for part in self.parts():
            if part in ours:
                self.remove(part)

    # -- files ---------------------------------------------------------------------------------

    def _paths(self) -> list[Path]:
        try:
            found = sorted(self._configurator.directory.iterdir())
        except OSError:
            return []
        return [path for path in found if self._configurator.is_ours(path.name)]

    def _files_of(self, name: str) -> set[str]:
        """The files that are of an interface: those that its document makes."""
        model = self.ours().get(name)
        return set() if model is None else set(self._configurator.files(model))

    def _write(self, name: str, text: str) -> None:
        path = self._configurator.directory / name
        write_atomic(path, text.encode(), self._configurator.mode)

    def _remove(self, names: set[str]) -> None:
        directory = self._configurator.directory
        try:
            for name in names:
                (directory / name).unlink(missing_ok=True)
            if names:
                sync_directory(str(directory))
        except OSError as exc:
            raise system_failure(
                f"cannot remove files of '{directory}'", exc, domain=ErrorDomain.INTERFACE
            ) from exc


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None  # it has just gone
    return found.st_ino, found.st_mtime_ns, found.st_size


def _document(path: Path) -> HostInterface | None:
    try:
        return document_in(path.read_text(errors="replace"))
    except OSError as exc:
        logger.warning("%s: %s", path, exc.strerror)
        return None
