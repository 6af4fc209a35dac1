# SPDX-License-Identifier: Apache-2.0
"""Events of ``virConnect``: registrations, and messages as the arguments of callbacks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from libvirt._errors import fail
from libvirt._invoke import guarded, handle_of, params_of, wrap
from libvirt._subscriptions import Subscriptions
from virloom.errors import InvalidArg

#: Who passes a domain event on, by event id.
_DOMAIN = (
    "_dispatchDomainEventLifecycleCallback",
    "_dispatchDomainEventGenericCallback",
    "_dispatchDomainEventRTCChangeCallback",
    "_dispatchDomainEventWatchdogCallback",
    "_dispatchDomainEventIOErrorCallback",
    "_dispatchDomainEventGraphicsCallback",
    "_dispatchDomainEventIOErrorReasonCallback",
    "_dispatchDomainEventGenericCallback",
    "_dispatchDomainEventBlockJobCallback",
    "_dispatchDomainEventDiskChangeCallback",
    "_dispatchDomainEventTrayChangeCallback",
    "_dispatchDomainEventPMWakeupCallback",
    "_dispatchDomainEventPMSuspendCallback",
    "_dispatchDomainEventBalloonChangeCallback",
    "_dispatchDomainEventPMSuspendDiskCallback",
    "_dispatchDomainEventDeviceRemovedCallback",
    "_dispatchDomainEventBlockJobCallback",
    "_dispatchDomainEventTunableCallback",
    "_dispatchDomainEventAgentLifecycleCallback",
    "_dispatchDomainEventDeviceAddedCallback",
    "_dispatchDomainEventMigrationIterationCallback",
    "_dispatchDomainEventJobCompletedCallback",
    "_dispatchDomainEventDeviceRemovalFailedCallback",
    "_dispatchDomainEventMetadataChangeCallback",
    "_dispatchDomainEventBlockThresholdCallback",
    "_dispatchDomainEventMemoryFailureCallback",
    "_dispatchDomainEventMemoryDeviceSizeChangeCallback",
    "_dispatchDomainEventNICMACChangeCallback",
)

#: Those that tell a reason, which is beside the message on the wire.
_WITH_REASON = (11, 12, 14)

#: area, middle of the procedures' names, the object's argument, who passes events on by id.
_FAMILIES = {
    "network": (
        "network", "NETWORK_EVENT", "net",
        ("_dispatchNetworkEventLifecycleCallback", "_dispatchNetworkEventMetadataChangeCallback"),
    ),
    "storagePool": (
        "storage", "STORAGE_POOL_EVENT", "pool",
        ("_dispatchStoragePoolEventLifecycleCallback", "_dispatchStoragePoolEventGenericCallback"),
    ),
    "nodeDevice": (
        "nodedev", "NODE_DEVICE_EVENT", "dev",
        ("_dispatchNodeDeviceEventLifecycleCallback", "_dispatchNodeDeviceEventGenericCallback"),
    ),
    "secret": (
        "secret", "SECRET_EVENT", "secret",
        ("_dispatchSecretEventLifecycleCallback", "_dispatchSecretEventGenericCallback"),
    ),
    "domain": ("domain", "DOMAIN_EVENT_CALLBACK", "dom", _DOMAIN),
}  # fmt: skip

Callback = Callable[..., object]


def _register(
    conn: Any, family: str, target: Any, event_id: int, deliver: Callable[[Any, list[Any]], object]
) -> int:
    area, middle, name, dispatchers = _FAMILIES[family]
    function = f"virConnect{family[0].upper()}{family[1:]}EventRegisterAny"
    handle = handle_of(conn, function)
    subscriptions = Subscriptions.of(handle)
    if not 0 <= event_id < len(dispatchers):
        fail(InvalidArg(f"event {event_id} is none of family '{family}'"), function)
    module = importlib.import_module(f"virloom.procedures.{area}")
    procedure = getattr(module, f"CONNECT_{middle}_REGISTER_ANY")
    args = procedure.args(event_id=event_id, **{name: None if target is None else target._o})

    def told(message: Any) -> None:
        deliver(*_parts(message, with_reason=family == "domain" and event_id in _WITH_REASON))

    return int(guarded(function, lambda: subscriptions.add(family, procedure, args, told)))


def _parts(message: Any, *, with_reason: bool) -> tuple[Any, list[Any]]:
    """The object of an event, and the rest of a callback's arguments."""
    inner = getattr(message, "msg", message)
    names = [name for name, _ in type(inner).WIRE if name != "callback_id"]
    values = [_shown(getattr(inner, name)) for name in names[1:]]
    if with_reason:
        values.append(message.reason)
    return getattr(inner, names[0]), values


def _shown(value: Any) -> Any:
    """A part of an event: addresses become dictionaries, identities pairs, parameters one."""
    if isinstance(value, list):
        if value and hasattr(value[0], "field"):
            return params_of(value)
        return [(one.type, one.name) for one in value]
    if hasattr(value, "family"):
        return {"family": value.family, "node": value.node, "service": value.service}
    return value


