# SPDX-License-Identifier: Apache-2.0
"""What daemons say to whoever watches them, and the descriptors that they leave there.

The messages are those of sd_notify(3): ``READY=1``, ``FDSTORE=1`` and ``FDSTOREREMOVE=1`` with
``FDNAME``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from virloom.host.fdpass import MAX_FDS, recv_fds

#: Bytes of a message, at most.
_MESSAGE = 4096


class DescriptorStore:
    """Descriptors of one daemon by name, for its next life."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    @property
    def held(self) -> dict[str, int]:
        """What is there; still the store's."""
        return dict(self._held)

    def take(self, message: str, fds: list[int]) -> None:
        """Does what a message asks for; *fds* came with it, and are the store's from now on."""
        words = dict(line.partition("=")[::2] for line in message.splitlines())
        name = words.get("FDNAME", "stored")
        if words.get("FDSTOREREMOVE") == "1":
            self._drop(name)
        if words.get("FDSTORE") == "1" and fds:
            self._drop(name)
            self._held[name] = fds.pop(0)
        for fd in fds:
            os.close(fd)

    def _drop(self, name: str) -> None:
        fd = self._held.pop(name, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Closes all."""
        for name in list(self._held):
            self._drop(name)


class Listener:
    """Hears what one life of a daemon says.

    Args:
        address: Of the socket, which is made here.
        store: Gets its descriptors.
        ready: Called when clients can connect to it.
    """

    def __init__(self, address: Path, store: DescriptorStore, ready: Callable[[], None]) -> None:
        self._store = store
        self._ready = ready
        self.heard = False
        self._loop = asyncio.get_running_loop()
        address.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(address))
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, fds = recv_fds(self._socket, _MESSAGE, MAX_FDS - 1)
                text = data.decode(errors="replace")
                self._store.take(text, fds)
                if "READY=1" in text.splitlines() and not self.heard:
                    self.heard = True
                    self._ready()

    def close(self) -> None:
        """Hears what was said last, and no more."""
        self._readable()
        self._loop.remove_reader(self._socket)
        self._socket.close()
