# SPDX-License-Identifier: Apache-2.0
"""Messages for journald in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

from __future__ import annotations

import logging
import os
import socket
import struct

_SOCKET = "/run/systemd/journal/socket"

#: syslog's priorities.
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def has_journal() -> bool:
    """Whether journald listens."""
    return os.path.exists(_SOCKET)


def encode(fields: dict[str, str]) -> bytes:
    """An entry: a line for a field, or its length before it where it has lines of its own."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="surrogateescape")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


class JournalHandler(logging.Handler):
    """Sends every record as an entry."""

    def __init__(self, name: str, path: str = _SOCKET) -> None:
        super().__init__()
        self._name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        priority = next((n for least, n in _PRIORITIES if record.levelno >= least), 7)
        fields = {
            "MESSAGE": text,
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": self._name,
            "LIBVIRT_SOURCE": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        try:
            self._socket.send(encode(fields))
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()
