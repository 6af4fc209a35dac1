# SPDX-License-Identifier: Apache-2.0
"""A backup in progress, and how the guest's record has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from virloom.drivers.qemu.backup.figures import BackupJob
from virloom.model.snapshot import Backup, BackupDisk
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

_KEY = "backup"

#: ``preparing``: QEMU has not been told to begin, or we do not know that it has; ``running``: it
#: has; ``ending``: all its jobs have ended.
Stage = Literal["preparing", "running", "ending"]


class Part:
    """What becomes of one disk.

    Attributes:
        target: The disk.
        job: QEMU's name of its job.
        node: The format node of the image that is written: target or scratch.
        path: Of that image.
        made: Whether it was made for the backup.
        outcome: How the job ended (ConnectDomainEventBlockJobStatus); None while it goes on.
        done, whole: Bytes.
    """

    def __init__(self, target: str, job: str, node: str, path: str) -> None:
        self.target = target
        self.job = job
        self.node = node
        self.path = path
        self.made = False
        self.outcome: int | None = None
        self.done = 0
        self.whole = 0


class RunningBackup:
    """A backup of a guest.

    Attributes:
        model: The document, complete.
        stage: How far it is.
        reuse: The images were there before, and stay.
        parts: Its disks.
        tls: Whether QEMU has certificates for it.
        error: Why it ended, in QEMU's words.
        silent: Nobody is told of its end: it has never come to be.
        job: Its figures.
        release: Ends the domain's asynchronous job.
    """

    def __init__(self, model: Backup, *, reuse: bool) -> None:
        self.model = model
        self.stage: Stage = "preparing"
        self.reuse = reuse
        self.parts: list[Part] = []
        self.tls = False
        self.error: str | None = None
        self.silent = False
        self.began = time.time()
        self.job = BackupJob(self)
        self.release: Callable[[], None] = lambda: None

    @property
    def pull(self) -> bool:
        """Whether it is pulled, by clients of an NBD server, or pushed into images."""
        return self.model.mode == "pull"

    def part(self, job: str) -> Part | None:
        """The part of that job."""
        return next((part for part in self.parts if part.job == job), None)

    def disk(self, part: Part) -> BackupDisk:
        """What the document says of a part."""
        return next(disk for disk in self.model.disks.disks if disk.name == part.target)

    def to_json(self) -> dict[str, Any]:
        """As the record has it."""
        names = ("stage", "reuse", "tls", "error", "silent", "began")
        return {
            "document": format_document(self.model, FormatFlags.SECURE),
            "parts": [dict(vars(part)) for part in self.parts],
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> RunningBackup:
        """From a record that we wrote."""
        values = dict(found)
        made = cls(parse_document(Backup, values.pop("document")), reuse=values.pop("reuse"))
        for told in values.pop("parts"):
            part = Part(told["target"], told["job"], told["node"], told["path"])
            part.__dict__.update(told)
            made.parts.append(part)
        made.__dict__.update(values)
        made.job.since(made.began)
        return made


def keep(running: RunningGuest, backup: RunningBackup) -> None:
    """Writes the backup, and all else that has changed, into the guest's record.

    Raises:
        SystemFailure: It cannot be written.
    """
    running.backup = backup
    running.record.runtime[_KEY] = backup.to_json()
    running.save()


def forget(running: RunningGuest, backup: RunningBackup) -> None:
    """Takes it out of the record, and lets the next one begin."""
    running.backup = None
    running.record.runtime.pop(_KEY, None)
    running.save()
    backup.release()


def recorded(running: RunningGuest) -> RunningBackup | None:
    """The backup that an earlier owner of the guest left in its record."""
    found = running.record.runtime.get(_KEY)
    return None if found is None else RunningBackup.from_json(found)


def hold_file(running: RunningGuest, path: str) -> None:
    """Notes a file that goes with the guest, unless somebody says otherwise before."""
    running.record.resources.append({"kind": "file", "path": path})


def let_file(running: RunningGuest, path: str) -> None:
    """The file no longer goes with the guest."""
    kept = [r for r in running.record.resources if (r["kind"], r.get("path")) != ("file", path)]
    running.record.resources[:] = kept
