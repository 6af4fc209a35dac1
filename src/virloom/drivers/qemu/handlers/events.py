# SPDX-License-Identifier: Apache-2.0
"""Clients say what they want to hear of."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_host_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainEventID
from virloom.enums.qemu import ConnectDomainQemuMonitorEventRegisterFlags
from virloom.procedures import connect, domain, qemu
from virloom.procedures.record import Void

_MONITOR_FLAGS = sum(ConnectDomainQemuMonitorEventRegisterFlags)
#: Who refuses its flags.
_REFUSER = "virDomainQemuMonitorEventStateRegisterID"


class Events:
    """Handlers that register and deregister."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
    def register(
        self, call: Call, args: domain.ConnectDomainEventCallbackRegisterAnyArgs
    ) -> domain.ConnectDomainEventCallbackRegisterAnyRet:
        number = self._driver.events.register(call.session, args.event_id, args.dom)
        return domain.ConnectDomainEventCallbackRegisterAnyRet(number)

    @serves(domain.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY)
    def deregister(
        self, call: Call, args: domain.ConnectDomainEventCallbackDeregisterAnyArgs
    ) -> None:
        self._driver.events.deregister(call.session, args.callback_id)

    @serves(domain.CONNECT_DOMAIN_EVENT_REGISTER_ANY)
    def register_legacy(self, call: Call, args: domain.ConnectDomainEventRegisterAnyArgs) -> None:
        self._driver.events.register(call.session, args.event_id, None, legacy=True)

    @serves(domain.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY)
    def deregister_legacy(
        self, call: Call, args: domain.ConnectDomainEventDeregisterAnyArgs
    ) -> None:
        self._driver.events.deregister_legacy(call.session, args.event_id)

    @serves(domain.CONNECT_DOMAIN_EVENT_REGISTER)
    def register_oldest(self, call: Call, args: Void) -> domain.ConnectDomainEventRegisterRet:
        self._driver.events.register(call.session, DomainEventID.LIFECYCLE, None, legacy=True)
        return domain.ConnectDomainEventRegisterRet(0)

    @serves(domain.CONNECT_DOMAIN_EVENT_DEREGISTER)
    def deregister_oldest(self, call: Call, args: Void) -> domain.ConnectDomainEventDeregisterRet:
        self._driver.events.deregister_legacy(call.session, DomainEventID.LIFECYCLE)
        return domain.ConnectDomainEventDeregisterRet(0)

    @serves(connect.CONNECT_REGISTER_CLOSE_CALLBACK)
    def register_close(self, call: Call, args: Void) -> None:
        """In process the connection closes only from the client's side: nothing will come."""

    @serves(connect.CONNECT_UNREGISTER_CLOSE_CALLBACK)
    def unregister_close(self, call: Call, args: Void) -> None:
        """As above."""

    @serves(qemu.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER)
    def register_monitor(
        self, call: Call, args: qemu.QemuConnectDomainMonitorEventRegisterArgs
    ) -> qemu.QemuConnectDomainMonitorEventRegisterRet:
        check_host_flags(call, args.flags, _MONITOR_FLAGS, _REFUSER)
        number = self._driver.monitor_events.register(
            call.session, args.dom, args.event, args.flags
        )
        return qemu.QemuConnectDomainMonitorEventRegisterRet(number)

    @serves(qemu.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER)
    def deregister_monitor(
        self, call: Call, args: qemu.QemuConnectDomainMonitorEventDeregisterArgs
    ) -> None:
        self._driver.monitor_events.deregister(call.session, args.callback_id)
