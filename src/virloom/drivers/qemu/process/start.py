# SPDX-License-Identifier: Apache-2.0
"""What the steps of a guest's start share."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from virloom.drivers.qemu.confine.hugepages import HugePages
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.process import logd
from virloom.drivers.qemu.process.display_ports import PortChoice
from virloom.drivers.qemu.process.hooked import ask_hooks
from virloom.drivers.qemu.process.logs import GuestLog
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.virtiofs import FilesystemServers
from virloom.host.guardian import MARKER
from virloom.host.process import Confinement, Process
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.saving.restore import Incoming
    from virloom.drivers.qemu.snapshots.internal import KeptState
    from virloom.host.cgroup.group import GuestGroups


class Start:
    """One start of one guest.

    Args:
        driver: The driver.
        guest: The domain, shut off; its job is held by the caller.
        model: The tree to run, which becomes the live one; already completed and checked.
        paused: Leave the CPUs stopped.
        reset_nvram: Give the firmware fresh variables.
        incoming: The state that the guest goes on from; None boots it.
        from_snapshot: It boots because somebody has gone back to a snapshot.
        autodestroy: The guest ends with the connection that starts it.
    """

    def __init__(
        self,
        driver: QemuDriver,
        guest: Guest,
        model: Domain,
        *,
        paused: bool,
        autodestroy: bool,
        reset_nvram: bool = False,
        incoming: Incoming | KeptState | None = None,
        from_snapshot: bool = False,
    ) -> None:
        self.driver = driver
        self.guest = guest
        self.model = model
        self.paused = paused
        self.reset_nvram = reset_nvram
        self.incoming = incoming
        self.from_snapshot = from_snapshot
        self.id = driver.next_id()
        self.directory = driver.directories.guest(self.id, guest.name)
        record_path = driver.directories.record(guest.name)
        self.record = GuestRecord(record_path, guest.name, guest.uuid_text, self.id)
        self.record.autodestroy = autodestroy
        self.ports = PortChoice(driver)
        self.servers = FilesystemServers(driver, model, {MARKER: self.record.marker})
        self.ids = driver.dac.ids
        self.hugepages = HugePages({})
        self.pass_fds: list[int] = []
        self.confinement: Confinement | None = None
        self.lent = ExitStack()
        self.logd: logd.LogDaemon | None = None
        self.log: GuestLog | None = None
        self.process: Process | None = None
        self.monitor: Monitor | None = None
        self.running: RunningGuest | None = None
        self.hooked = False
        self.groups: GuestGroups | None = None

    async def ask_hooks(self, operation: str) -> None:
        """Runs the hooks of an operation, which may refuse it."""
        await ask_hooks(self.driver, self.guest.name, self.model, operation)
