# SPDX-License-Identifier: Apache-2.0
"""Leases of virtlockd: ours or libvirt's, by libvirt's lock program."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from virloom.drivers.qemu.locks.claims import claim_of_disk, claim_of_lease
from virloom.drivers.qemu.locks.interface import Claim, LockManager, Owner
from virloom.drivers.qemu.locks.lockd_config import LockdConfig
from virloom.drivers.qemu.process.attendant import Attendant
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidConn,
    NoSupport,
    OperationTimeout,
    ResourceBusy,
    VirloomError,
)
from virloom.host.process import run
from virloom.procedures import lock as p

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.model.domain import Domain

logger = logging.getLogger(__name__)

#: ``VIR_LOCK_SPACE_PROTOCOL_ACQUIRE_RESOURCE_SHARED`` and ``…_AUTOCREATE``.
_SHARED, _AUTOCREATE = 1, 2

#: After these a lease may have been given.
_UNCERTAIN = (OperationTimeout, InvalidConn)

#: Programs that tell one volume from another on every host (libvirt 9 asks them the same).
_LVM = ("lvs", "--noheadings", "--unbuffered", "--nosuffix", "--options", "uuid")
_SCSI = ("/lib/udev/scsi_id", "--replace-whitespace", "--whitelisted", "--device")


class Resource(NamedTuple):
    """What virtlockd calls a claim.

    Attributes:
        space: The path of its lock space; empty where the name is that of the image.
        name: In it.
        flags: How it is locked.
    """

    space: str
    name: str
    flags: int


class _Speaker(Attendant):
    """virtlockd, for one guest."""

    area = "lock"
    name = "virtlockd"

    def __init__(self, driver: QemuDriver, owner: Owner, spaces: Sequence[str]) -> None:
        super().__init__(driver)
        uuid = UUID(owner.uuid).bytes
        self._owner = p.VirLockSpaceProtocolOwner(uuid, owner.name, owner.id, owner.pid)
        self._spaces = spaces

    async def greet(self, endpoint: Endpoint) -> None:
        await endpoint.call(p.REGISTER, p.VirLockSpaceProtocolRegisterArgs(self._owner, 0))
        for path in self._spaces:
            args = p.VirLockSpaceProtocolCreateLockSpaceArgs(path)
            await endpoint.call(p.CREATE_LOCKSPACE, args)

    async def acquire(self, resource: Resource) -> None:
        """Takes one.

        Raises:
            ResourceBusy: Somebody has it.
        """

        async def give_back() -> None:
            await self.release(resource)  # the call that was cut off may have taken it

        args = p.VirLockSpaceProtocolAcquireResourceArgs(*resource)
        await self.ask(p.ACQUIRE_RESOURCE, args, again=give_back)

    async def release(self, resource: Resource) -> None:
        """Gives one back; nothing happens where the guest does not have it."""
        args = p.VirLockSpaceProtocolReleaseResourceArgs(resource.space, resource.name, 0)
        try:
            await self.ask(p.RELEASE_RESOURCE, args)
        except (ResourceBusy, InternalError) as exc:
            if exc.domain != ErrorDomain.LOCKSPACE:
                raise
            logger.debug("'%s' was not held: %s", resource.name, exc.message)


class LockdManager(LockManager):
    """Leases of virtlockd.

    Args:
        driver: Knows the way to it.
        config: What is locked for a disk.
    """

    name = "lockd"

    def __init__(self, driver: QemuDriver, config: LockdConfig) -> None:
        super().__init__()
        self._driver = driver
        self._config = config

    def check(self, model: Domain) -> None:
        for claim in map(claim_of_lease, model.devices.leases):
            self._check_lease(claim)
        disks = [claim_of_disk(disk) for disk in model.devices.disks]
        written = [claim for claim in disks if claim is not None and not claim.shared]
        required = self._config.require_lease_for_disks and not self._config.auto_disk_leases
        if required and written and not model.devices.leases:
            raise ConfigUnsupported(
                f"domain '{model.name}' writes to disks of its own and has no lease "
                "(require_lease_for_disks of qemu-lockd.conf)",
                domain=ErrorDomain.QEMU,
            )

    @staticmethod
    def _check_lease(claim: Claim) -> None:
        if claim.offset:
            raise InternalError(
                f"lease '{claim.key}': the offset must be 0 with virtlockd",
                domain=ErrorDomain.QEMU,
            )

    async def ready(self) -> None:
        try:
            async with self._driver.areas.opened("lock"):
                pass
        except NoSupport as exc:
            raise _away() from exc

    async def acquire(self, owner: Owner, claims: Sequence[Claim]) -> None:
        resources = await self._resources(claims)
        if not resources:
            return
        speaker = self._speaker(owner)
        tried: list[Resource] = []
        try:
            for resource in resources:
                tried.append(resource)
                await speaker.acquire(resource)
        except BaseException as exc:
            if isinstance(exc, VirloomError) and not isinstance(exc, _UNCERTAIN):
                tried.pop()  # that one was refused
            await self._give_back(speaker, tried)
            if isinstance(exc, NoSupport):
                raise _away() from exc
            raise
        finally:
            await speaker.close()

    async def _give_back(self, speaker: _Speaker, resources: list[Resource]) -> None:
        for resource in resources:
            try:
                await speaker.release(resource)
            except VirloomError as exc:
                logger.error("'%s' stays locked: %s", resource.name, exc.message)

    async def release(self, owner: Owner, claims: Sequence[Claim]) -> None:
        resources = await self._resources(claims)
        if not resources:
            return
        speaker = self._speaker(owner)
        try:
            for resource in resources:
                await speaker.release(resource)
        except NoSupport as exc:
            raise _away() from exc
        finally:
            await speaker.close()

    def _speaker(self, owner: Owner) -> _Speaker:
        return _Speaker(self._driver, owner, self._config.spaces())

    async def _resources(self, claims: Sequence[Claim]) -> list[Resource]:
        found = [await self._resource(claim) for claim in claims]
        return [resource for resource in found if resource is not None]

    async def _resource(self, claim: Claim) -> Resource | None:
        """What is locked for a claim; None for what virtlockd has no leases of."""
        config, shared = self._config, _SHARED if claim.shared else 0
        if claim.kind == "lease":
            self._check_lease(claim)
            return Resource(f"{claim.path}/{claim.lockspace}", claim.key, shared)
        if claim.kind not in ("file", "block") or not config.auto_disk_leases:
            return None
        if claim.path.startswith("/dev"):  # whatever the document calls it, as with libvirt
            for space, program in ((config.lvm_lockspace_dir, _LVM),
                                   (config.scsi_lockspace_dir, _SCSI)):  # fmt: skip
                key = await _key(program, claim.path) if space else ""
                if key:
                    return Resource(space, key, shared | _AUTOCREATE)
        if config.file_lockspace_dir:
            name = hashlib.sha256(claim.path.encode("utf-8", "surrogateescape")).hexdigest()
            return Resource(config.file_lockspace_dir, name, shared | _AUTOCREATE)
        return Resource("", claim.path, shared)


async def _key(program: Sequence[str], path: str) -> str:
    """What a program says of a device, in one word; empty where it knows nothing of it."""
    try:
        done = await run([*program, path])
    except VirloomError as exc:
        logger.debug("%s", exc.message)
        return ""
    key = done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
    return "" if "/" in key else key


def _away() -> ConfigUnsupported:
    return ConfigUnsupported(
        'qemu.conf says lock_manager = "lockd", and there is no virtlockd here',
        domain=ErrorDomain.QEMU,
        remedy="start virtlockd, or leave lock_manager out",
    )


def manager(driver: QemuDriver) -> LockdManager:
    """The one of a driver.

    Raises:
        ConfSyntax: ``qemu-lockd.conf`` is malformed.
        SystemFailure: It cannot be read.
    """
    path = driver.directories.settings.with_name("qemu-lockd.conf")
    return LockdManager(driver, LockdConfig.load(path))
