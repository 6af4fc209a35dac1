# SPDX-License-Identifier: Apache-2.0
"""Whose leases are, and how the end of such a process is seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.host.pidfd import PidFd, ProcessIdentity


class Owner(NamedTuple):
    """The process that uses a disk, as it was when it was registered.

    Attributes:
        pid: Its process id.
        name, uuid, id: Of its domain.
        process: Which process that was; None where there was none.
    """

    pid: int
    name: str
    uuid: str
    id: int
    process: ProcessIdentity | None

    @classmethod
    def registered(cls, pid: int, name: str, uuid: str, id: int) -> Owner:
        """One that a client speaks for."""
        try:
            process = ProcessIdentity.of(pid)
        except ProcessLookupError:
            process = None
        return cls(pid, name, uuid, id, process)

    def to_json(self) -> dict[str, Any]:
        """For the state file."""
        process = self.process.to_json() if self.process is not None else None
        return {"name": self.name, "uuid": self.uuid, "id": self.id, "process": process}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Owner:
        """What :meth:`to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: It did not.
        """
        process = ProcessIdentity.from_json(data["process"])
        return cls(process.pid, str(data["name"]), str(data["uuid"]), int(data["id"]), process)


class Watch:
    """The processes that have leases.

    Args:
        ended: Called on the loop with the one that has ended.
    """

    def __init__(self, ended: Callable[[ProcessIdentity], None]) -> None:
        self._ended = ended
        self._watched: dict[ProcessIdentity, PidFd] = {}

    def begin(self, owner: Owner) -> None:
        """Looks out for its end from now on.

        Raises:
            OperationInvalid: It has ended.
        """
        process = owner.process
        if process is not None and process in self._watched:
            return
        try:
            if process is None:
                raise ProcessLookupError
            held = PidFd.open(process)
        except ProcessLookupError as exc:
            raise OperationInvalid(
                f"process {owner.pid} of lock owner '{owner.name}' has ended",
                domain=ErrorDomain.LOCKSPACE,
            ) from exc
        self._watched[process] = held
        held.on_exit(lambda: self._end_seen(process))

    def _end_seen(self, process: ProcessIdentity) -> None:
        self.end(process)  # so that nothing more is given to it
        self._ended(process)

    def end(self, process: ProcessIdentity) -> None:
        """Looks out no longer."""
        held = self._watched.pop(process, None)
        if held is not None:
            held.close()

    def keep(self, processes: Collection[ProcessIdentity | None]) -> None:
        """Looks out for none but these any longer."""
        for process in self._watched.keys() - processes:
            self.end(process)

    def send_signal(self, process: ProcessIdentity, number: int) -> None:
        """Sends a signal to one that is watched."""
        self._watched[process].send_signal(number)

    def close(self) -> None:
        """Looks out for nobody."""
        for process in list(self._watched):
            self.end(process)
