# SPDX-License-Identifier: Apache-2.0
"""How far a long job of a guest is, in the figures of libvirt's job calls and events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from virloom.enums.domain import DomainJobOperation, DomainJobType
from virloom.enums.params import TypedParameterType
from virloom.procedures import domain as p
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

#: Figures of the guest's memory, and what QEMU calls them.
_MEMORY = (
    ("memory_constant", "duplicate"),
    ("memory_normal", "normal"),
    ("memory_normal_bytes", "normal-bytes"),
    ("memory_dirty_rate", "dirty-pages-rate"),
    ("memory_iteration", "dirty-sync-count"),
    ("memory_postcopy_requests", "postcopy-requests"),
    ("memory_page_size", "page-size"),
)


class LongJob:
    """A job in progress, or one that has ended.

    Attributes:
        operation: What it is.
        type: How it stands.
        cancelled: Somebody wants it to end.
        can_cancel: Whether there is something to cancel.
        query: The monitor command that tells how far it is.
        on_cancel: What is to be done beside telling QEMU.
        told: QEMU's figures, as ``query-migrate`` or ``query-dump`` gave them last.
    """

    def __init__(self, operation: DomainJobOperation) -> None:
        self.operation = operation
        self.type = DomainJobType.UNBOUNDED
        self.cancelled = False
        self.can_cancel = False
        self.query = "query-migrate"
        self.on_cancel: Callable[[], None] = lambda: None
        self.told: Mapping[str, Any] = {}
        self._began = time.monotonic()
        self._elapsed: int | None = None

    def end(self, type: DomainJobType) -> None:
        """The job has ended so."""
        self.type = type
        self._elapsed = self.elapsed

    @property
    def elapsed(self) -> int:
        """Milliseconds since it began, or that it took."""
        if self._elapsed is not None:
            return self._elapsed
        return int((time.monotonic() - self._began) * 1000)

    async def refresh(self, running: RunningGuest) -> None:
        """Asks QEMU how far it is, while there is something to ask.

        Raises:
            VirloomError: QEMU does not answer.
        """
        if not self.can_cancel:
            return
        told = await running.execute(self.query)
        if "ram" in told or self.query == "query-dump":
            self.told = told

    def info(self) -> p.DomainGetJobInfoRet:
        """The answer of ``virDomainGetJobInfo``."""
        total, done, left = self._data()
        memory = (total, done, left) if "ram" in self.told else (0, 0, 0)
        return p.DomainGetJobInfoRet(
            int(self.type), self.elapsed, 0, total, done, left, *memory, 0, 0, 0
        )

    def params(self) -> list[TypedParam]:
        """The figures of ``virDomainGetJobStats`` and of the event at its end."""
        figures = {"time_elapsed": self.elapsed}
        for name, key in (("downtime", "downtime"), ("setup_time", "setup-time")):
            if key in self.told:
                figures[name] = int(self.told[key])
        total, done, left = self._data()
        figures |= {"data_total": total, "data_processed": done, "data_remaining": left}
        ram = self.told.get("ram")
        if ram is not None:
            figures |= self._memory(ram, total, done, left)
        operation = TypedParamValue(TypedParameterType.INT, int(self.operation))
        return [
            TypedParam("operation", operation),
            *(
                TypedParam(name, TypedParamValue(TypedParameterType.ULLONG, value))
                for name, value in figures.items()
            ),
        ]

    def _memory(self, ram: Mapping[str, Any], total: int, done: int, left: int) -> dict[str, int]:
        took = int(self.told.get("total-time", 0)) - int(self.told.get("setup-time", 0))
        figures = {"memory_total": total, "memory_processed": done, "memory_remaining": left}
        figures["memory_bps"] = done * 1000 // max(took, 1)
        return figures | {name: int(ram[key]) for name, key in _MEMORY if key in ram}

    def _data(self) -> tuple[int, int, int]:
        ram = self.told.get("ram")
        if ram is not None:
            return int(ram["total"]), int(ram["transferred"]), int(ram["remaining"])
        total, done = int(self.told.get("total", 0)), int(self.told.get("completed", 0))
        return total, done, total - done
