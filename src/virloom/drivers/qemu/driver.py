# SPDX-License-Identifier: Apache-2.0
"""The QEMU driver of one set of directories: its domains, and what its handlers share."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.capabilities.cache import CapabilityCache
from virloom.drivers.qemu.capabilities.probe import Credentials
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.display_ports import DisplayPorts
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.hostdevs.claims import Claims
from virloom.drivers.qemu.locks.choice import choose as choose_locks
from virloom.drivers.qemu.monitor_events import MonitorEvents
from virloom.drivers.qemu.nics.names import DIRECT_PREFIX, HELD_SUFFIXES, TapNames
from virloom.drivers.qemu.patience import Patience
from virloom.drivers.qemu.persistent import load_definitions
from virloom.drivers.qemu.process.autostart import autostart
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.runtime.events import DomainEvents
from virloom.drivers.runtime.hooks import Hooks
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.objects import ObjectIndex, uuid_text
from virloom.drivers.runtime.recorder import Recorder
from virloom.drivers.runtime.store import DocumentStore
from virloom.endpoint.areas import Areas
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomain, OperationFailed, VirloomError
from virloom.host.cgroup.mounts import Hierarchies
from virloom.host.files import remove_temporaries
from virloom.host.guardian import Guardian, earlier_guardians_done
from virloom.host.lock import LockHeld, RootLock
from virloom.host.spawner import Spawner
from virloom.procedures.types import NonnullDomain
from virloom.security.dac import Dac, Ids
from virloom.security.stack import choose

if TYPE_CHECKING:
    from virloom.drivers.qemu.limits.settling import Settler
    from virloom.drivers.qemu.nics.kept import KeptConnection
    from virloom.drivers.qemu.nics.watch import NetworkWatch
    from virloom.host.netns import NetworkSpace

logger = logging.getLogger(__name__)

_PATIENCE = Patience()
_NO_AREAS = Areas()


class QemuDriver:
    """One driver: the sole owner of its directories while it is open.

    Made by :meth:`open`, on the event loop that it then belongs to.

    Attributes:
        directories: Where everything is.
        uri: What clients are told.
        patience: How long it waits for whom.
        areas: How networks, storage and secrets are reached.
        config: What qemu.conf says.
        guests: The domains, running or not.
        recorder: What happened to the domains.
        events: Who listens to domain events.
        monitor_events: Who listens to QEMU's own events.
        store: The persistent documents.
        index: Which of them need not be parsed at a start.
        capabilities: What the QEMU binaries can do.
        display_ports: Which ports displays may have.
        claims: Which guest has which device of the host.
        tap_names, macvtap_names: How taps of guests are called.
        space: The network namespace that taps are made in; None is this process's own.
        dac: Whom QEMU runs as.
        security: The kernel's security models that confine guests.
        locks: Who gives leases on disks; None: nobody.
        spawner: What starts QEMU.
        hooks: What the host's administrator has run for guests.
        loop: The event loop of the driver.
    """

    def __init__(
        self,
        directories: Directories,
        uri: str,
        patience: Patience,
        areas: Areas,
        space: NetworkSpace | None = None,
    ) -> None:
        self.directories = directories
        self.space = space
        self.uri = uri
        self.patience = patience
        self.areas = areas
        self.config = QemuConfig.load(directories.settings)
        self.security = choose(
            self.config.security_driver,
            default_confined=self.config.security_default_confined,
            require_confined=self.config.security_require_confined,
        )
        self.locks = choose_locks(self)
        if self.locks is not None:
            self.locks.lost = self._has_lost_leases
        self.guests: ObjectIndex[Guest] = ObjectIndex()
        self.recorder = Recorder(directories.run / "recorder")
        self.events = DomainEvents(self.recorder)
        self.monitor_events = MonitorEvents()
        self.index = DocumentIndex(directories.cache / "documents.index")
        self.store = DocumentStore(directories.config, directories.autostart, self.index)
        self.display_ports = DisplayPorts(
            self.config.remote_display_port_min, self.config.remote_display_port_max
        )
        self.claims = Claims()
        self.tap_names = TapNames()
        self.macvtap_names = TapNames(DIRECT_PREFIX)
        self.dac = Dac(
            self.config.user,
            self.config.group,
            str(directories.lib / "owners"),
            dynamic=self.config.dynamic_ownership,
            remember=self.config.remember_owner,
        )
        self.spawner = Spawner()
        self.hooks = Hooks(directories.hooks, "qemu")
        ids = self.dac.ids
        self.capabilities = CapabilityCache(
            directories.cache,
            credentials=Credentials(ids.uid, ids.gid, ids.groups)
            if self.dac.changes_user
            else Credentials(),
        )
        self.loop = asyncio.get_running_loop()
        self._last_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._guardian: Guardian | None = None
        self._closing = ExitStack()

    @classmethod
    async def open(
        cls,
        directories: Directories,
        uri: str,
        patience: Patience = _PATIENCE,
        areas: Areas = _NO_AREAS,
        space: NetworkSpace | None = None,
    ) -> QemuDriver:
        """Opens the driver: takes the directories, loads the domains, takes running guests over.

        Raises:
            OperationFailed: Another process has the directories; the message has its pid.
            SystemFailure: A directory cannot be used.
            ConfSyntax: qemu.conf is malformed.
        """
        directories.make()
        lock = _lock(directories.run)
        try:
            await earlier_guardians_done(str(directories.run / "guardian.live"))
            remove_temporaries(directories.run)
            remove_temporaries(directories.config)
            driver = cls(directories, uri, patience, areas, space)
            driver._closing.callback(lock.release)
            load_definitions(driver)
            if next(directories.run.glob("*.json"), None) is not None:
                # Without guests of an earlier owner, this is not needed for the first answer.
                from virloom.drivers.qemu.process.takeover import recover

                await recover(driver)
            if next((directories.lib / "snapshot-work").glob("*.json"), None) is not None:
                from virloom.drivers.qemu.snapshots.recovery import settle_all

                await settle_all(driver)
            if any(path.suffix in HELD_SUFFIXES for path in directories.run.iterdir()):
                from virloom.drivers.qemu.nics.strays import give_back_strays

                await give_back_strays(driver)
                driver.networks.begin()
            between = list(directories.run.glob("*.pci"))
            if between:
                from virloom.drivers.qemu.hostdevs.handing import put_back_all

                await put_back_all(between)
            await autostart(driver)
        except BaseException:
            lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Lets go of everything; guests that are not AUTODESTROY go on without us."""
        for kept in ("networks", "filters"):
            if kept in self.__dict__:
                await self.__dict__[kept].close()
        if "settler" in self.__dict__:
            self.settler.hurry()
        for task in list(self._tasks):
            await asyncio.wait([task])
        await self.store.settled()
        if self._guardian is not None:
            await self._guardian.close()
        for guest in self.guests:
            if guest.running is not None:
                running, guest.running = guest.running, None
                running.close()
        if self.locks is not None:
            await self.locks.close()
        await self.capabilities.close()
        await self.spawner.close()
        self.recorder.close()
        self._closing.close()

    def background(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Runs *work* beside everything else; :meth:`close` waits for it."""

        async def guarded() -> None:
            try:
                await work
            except VirloomError as exc:
                logger.error("%s: %s", what, exc)

        task = asyncio.get_running_loop().create_task(guarded(), name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- domains -------------------------------------------------------------------------------

    def new_guest(self, name: str, uuid: bytes) -> Guest:
        """A domain that is in no index yet."""
        return Guest(
            name,
            uuid,
            max_queued=self.config.max_queued,
            patience=self.patience,
            recorder=self.recorder,
        )

    def find(self, ref: NonnullDomain) -> Guest:
        """The domain that a call names.

        Raises:
            NoDomain: There is none with its UUID.
        """
        guest = self.guests.by_uuid(ref.uuid)
        if guest is None or not guest.known:
            raise NoDomain(
                f"no domain with matching uuid '{uuid_text(ref.uuid)}' ({ref.name})",
                domain=ErrorDomain.QEMU,
            )
        return guest

    def next_id(self) -> int:
        """A number that no running domain has had since the driver was opened."""
        self._last_id += 1
        return self._last_id

    def reserve_ids(self, used: Iterable[int]) -> None:
        """Keeps the numbers of guests that run already from being given again."""
        self._last_id = max([self._last_id, *used])

    def _has_lost_leases(self, uuid: str) -> None:
        """Somebody else may write to the disks of a guest that runs."""
        from uuid import UUID

        from virloom.drivers.qemu.locks.lost import act_on_loss

        guest = self.guests.by_uuid(UUID(uuid).bytes)
        if guest is not None:
            self.background(act_on_loss(self, guest), f"lost leases of '{guest.name}'")

    # -- whom QEMU runs as ---------------------------------------------------------------------

    def owner_of(self, ids: Ids) -> tuple[int, int] | None:
        """uid and gid of a guest's QEMU where they are not ours."""
        if not self.dac.privileged or ids[:2] == (os.geteuid(), os.getegid()):
            return None
        return ids.uid, ids.gid

    @cached_property
    def networks(self) -> NetworkWatch:
        """Hears of networks that start while guests' cards are on them."""
        from virloom.drivers.qemu.nics.watch import NetworkWatch  # guests may be on no network

        return NetworkWatch(self)

    @cached_property
    def filters(self) -> KeptConnection:
        """What binds filters to guests' cards."""
        from virloom.drivers.qemu.nics.kept import KeptConnection  # few guests have any

        return KeptConnection(self, "nwfilter")

    @cached_property
    def settler(self) -> Settler:
        """What puts threads of new guests into their control groups."""
        from virloom.drivers.qemu.limits.settling import Settler  # with the first start

        return Settler(self.background)

    @cached_property
    def hierarchies(self) -> Hierarchies:
        """Where the host lets us make control groups."""
        return Hierarchies.of_this_process()

    @property
    def private_dev(self) -> bool:
        """Whether guests get a ``/dev`` of their own."""
        asked = self.config.namespaces
        if asked is None:
            return self.dac.privileged and not self.directories.embeds
        return self.dac.privileged and "mount" in asked

    # -- guests that end with their connection -------------------------------------------------

    def expect_autodestroy(self, record: GuestRecord) -> None:
        """Tells the guardian of a guest before there is a process."""
        if self._guardian is None:
            self._guardian = Guardian.start(str(self.directories.run / "guardian.live"))
        self._guardian.expect(str(record.path), record.marker)

    def adopt_autodestroy(self, record: GuestRecord) -> None:
        """Tells the guardian which process it is."""
        if self._guardian is not None and record.process is not None:
            self._guardian.adopt(record.process, str(record.path))

    def forget_autodestroy(self, record: GuestRecord) -> None:
        """The guest has ended, and its record is gone."""
        if self._guardian is not None:
            self._guardian.forget(str(record.path))


def _lock(directory: Path) -> RootLock:
    try:
        return RootLock.acquire(directory)
    except LockHeld as exc:
        holder = f"process {exc.pid}" if exc.pid is not None else "another process"
        raise OperationFailed(
            f"'{directory}' is in use by {holder} (this is process {os.getpid()})",
            domain=ErrorDomain.QEMU,
            remedy="close that connection, or open another root",
        ) from exc
