# SPDX-License-Identifier: Apache-2.0
"""The files of persistent objects: one document for each, links for those that start by themselves.

The layout is libvirt's: ``DIR/NAME.xml``, and ``DIR/autostart/NAME.xml`` as a symbolic link to it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.runtime.index import Stamp
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, XmlDetail, XmlError, system_failure
from virloom.host.files import write_atomic

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


class DocumentStore:
    """Documents by name in one directory.

    Args:
        directory: Where the documents are.
        autostart: Where the links to those are that start by themselves.
    """

    def __init__(self, directory: Path, autostart: Path) -> None:
        self.directory = directory
        self._autostart = autostart

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

    def save(self, name: str, text: str) -> Stamp:
        """Writes a document, whole or not at all.

        Raises:
            SystemFailure: The disk is full, or the directory cannot be written.
        """
        path = self._path(name)
        write_atomic(path, (_header(name) + text).encode())
        return Stamp.of(os.stat(path))

    def delete(self, name: str) -> None:
        """Removes a document and its autostart link; missing ones are no error."""
        try:
            self._link(name).unlink(missing_ok=True)
            self._path(name).unlink(missing_ok=True)
        except OSError as exc:
            raise system_failure(f"cannot remove '{self._path(name)}'", exc) from exc

    def autostarts(self, name: str) -> bool:
        """Whether the object starts by itself."""
        return self._link(name).is_symlink()

    def set_autostart(self, name: str, on: bool) -> None:
        """Makes or removes the link.

        Raises:
            SystemFailure: The directory cannot be written.
        """
        link = self._link(name)
        try:
            if not on:
                link.unlink(missing_ok=True)
            elif not link.is_symlink():
                self._autostart.mkdir(mode=0o700, parents=True, exist_ok=True)
                link.symlink_to(self._path(name))
        except OSError as exc:
            raise system_failure(f"cannot change the autostart link '{link}'", exc) from exc

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.xml"

    def _link(self, name: str) -> Path:
        return self._autostart / f"{name}.xml"


def _header(name: str) -> str:
    return _HEADER.format(name=_comment(name))


def _comment(name: str) -> str:
    """*name* as it may stand in an XML comment."""
    return name.replace("--", "- -").rstrip("-")
