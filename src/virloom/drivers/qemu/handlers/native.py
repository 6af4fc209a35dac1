# SPDX-License-Identifier: Apache-2.0
"""Documents as command lines of QEMU, for people and for other programs."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.procedures import domain as p

#: The only format, as in libvirt 9; command lines are not read back.
FORMAT = "qemu-argv"


class Native:
    """Handlers of QEMU's own configuration."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_DOMAIN_XML_TO_NATIVE)
    async def to_native(
        self, call: Call, args: p.ConnectDomainXMLToNativeArgs
    ) -> p.ConnectDomainXMLToNativeRet:
        """Nothing of the document needs to exist on this host, but for the emulator."""
        from virloom.drivers.qemu.native import native_text  # see virloom.drivers.qemu.later

        check_flags(call, args.flags, 0)
        if args.native_format != FORMAT:
            raise InvalidArg(
                f"unsupported config type {args.native_format}; known: {FORMAT}",
                domain=ErrorDomain.QEMU,
            )
        return p.ConnectDomainXMLToNativeRet(await native_text(self._driver, args.domain_xml))
