# SPDX-License-Identifier: Apache-2.0
"""Clients say which events of domains they want to hear of."""

from __future__ import annotations

from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainEventID
from virloom.procedures import domain as p
from virloom.procedures.record import Void


class Events:
    """Handlers that register and deregister."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._events = driver.events

    @serves(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectDomainEventCallbackRegisterAnyArgs
    ) -> p.ConnectDomainEventCallbackRegisterAnyRet:
        number = self._events.register(call.session, args.event_id, args.dom)
        return p.ConnectDomainEventCallbackRegisterAnyRet(number)

    @serves(p.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectDomainEventCallbackDeregisterAnyArgs) -> None:
        end_registration(self._events, call.session, args.callback_id)

    @serves(p.CONNECT_DOMAIN_EVENT_REGISTER_ANY)
    def register_legacy(self, call: Call, args: p.ConnectDomainEventRegisterAnyArgs) -> None:
        self._events.register(call.session, args.event_id, None, legacy=True)

    @serves(p.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY)
    def deregister_legacy(self, call: Call, args: p.ConnectDomainEventDeregisterAnyArgs) -> None:
        self._events.deregister_legacy(call.session, args.event_id)

    @serves(p.CONNECT_DOMAIN_EVENT_REGISTER)
    def register_oldest(self, call: Call, args: Void) -> p.ConnectDomainEventRegisterRet:
        self._events.register(call.session, DomainEventID.LIFECYCLE, None, legacy=True)
        return p.ConnectDomainEventRegisterRet(0)

    @serves(p.CONNECT_DOMAIN_EVENT_DEREGISTER)
    def deregister_oldest(self, call: Call, args: Void) -> p.ConnectDomainEventDeregisterRet:
        self._events.deregister_legacy(call.session, DomainEventID.LIFECYCLE)
        return p.ConnectDomainEventDeregisterRet(0)
