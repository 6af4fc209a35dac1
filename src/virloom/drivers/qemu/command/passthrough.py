# SPDX-License-Identifier: Apache-2.0
"""The ``qemu:`` name space: arguments, variables and properties that go to QEMU as they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from virloom.model.domain import Domain, QemuProperty

if TYPE_CHECKING:
    from virloom.drivers.qemu.command.assembly import Assembly

#: What QEMU does about deprecated input, by behaviour.
_DEPRECATIONS = {"omit": None, "reject": "reject", "crash": "crash"}


def add_deprecation(assembly: Assembly) -> None:
    """``-compat``; a behaviour that nobody knows changes nothing, as with libvirt 9."""
    behavior = assembly.dom.qemu_deprecation.behavior
    if behavior not in _DEPRECATIONS:
        return
    policy = {"deprecated-output": "hide"}
    given = _DEPRECATIONS[behavior]
    if given is not None:
        policy["deprecated-input"] = given
    assembly.args.option("compat", json.dumps(policy, separators=(",", ":")))


def add_passthrough(assembly: Assembly) -> None:
    """The document's own arguments, last, and its variables."""
    commandline = assembly.dom.qemu_commandline
    assembly.args.argv += [arg.value or "" for arg in commandline.args]
    for env in commandline.env:
        assembly.environment[env.name or ""] = env.value or ""


def overrides(dom: Domain) -> dict[str, list[QemuProperty]]:
    """Properties to be changed, by alias of the device."""
    found: dict[str, list[QemuProperty]] = {}
    for device in dom.qemu_override.devices:
        if device.alias and device.frontend is not None:
            found.setdefault(device.alias, []).extend(device.frontend.properties)
    return found
