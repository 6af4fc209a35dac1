# SPDX-License-Identifier: Apache-2.0
"""What happened to domains, in order: every event, and what was done to whom by which call.

Entries have a sequence number that only grows, over restarts and reboots too, so that a client
that was away asks for all after the last one that it saw, and is told whether some are lost. What
is kept is bounded; a file of the run directory keeps it for the next owner. It is written before
anybody is told, and not forced to the disk: what it tells of does not outlive the boot either.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from virloom.procedures.types import NonnullDomain

logger = logging.getLogger(__name__)

#: A longer message is not kept: the entry says so.
_MESSAGE_BYTES = 64 << 10

#: The event number of an entry that is no event of libvirt's.
NO_EVENT = -1


class Entry(NamedTuple):
    """One thing that happened.

    Attributes:
        sequence: Its number.
        time: Nanoseconds since 1970, UTC.
        kind: ``event``, ``job``, ``monitor``, ``process``.
        uuid, name, id: The domain, as it was then.
        text: What it was, for a person; empty for an event.
        event: libvirt's number of the event, or :data:`NO_EVENT`.
        message: The event's message as a client with callback ids gets it, encoded, its callback
            id 0; empty where it was too long.
    """

    sequence: int
    time: int
    kind: str
    uuid: bytes
    name: str
    id: int
    text: str
    event: int = NO_EVENT
    message: bytes = b""

    @property
    def size(self) -> int:
        """What it counts for."""
        return len(self.text) + len(self.message)


class Recorder:
    """The recorder of one driver.

    Args:
        path: Its file; what an earlier owner wrote there is taken in. None: memory only.
        most, most_bytes: Entries that are kept, and the bytes of their texts and messages.
        file_bytes: Bytes of the file, after which it becomes the former one; the one before goes.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        most: int = 8192,
        most_bytes: int = 4 << 20,
        file_bytes: int = 2 << 20,
    ) -> None:
        self._path = path
        self._most = most
        self._most_bytes = most_bytes
        self._file_bytes = file_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._fd: int | None = None
        self._written = 0
        # Microseconds since 1970: beyond every number of an earlier boot, whose entries are lost.
        self._last = time.time_ns() // 1000
        self._first = self._last + 1
        if path is not None:
            self._load(path)
            try:
                self._open(path)
            except OSError as exc:
                self._without_file(exc)

    @property
    def first(self) -> int:
        """The lowest number that would be kept; those below are lost, if there were any."""
        return self._first

    @property
    def last(self) -> int:
        """The number of the latest entry."""
        return self._last

    def note(self, kind: str, dom: NonnullDomain, text: str) -> None:
        """Adds what was done, or was seen to happen, to *dom*."""
        self._add(kind, dom, text, NO_EVENT, b"")

    def event(self, dom: NonnullDomain, event: int, message: bytes) -> None:
        """Adds an event of libvirt's."""
        if len(message) > _MESSAGE_BYTES:
            text, message = f"its message of {len(message)} bytes is not kept", b""
        else:
            text = ""
        self._add("event", dom, text, event, message)

    def entries(
        self, after: int, *, uuid: bytes | None = None, only_events: bool = False, most: int
    ) -> list[Entry]:
        """The oldest entries with higher numbers than *after*, at most so many.

        Args:
            uuid: Only of this domain.
            only_events: Only events of libvirt's.
        """
        found: list[Entry] = []
        for entry in self._entries:
            if len(found) == most:
                break
            if (
                entry.sequence > after
                and uuid in (None, entry.uuid)
                and not (only_events and entry.event == NO_EVENT)
            ):
                found.append(entry)
        return found

    def close(self) -> None:
        """Closes the file; idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    # -- in memory -----------------------------------------------------------------------------

    def _add(self, kind: str, dom: NonnullDomain, text: str, event: int, message: bytes) -> None:
        self._last += 1
        entry = Entry(
            self._last, time.time_ns(), kind, dom.uuid, dom.name, dom.id, text, event, message
        )
        self._keep(entry)
        self._write(entry)

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self._entries) > self._most or self._bytes > self._most_bytes:
            dropped = self._entries.popleft()
            self._bytes -= dropped.size
            self._first = dropped.sequence + 1

    # -- on disk -------------------------------------------------------------------------------

    def _load(self, path: Path) -> None:
        former = path.with_suffix(".former")
        for entry in (*_read(former), *_read(path)):
            if not self._entries:
                self._first = entry.sequence
            elif entry.sequence <= self._last:
                continue  # somebody has put two files together
            self._last = entry.sequence
            self._keep(entry)

    def _write(self, entry: Entry) -> None:
        if self._path is None or self._fd is None:
            return
        data = _line(entry)
        try:
            if self._written + len(data) > self._file_bytes:
                self._turn(self._path)
            os.write(self._fd, data)
        except OSError as exc:
            self._without_file(exc)
            return
        self._written += len(data)

    def _without_file(self, exc: OSError) -> None:
        logger.error("the recorder '%s' goes on in memory only: %s", self._path, exc)
        self.close()
        self._path = None

    def _open(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._written = os.fstat(self._fd).st_size

    def _turn(self, path: Path) -> None:
        """Begins a new file; the present one becomes the former one."""
        self.close()
        path.replace(path.with_suffix(".former"))
        self._open(path)


def _line(entry: Entry) -> bytes:
    message = base64.b64encode(entry.message).decode() if entry.message else ""
    fields = [*entry[:3], entry.uuid.hex(), *entry[4:8], message]
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> Iterator[Entry]:
    """The entries of a file; a line that was not written whole is left out."""
    from uuid import UUID  # nobody waits for it where nothing is recorded yet

    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as exc:
        logger.error("cannot read the recorder '%s': %s", path, exc)
        return
    for line in lines:
        try:
            sequence, when, kind, uuid, name, id, text, event, message = json.loads(line)
            yield Entry(
                int(sequence), int(when), str(kind), UUID(hex=uuid).bytes, str(name), int(id),
                str(text), int(event), base64.b64decode(message),
            )  # fmt: skip
        except (ValueError, TypeError):
            logger.warning("a line of the recorder '%s' is damaged: it is left out", path)
