# SPDX-License-Identifier: Apache-2.0
"""A guest's log: what QEMU writes to its standard output and error, and what was done to it."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from virloom.errors import system_failure

#: Bytes of QEMU's last words that an error message may hold.
WORDS_LIMIT = 2048

#: The time that ``-msg timestamp=on`` puts before each message.
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)


class GuestLog:
    """An open log file.

    Args:
        path: Where it is; made if missing.
        offset: Where this run's part begins; the present end if None.
    """

    def __init__(self, path: Path, offset: int | None = None) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError as exc:
            raise system_failure(f"cannot open the log file '{path}'", exc) from exc
        self.offset = os.fstat(self._fd).st_size if offset is None else offset

    def fileno(self) -> int:
        """The descriptor that QEMU writes to; appends."""
        return self._fd

    def starting(self, argv: Sequence[str], environment: Sequence[str]) -> None:
        """Notes the start with the whole command, ready to paste; QEMU's words come after it."""
        command = " \\\n".join([*environment, shlex.quote(argv[0]), *_options(argv[1:])])
        self.note(f"starting up\n{command}")
        self.offset = os.fstat(self._fd).st_size

    def note(self, text: str) -> None:
        """Adds a line of ours; a full disk is no reason to fail what is being logged."""
        seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
        try:
            os.write(self._fd, f"{now}.{milliseconds:03d}+0000: {text}\n".encode())
        except OSError:
            return

    def last_words(self) -> str:
        """What QEMU said in this run, at most its last two kilobytes, without times."""
        size = os.fstat(self._fd).st_size
        start = max(self.offset, size - WORDS_LIMIT)
        text = os.pread(self._fd, WORDS_LIMIT, start).decode(errors="replace")
        return _TIME.sub("", text).strip()

    def close(self) -> None:
        """Closes the descriptor; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _options(argv: Sequence[str]) -> list[str]:
    """One string for each option with its value."""
    lines: list[str] = []
    for word in argv:
        if word.startswith("-") or not lines:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += " " + shlex.quote(word)
    return lines
