# SPDX-License-Identifier: Apache-2.0
"""What happens in directories (inotify(7)), of which Python's library knows nothing."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

#: ``sys/inotify.h``: something is written, comes, goes or is renamed there, or the directory is.
_EVENTS = 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400
_ONLYDIR = 0x01000000
_CHUNK = 65536


class DirectoryWatch:
    """A descriptor that becomes readable when something happens in one of some directories."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._add = libc.inotify_add_watch
        self._fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def fileno(self) -> int:
        """For a loop that is to say when there is something."""
        return self._fd

    def watch(self, directories: Iterable[str]) -> None:
        """Looks at these as well; one that is looked at already, or is not there, is no error."""
        for path in directories:
            self._add(self._fd, os.fsencode(path), _EVENTS | _ONLYDIR)

    def clear(self) -> None:
        """Forgets what has happened: the caller is about to look."""
        try:
            while os.read(self._fd, _CHUNK):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Looks no more; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
