# SPDX-License-Identifier: Apache-2.0
"""A network namespace of one's own, held by a process that outlives whoever made it.

It has no link but ``lo`` until somebody makes one, and nobody else on the host sees what is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from virloom.errors import OperationFailed
from virloom.host.files import ensure_directory, write_atomic
from virloom.host.identity import ProcessIdentity
from virloom.host.inside import inside
from virloom.host.pidfd import PidFd, reap
from virloom.host.process import SpawnRequest, spawn

#: Who holds it says when it is ready; what it does then needs nobody.
_HOLDER = "ip link set lo up && echo ready && exec sleep infinity"
_UNSHARE = "/usr/bin/unshare"
#: Seconds.
_PATIENCE = 1.0


class NetworkSpace:
    """A network namespace.

    Args:
        record: A file that says who holds it, for the next process that looks.
    """

    def __init__(self, record: Path) -> None:
        self._record = record
        self._holder: ProcessIdentity | None = None

    def find(self) -> ProcessIdentity | None:
        """Who holds it; None where there is none yet, or none in this boot."""
        if self._holder is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._holder = ProcessIdentity.from_json(json.loads(self._record.read_bytes()))
        if self._holder is not None and not self._holder.matches():
            self._holder = None
        return self._holder

    def make(self) -> ProcessIdentity:
        """The same, made if need be.

        Raises:
            OperationFailed: The kernel lets us have none.
            SystemFailure: Its record cannot be written.
        """
        return self.find() or self._start()

    def _start(self) -> ProcessIdentity:
        ours, its = os.pipe()
        try:
            argv = [_UNSHARE, "--net", "sh", "-c", _HOLDER]
            process = spawn(SpawnRequest(argv, stdout=its))
            os.close(its)
            its = -1
            if os.read(ours, 16) != b"ready\n":  # it takes milliseconds
                process.close()
                raise OperationFailed(
                    "cannot make a network namespace", remedy="that needs root's rights"
                )
            self._holder = process.identity
            process.close()
            try:
                text = json.dumps(process.identity.to_json())
                ensure_directory(self._record.parent)
                write_atomic(self._record, text.encode(), durable=False)
            except BaseException:
                self.end()
                raise
            return process.identity
        finally:
            os.close(ours)
            if its >= 0:
                os.close(its)

    def end(self) -> None:
        """Lets it go, with all that is in it."""
        holder = self.find()
        if holder is not None:
            with contextlib.suppress(ProcessLookupError):
                held = PidFd.open(holder)
                held.send_signal(signal.SIGKILL)
                select.select([held], [], [], _PATIENCE)  # the kernel ends a sleeper at once
                held.close()
                reap(holder.pid)
        self._holder = None
        self._record.unlink(missing_ok=True)

    @property
    def path(self) -> str:
        """What leads there, for whoever opens it."""
        return f"/proc/{self.make().pid}/ns/net"

    def prefix(self) -> list[str]:
        """What a command line begins with that is to run there."""
        return ["nsenter", f"--net={self.path}"]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is there while the block runs, which must not wait for the event loop.

        Raises:
            OSError: The kernel does not let us in.
        """
        with inside(self.path):
            yield
