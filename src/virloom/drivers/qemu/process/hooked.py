# SPDX-License-Identifier: Apache-2.0
"""What others do when a guest starts and ends: the host's hook scripts, and other daemons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.volumes import as_told
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def ask_hooks(driver: QemuDriver, name: str, model: Domain, operation: str) -> None:
    """Lets the scripts take part in what begins (``prepare``, ``start``, ``started``, …).

    Raises:
        HookScriptFailed: One refuses.
    """
    if driver.hooks.scripts():
        document = format_document(as_told(model), FormatFlags.NONE)
        await driver.hooks.run(name, operation, "begin", document=document)


async def tell_hooks(driver: QemuDriver, name: str, model: Domain) -> None:
    """Tells them of a guest's end, which happens all the same."""
    document = format_document(as_told(model), FormatFlags.NONE)
    for operation in ("stopped", "release"):
        await driver.hooks.try_run(name, operation, "end", document=document)


def on_networks(model: Domain) -> bool:
    """Whether the guest may have ports of virtual networks or switches, scripts, or filters."""
    return any(
        interface.type == "network"
        or interface.source.portid is not None
        or interface.filterref is not None
        or interface.virtualport is not None
        or interface.downscript.path is not None
        for interface in model.devices.interfaces
    )


async def leave_networks(driver: QemuDriver, name: str, model: Domain) -> None:
    """Gives back what the guest holds of other drivers; where one is away, the next opening does.

    Waits for them.
    """
    if on_networks(model):
        from virloom.drivers.qemu.nics.strays import give_all_back  # guests may be on no network

        await give_all_back(driver, name)


async def after_end(driver: QemuDriver, name: str, model: Domain) -> None:
    """What is still to be done when QEMU has gone and its files are released."""
    await leave_networks(driver, name, model)
    if driver.hooks.scripts():
        await tell_hooks(driver, name, model)