def _register_any(
    conn: Any, family: str, target: Any, event_id: int, cb: Callback, opaque: Any
) -> int:
    data = {"cb": cb, "conn": conn, "opaque": opaque}

    def deliver(record: Any, values: list[Any]) -> None:
        if _FAMILIES[family][3][event_id] in _PARAMETERS and values == [[]]:
            values = [{}]
        getattr(conn, _FAMILIES[family][3][event_id])(record, *values, data)

    number = _register(conn, family, target, event_id, deliver)
    _callbacks(conn)[family, number] = data
    return number


#: Whose only argument is a dictionary, also when nothing is in it.
_PARAMETERS = (
    "_dispatchDomainEventTunableCallback", "_dispatchDomainEventJobCompletedCallback",
)  # fmt: skip


def _callbacks(conn: Any) -> dict[tuple[str, int], dict[str, Any]]:
    """What is registered on a connection, by family and number."""
    found: dict[tuple[str, int], dict[str, Any]] = conn.__dict__.setdefault("_callbacks", {})
    return found


def _deregister(conn: Any, family: str, number: int) -> None:
    area, middle, _, _ = _FAMILIES[family]
    function = f"virConnect{family[0].upper()}{family[1:]}EventDeregisterAny"
    handle = handle_of(conn, function)
    subscriptions = Subscriptions.of(handle)
    module = importlib.import_module(f"virloom.procedures.{area}")
    procedure = getattr(module, f"CONNECT_{middle}_DEREGISTER_ANY")

    guarded(function, lambda: subscriptions.remove(family, number, procedure))
    _callbacks(conn).pop((family, number), None)


def domainEventRegisterAny(self: Any, dom: Any, eventID: int, cb: Callback, opaque: Any) -> int:
    """Calls *cb* with the connection, the domain, what the event tells and *opaque*."""
    return _register_any(self, "domain", dom, eventID, cb, opaque)


def domainEventDeregisterAny(self: Any, callbackID: int) -> None:
    """Takes a callback back."""
    _deregister(self, "domain", callbackID)


def networkEventRegisterAny(self: Any, net: Any, eventID: int, cb: Callback, opaque: Any) -> int:
    """The same for networks."""
    return _register_any(self, "network", net, eventID, cb, opaque)


def networkEventDeregisterAny(self: Any, callbackID: int) -> None:
    """Takes a callback back."""
    _deregister(self, "network", callbackID)


def storagePoolEventRegisterAny(
    self: Any, pool: Any, eventID: int, cb: Callback, opaque: Any
) -> int:
    """The same for storage pools."""
    return _register_any(self, "storagePool", pool, eventID, cb, opaque)


def storagePoolEventDeregisterAny(self: Any, callbackID: int) -> None:
    """Takes a callback back."""
    _deregister(self, "storagePool", callbackID)


def nodeDeviceEventRegisterAny(self: Any, dev: Any, eventID: int, cb: Callback, opaque: Any) -> int:
    """The same for node devices."""
    return _register_any(self, "nodeDevice", dev, eventID, cb, opaque)


def nodeDeviceEventDeregisterAny(self: Any, callbackID: int) -> None:
    """Takes a callback back."""
    _deregister(self, "nodeDevice", callbackID)


def secretEventRegisterAny(self: Any, secret: Any, eventID: int, cb: Callback, opaque: Any) -> int:
    """The same for secrets."""
    return _register_any(self, "secret", secret, eventID, cb, opaque)


def secretEventDeregisterAny(self: Any, callbackID: int) -> None:
    """Takes a callback back."""
    _deregister(self, "secret", callbackID)


def domainEventRegister(self: Any, cb: Callback, opaque: Any) -> None:
    """Calls ``cb(conn, dom, event, detail, opaque)`` when a domain starts, stops and so on."""
    callbacks = self.__dict__.setdefault("domainEventCallbacks", {})
    if callbacks:
        callbacks[cb] = opaque
        return

    def deliver(record: Any, values: list[Any]) -> None:
        self._dispatchDomainEventCallbacks(record, *values)

    self._lifecycle = _register(self, "domain", None, 0, deliver)
    callbacks[cb] = opaque


def domainEventDeregister(self: Any, cb: Callback) -> None:
    """Takes it back; a callback that is not registered is ignored."""
    callbacks = self.__dict__.setdefault("domainEventCallbacks", {})
    if cb in callbacks:
        del callbacks[cb]
        if not callbacks:
            _deregister(self, "domain", self._lifecycle)


def _dispatchDomainEventCallbacks(self: Any, dom: Any, event: int, detail: int) -> int:
    for cb, opaque in list(self.domainEventCallbacks.items()):
        cb(self, wrap(self, dom), event, detail, opaque)
    return 0
