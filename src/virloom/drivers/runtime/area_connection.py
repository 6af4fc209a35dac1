# SPDX-License-Identifier: Apache-2.0
"""The connection itself, as the daemons of one area serve it: secrets, networks, storage, …"""

from __future__ import annotations

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.features import FEATURES
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.release import LIB_VERSION
from virloom.enums.error import ErrorDomain
from virloom.host.boot import hostname
from virloom.procedures import connect as c
from virloom.procedures.record import Void

#: ``VIR_CONNECT_RO | VIR_CONNECT_NO_ALIASES``
_OPENING = 1 | 2


class AreaConnection:
    """Handlers of the connection to the driver of one area.

    Args:
        kind: What the driver is called.
        uri: What clients are told.
        domain: Of its errors.
    """

    def __init__(self, kind: str, uri: str, domain: ErrorDomain) -> None:
        self._kind = kind
        self._uri = uri
        self._domain = domain

    @serves(c.CONNECT_OPEN)
    def open(self, call: Call, args: c.ConnectOpenArgs) -> None:
        """Lets a client in.

        Raises:
            InvalidArg: It has unknown flags.
        """
        unknown = args.flags & ~_OPENING
        if unknown:
            raise unknown_flags(unknown, f"{self._kind}ConnectOpen", self._domain)

    @serves(c.CONNECT_CLOSE)
    def close(self, call: Call, args: Void) -> None:
        """Whoever owns the connection ends its session."""

    @serves(c.CONNECT_SUPPORTS_FEATURE)
    def supports_feature(
        self, call: Call, args: c.ConnectSupportsFeatureArgs
    ) -> c.ConnectSupportsFeatureRet:
        """Those of every driver."""
        return c.ConnectSupportsFeatureRet(int(args.feature in FEATURES))

    @serves(c.CONNECT_GET_TYPE)
    def get_type(self, call: Call, args: Void) -> c.ConnectGetTypeRet:
        """The driver's name."""
        return c.ConnectGetTypeRet(self._kind)

    @serves(c.CONNECT_GET_LIB_VERSION)
    def get_lib_version(self, call: Call, args: Void) -> c.ConnectGetLibVersionRet:
        """The release whose calls are served."""
        return c.ConnectGetLibVersionRet(LIB_VERSION)

    @serves(c.CONNECT_GET_HOSTNAME)
    def get_hostname(self, call: Call, args: Void) -> c.ConnectGetHostnameRet:
        """The host's name."""
        return c.ConnectGetHostnameRet(hostname())

    @serves(c.CONNECT_GET_URI)
    def get_uri(self, call: Call, args: Void) -> c.ConnectGetUriRet:
        """What leads here."""
        return c.ConnectGetUriRet(self._uri)

    @serves(c.CONNECT_IS_SECURE)
    def is_secure(self, call: Call, args: Void) -> c.ConnectIsSecureRet:
        """Nothing leaves this host."""
        return c.ConnectIsSecureRet(1)

    @serves(c.CONNECT_REGISTER_CLOSE_CALLBACK)
    def register_close_callback(self, call: Call, args: Void) -> None:
        """A connection that breaks off tells the client so by itself."""

    @serves(c.CONNECT_UNREGISTER_CLOSE_CALLBACK)
    def unregister_close_callback(self, call: Call, args: Void) -> None:
        """The same."""
