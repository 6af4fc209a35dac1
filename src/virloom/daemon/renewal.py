# SPDX-License-Identifier: Apache-2.0
"""SIGUSR1 of a daemon whose descriptors outlive it: it executes its program anew, and keeps them.

The signal is blocked while nobody can act on it, from one process to the next, for unhandled it
kills; one that came meanwhile is acted on then.
"""

from __future__ import annotations

import asyncio
import os
import signal

from virloom.daemon.handover import Store
from virloom.daemon.service import Service
from virloom.daemon.sockets import Listening
from virloom.daemon.spec import DaemonSpec

_RENEW = (signal.SIGUSR1,)
_END = (signal.SIGTERM, signal.SIGINT)


def hold_back(spec: DaemonSpec) -> None:
    """Blocks the signal, where it has a meaning."""
    if spec.lasting:
        signal.pthread_sigmask(signal.SIG_BLOCK, _RENEW)


class Renewal:
    """Whether that was asked for, and what is handed on then.

    Args:
        done: Set when this process is to end.
    """

    def __init__(self, done: asyncio.Event) -> None:
        self._done = done
        self._asked = False
        self._ended = False

    def kept(self, spec: DaemonSpec, sockets: list[Listening]) -> list[Listening]:
        """The daemon's own sockets, which whoever watches it has open over a kill."""
        for entry in sockets if spec.lasting else ():
            assert entry.path is not None
            Store().keep(entry.path.name, entry.socket.fileno())
        return sockets

    def expect(self, spec: DaemonSpec, loop: asyncio.AbstractEventLoop) -> None:
        """Acts on signals from now on: on those that end it, and where it has a meaning on ours."""
        for number in _END:
            loop.add_signal_handler(number, self._end)
        if spec.lasting:
            loop.add_signal_handler(signal.SIGUSR1, self._renew)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_RENEW, *_END))

    def _end(self) -> None:
        self._ended = True
        self._done.set()

    def _renew(self) -> None:
        if not self._done.is_set():
            signal.pthread_sigmask(signal.SIG_BLOCK, _END)  # the next process is to end at them
            self._asked = True
            self._done.set()

    def descriptors(
        self, spec: DaemonSpec, service: Service, sockets: list[Listening]
    ) -> dict[str, int] | None:
        """Copies of what the next process is to have; None where the daemon ends for good."""
        hold_back(spec)
        if self._asked and not self._ended:
            held = {**_named(sockets), **service.held()}
            return {name: os.dup(fd) for name, fd in held.items()}
        for entry in sockets if spec.lasting else ():
            if entry.path is not None:
                Store().forget(entry.path.name)
        return None


def _named(sockets: list[Listening]) -> dict[str, int]:
    return {
        entry.path.name if entry.path is not None else f"activated-{number}": entry.socket.fileno()
        for number, entry in enumerate(sockets)
    }
