# SPDX-License-Identifier: Apache-2.0
"""The connection itself: what is at its other end."""

from __future__ import annotations

from virloom.drivers.runtime.features import FEATURES
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.host import MAX_VCPUS
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.release import LIB_VERSION
from virloom.host.boot import hostname
from virloom.procedures import connect as p
from virloom.procedures.record import Void

_VERSION = 2


class Connection:
    """Handlers of the connection."""

    def __init__(self, driver: InMemoryDriver) -> None:
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

    @serves(p.CONNECT_REGISTER_CLOSE_CALLBACK)
    def register_close(self, call: Call, args: Void) -> None:
        """In process the connection closes only from the client's side: nothing will come."""

    @serves(p.CONNECT_UNREGISTER_CLOSE_CALLBACK)
    def unregister_close(self, call: Call, args: Void) -> None:
        """As above."""

    @serves(p.CONNECT_GET_TYPE)
    def get_type(self, call: Call, args: Void) -> p.ConnectGetTypeRet:
        return p.ConnectGetTypeRet("TEST")

    @serves(p.CONNECT_GET_VERSION)
    def get_version(self, call: Call, args: Void) -> p.ConnectGetVersionRet:
        return p.ConnectGetVersionRet(_VERSION)

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
        return p.ConnectIsSecureRet(1)

    @serves(p.CONNECT_GET_MAX_VCPUS)
    def get_max_vcpus(self, call: Call, args: p.ConnectGetMaxVcpusArgs) -> p.ConnectGetMaxVcpusRet:
        """Whatever the type."""
        return p.ConnectGetMaxVcpusRet(MAX_VCPUS)
