# SPDX-License-Identifier: Apache-2.0
"""A domain's name, what it does when its guest ends, whom it runs as, and how it is doing."""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.block.figures import device_of
from virloom.drivers.qemu.checkpoints.known import copy_checkpoints, drop_checkpoints
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.firmware import nvram_path
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.persistent import Definition
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.saving.managed import has_managed
from virloom.drivers.qemu.snapshots.store import copy_all, remove_former
from virloom.drivers.runtime.ends import end_action, end_field
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.store import check_name
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainDiskErrorCode,
    DomainEventDefinedDetailType,
    DomainEventID,
    DomainEventType,
    DomainEventUndefinedDetailType,
    DomainJobType,
    DomainModificationImpact,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, OperationInvalid, XmlError
from virloom.model.domain import Domain
from virloom.procedures import domain as p

#: What QEMU calls the state of a disk (``BlockDeviceIoStatus`` of qapi/block-core.json).
_DISK_ERRORS = {"failed": DomainDiskErrorCode.UNSPEC, "nospace": DomainDiskErrorCode.NO_SPACE}


class Settings:
    """Handlers of what a domain is called and does, and of its labels, jobs and disk errors."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- the name ------------------------------------------------------------------------------

    @serves(p.DOMAIN_RENAME)
    async def rename(self, call: Call, args: p.DomainRenameArgs) -> p.DomainRenameRet:
        check_flags(call, args.flags, 0)
        name = args.new_name
        if not name:
            raise InvalidArg("a domain needs a name", domain=ErrorDomain.DOMAIN)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            if guest.active:
                raise OperationInvalid("cannot rename active domain", domain=ErrorDomain.QEMU)
            if "/" in name:
                raise XmlError(f"name {name} cannot contain '/'", domain=ErrorDomain.QEMU)
            check_name(name)
            before = guest.ref()
            await self._rename(guest, name)
        emit, kind = self._driver.events.emit, DomainEventID.LIFECYCLE
        gone, come = DomainEventUndefinedDetailType.RENAMED, DomainEventDefinedDetailType.RENAMED
        emit(kind, before, int(DomainEventType.UNDEFINED), int(gone))
        emit(kind, guest.ref(), int(DomainEventType.DEFINED), int(come))
        return p.DomainRenameRet(0)

    async def _rename(self, guest: Guest, name: str) -> None:
        async with guest.writing:
            self._check_rename(guest, name)
            await _rename(self._driver, guest, name)

    def _check_rename(self, guest: Guest, name: str) -> None:
        if guest.definition is None or guest not in self._driver.guests:
            raise OperationInvalid(
                f"domain '{guest.name}' has no definition any more", domain=ErrorDomain.QEMU
            )
        if has_managed(self._driver, guest):
            raise OperationInvalid(
                "domain with a managed saved state can't be renamed", domain=ErrorDomain.QEMU
            )
        if name == guest.name:
            raise OperationInvalid("Can't rename domain to itself", domain=ErrorDomain.DOMAIN)
        if self._driver.guests.owner(name) is not None:
            raise OperationInvalid(
                f"domain with name '{name}' already exists", domain=ErrorDomain.DOMAIN
            )

    # -- what follows the end of the guest -----------------------------------------------------

    @serves(p.DOMAIN_SET_LIFECYCLE_ACTION)
    async def set_lifecycle_action(self, call: Call, args: p.DomainSetLifecycleActionArgs) -> None:
        check_flags(
            call, args.flags, DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG
        )
        field = end_field(args.type)
        action = _served(end_action(args.type, args.action))
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                _set(guest.model.copy(), field, action)
            if config:
                await rewrite(self._driver, guest, lambda model: _set(model, field, action))
            if live:
                await _change_live(guest.require_running(), field, action)

    # -- whom it runs as -----------------------------------------------------------------------

    @serves(p.DOMAIN_GET_SECURITY_LABEL)
    def security_label(
        self, call: Call, args: p.DomainGetSecurityLabelArgs
    ) -> p.DomainGetSecurityLabelRet:
        """Of the first security model of the capabilities."""
        guest = self._driver.find(args.dom)
        primary = self._driver.security.primary
        return _label(_text_of(guest.running, primary) if primary != "none" else "")

    @serves(p.DOMAIN_GET_SECURITY_LABEL_LIST)
    def security_labels(
        self, call: Call, args: p.DomainGetSecurityLabelListArgs
    ) -> p.DomainGetSecurityLabelListRet:
        """One label per security model of the capabilities, of a running domain."""
        guest = self._driver.find(args.dom)
        labels = []
        if guest.running is not None:
            models = self._driver.security.models
            labels += [_label(_text_of(guest.running, model)) for model in models or ("none",)]
            if self._driver.dac.privileged:
                labels.append(_label(_owner(self._driver, guest.running)))
        return p.DomainGetSecurityLabelListRet(labels, len(labels))

    # -- how it is doing -----------------------------------------------------------------------

    @serves(p.DOMAIN_GET_DISK_ERRORS)
    async def disk_errors(
        self, call: Call, args: p.DomainGetDiskErrorsArgs
    ) -> p.DomainGetDiskErrorsRet:
        """Disks that stopped the guest; without room for them, how many there could be."""
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            running = guest.require_running()
            if args.maxerrors == 0:
                return p.DomainGetDiskErrorsRet([], len(running.model.devices.disks))
            answer = await running.execute("query-block")
        with reading("query-block"):
            errors = disk_errors(running.model, answer)[: args.maxerrors]
        return p.DomainGetDiskErrorsRet(errors, len(errors))


def disk_errors(model: Domain, answer: Any) -> list[p.DomainDiskError]:
    """The disks of *model* that QEMU's answer to ``query-block`` says had errors."""
    states = {device_of(item.get("qdev") or ""): item.get("io-status") for item in answer}
    return [
        p.DomainDiskError(disk.target.dev or "", int(_DISK_ERRORS[state]))
        for disk in model.devices.disks
        if (state := states.get(alias_of(disk))) in _DISK_ERRORS
    ]


