# SPDX-License-Identifier: Apache-2.0
"""A network namespace of one's own, held by a process that outlives whoever made it.

It has no link but ``lo`` until somebody makes one, and nobody else on the host sees what is in it.
An ordinary user's has a user namespace around it, where the user is root and may make links.
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
from virloom.host.door import Door
from virloom.host.files import ensure_directory, write_atomic
from virloom.host.identity import ProcessIdentity
from virloom.host.inside import command_prefix, network_of
from virloom.host.pidfd import PidFd, reap
from virloom.host.process import SpawnRequest, spawn
from virloom.host.way_out import end_way_out, lead_out

#: Who holds it says when it is ready; what it does then needs nobody.
_HOLDER = "ip link set lo up && echo ready && exec sleep infinity"
_UNSHARE = "/usr/bin/unshare"
#: Settings by which a host forbids namespaces: the kernel's, Debian's, Ubuntu's.
_FORBIDDING = {
    "user/max_user_namespaces": "0",
    "user/max_net_namespaces": "0",
    "kernel/unprivileged_userns_clone": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}
#: Under what the record has who leads out.
_WAY_OUT = "way_out"
#: Seconds.
_PATIENCE = 1.0


class NetworkSpace:
    """A network namespace.

    Args:
        record: A file that says who holds it, for the next process that looks.
        leads_out: An ordinary user's gets a way out (:mod:`virloom.host.way_out`).

    Attributes:
        is_users: It is an ordinary user's, who is root there and nowhere else.
    """

    def __init__(self, record: Path, *, leads_out: bool = False) -> None:
        self._record = record
        self._leads_out = leads_out
        self._way_out: ProcessIdentity | None = None
        self._holder: ProcessIdentity | None = None
        self._door: Door | None = None
        self.is_users = os.geteuid() != 0

    def find(self) -> ProcessIdentity | None:
        """Who holds it; None where there is none yet, or none in this boot."""
        if self._holder is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                noted = json.loads(self._record.read_bytes())
                if _WAY_OUT in noted:
                    self._way_out = ProcessIdentity.from_json(noted[_WAY_OUT])
                self._holder = ProcessIdentity.from_json(noted)
        if self._holder is not None and not self._holder.matches():
            self._holder = None
        return self._holder

    def make(self) -> ProcessIdentity:
        """The same, made if need be.

        Raises:
            OperationFailed: The kernel lets us have none, or it gets no way out.
            ConfigUnsupported: The host has not what it takes to lead out.
            SystemFailure: Its record cannot be written.
        """
        holder = self.find()
        if holder is None:
            holder = self._start()
            try:
                self._lead_out(holder)
            except BaseException:
                self.end()
                raise
        elif self._way_out is None or not self._way_out.matches():
            self._lead_out(holder)
        return holder

    def _lead_out(self, holder: ProcessIdentity) -> None:
        if not self._leads_out:
            return
        self._way_out = lead_out(holder.pid, self._record.with_name("way-out"))
        self._note(holder)

    def _note(self, holder: ProcessIdentity) -> None:
        noted = holder.to_json()
        if self._way_out is not None:
            noted[_WAY_OUT] = self._way_out.to_json()
        ensure_directory(self._record.parent)
        write_atomic(self._record, json.dumps(noted).encode(), durable=False)

    def _start(self) -> ProcessIdentity:
        self.close()  # it led to one that has gone
        self._end_way_out()
        ours, its = os.pipe()
        try:
            user = ["--user", "--map-root-user"] if self.is_users else []
            argv = [_UNSHARE, *user, "--net", "sh", "-c", _HOLDER]
            process = spawn(SpawnRequest(argv, stdout=its, stderr=its))
            os.close(its)
            its = -1
            said = os.read(ours, 1024)  # it takes milliseconds
            if said != b"ready\n":
                process.close()
                raise _refused(said.decode(errors="replace").strip())
            self._holder = process.identity
            process.close()
            try:
                self._note(process.identity)
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
        self.close()
        holder = self.find()
        self._end_way_out()
        if holder is not None:
            with contextlib.suppress(ProcessLookupError):
                held = PidFd.open(holder)
                held.send_signal(signal.SIGKILL)
                select.select([held], [], [], _PATIENCE)  # the kernel ends a sleeper at once
                held.close()
                reap(holder.pid)
        self._holder = None
        self._record.unlink(missing_ok=True)

    def _end_way_out(self) -> None:
        if self._way_out is not None:
            end_way_out(self._way_out)
            self._way_out = None

    def close(self) -> None:
        """Lets go of what leads there; it stays."""
        if self._door is not None:
            self._door.close()
            self._door = None

    @property
    def path(self) -> str:
        """What leads there, for whoever opens it."""
        return f"/proc/{self.make().pid}/ns/net"

    def prefix(self) -> list[str]:
        """What a command line begins with that is to run there."""
        return command_prefix(self.make().pid, users=self.is_users)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What is opened while the block runs is of that network, as by :func:`network_of`.

        Raises:
            OSError: The kernel does not let us in.
        """
        holder = self.make()
        if self.is_users:
            self._door = self._door or Door(self.prefix())
        with network_of(holder.pid, self._door):
            yield


def _refused(words: str) -> OperationFailed:
    """Why there is no namespace, and what helps: only administrators forbid them to users."""
    remedy = "that needs root's rights"
    for name, value in _FORBIDDING.items():
        with contextlib.suppress(OSError):
            if Path("/proc/sys", name).read_text().strip() == value:
                setting = name.replace("/", ".")
                remedy = f"this host has {setting} = {value}, which forbids them: change it"
                break
    remedy += "; or use <interface type='user'>, which needs none"
    return OperationFailed(f"cannot make a network namespace: {words}", remedy=remedy)
