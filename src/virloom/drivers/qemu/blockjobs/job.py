# SPDX-License-Identifier: Apache-2.0
"""One block job, and how the guest's record has it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.blockjobs.machine import Input, State, following
from virloom.drivers.qemu.process.resources import alias_of
from virloom.enums.domain import ConnectDomainEventBlockJobStatus, DomainBlockJobType
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.block.layers import Command
    from virloom.drivers.qemu.process.running import RunningGuest

_KEY = "blockjobs"

#: Kinds of jobs, as their names in QEMU begin, and what libvirt's events call them.
TYPES = {
    "pull": DomainBlockJobType.PULL,
    "copy": DomainBlockJobType.COPY,
    "commit": DomainBlockJobType.COMMIT,
    "active-commit": DomainBlockJobType.ACTIVE_COMMIT,
    "backup": DomainBlockJobType.BACKUP,
}

#: Kinds that keep two images the same until they are told to pivot.
MIRRORS = ("copy", "active-commit")

#: What of a job is in the record, beside its state.
_KEPT = (
    "kind", "alias", "data", "undo", "garbage", "status", "error", "made", "quiet", "flushed",
)  # fmt: skip


class BlockJob:
    """One job.

    Attributes:
        id: QEMU's name of it, made as libvirt makes it: ``pull-vda-libvirt-1-format``.
        kind: A key of :data:`TYPES`.
        alias: Of the disk.
        state: How far it is.
        data: What its kind has to know at its end; JSON.
        undo: What takes out of QEMU that was made for it, if it comes to nothing.
        garbage: What has to be taken out of QEMU once its end is in the document.
        status: How it ended, once that is known.
        error: QEMU's words, where it failed.
        made: A file that was made for it, before it began.
        quiet: It is the part of something larger, which tells of its end itself.
        flushed: The node whose image QEMU has to write down before the job may change the chain:
            until then what was copied is in its memory in part, and the reference to where it
            came from would be gone. None for jobs that see to it themselves.
        waited_for: Somebody who holds the domain's job waits for its end, and deals with it.
        ready: Set when both images are the same.
        concluded: Set when QEMU says that it has concluded, or says no more.
        settled: Set when it is over.
    """

    def __init__(self, kind: str, disk: Disk, node: str, data: dict[str, Any]) -> None:
        prefix = "commit" if kind == "active-commit" else kind
        self.id = f"{prefix}-{disk.target.dev}-{node}"
        self.kind = kind
        self.alias = alias_of(disk)
        self.state = State.NEW
        self.data = data
        self.undo: list[Command] = []
        self.garbage: list[Command] = []
        self.status: int | None = None
        self.error: str | None = None
        self.made: str | None = None
        self.flushed: str | None = None
        self.quiet = False
        self._begin()

    def _begin(self) -> None:
        self.waited_for = False
        self.ready = asyncio.Event()
        self.concluded = asyncio.Event()
        self.settled = asyncio.Event()

    @property
    def type(self) -> DomainBlockJobType:
        """What libvirt's calls and events call it."""
        return TYPES[self.kind]

    @property
    def mirrors(self) -> bool:
        """Whether it keeps two images the same until it is told to pivot."""
        return self.kind in MIRRORS

    def move(self, input: Input) -> None:
        """Goes on to the next state.

        Raises:
            InternalError: It cannot do that now.
        """
        self.state = following(self.state, input)

    def note_undo(self, commands: Sequence[Command]) -> None:
        """What has to be taken back before all that was noted earlier."""
        self.undo = [*commands, *self.undo]

    def disk(self, running: RunningGuest) -> Disk | None:
        """The disk that it works on; None when it has gone."""
        return next((d for d in running.model.devices.disks if alias_of(d) == self.alias), None)

    def to_json(self) -> dict[str, Any]:
        """As the record has it."""
        return {"state": self.state.value, **{name: getattr(self, name) for name in _KEPT}}

    @classmethod
    def from_json(cls, id: str, found: dict[str, Any]) -> BlockJob:
        """From a record that we wrote."""
        job = cls.__new__(cls)
        job.id = id
        for name, value in found.items():
            setattr(job, name, value)
        job.state = State(found["state"])
        job.undo = [(name, arguments) for name, arguments in found["undo"]]
        job.garbage = [(name, arguments) for name, arguments in found["garbage"]]
        job._begin()
        return job


def keep(running: RunningGuest, job: BlockJob) -> None:
    """Writes the job, and all else that has changed, into the guest's record.

    Raises:
        SystemFailure: It cannot be written.
    """
    running.blockjobs[job.id] = job
    running.record.runtime.setdefault(_KEY, {})[job.id] = job.to_json()
    running.set_document()
    running.save()


def forget(running: RunningGuest, job: BlockJob) -> None:
    """Takes it out of the record."""
    running.blockjobs.pop(job.id, None)
    jobs = running.record.runtime.get(_KEY, {})
    jobs.pop(job.id, None)
    if not jobs:
        running.record.runtime.pop(_KEY, None)
    running.set_document()
    running.save()


def recorded(running: RunningGuest) -> Iterator[BlockJob]:
    """The jobs that an earlier owner of the guest left in its record."""
    for id, found in dict(running.record.runtime.get(_KEY, {})).items():
        yield BlockJob.from_json(id, found)


def job_of(running: RunningGuest, disk: Disk) -> BlockJob | None:
    """The job of a disk, also one that is part of something larger."""
    alias = alias_of(disk)
    return next((job for job in running.blockjobs.values() if job.alias == alias), None)


def told(job: BlockJob) -> ConnectDomainEventBlockJobStatus:
    """How it ended."""
    status = ConnectDomainEventBlockJobStatus
    return status.FAILED if job.status is None else status(job.status)
