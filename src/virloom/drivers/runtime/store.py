# SPDX-License-Identifier: Apache-2.0
"""The files of persistent objects: one document for each, links for those that start by themselves.

The layout is libvirt's: ``DIR/NAME.xml``, and ``DIR/autostart/NAME.xml`` as a symbolic link to it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.runtime.index import DocumentIndex, Stamp
from virloom.drivers.runtime.writes import Writes
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, VirloomError, XmlDetail, XmlError, system_failure
from virloom.host.files import sync_directory, write_atomic

logger = logging.getLogger(__name__)

_HEADER = """\
<!--
This file belongs to Virloom. Edits made while it runs are lost:
use `virloom edit {name}` or the API.
-->

"""


def check_name(name: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> None:
    """Refuses names that cannot be a file's.

    Raises:
        XmlError: The name has a slash.
        XmlDetail: It has a line break.
        InvalidArg: It is empty, has a NUL, is ``.`` or ``..``, or too long.
    """
    if "/" in name:
        raise XmlError(f"name {name} cannot contain '/'", domain=domain)
    if "\n" in name:
        raise XmlDetail("invalid char in name: line break", domain=ErrorDomain.XML)
    if not name or "\0" in name or name in (".", ".."):
        raise InvalidArg(f"name '{name}' cannot be used for a file", domain=domain)
    if len(os.fsencode(name)) > 240:  # NAME_MAX less what we append
        raise InvalidArg(f"name '{name[:40]}…' is longer than 240 bytes", domain=domain)


class Document(NamedTuple):
    """A document on disk, without the comment that stands above ours."""

    name: str
    text: str
    stamp: Stamp


def _nothing() -> None:
    """For a change that nothing in memory follows."""


class DocumentStore:
    """Documents by name in one directory.

    Changes are made by a thread, in the order in which they were asked for (:mod:`.writes`).

    Args:
        directory: Where the documents are.
        autostart: Where the links to those are that start by themselves.
        index: What documents there are is noted in.
    """

    def __init__(self, directory: Path, autostart: Path, index: DocumentIndex) -> None:
        self.directory = directory
        self._autostart = autostart
        self._index = index
        self._writes = Writes(directory)

    def load(self) -> Iterator[Document]:
        """Every document; one that cannot be read is logged and left alone."""
        for entry in sorted(os.listdir(self.directory)):
            name, suffix = os.path.splitext(entry)
            if suffix != ".xml":
                continue
            path = os.path.join(self.directory, entry)
            try:
                with open(path, "rb") as file:
                    text, stamp = file.read().decode(), Stamp.of(os.fstat(file.fileno()))
            except (OSError, UnicodeDecodeError) as exc:
                logger.error("cannot read '%s': %s", path, exc)
                continue
            yield Document(name, text.removeprefix(_header(name)), stamp)

    async def save(
        self, name: str, uuid: bytes, text: str, then: Callable[[], None] = _nothing
    ) -> None:
        """Writes a document, whole or not at all.

        Args:
            then: Called as soon as it is durable, before anything that was asked for later.

        Raises:
            SystemFailure: The disk is full, or the directory cannot be written.
        """
        await self._writes.apply(_Save(self._path(name), name, uuid, text, self._index), then)

    async def delete(self, name: str, then: Callable[[], None] = _nothing) -> None:
        """Removes a document and its autostart link; missing ones are no error."""
        await self._writes.apply(_Delete(self._link(name), self._path(name)), then)

    async def rename(
        self, old: str, name: str, uuid: bytes, text: str, then: Callable[[], None] = _nothing
    ) -> None:
        """Replaces the document *old*, and its autostart link, by *text* as *name*.

        The new one is written first: a crash in between leaves both, or the old one.

        Raises:
            SystemFailure: It failed; the old one is as it was.
        """
        change = _Rename(
            _Save(self._path(name), name, uuid, text, self._index),
            _Link(self._link(name), self._path(name), self.autostarts(old)),
            _Delete(self._link(old), self._path(old)),
            _Delete(self._link(name), self._path(name)),
        )
        await self._writes.apply(change, then)

    def autostarts(self, name: str) -> bool:
        """Whether the object starts by itself."""
        return self._link(name).is_symlink()

    async def set_autostart(self, name: str, on: bool) -> None:
        """Makes or removes the link.

        Raises:
            SystemFailure: The directory cannot be written.
        """
        await self._writes.apply(_Link(self._link(name), self._path(name), on), _nothing)

    async def settled(self) -> None:
        """Waits for all changes that were asked for."""
        await self._writes.settled()

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.xml"

    def _link(self, name: str) -> Path:
        return self._autostart / f"{name}.xml"


class _Save:
    """A document is written."""

    durable = waits = True

    def __init__(self, path: Path, name: str, uuid: bytes, text: str, index: DocumentIndex) -> None:
        self._path = path
        self._name = name
        self._uuid = uuid
        self._text = text
        self._index = index
        self._former: bytes | None = None

    @property
    def directory(self) -> str:
        """What has to be synchronized afterwards."""
        return os.fspath(self._path.parent)

    def make(self) -> None:
        """Replaces the file."""
        try:
            self._former = self._path.read_bytes() if self._path.exists() else None
        except OSError as exc:
            raise system_failure(f"Unable to read '{self._path}'", exc) from exc
        write_atomic(self._path, (_header(self._name) + self._text).encode(), sync_parent=False)

    def undo(self) -> None:
        """Puts back what was there."""
        if self._former is None:
            self._path.unlink(missing_ok=True)
        else:
            write_atomic(self._path, self._former, sync_parent=False)

    def made(self) -> None:
        """Tells the index."""
        self._index.note(self._name, self._uuid, Stamp.of(os.stat(self._path)))


class _Delete:
    """A document goes, and its link first: a link without a document starts nothing."""

    durable = waits = False

    def __init__(self, link: Path, path: Path) -> None:
        self._link = link
        self._path = path

    def make(self) -> None:
        """Removes both."""
        try:
            self._link.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        except OSError as exc:
            raise system_failure(f"cannot remove '{self._path}'", exc) from exc

    def undo(self) -> None:
        """Nothing: it was not to be durable."""

    def made(self) -> None:
        """Nothing follows."""


class _Link:
    """The link that makes an object start by itself is made or removed."""

    durable = waits = False

    def __init__(self, link: Path, path: Path, on: bool) -> None:
        self._link = link
        self._path = path
        self._on = on

    def make(self) -> None:
        """Makes or removes it."""
        try:
            if not self._on:
                self._link.unlink(missing_ok=True)
            elif not self._link.is_symlink():
                self._link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._link.symlink_to(self._path)
        except OSError as exc:
            raise system_failure(f"cannot change the autostart link '{self._link}'", exc) from exc

    def undo(self) -> None:
        """Nothing: it was not to be durable."""

    def made(self) -> None:
        """Nothing follows."""


class _Rename:
    """A document, and its link, get another name; both names are there in between."""

    durable = False  # the one synchronization that counts is between its steps
    waits = True

    def __init__(self, save: _Save, link: _Link, delete: _Delete, withdraw: _Delete) -> None:
        self._save = save
        self._link = link
        self._delete = delete
        self._withdraw = withdraw

    def make(self) -> None:
        """Writes the new one, then removes the old one."""
        try:
            self._save.make()
            self._link.make()
            sync_directory(self._save.directory)
            self._delete.make()
        except OSError as exc:
            self._withdraw.make()
            raise system_failure(f"Unable to write '{self._save.directory}'", exc) from exc
        except VirloomError:
            self._withdraw.make()
            raise

    def undo(self) -> None:
        """Nothing: it is durable by itself."""

    def made(self) -> None:
        """Tells the index of the new name."""
        self._save.made()


def _header(name: str) -> str:
    return _HEADER.format(name=_comment(name))


def _comment(name: str) -> str:
    """*name* as it may stand in an XML comment."""
    return name.replace("--", "- -").rstrip("-")
