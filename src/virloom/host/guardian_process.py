# SPDX-License-Identifier: Apache-2.0
"""The guardian: outlives its owner for as long as it takes to end the owner's guests.

Run as ``python -I -S guardian_process.py SOCKET OWNER-PID OWNER-START`` by
:mod:`virloom.host.guardian`, in a session of its own. It hears of guests over SOCKET (see
:data:`MESSAGES`) and does nothing until the owner has ended, or has closed its end. Then it ends
every guest that it was told of, SIGTERM first and SIGKILL after :data:`PATIENCE`, releases what
the guest's record lists, removes the record, and ends.

It stays small, since there is one beside each process that owns such guests: the standard
library only, no more of it than that needs, and of ``virloom`` four modules.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

# The package's own __init__ is the public API, which is not needed here; a bare module in its
# place lets the modules below find each other without it.
_package = type(sys)("virloom")
_package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
if __name__ == "__main__":
    sys.modules["virloom"] = _package

from virloom.host.identity import ProcessIdentity, boot_id  # noqa: E402 - see above
from virloom.host.liveness import guest_processes, live_path  # noqa: E402 - see above
from virloom.host.release import release  # noqa: E402 - see above

MARKER = "VIRLOOM_GUEST"
"""The variable in a guest's environment that holds its marker."""

PATIENCE = 3.0
"""Seconds between SIGTERM and SIGKILL. QEMU goes within tens of milliseconds unless it hangs."""

TERM_AGAIN = 0.1
"""Seconds between one SIGTERM and the next: QEMU before 8.0 may sleep through the first one."""

MESSAGES = {"expect": 2, "adopt": 3, "forget": 1}
"""Message to number of fields. A message is its name and its fields, each ended by a zero byte.

expect RECORD MARKER: a guest is about to be started; its record lists what it will hold.
adopt RECORD PID START: it was started; this is its process.
forget RECORD: it has ended, and its owner has released what it held.
"""


class Ward:
    """A guest to be ended with its owner."""

    def __init__(self, record: str, marker: str) -> None:
        self.record = record
        self.marker = marker
        self.process: ProcessIdentity | None = None

    @property
    def live(self) -> str:
        """The file that the guest's processes hold locked."""
        return live_path(self.record)


class Wards:
    """All guests in the guardian's care, as its owner's messages tell."""

    def __init__(self) -> None:
        self.by_record: dict[str, Ward] = {}
        self._fields: list[str] = []
        self._rest = b""

    def receive(self, data: bytes) -> None:
        """Take what came over the socket, in pieces of any size."""
        *fields, self._rest = (self._rest + data).split(b"\0")
        self._fields += map(os.fsdecode, fields)
        while self._fields and len(self._fields) > MESSAGES[self._fields[0]]:
            count = MESSAGES[self._fields[0]] + 1
            message, self._fields = self._fields[:count], self._fields[count:]
            self._handle(*message)

    def _handle(self, name: str, record: str, *fields: str) -> None:
        if name == "expect":
            self.by_record[record] = Ward(record, fields[0])
        elif name == "adopt" and record in self.by_record:
            process = ProcessIdentity(int(fields[0]), int(fields[1]), boot_id())
            self.by_record[record].process = process
        elif name == "forget":
            self.by_record.pop(record, None)


def listen(socket: int, owner: ProcessIdentity, wards: Wards) -> None:
    """Hear messages until the owner closes the socket or ends, and all that it said before."""
    owner_fd = _open(owner)
    if owner_fd is not None:
        try:
            if _hear(socket, owner_fd, wards):
                return
        finally:
            os.close(owner_fd)
    # Only what is queued is left. Its end may never come: a forked child of the owner, who has
    # ended, may keep the socket open.
    os.set_blocking(socket, False)
    try:
        while data := os.read(socket, 65536):
            wards.receive(data)
    except BlockingIOError:
        return


