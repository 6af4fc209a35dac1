# SPDX-License-Identifier: Apache-2.0
"""When the host's hook scripts take part in a guest's life, and what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        document = format_document(model, FormatFlags.NONE)
        await driver.hooks.run(name, operation, "begin", document=document)


async def tell_hooks(driver: QemuDriver, name: str, model: Domain) -> None:
    """Tells them of a guest's end, which happens all the same."""
    document = format_document(model, FormatFlags.NONE)
    for operation in ("stopped", "release"):
        await driver.hooks.try_run(name, operation, "end", document=document)
