# SPDX-License-Identifier: Apache-2.0
"""How far a backup is, in the figures of libvirt's job calls and events."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.monitor.commands.backup import query_progress
from virloom.drivers.qemu.process.progress import LongJob
from virloom.enums.domain import DomainJobOperation, DomainJobType
from virloom.enums.params import TypedParameterType
from virloom.procedures import domain as p
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam

if TYPE_CHECKING:
    from virloom.drivers.qemu.backup.state import RunningBackup
    from virloom.drivers.qemu.process.running import RunningGuest


class BackupJob(LongJob):
    """The figures of a backup.

    What is pushed is counted as done and left; of what is pulled only QEMU's clients know how far
    they are, and the room that the scratch images take is counted.
    """

    def __init__(self, backup: RunningBackup) -> None:
        super().__init__(DomainJobOperation.BACKUP)
        self._backup = backup
        self.lost = False

    def since(self, when: float) -> None:
        """It began then, as :func:`time.time` tells."""
        self._began = time.monotonic() - (time.time() - when)

    async def refresh(self, running: RunningGuest) -> None:
        """Asks QEMU; parts that have been dismissed keep their figures."""
        known = await query_progress(running)
        for part in self._backup.parts:
            if part.job in known:
                part.done, part.whole = known[part.job]

    def info(self) -> p.DomainGetJobInfoRet:
        """The answer of ``virDomainGetJobInfo``."""
        total, done = (0, 0) if self._backup.pull else self._sums()
        figures = (total, done, total - done)
        return p.DomainGetJobInfoRet(int(self.type), self.elapsed, 0, *figures, 0, 0, 0, *figures)

    def params(self) -> list[TypedParam]:
        """The figures of ``virDomainGetJobStats`` and of the event at its end."""
        operation = TypedParamValue(TypedParameterType.INT, int(self.operation))
        found = [TypedParam("operation", operation), *_numbers({"time_elapsed": self.elapsed})]
        total, done = (0, 0) if self.lost else self._sums()
        if total and self._backup.pull:
            found += _numbers({"disk_temp_used": done, "disk_temp_total": total})
        elif total:
            left = {"disk_total": total, "disk_processed": done, "disk_remaining": total - done}
            found += _numbers(left)
        if self.type == DomainJobType.UNBOUNDED:
            return found
        success = self.type == DomainJobType.COMPLETED
        found.append(TypedParam("success", TypedParamValue(TypedParameterType.BOOLEAN, success)))
        if self._backup.error:
            text = TypedParamValue(TypedParameterType.STRING, self._backup.error)
            found.append(TypedParam("errmsg", text))
        return found

    def _sums(self) -> tuple[int, int]:
        parts = self._backup.parts
        return sum(part.whole for part in parts), sum(part.done for part in parts)


def _numbers(figures: dict[str, int]) -> Iterable[TypedParam]:
    for name, value in figures.items():
        yield TypedParam(name, TypedParamValue(TypedParameterType.ULLONG, value))
