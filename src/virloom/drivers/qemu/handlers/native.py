# SPDX-License-Identifier: Apache-2.0
"""Documents as command lines of QEMU, for people and for other programs."""

from __future__ import annotations

import os

from virloom.drivers.qemu.admission import complete, emulator_of, parse
from virloom.drivers.qemu.capabilities import BinaryCaps
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
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.process import live
from virloom.drivers.qemu.validate import validate_start
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.procedures import domain as p

#: The only format, as in libvirt 9; command lines are not read back.
FORMAT = "qemu-argv"

#: The number of a guest that does not run.
_NO_ID = -1


class Native:
    """Handlers of QEMU's own configuration."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_DOMAIN_XML_TO_NATIVE)
    async def to_native(
        self, call: Call, args: p.ConnectDomainXMLToNativeArgs
    ) -> p.ConnectDomainXMLToNativeRet:
        """Nothing of the document needs to exist on this host, but for the emulator."""
        check_flags(call, args.flags, 0)
        if args.native_format != FORMAT:
            raise InvalidArg(
                f"unsupported config type {args.native_format}; known: {FORMAT}",
                domain=ErrorDomain.QEMU,
            )
        driver = self._driver
        model = await complete(driver, parse(args.domain_xml, False))
        choose_firmware(model, driver.directories)

        def checked(caps: BinaryCaps) -> BinaryCaps:
            validate_start(model, caps)
            return caps

        caps = await driver.capabilities.apply(emulator_of(model), checked)
        directory = driver.directories.guest(_NO_ID, model.name)
        simplify_interfaces(model)
        assign_addresses(model, caps)
        assign_aliases(model)
        name_channels(model, driver.directories.channels(_NO_ID, model.name))
        live.prepare(model, str(directory), driver.config)
        settle_ports(model)
        text = native_command(
            model,
            caps,
            directory,
            guest_environment(directory, os.environ.get("PATH", os.defpath)),
            bus_socket=driver.directories.bus(_NO_ID, model.name),
            certificates=driver.directories.certificates,
            seccomp=driver.config.seccomp_sandbox != 0,
        )
        return p.ConnectDomainXMLToNativeRet(text)