def _hear(socket: int, owner_fd: int, wards: Wards) -> bool:
    """Take messages until the socket's end (true) or the owner's (false)."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    poll.register(owner_fd, select.POLLIN)
    while owner_fd not in [fd for fd, _ in poll.poll()]:
        data = os.read(socket, 65536)
        if not data:
            return True
        wards.receive(data)
    return False


def _open(identity: ProcessIdentity) -> int | None:
    """A pidfd of exactly this process; None when it has ended."""
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if identity.matches():
        return fd
    os.close(fd)
    return None


class Ending:
    """The end of all guests at once; what each held is released as soon as it has ended.

    Args:
        spared: The owner: it holds a liveness lock itself while it starts a guest.
    """

    def __init__(self, spared: int) -> None:
        self._spared = spared
        self._deadline = time.monotonic() + PATIENCE
        self._poll = select.poll()
        self._running: dict[int, Ward] = {}

    def run(self, wards: list[Ward]) -> None:
        """Return when all have ended. One that even SIGKILL does not end is waited for."""
        for ward in wards:
            self._go_on(ward)
        while self._running:
            for fd in self._wait():
                self._poll.unregister(fd)
                os.close(fd)
                ward = self._running.pop(fd)
                if ward not in self._running.values():
                    self._go_on(ward)

    def _wait(self) -> list[int]:
        """The processes that have ended; all get SIGKILL when the time for a quiet end is over."""
        early = time.monotonic() < self._deadline
        ended = [fd for fd, _ in self._poll.poll(TERM_AGAIN * 1000 if early else None)]
        if not ended:
            late = time.monotonic() > self._deadline
            for fd in self._running:
                _signal(fd, signal.SIGKILL if late else signal.SIGTERM)
        return ended

    def _go_on(self, ward: Ward) -> None:
        """Signal what is left of a guest; release what it held when nothing is."""
        late = time.monotonic() > self._deadline
        processes = [_open(identity) for identity in find(ward, self._spared)]
        for fd in processes:
            if fd is not None:
                _signal(fd, signal.SIGKILL if late else signal.SIGTERM)
                _signal(fd, signal.SIGCONT)  # a stopped process does not hear SIGTERM
                self._poll.register(fd, select.POLLIN)
                self._running[fd] = ward
        if not any(held is ward for held in self._running.values()):
            release_record(ward)


def find(ward: Ward, spared: int) -> list[ProcessIdentity]:
    """The guest's processes that are left: the one adopted, then whoever holds its lock.

    One that was only expected is found by its lock, which it holds from before its exec on; or
    by its environment, should its lock file be lost.
    """
    if ward.process is not None and is_running(ward.process):
        return [ward.process]
    found = guest_processes(ward.live, MARKER, ward.marker)
    return [process for process in found if process.pid != spared and is_running(process)]


def is_running(identity: ProcessIdentity) -> bool:
    """Whether exactly this process runs; one that only waits to be reaped does not."""
    fd = _open(identity)
    if fd is None:
        return False
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    ended = bool(poll.poll(0))
    os.close(fd)
    return not ended


def _signal(fd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except (ProcessLookupError, PermissionError):
        return  # ended, or changed to a user that we may not signal: its end is waited for


def release_record(ward: Ward) -> None:
    """Release what the guest's record lists, and remove it; keep the record if that fails.

    Whoever opens the directory next tries again with what is kept.
    """
    import json  # only here, and late: it is a third of this process otherwise

    try:
        with open(ward.record, encoding="utf-8") as file:
            record = json.load(file)
        # Gone: its owner came that far himself. Another's marker: the name has a new guest.
        if record.get("marker") != ward.marker or release(record.get("resources", ())):
            return
        for path in (ward.live, ward.record):
            if os.path.lexists(path):
                os.unlink(path)
    except (OSError, ValueError):
        return  # the other guests are not to suffer from one bad record


def raise_descriptor_limit() -> None:
    """Allow a pidfd for each of many guests."""
    import resource  # late, as json

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Watch, then end what there is to end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    socket, pid, start = map(int, sys.argv[1:4])
    wards = Wards()
    listen(socket, ProcessIdentity(pid, start, boot_id()), wards)
    if wards.by_record:
        raise_descriptor_limit()
        Ending(spared=pid).run(list(wards.by_record.values()))


if __name__ == "__main__":
    main()