async def _rename(driver: QemuDriver, guest: Guest, name: str) -> None:
    """Gives the domain and its document another name, which nobody else can take meanwhile."""
    model = guest.persistent_model().copy()
    if model.os.firmware:
        # The variables' file is named after the domain when it starts: it keeps the one it has.
        model.os.nvram.value = nvram_path(model, driver.directories)
    model.name = name
    definition = Definition.of(model)

    def renamed() -> None:
        driver.guests.remove(guest)
        guest.name = guest.jobs.name = name
        guest.definition = definition
        driver.guests.add(guest)

    former = guest.name
    with driver.guests.reserved(name, guest):
        copy_all(driver, former, name)
        copy_checkpoints(driver, former, name)
        await driver.store.rename(former, name, guest.uuid, definition.text, renamed)
    remove_former(driver, former)
    drop_checkpoints(driver, former)


def _served(action: str) -> str:
    if action.startswith("coredump"):
        raise ConfigUnsupported(f"action '{action}' is not supported yet", domain=ErrorDomain.QEMU)
    return action


def _set(model: Domain, field: str, action: str) -> None:
    """Sets that action, and checks whether it goes with the others."""
    from virloom.drivers.qemu.validate.guest import check_actions  # virloom.drivers.qemu.later

    setattr(model, field, action)
    check_actions(model)


async def _change_live(running: RunningGuest, field: str, action: str) -> None:
    if field == "on_reboot":
        # As the command line does: only a reboot that ends the guest is QEMU's to know.
        what = "shutdown" if action == "destroy" else "reset"
        await running.execute("set-action", {"reboot": what})
    setattr(running.model, field, action)
    running.set_document()
    running.save()


def _label(text: str) -> p.DomainGetSecurityLabelRet:
    """A label that nothing enforces, in the form of the wire: ended by a NUL."""
    return p.DomainGetSecurityLabelRet(text.encode() + b"\0", 0)


def _text_of(running: RunningGuest | None, model: str) -> str:
    """The label of a guest in a model; empty without one."""
    if running is None:
        return ""
    found = (label.label for label in running.model.seclabels if label.model == model)
    return next(found, None) or ""


def _owner(driver: QemuDriver, running: RunningGuest) -> str:
    """The label of the model ``dac``: whom QEMU runs as."""
    for label in running.model.seclabels:
        if label.model == "dac" and label.label:
            return label.label
    return f"+{driver.dac.ids.uid}:+{driver.dac.ids.gid}"


def _job(guest: Guest) -> DomainJobType:
    """Whether a long job is under way; how far it has come is not known here."""
    return DomainJobType.NONE if guest.jobs.async_kind is None else DomainJobType.UNBOUNDED
