# SPDX-License-Identifier: Apache-2.0
"""What is being done to a domain's images because of a snapshot, on disk before it is done.

Guests that do not run have no record, and a host may lose power: so the note is a durable file of
its own, ``lib/snapshot-work/UUID.json``. Whoever opens the driver next finishes it, or takes it
back (:mod:`.recovery`).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationInvalid
from virloom.host.files import ensure_directory, write_atomic

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.model.snapshot import Snapshot

_VERSION = 1


def work_directory(driver: QemuDriver) -> Path:
    """Where the notes are."""
    return driver.directories.lib / "snapshot-work"


class Journal:
    """The note of one piece of work on one domain.

    Attributes:
        kind: What is done, of :mod:`.recovery`'s table.
        phase: How far it is; each kind has its own.
        data: What has to be known to finish it or to take it back; JSON.
        touched: Something has been changed that cannot be taken back.
        model: The snapshot, while whoever made it is there; the note has its document.
    """

    def __init__(self, path: Path, uuid: str, kind: str, data: dict[str, Any]) -> None:
        self.path = path
        self.uuid = uuid
        self.kind = kind
        self.phase = ""
        self.data = data
        self.touched = False
        self.model: Snapshot | None = None

    @classmethod
    def of(cls, driver: QemuDriver, guest: Guest, kind: str, data: dict[str, Any]) -> Journal:
        """A note that is not on disk yet."""
        path = work_directory(driver) / f"{guest.uuid_text}.json"
        return cls(path, guest.uuid_text, kind, data)

    async def enter(self, phase: str, *, durable: bool = True) -> None:
        """Notes that *phase* begins.

        Args:
            durable: Also for whoever comes after a loss of power, not only of this process.

        Raises:
            SystemFailure: It cannot be written; the phase before is still noted.
        """
        self.phase = phase
        ensure_directory(self.path.parent)
        text = json.dumps(
            {
                "version": _VERSION,
                "uuid": self.uuid,
                "kind": self.kind,
                "phase": phase,
                "data": self.data,
            },
            indent=1,
        )
        if durable:
            await asyncio.to_thread(write_atomic, self.path, text.encode())
        else:
            write_atomic(self.path, text.encode(), durable=False)
        reached(f"snapshot-{self.kind}-{phase}")

    @classmethod
    def pending(cls, driver: QemuDriver, guest: Guest) -> Journal | None:
        """The note of work that has failed halfway, and can be done again."""
        try:
            return cls.load(work_directory(driver) / f"{guest.uuid_text}.json")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise InternalError(str(exc), domain=ErrorDomain.QEMU) from exc

    def end(self) -> None:
        """The work is done, or nothing is left of it."""
        self.path.unlink(missing_ok=True)
        reached(f"snapshot-{self.kind}-ended")

    @classmethod
    def load(cls, path: Path) -> Journal:
        """Reads a note.

        Raises:
            ValueError: It is none of a version that we know.
            OSError: It cannot be read.
        """
        try:
            found = json.loads(path.read_bytes())
            if found["version"] != _VERSION:
                raise ValueError("another version")
            journal = cls(path, str(found["uuid"]), str(found["kind"]), dict(found["data"]))
            journal.phase = str(found["phase"])
        except (KeyError, TypeError) as exc:
            raise ValueError(f"'{path}' is not a note of snapshot work: {exc}") from exc
        return journal


def refuse_pending(driver: QemuDriver, guest: Guest) -> None:
    """Refuses work on snapshots while other work has failed halfway.

    Raises:
        OperationInvalid: Which.
    """
    pending = Journal.pending(driver, guest)
    if pending is not None:
        name = pending.data.get("name")
        raise OperationInvalid(
            f"work on snapshot '{name}' of domain '{guest.name}' has failed halfway "
            f"({pending.kind})",
            domain=ErrorDomain.QEMU,
            remedy=f"delete snapshot '{name}' again, which completes it",
        )
