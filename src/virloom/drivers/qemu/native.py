# SPDX-License-Identifier: Apache-2.0
"""A document as QEMU's command line."""

from __future__ import annotations

import os

from virloom.drivers.qemu.admission import complete, emulator_of, parse
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.capabilities.host_features import resolve_cpu
from virloom.drivers.qemu.command.environment import guest_environment
from virloom.drivers.qemu.command.native import (
    name_channels,
    native_command,
    settle_ports,
    simplify_interfaces,
)
from virloom.drivers.qemu.devices.address import assign_addresses
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.firmware import choose_firmware
from virloom.drivers.qemu.process import live
from virloom.drivers.qemu.validate import validate_start
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain import Domain

#: The number of a guest that does not run.
_NO_ID = -1


def _refuse_descriptors(model: Domain) -> None:
    """Images that a client would hand in: there is no domain yet that it could have done so for.

    Raises:
        InvalidArg: The document has some.
    """
    sources = [disk.source for disk in model.devices.disks]
    stores = [disk.backing_store for disk in model.devices.disks]
    while stores := [store for store in stores if store is not None]:
        sources += [store.source for store in stores]
        stores = [store.backing_store for store in stores]
    if model.os.nvram.source is not None:
        sources.append(model.os.nvram.source)
    for source in sources:
        if source.fdgroup:
            raise InvalidArg(
                f"file descriptor group '{source.fdgroup}' was not associated with the domain",
                domain=ErrorDomain.QEMU,
            )


async def native_text(driver: QemuDriver, text: str) -> str:
    """The command line that the document *text* would be started with.

    Raises:
        VirloomError: The document asks for what does not exist or does not go together.
    """
    model = await complete(driver, parse(text, False))
    choose_firmware(model, driver.directories)

    def checked(caps: BinaryCaps) -> BinaryCaps:
        validate_start(model, caps)
        return caps

    _refuse_descriptors(model)
    caps = await driver.capabilities.apply(emulator_of(model), checked)
    directory = driver.directories.guest(_NO_ID, model.name)
    simplify_interfaces(model)
    assign_addresses(model, caps)
    resolve_cpu(model)
    assign_aliases(model)
    name_channels(model, driver.directories.channels(_NO_ID, model.name))
    live.prepare(model, str(directory), driver.config)
    settle_ports(model)
    return native_command(
        model,
        caps,
        directory,
        guest_environment(directory, os.environ.get("PATH", os.defpath)),
        bus_socket=driver.directories.bus(_NO_ID, model.name),
        certificates=driver.directories.certificates,
        seccomp=driver.config.seccomp_sandbox != 0,
    )
