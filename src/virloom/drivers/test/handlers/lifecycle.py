# SPDX-License-Identifier: Apache-2.0
"""Domains are defined, start, pause, end and go."""

from __future__ import annotations

from virloom.drivers.test.arguments import check_flags, require_active
from virloom.drivers.test.completion import parse_domain
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.lifecycle import admit, end, start, withdraw
from virloom.drivers.test.names import name_interfaces
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainDefineFlags,
    DomainDestroyFlagsValues,
    DomainEventDefinedDetailType,
    DomainEventResumedDetailType,
    DomainEventStartedDetailType,
    DomainEventStoppedDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainEventUndefinedDetailType,
    DomainPausedReason,
    DomainRebootFlagValues,
    DomainRunningReason,
    DomainShutoffReason,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_UNDEFINE_FLAGS = (
    DomainUndefineFlagsValues.MANAGED_SAVE | DomainUndefineFlagsValues.SNAPSHOTS_METADATA
)
_REBOOT_FLAGS = sum(DomainRebootFlagValues)
#: After these a domain runs on.
_RESTARTS = ("restart", "rename-restart")


class Lifecycle:
    """Handlers of the life cycle."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    # -- documents become domains --------------------------------------------------------------

    @serves(p.DOMAIN_CREATE_XML)
    def create_xml(self, call: Call, args: p.DomainCreateXMLArgs) -> p.DomainCreateXMLRet:
        return p.DomainCreateXMLRet(self._create_xml(call, args.xml_desc, args.flags))

    @serves(p.DOMAIN_CREATE_XML_WITH_FILES)
    def create_xml_with_files(
        self, call: Call, args: p.DomainCreateXMLWithFilesArgs
    ) -> p.DomainCreateXMLWithFilesRet:
        """The files are nobody's."""
        ref = self._create_xml(call, args.xml_desc, args.flags)
        return p.DomainCreateXMLWithFilesRet(ref)

    def _create_xml(self, call: Call, text: str, flags: int) -> NonnullDomain:
        check_flags(call, flags, function="testDomainCreateXML")
        model = parse_domain(text)
        name_interfaces(model)
        guest = admit(self._driver, model, to_run=True)
        start(self._driver, guest, model)
        self._started(guest, DomainEventStartedDetailType.BOOTED)
        return guest.ref()

    @serves(p.DOMAIN_DEFINE_XML)
    def define_xml(self, call: Call, args: p.DomainDefineXMLArgs) -> p.DomainDefineXMLRet:
        return p.DomainDefineXMLRet(self._define(args.xml, validate=False))

    @serves(p.DOMAIN_DEFINE_XML_FLAGS)
    def define_xml_flags(
        self, call: Call, args: p.DomainDefineXMLFlagsArgs
    ) -> p.DomainDefineXMLFlagsRet:
        check_flags(call, args.flags, DomainDefineFlags.VALIDATE)
        validate = bool(args.flags & DomainDefineFlags.VALIDATE)
        return p.DomainDefineXMLFlagsRet(self._define(args.xml, validate=validate))

    def _define(self, text: str, *, validate: bool) -> NonnullDomain:
        model = parse_domain(text, validate=validate)
        name_interfaces(model)
        guest = admit(self._driver, model, to_run=False)
        known = guest.config is not None
        guest.config = model
        guest.persistent = True
        details = DomainEventDefinedDetailType
        detail = details.UPDATED if known else details.ADDED
        self._driver.tell(guest.ref(), DomainEventType.DEFINED, detail)
        return guest.ref()

    @serves(p.DOMAIN_UNDEFINE)
    def undefine(self, call: Call, args: p.DomainUndefineArgs) -> None:
        self._undefine(call, args.dom, 0)

    @serves(p.DOMAIN_UNDEFINE_FLAGS)
    def undefine_flags(self, call: Call, args: p.DomainUndefineFlagsArgs) -> None:
        self._undefine(call, args.dom, args.flags)

    def _undefine(self, call: Call, ref: NonnullDomain, flags: int) -> None:
        check_flags(call, flags, _UNDEFINE_FLAGS)
        guest = self._driver.find(ref)
        _check_undefine(guest, flags)
        guest.saved = False
        told = guest.ref()
        guest.persistent = False
        withdraw(self._driver, guest)
        detail = DomainEventUndefinedDetailType.REMOVED
        self._driver.tell(told, DomainEventType.UNDEFINED, detail)

    # -- start ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_CREATE)
    def create(self, call: Call, args: p.DomainCreateArgs) -> None:
        self._create(call, args.dom, 0)

    @serves(p.DOMAIN_CREATE_WITH_FLAGS)
    def create_with_flags(
        self, call: Call, args: p.DomainCreateWithFlagsArgs
    ) -> p.DomainCreateWithFlagsRet:
        return p.DomainCreateWithFlagsRet(self._create(call, args.dom, args.flags))

    @serves(p.DOMAIN_CREATE_WITH_FILES)
    def create_with_files(
        self, call: Call, args: p.DomainCreateWithFilesArgs
    ) -> p.DomainCreateWithFilesRet:
        """The files are nobody's."""
        return p.DomainCreateWithFilesRet(self._create(call, args.dom, args.flags))

    def _create(self, call: Call, ref: NonnullDomain, flags: int) -> NonnullDomain:
        check_flags(call, flags, function="testDomainCreateWithFlags")
        guest = self._driver.find(ref)
        if guest.state != DomainState.SHUTOFF:
            raise InternalError(
                f"Domain '{guest.name}' is already running", domain=ErrorDomain.TEST
            )
        start(self._driver, guest, guest.model)
        self._started(guest, DomainEventStartedDetailType.BOOTED)
        return guest.ref()

    def _started(self, guest: Guest, detail: int) -> None:
        self._driver.tell(guest.ref(), DomainEventType.STARTED, detail)

    # -- pause and go on -----------------------------------------------------------------------

    @serves(p.DOMAIN_SUSPEND)
    def suspend(self, call: Call, args: p.DomainSuspendArgs) -> None:
        guest = self._driver.find(args.dom)
        if guest.state in (DomainState.SHUTOFF, DomainState.PAUSED):
            raise InternalError(f"domain '{guest.name}' not running", domain=ErrorDomain.TEST)
        guest.set_state(DomainState.PAUSED, DomainPausedReason.USER)
        detail = DomainEventSuspendedDetailType.PAUSED
        self._driver.tell(guest.ref(), DomainEventType.SUSPENDED, detail)

    @serves(p.DOMAIN_RESUME)
    def resume(self, call: Call, args: p.DomainResumeArgs) -> None:
        guest = self._driver.find(args.dom)
        if guest.state != DomainState.PAUSED:
            raise InternalError(f"domain '{guest.name}' not paused", domain=ErrorDomain.TEST)
        guest.set_state(DomainState.RUNNING, DomainRunningReason.UNPAUSED)
        detail = DomainEventResumedDetailType.UNPAUSED
        self._driver.tell(guest.ref(), DomainEventType.RESUMED, detail)

    @serves(p.DOMAIN_RESET)
    def reset(self, call: Call, args: p.DomainResetArgs) -> None:
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        require_active(guest)

    # -- end -----------------------------------------------------------------------------------

    @serves(p.DOMAIN_SHUTDOWN)
    def shutdown(self, call: Call, args: p.DomainShutdownArgs) -> None:
        self._shutdown(call, args.dom, 0)

    @serves(p.DOMAIN_SHUTDOWN_FLAGS)
    def shutdown_flags(self, call: Call, args: p.DomainShutdownFlagsArgs) -> None:
        self._shutdown(call, args.dom, args.flags)

    def _shutdown(self, call: Call, ref: NonnullDomain, flags: int) -> None:
        check_flags(call, flags)
        guest = self._driver.find(ref)
        if guest.state == DomainState.SHUTOFF:
            raise InternalError(f"domain '{guest.name}' not running", domain=ErrorDomain.TEST)
        self._power_off(guest, guest.model.on_poweroff)

    @serves(p.DOMAIN_REBOOT)
    def reboot(self, call: Call, args: p.DomainRebootArgs) -> None:
        check_flags(call, args.flags, _REBOOT_FLAGS)
        guest = self._driver.find(args.dom)
        model = require_active(guest)
        self._power_off(guest, model.on_reboot)

    def _power_off(self, guest: Guest, action: str | None) -> None:
        """The guest has ended by itself; what follows is as the document says."""
        if action in _RESTARTS:
            guest.set_state(DomainState.RUNNING, DomainRunningReason.BOOTED)
            return
        reason, detail = DomainShutoffReason.SHUTDOWN, DomainEventStoppedDetailType.SHUTDOWN
        end(self._driver, guest, reason, detail)

    @serves(p.DOMAIN_DESTROY)
    def destroy(self, call: Call, args: p.DomainDestroyArgs) -> None:
        self._destroy(call, args.dom, 0)

    @serves(p.DOMAIN_DESTROY_FLAGS)
    def destroy_flags(self, call: Call, args: p.DomainDestroyFlagsArgs) -> None:
        self._destroy(call, args.dom, args.flags)

    def _destroy(self, call: Call, ref: NonnullDomain, flags: int) -> None:
        check_flags(call, flags, DomainDestroyFlagsValues.GRACEFUL)
        guest = self._driver.find(ref)
        require_active(guest)
        reason, detail = DomainShutoffReason.DESTROYED, DomainEventStoppedDetailType.DESTROYED
        end(self._driver, guest, reason, detail)


def _check_undefine(guest: Guest, flags: int) -> None:
    known = DomainUndefineFlagsValues
    if guest.saved and not flags & known.MANAGED_SAVE:
        raise OperationInvalid(
            f"domain '{guest.name}' has a managed save image", domain=ErrorDomain.TEST
        )
    number = len(guest.snapshots)
    if not guest.active and number and not flags & known.SNAPSHOTS_METADATA:
        raise OperationInvalid(
            f"cannot delete inactive domain with {number} snapshots", domain=ErrorDomain.TEST
        )
