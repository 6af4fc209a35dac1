# SPDX-License-Identifier: Apache-2.0
"""What a domain does when its guest ends, as ``virDomainSetLifecycleAction`` numbers it."""

from __future__ import annotations

from virloom.enums.domain import DomainLifecycle, DomainLifecycleAction
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg

#: What a document calls the actions, and its fields for the ends that have one.
_ACTIONS = {
    DomainLifecycleAction.DESTROY: "destroy",
    DomainLifecycleAction.RESTART: "restart",
    DomainLifecycleAction.RESTART_RENAME: "rename-restart",
    DomainLifecycleAction.PRESERVE: "preserve",
    DomainLifecycleAction.COREDUMP_DESTROY: "coredump-destroy",
    DomainLifecycleAction.COREDUMP_RESTART: "coredump-restart",
}
_ENDS = {
    DomainLifecycle.POWEROFF: "on_poweroff",
    DomainLifecycle.REBOOT: "on_reboot",
    DomainLifecycle.CRASH: "on_crash",
}


def end_field(end: int) -> str:
    """The field of a domain's document for that end.

    Raises:
        InvalidArg: There is no such end.
    """
    try:
        return _ENDS[DomainLifecycle(end)]
    except (ValueError, KeyError) as exc:
        raise InvalidArg(f"invalid lifecycle type '{end}'", domain=ErrorDomain.DOMAIN) from exc


def end_action(end: int, action: int) -> str:
    """The name of an action after that end.

    Raises:
        InvalidArg: There is no such action.
        ConfigUnsupported: Nothing has crashed whose memory could be dumped.
    """
    try:
        name = _ACTIONS[DomainLifecycleAction(action)]
    except (ValueError, KeyError) as exc:
        raise InvalidArg(f"invalid lifecycle action '{action}'", domain=ErrorDomain.DOMAIN) from exc
    if name.startswith("coredump") and end != DomainLifecycle.CRASH:
        event = DomainLifecycle(end).name.lower()
        raise ConfigUnsupported(
            f"Lifecycle event '{event}' doesn't support '{name}' action",
            domain=ErrorDomain.DOMAIN,
        )
    return name
