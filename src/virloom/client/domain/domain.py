# SPDX-License-Identifier: Apache-2.0
"""A domain: its identity, life cycle, description, and the way to everything else about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.domain.facet import ParamsToSet
from virloom.client.domain.ref import DomainRef
from virloom.client.domain.results import ControlInfo, DomainInfo, DomainStatus, SecurityLabel
from virloom.client.domain.screen import Screen
from virloom.client.migration import MigrationParams
from virloom.client.params import ParamValue, decode, encode, member
from virloom.enums import domain as e
from virloom.procedures import domain as p

if TYPE_CHECKING:
    from virloom.client.connection import Connection
    from virloom.client.domain.agent import Agent
    from virloom.client.domain.block import Block
    from virloom.client.domain.checkpoints import Checkpoints
    from virloom.client.domain.cpu import Cpu
    from virloom.client.domain.devices import Devices
    from virloom.client.domain.interfaces import Interfaces
    from virloom.client.domain.jobs import Jobs
    from virloom.client.domain.memory import Memory
    from virloom.client.domain.migration import Migration
    from virloom.client.domain.saving import Saving
    from virloom.client.domain.snapshots import Snapshots
    from virloom.model.domain import Domain as DomainModel


class Domain(Screen):
    """A guest, running or defined; equal to another object of the same guest and connection.

    Every call may raise NoDomain when the guest has gone from the host, InvalidConn when the
    connection is closed, and what the driver answers otherwise.
    """

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Domain)
            and self._handle.link is other._handle.link
            and self.ref == other.ref
        )

    def __hash__(self) -> int:
        return hash(self.ref)

    def __repr__(self) -> str:
        return f"<domain {self.name} ({self.uuid})>"

    # Identity

    @property
    def ref(self) -> DomainRef:
        """The identity as plain data; what events carry."""
        return self._handle.ref

    @property
    def name(self) -> str:
        """The name when this object was made, or last renamed by it."""
        return self.ref.name

    @property
    def uuid(self) -> UUID:
        """The UUID: it never changes."""
        return self.ref.uuid

    @property
    def id(self) -> int:
        """The number of the running guest as last told, -1 for none."""
        return self.ref.id

    # Facets

    @cached_property
    def agent(self) -> Agent:
        """What the guest's agent does."""
        from virloom.client.domain.agent import Agent

        return Agent(self._handle)

    @cached_property
    def block(self) -> Block:
        """The disks."""
        from virloom.client.domain.block import Block

        return Block(self._handle)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints and backups."""
        from virloom.client.domain.checkpoints import Checkpoints

        return Checkpoints(self._handle)

    @cached_property
    def cpu(self) -> Cpu:
        """Virtual processors, I/O threads, the scheduler, processor time."""
        from virloom.client.domain.cpu import Cpu

        return Cpu(self._handle)

    @cached_property
    def devices(self) -> Devices:
        """Attaching, detaching and changing devices."""
        from virloom.client.domain.devices import Devices

        return Devices(self._handle)

    @cached_property
    def interfaces(self) -> Interfaces:
        """The network interfaces."""
        from virloom.client.domain.interfaces import Interfaces

        return Interfaces(self._handle)

    @cached_property
    def jobs(self) -> Jobs:
        """Long operations: what runs, how far it is, its end."""
        from virloom.client.domain.jobs import Jobs

        return Jobs(self._handle)

    @cached_property
    def memory(self) -> Memory:
        """Memory, the balloon and its statistics."""
        from virloom.client.domain.memory import Memory

        return Memory(self._handle)

    @cached_property
    def migration(self) -> Migration:
        """The phases of a migration, and its tuning; all at once: :meth:`migrate`."""
        from virloom.client.domain.migration import Migration

        return Migration(self._handle)

    @cached_property
    def saving(self) -> Saving:
        """Saved states and core dumps."""
        from virloom.client.domain.saving import Saving

        return Saving(self._handle)

    @cached_property
    def snapshots(self) -> Snapshots:
        """Snapshots."""
        from virloom.client.domain.snapshots import Snapshots

        return Snapshots(self._handle)

    # Life cycle

    async def create(self, flags: int = 0) -> None:
        """Starts a defined guest.

        Args:
            flags: :class:`~virloom.enums.domain.DomainCreateFlags`.

        Raises:
            OperationInvalid: It is running already.
        """
        ret = await self._link.call(
            p.DOMAIN_CREATE_WITH_FLAGS, p.DomainCreateWithFlagsArgs(self._dom, flags)
        )
        self._handle.ref = DomainRef.of_wire(ret.dom)

    async def create_with_files(self, files: Sequence[int], flags: int = 0) -> None:
        """Starts a defined guest that inherits copies of open descriptors (containers)."""
        args = p.DomainCreateWithFilesArgs(self._dom, flags)
        ret, fds = await self._link.call_with_fds(p.DOMAIN_CREATE_WITH_FILES, args, files)
        fds.close()
        self._handle.ref = DomainRef.of_wire(ret.dom)

    async def shutdown(self, flags: int = 0) -> None:
        """Asks the guest to power off, and does not wait for it.

        Args:
            flags: :class:`~virloom.enums.domain.DomainShutdownFlagValues`.
        """
        if flags:
            await self._link.call(
                p.DOMAIN_SHUTDOWN_FLAGS, p.DomainShutdownFlagsArgs(self._dom, flags)
            )
        else:
            await self._link.call(p.DOMAIN_SHUTDOWN, p.DomainShutdownArgs(self._dom))

    async def reboot(self, flags: int = 0) -> None:
        """Asks the guest to reboot (:class:`~virloom.enums.domain.DomainRebootFlagValues`)."""
        await self._link.call(p.DOMAIN_REBOOT, p.DomainRebootArgs(self._dom, flags))

    async def reset(self) -> None:
        """Resets the machine, as its reset button does."""
        await self._link.call(p.DOMAIN_RESET, p.DomainResetArgs(self._dom))

    async def suspend(self) -> None:
        """Stops the guest's processors."""
        await self._link.call(p.DOMAIN_SUSPEND, p.DomainSuspendArgs(self._dom))

    async def resume(self) -> None:
        """Lets them go on."""
        await self._link.call(p.DOMAIN_RESUME, p.DomainResumeArgs(self._dom))

    async def destroy(self, flags: int = 0) -> None:
        """Ends the guest; its own view is that of a power cut.

        Args:
            flags: :class:`~virloom.enums.domain.DomainDestroyFlagsValues`; with GRACEFUL a QEMU
                that does not go by itself stays, and the call fails.

        Raises:
            OperationInvalid: It is not running.
        """
        if flags:
            await self._link.call(
                p.DOMAIN_DESTROY_FLAGS, p.DomainDestroyFlagsArgs(self._dom, flags)
            )
        else:
            await self._link.call(p.DOMAIN_DESTROY, p.DomainDestroyArgs(self._dom))
        self._handle.ref = DomainRef(self.name, self.uuid)

    async def undefine(self, flags: int = 0) -> None:
        """Forgets the configuration (:class:`~virloom.enums.domain.DomainUndefineFlagsValues`)."""
        if flags:
            await self._link.call(
                p.DOMAIN_UNDEFINE_FLAGS, p.DomainUndefineFlagsArgs(self._dom, flags)
            )
        else:
            await self._link.call(p.DOMAIN_UNDEFINE, p.DomainUndefineArgs(self._dom))

    async def migrate(
        self, destination: Connection, params: MigrationParams | None = None, flags: int = 0
    ) -> Domain:
        """Moves the guest to another host.

        Args:
            destination: A connection to that host.
            params: By libvirt's names, such as ``migrate_uri``, ``destination_name``,
                ``destination_xml``, ``bandwidth``, ``migrate_disks`` (a list).
            flags: :class:`~virloom.enums.domain.DomainMigrateFlags`; with PEER2PEER the two hosts
                do all by themselves.

        Returns:
            The domain on the other host.

        Raises:
            VirloomError: A phase failed; the guest goes on here.
        """
        from virloom.client.domain.migrating import Managed

        given = params or {}
        if flags & e.DomainMigrateFlags.PEER2PEER:
            await self.migrate_to_uri(destination.uri, given, flags)
            name = given.get("destination_name", self.name)
            return await destination.lookup_by_name(str(name))
        managed = Managed(self.migration, destination.arrivals, given, flags)
        paused = (await self.state()).state == e.DomainState.PAUSED
        return destination.domain(await managed.run(self.name, paused=paused))

    async def migrate_to_uri(
        self, uri: str | None, params: MigrationParams | None = None, flags: int = 0
    ) -> None:
        """Has the two hosts move the guest between them; *flags* have PEER2PEER.

        Args:
            uri: How this host reaches the other one's daemon.
            params: As with :meth:`migrate`.
            flags: :class:`~virloom.enums.domain.DomainMigrateFlags`.
        """
        from virloom.client.domain.migrating import peer_to_peer

        await peer_to_peer(self.migration, uri, params or {}, flags)

    async def rename(self, name: str) -> None:
        """Gives a defined guest that does not run another name."""
        await self._link.call(p.DOMAIN_RENAME, p.DomainRenameArgs(self._dom, name))
        self._handle.ref = DomainRef(name, self.uuid, self.id)

    async def pm_suspend(self, target: int, duration: int = 0) -> None:
        """Has the guest suspend itself (:class:`~virloom.enums.host.NodeSuspendTarget`)."""
        await self._link.call(
            p.DOMAIN_PM_SUSPEND_FOR_DURATION,
            p.DomainPMSuspendForDurationArgs(self._dom, target, duration),
        )

    async def pm_wakeup(self) -> None:
        """Wakes a guest that has suspended itself."""
        await self._link.call(p.DOMAIN_PM_WAKEUP, p.DomainPMWakeupArgs(self._dom))

    async def inject_nmi(self) -> None:
        """Raises a non-maskable interrupt in the guest."""
        await self._link.call(p.DOMAIN_INJECT_NMI, p.DomainInjectNmiArgs(self._dom))

    async def set_lifecycle_action(self, event: int, action: int, flags: int = 0) -> None:
        """What follows power-off, reboot or crash.

        Args:
            event: :class:`~virloom.enums.domain.DomainLifecycle`.
            action: :class:`~virloom.enums.domain.DomainLifecycleAction`.
            flags: :class:`~virloom.enums.domain.DomainModificationImpact`.
        """
        await self._link.call(
            p.DOMAIN_SET_LIFECYCLE_ACTION,
            p.DomainSetLifecycleActionArgs(self._dom, event, action, flags),
        )

    async def autostart(self) -> bool:
        """Whether it starts with the host."""
        args = p.DomainGetAutostartArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_GET_AUTOSTART, args)).autostart)

    async def autostart_once(self) -> bool:
        """Whether it starts with the host the next time only."""
        args = p.DomainGetAutostartOnceArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_GET_AUTOSTART_ONCE, args)).autostart)

    async def set_autostart_once(self, autostart: bool) -> None:
        """Changes that."""
        args = p.DomainSetAutostartOnceArgs(self._dom, int(autostart))
        await self._link.call(p.DOMAIN_SET_AUTOSTART_ONCE, args)

    async def set_autostart(self, autostart: bool) -> None:
        """Whether it shall."""
        args = p.DomainSetAutostartArgs(self._dom, int(autostart))
        await self._link.call(p.DOMAIN_SET_AUTOSTART, args)

    # What it is and does

    async def state(self) -> DomainStatus:
        """State and reason; answered even while the guest's monitor hangs."""
        ret = await self._link.call(p.DOMAIN_GET_STATE, p.DomainGetStateArgs(self._dom))
        return DomainStatus.of(ret.state, ret.reason)

    async def info(self) -> DomainInfo:
        """State, memory, processors, processor time."""
        ret = await self._link.call(p.DOMAIN_GET_INFO, p.DomainGetInfoArgs(self._dom))
        state = member(e.DomainState, ret.state)
        return DomainInfo(state, ret.max_mem, ret.memory, ret.nr_virt_cpu, ret.cpu_time)

    async def control_info(self) -> ControlInfo:
        """Whether the guest's monitor answers."""
        args = p.DomainGetControlInfoArgs(self._dom)
        ret = await self._link.call(p.DOMAIN_GET_CONTROL_INFO, args)
        state = member(e.DomainControlState, ret.state)
        return ControlInfo(state, member(e.DomainControlErrorReason, ret.details), ret.state_time)

    async def is_active(self) -> bool:
        """Whether it runs (or is paused)."""
        args = p.DomainIsActiveArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """Whether its configuration outlives it."""
        args = p.DomainIsPersistentArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_IS_PERSISTENT, args)).persistent)

    async def is_updated(self) -> bool:
        """Whether its configuration differs from what it runs with."""
        args = p.DomainIsUpdatedArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_IS_UPDATED, args)).updated)

    async def os_type(self) -> str:
        """``hvm`` for a full machine."""
        args = p.DomainGetOsTypeArgs(self._dom)
        return (await self._link.call(p.DOMAIN_GET_OS_TYPE, args)).type

    async def messages(self, flags: int = 0) -> list[str]:
        """Warnings about the guest (:class:`~virloom.enums.domain.DomainMessageType`)."""
        args = p.DomainGetMessagesArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_GET_MESSAGES, args)).msgs

    async def launch_security_info(self, flags: int = 0) -> dict[str, ParamValue]:
        """The measurement and policy of an encrypted guest (SEV and the like)."""
        args = p.DomainGetLaunchSecurityInfoArgs(self._dom, flags)
        return decode((await self._link.call(p.DOMAIN_GET_LAUNCH_SECURITY_INFO, args)).params)

    async def set_launch_security_state(self, values: ParamsToSet, flags: int = 0) -> None:
        """Hands a secret to an encrypted guest that waits for it."""
        args = p.DomainSetLaunchSecurityStateArgs(self._dom, encode(values), flags)
        await self._link.call(p.DOMAIN_SET_LAUNCH_SECURITY_STATE, args)

    async def security_label(self) -> SecurityLabel:
        """The label of the QEMU process by the host's first security model."""
        args = p.DomainGetSecurityLabelArgs(self._dom)
        ret = await self._link.call(p.DOMAIN_GET_SECURITY_LABEL, args)
        return SecurityLabel(ret.label.rstrip(b"\0").decode(), bool(ret.enforcing))

    async def open_namespace(self, flags: int = 0) -> list[int]:
        """Descriptors of a container's namespaces, which the caller closes."""
        from virloom.procedures import lxc

        args = lxc.LxcDomainOpenNamespaceArgs(self._dom, flags)
        _, fds = await self._link.call_with_fds(lxc.DOMAIN_OPEN_NAMESPACE, args)
        return fds.release()

    async def security_labels(self) -> list[SecurityLabel]:
        """The labels of the QEMU process."""
        args = p.DomainGetSecurityLabelListArgs(self._dom)
        ret = await self._link.call(p.DOMAIN_GET_SECURITY_LABEL_LIST, args)
        return [
            SecurityLabel(one.label.rstrip(b"\0").decode(), bool(one.enforcing))
            for one in ret.labels
        ]

    # Its description

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.domain.DomainXMLFlags`)."""
        args = p.DomainGetXMLDescArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_GET_XML_DESC, args)).xml

    async def model(self, flags: int = 0) -> DomainModel:
        """The same as a model object; a copy, without a tie to the guest."""
        from virloom.model.domain import Domain as DomainModel
        from virloom.xml import parse_document

        return parse_document(DomainModel, await self.xml_desc(flags))

    async def title(self, flags: int = 0) -> str:
        """The title (see :meth:`metadata`)."""
        return await self.metadata(e.DomainMetadataType.TITLE, flags=flags)

    async def set_title(self, title: str | None, flags: int = 0) -> None:
        """Sets the title, or takes it away."""
        await self.set_metadata(e.DomainMetadataType.TITLE, title, flags=flags)

    async def description(self, flags: int = 0) -> str:
        """The description (see :meth:`metadata`)."""
        return await self.metadata(e.DomainMetadataType.DESCRIPTION, flags=flags)

    async def set_description(self, description: str | None, flags: int = 0) -> None:
        """Sets the description, or takes it away."""
        await self.set_metadata(e.DomainMetadataType.DESCRIPTION, description, flags=flags)

    async def metadata(self, type: int, uri: str | None = None, flags: int = 0) -> str:
        """Title, description or an element of the metadata.

        Args:
            type: :class:`~virloom.enums.domain.DomainMetadataType`.
            uri: The element's namespace.
            flags: :class:`~virloom.enums.domain.DomainModificationImpact`.

        Raises:
            NoDomainMetadata: There is none.
        """
        args = p.DomainGetMetadataArgs(self._dom, type, uri, flags)
        return (await self._link.call(p.DOMAIN_GET_METADATA, args)).metadata

    async def set_metadata(
        self,
        type: int,
        metadata: str | None,
        key: str | None = None,
        uri: str | None = None,
        flags: int = 0,
    ) -> None:
        """Sets it; None takes it away. *key* is the element's prefix for its namespace *uri*."""
        args = p.DomainSetMetadataArgs(self._dom, type, metadata, key, uri, flags)
        await self._link.call(p.DOMAIN_SET_METADATA, args)
