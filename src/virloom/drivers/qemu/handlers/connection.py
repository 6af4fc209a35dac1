# SPDX-License-Identifier: Apache-2.0
"""The connection itself: what is at its other end."""

from __future__ import annotations

import os

from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.runtime.features import FEATURES
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.release import LIB_VERSION
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.boot import hostname
from virloom.procedures import connect as p
from virloom.procedures.record import Void

#: What libvirt answers for emulated guests, whatever their machine.
_EMULATED_VCPUS = 16


class Connection:
    """Handlers of the connection."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_OPEN)
    def open(self, call: Call, args: p.ConnectOpenArgs) -> None:
        check_flags(call, args.flags, 1 | 2)  # VIR_CONNECT_RO, VIR_CONNECT_NO_ALIASES

    @serves(p.CONNECT_CLOSE)
    def close(self, call: Call, args: Void) -> None:
        """Whoever owns the connection ends its session."""

    @serves(p.CONNECT_SUPPORTS_FEATURE)
    def supports_feature(
        self, call: Call, args: p.ConnectSupportsFeatureArgs
    ) -> p.ConnectSupportsFeatureRet:
        return p.ConnectSupportsFeatureRet(int(args.feature in FEATURES))

    @serves(p.CONNECT_GET_TYPE)
    def get_type(self, call: Call, args: Void) -> p.ConnectGetTypeRet:
        return p.ConnectGetTypeRet("QEMU")

    @serves(p.CONNECT_GET_VERSION)
    async def get_version(self, call: Call, args: Void) -> p.ConnectGetVersionRet:
        caps = await self._driver.capabilities.get(find_emulator(os.uname().machine))
        major, minor, micro = caps.version[:3]
        return p.ConnectGetVersionRet(major * 1_000_000 + minor * 1_000 + micro)

    @serves(p.CONNECT_GET_LIB_VERSION)
    def get_lib_version(self, call: Call, args: Void) -> p.ConnectGetLibVersionRet:
        return p.ConnectGetLibVersionRet(LIB_VERSION)

    @serves(p.CONNECT_GET_HOSTNAME)
    def get_hostname(self, call: Call, args: Void) -> p.ConnectGetHostnameRet:
        return p.ConnectGetHostnameRet(hostname())

    @serves(p.CONNECT_GET_URI)
    def get_uri(self, call: Call, args: Void) -> p.ConnectGetUriRet:
        return p.ConnectGetUriRet(self._driver.uri)

    @serves(p.CONNECT_IS_SECURE)
    def is_secure(self, call: Call, args: Void) -> p.ConnectIsSecureRet:
        return p.ConnectIsSecureRet(1)  # nothing leaves this host

    @serves(p.CONNECT_GET_MAX_VCPUS)
    async def get_max_vcpus(
        self, call: Call, args: p.ConnectGetMaxVcpusArgs
    ) -> p.ConnectGetMaxVcpusRet:
        kind = (args.type or "qemu").lower()
        if kind not in ("qemu", "kvm"):
            raise InvalidArg(f"unknown type '{args.type}'", domain=ErrorDomain.QEMU)
        if kind == "qemu":  # libvirt's fixed answer; domain capabilities tell it by machine
            return p.ConnectGetMaxVcpusRet(_EMULATED_VCPUS)
        caps = await self._driver.capabilities.get(find_emulator(os.uname().machine, kind))
        default = caps.default_machine
        return p.ConnectGetMaxVcpusRet(caps.machine(default).cpu_max if default else 0)
