# SPDX-License-Identifier: Apache-2.0
"""An index of documents on disk, so that a start parses none of those that we wrote.

It is a cache: a line for each document that was written, the latest counts. A line is believed
only while the file has the very inode, size and time of change that it names; a file that
somebody else edited, and a line that was cut off by a kill, are simply not known.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

from virloom.errors import VirloomError
from virloom.host.files import write_atomic

logger = logging.getLogger(__name__)

#: Raised when a line means something else than before.
_FORM = 1
#: Lines that nobody needs, above which a start writes the index anew.
_SLACK = 1000


class Stamp(NamedTuple):
    """Which contents a file has, as far as the file system tells."""

    inode: int
    size: int
    changed: int
    """Nanoseconds."""

    @classmethod
    def of(cls, stat: os.stat_result) -> Stamp:
        """Of a file."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


class DocumentIndex:
    """UUIDs of documents by name, each with the stamp of its file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Stamp, bytes]] = {}

    def load(self) -> None:
        """Reads the index; one that is not there, or not ours, knows nothing."""
        self._known.clear()
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:  # the first start, or nothing that can be read: files are parsed then
            return
        for line in lines:
            try:
                form, name, uuid, *stamp = json.loads(line)
                if form == _FORM:
                    self._known[name] = Stamp(*map(int, stamp)), bytes.fromhex(uuid)
            except (ValueError, TypeError):  # a line that a kill cut off
                continue
        if len(lines) > len(self._known) + _SLACK:
            self._rewrite()

    def uuid(self, name: str, stamp: Stamp) -> bytes | None:
        """The UUID in the document *name*, if it is the one that was noted."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == stamp else None

    def forget_memory(self) -> None:
        """Lets go of what only a start needs; what is noted later goes to the file alone."""
        self._known = {}

    def note(self, name: str, uuid: bytes, stamp: Stamp) -> None:
        """Adds a document that was just written. A failure costs the next start a parse."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # A line of its own, also after one that was cut off; one that is cut off by a
                # full disk is not known.
                os.write(fd, b"\n" + _line(name, uuid, stamp))
            finally:
                os.close(fd)
        except OSError as exc:
            logger.warning("cannot add to '%s': %s", self._path, exc)

    def _rewrite(self) -> None:
        lines = [_line(name, uuid, stamp) for name, (stamp, uuid) in self._known.items()]
        try:
            write_atomic(self._path, b"\n".join(lines), durable=False)
        except VirloomError as exc:
            logger.warning("%s", exc)


def _line(name: str, uuid: bytes, stamp: Stamp) -> bytes:
    return json.dumps([_FORM, name, uuid.hex(), *stamp]).encode()
