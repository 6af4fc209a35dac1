# SPDX-License-Identifier: Apache-2.0
"""AUTODESTROY: a process beside this one that ends guests when this one is gone, however it went.

Why a process: PR_SET_PDEATHSIG fires when a mere thread ends, a handler does not run on SIGKILL,
and what a guest held must be released too. What it does is in
:mod:`virloom.host.guardian_process`; here is its owner's side.

A guest is in its care from before it exists, so that no moment is unguarded::

    (write the record: marker, resources)   guardian.expect(record, marker)
    spawn, VIRLOOM_GUEST=marker in its environment, the liveness lock among its descriptors
                                            guardian.adopt(identity, record)
    ... it ends; release what it held; remove its .live file, then its record
                                            guardian.forget(record)

Each call has its effect when it returns: the guardian reads it from the socket even after our
death.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time

from virloom.errors import OperationFailed, system_failure
from virloom.host.guardian_process import MARKER, MESSAGES
from virloom.host.identity import ProcessIdentity
from virloom.host.liveness import holders, is_live, share_liveness
from virloom.host.pidfd import PidFd
from virloom.host.process import Process, SpawnRequest, spawn

__all__ = ["MARKER", "Guardian", "earlier_guardians_done"]

logger = logging.getLogger(__name__)

_SCRIPT = os.path.join(os.path.dirname(__file__), "guardian_process.py")

_SEND_TIMEOUT = 5.0
"""Seconds for a message to fit in the socket, which holds some thousand of them."""

_MAX_RESTARTS = 3
_STEADY = 10.0
"""Restarts in a row that are tried, of guardians that lasted less than so many seconds."""


class Guardian:
    """The guardian of one connection. Made by :meth:`start`, ended by :meth:`close`.

    When it dies it is started again and told everything anew.
    """

    def __init__(self, lock_path: str | None) -> None:
        self._lock_path = lock_path
        self._wards: dict[str, tuple[str, ProcessIdentity | None]] = {}
        self._restarts = 0
        self._closing = False
        self._socket: socket.socket
        self._process: Process
        self._launch()

    @classmethod
    def start(cls, lock_path: str | None = None) -> Guardian:
        """Start a guardian, without waiting for more than its exec (about a millisecond).

        Args:
            lock_path: A file that guardians hold locked while they run, in a directory that has
                one owner at a time; :func:`earlier_guardians_done` waits by it.

        Raises:
            SystemFailure: It cannot be started.
        """
        return cls(lock_path)

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._process.pid

    def expect(self, record_path: str, marker: str) -> None:
        """Guard a guest that is about to be started and whose record is on disk.

        Args:
            marker: The record's ``marker``, and the guest's :data:`MARKER` variable: unique.

        Raises:
            OperationFailed: No guardian can be kept running.
        """
        self._wards[record_path] = (marker, None)
        self._send("expect", record_path, marker)

    def adopt(self, identity: ProcessIdentity, record_path: str) -> None:
        """Say which process an expected guest is.

        Raises:
            KeyError: It was not expected.
            OperationFailed: No guardian can be kept running.
        """
        marker, _ = self._wards[record_path]
        self._wards[record_path] = (marker, identity)
        self._send("adopt", record_path, str(identity.pid), str(identity.start_time))

    def forget(self, record_path: str) -> None:
        """Guard a guest no more: it has ended, and its record is gone (or it shall survive us).

        One that is not guarded is no error.
        """
        if self._wards.pop(record_path, None) is not None:
            self._send("forget", record_path)

    async def close(self) -> None:
        """End all guests that are left, wait until their records are released, and end.

        No guest may be in the middle of its start. May be called twice. Cancelling stops the
        waiting only.
        """
        self._closing = True
        self._socket.close()
        await self._process.wait()
        self._process.close()

    def _launch(self) -> None:
        with contextlib.ExitStack() as stack:
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs)
            ours.settimeout(_SEND_TIMEOUT)
            fds = [theirs.fileno()]
            try:
                if self._lock_path is not None:
                    fds.append(_share(self._lock_path))
                    stack.callback(os.close, fds[-1])
                process = spawn(_request(fds))
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        self._process = process
        self._launched = time.monotonic()
        process.on_exit(lambda code: self._ended(process, code))

    def _send(self, name: str, *fields: str) -> None:
        assert len(fields) == MESSAGES[name]
        if self._closing:
            raise OperationFailed("the guardian of this connection is closed")
        message = b"".join(os.fsencode(field) + b"\0" for field in (name, *fields))
        try:
            self._socket.sendall(message)
        except OSError as error:  # it has died, and the loop has not told us yet; or it hangs
            self._restart(f"it takes no messages: {error}")

    def _ended(self, process: Process, code: int | None) -> None:
        process.close()
        if process is self._process and not self._closing:
            self._restart(f"it ended with {code}")

    def _restart(self, reason: str) -> None:
        """Replace a guardian that has died or hangs, and tell the new one everything.

        Raises:
            OperationFailed: That has happened too often in a short time.
        """
        logger.warning("The guardian process %d is replaced: %s", self._process.pid, reason)
        # In this order: a guardian that merely hangs would take the closed socket for our end.
        self._process.send_signal(signal.SIGKILL)
        self._socket.close()
        lasted = time.monotonic() - self._launched
        self._restarts = 0 if lasted > _STEADY else self._restarts + 1
        if self._restarts > _MAX_RESTARTS:
            raise OperationFailed(f"no guardian process can be kept running: {reason}")
        self._launch()
        for record, (marker, identity) in list(self._wards.items()):
            self._send("expect", record, marker)
            if identity is not None:
                self._send("adopt", record, str(identity.pid), str(identity.start_time))


def _request(fds: list[int]) -> SpawnRequest:
    us = ProcessIdentity.of(os.getpid())
    python = sys.executable or "python3"
    arguments = [str(fds[0]), str(us.pid), str(us.start_time)]
    return SpawnRequest([python, "-I", "-S", _SCRIPT, *arguments], cwd="/", pass_fds=fds)


def _share(path: str) -> int:
    try:
        return share_liveness(path)
    except OSError as error:
        raise system_failure(f"Unable to lock '{path}'", error) from error


async def earlier_guardians_done(lock_path: str) -> None:
    """Return when no guardian of an earlier owner is at work any more.

    For the opener of a directory, before it looks at the records there. Guardians need at most
    three seconds and as long as the kernel takes to end a process.
    """
    while is_live(lock_path):
        found = holders(lock_path)
        if not found:
            return  # held by a process we may not look into; it is not ours to wait for
        for identity in found:
            with contextlib.suppress(ProcessLookupError):
                pidfd = PidFd.open(identity)
                try:
                    await pidfd.wait()
                finally:
                    pidfd.close()
