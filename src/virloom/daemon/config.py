# SPDX-License-Identifier: Apache-2.0
"""``virtqemud.conf`` and its sisters: libvirt's keys, checked, with the line of what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

from virloom.daemon.limits import Limits
from virloom.daemon.logs import Logging
from virloom.drivers.runtime.settings import Setting, read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, ConfSyntax

#: Keys that libvirt has for threads, audit, the admin socket and others, which have no meaning
#: here, and the type of their values; a file that has them stays usable.
WITHOUT_MEANING: dict[str, type] = {
    **dict.fromkeys((
        "admin_keepalive_count", "admin_keepalive_interval", "admin_keepalive_required",
        "admin_max_client_requests", "admin_max_clients", "admin_max_queued_clients",
        "admin_max_workers", "admin_min_workers", "audit_level", "audit_logging",
        "keepalive_required", "max_queued_clients", "max_requests", "max_workers", "min_workers",
        "ovs_timeout", "prio_workers", "tcp_min_ssf",
    ), int),
    **dict.fromkeys(("host_uuid", "host_uuid_source"), str),
    "sasl_allowed_username_list": list,
}  # fmt: skip

_KINDS = {int: "a number", str: "a string", list: "a list of strings"}

_AUTH = ("none", "polkit")


class DaemonConfig:
    """What the file says, with libvirt's names.

    Attributes:
        unix_sock_group: Group of the sockets; without it that of virtproxyd, where the host has its
            user.
        unix_sock_ro_perms: Mode of the read-only socket, octal.
        unix_sock_rw_perms: Mode of the socket for all calls, octal; without it ``0777`` where its
            clients authenticate, else ``0700`` (``0770`` for the group of virtproxyd).
        unix_sock_admin_perms: Mode of the socket for administration, octal.
        unix_sock_dir: Directory of the sockets; without it the usual place.
        auth_unix_ro: How clients of the read-only socket authenticate: ``none`` or ``polkit``;
            without it ``polkit`` where that can be asked. ``sasl`` is refused.
        auth_unix_rw: Likewise for the socket for all calls.
        proxy_user: The user of virtproxyd, a name or ``+NUMBER``; without it ``virtproxy``.
        max_clients: Clients at once; one more is sent away.
        max_anonymous_clients: Clients at once that have not authenticated; further ones wait, and
            each has 60 seconds.
        max_client_requests: Calls of one client that run at once; further ones wait.
        keepalive_interval: Seconds of silence before a ping, for clients that asked for it; -1 for
            none.
        keepalive_count: Unanswered pings before a client is cut off.
        log_level: 1 debug, 2 information, 3 warnings, 4 errors.
        log_filters: ``LEVEL:NAME`` separated by blanks; NAME is a part of a logger's name, ``*``
            anything; the first that matches counts. Loggers are named as modules:
            ``virloom.drivers.qemu.monitor.client``.
        log_outputs: ``LEVEL:stderr``, ``LEVEL:journald``, ``LEVEL:file:/PATH`` or
            ``LEVEL:syslog:NAME``, separated by blanks.
    """

    def __init__(self) -> None:
        self.unix_sock_group: str | None = None
        self.unix_sock_ro_perms = "0777"
        self.unix_sock_rw_perms: str | None = None
        self.unix_sock_admin_perms = "0700"
        self.unix_sock_dir: str | None = None
        self.auth_unix_ro: str | None = None
        self.auth_unix_rw: str | None = None
        self.proxy_user: str | None = None
        self.max_clients = 5000
        self.max_anonymous_clients = 20
        self.max_client_requests = 5
        self.keepalive_interval = 5
        self.keepalive_count = 5
        self.log_level = 3
        self.log_filters = ""
        self.log_outputs = ""

    @classmethod
    def load(cls, path: Path, *, required: bool = False) -> DaemonConfig:
        """The configuration in *path*; the defaults where there is no such file.

        Raises:
            ConfSyntax: Malformed, an unknown key or a wrong value: with file, line and what is
                allowed.
            ConfigUnsupported: It asks for authentication that is not there, or *required* is set
                and there is no such file.
            SystemFailure: It cannot be read.
        """
        if required and not path.exists():
            raise ConfigUnsupported(f"there is no file '{path}'", domain=ErrorDomain.CONF)
        config = cls()
        settings = read_settings(path)
        text = path.read_text() if settings else ""
        for name, value in settings.items():
            config._set(name, value, f"{path}:{_line_of(name, text)}")
        if config.max_anonymous_clients > config.max_clients:
            # Nobody says it where only one of them is set, as in libvirt's own example.
            if {"max_clients", "max_anonymous_clients"} <= settings.keys():
                place = f"{path}:{_line_of('max_anonymous_clients', text)}"
                raise _wrong(place, "max_anonymous_clients must not be more than max_clients")
            config.max_anonymous_clients = config.max_clients
        return config

    def limits(self) -> Limits:
        """The bounds of clients."""
        return Limits(
            clients=self.max_clients,
            anonymous=self.max_anonymous_clients,
            requests=self.max_client_requests,
            keepalive_interval=self.keepalive_interval,
            keepalive_count=self.keepalive_count,
        )

    def logging(self) -> Logging:
        """What is logged, and where to."""
        return Logging(self.log_level, self.log_filters, self.log_outputs)

    def mode_for_writers(self, *, authenticated: bool, grouped: bool = False) -> str:
        """Mode of the socket for all calls.

        Args:
            authenticated: Its clients say who they are.
            grouped: Its group is virtproxyd's own.
        """
        closed = "0770" if grouped else "0700"
        return self.unix_sock_rw_perms or ("0777" if authenticated else closed)

    def bounds(self, name: str) -> tuple[int, int | None]:
        """The least and the greatest value of a number."""
        if name.startswith(("listen_", "tls_no_")):
            return 0, 1
        if name == "log_level":
            return 1, 4
        return (-1 if name.startswith("keepalive") else 1), None

    def _set(self, name: str, value: Setting, place: str) -> None:
        if name in WITHOUT_MEANING:
            kind = WITHOUT_MEANING[name]
            if not isinstance(value, kind):
                raise _wrong(place, f"{name} must be {_KINDS[kind]}, not {value!r}")
            return
        if name == "access_drivers":
            _check_access(value, place)
            return
        if name not in self.__dict__:
            known = ", ".join(sorted(self.__dict__))
            raise _wrong(place, f"there is no key '{name}'; allowed are {known}")
        if isinstance(self.__dict__[name], list):
            if not isinstance(value, list):
                raise _wrong(place, f"{name} must be a list of strings, not {value!r}")
        elif isinstance(self.__dict__[name], int):
            least, most = self.bounds(name)
            if not isinstance(value, int) or value < least or (most and value > most):
                wanted = f"a number from {least}" + (f" to {most}" if most else "")
                raise _wrong(place, f"{name} must be {wanted}, not {value!r}")
        elif not isinstance(value, str):
            raise _wrong(place, f"{name} must be a string, not {value!r}")
        else:
            _check_text(name, value, place)
        self.__dict__[name] = value


class NetworkConfig(DaemonConfig):
    """The configuration of a daemon that the network reaches, with ``--listen``.

    Attributes:
        listen_tls: Whether TLS is served.
        listen_tcp: Whether plain TCP is served.
        tls_port: A number, or a name of a service.
        tcp_port: Likewise.
        listen_addr: The address to listen on; without it all of them, or this host's alone where
            clients do not authenticate.
        auth_tcp: How clients of TCP authenticate; ``sasl`` is libvirt's default and not served, so
            TCP needs ``none``, and is for this host alone then.
        auth_tls: How clients of TLS do besides their certificates: ``none``.
        key_file, cert_file, ca_file, crl_file: Files of certificates; without them those in
            libvirt's usual places.
        tls_no_verify_certificate: Whether clients need no certificate.
        tls_no_sanity_certificate: Whether our own is not looked at; it is used as it is.
        tls_allowed_dn_list: Patterns (as of a shell) of names that may come in; empty: all.
        tls_priority: Of GnuTLS, and so of no meaning here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listen_tls = 1
        self.listen_tcp = 0
        self.tls_port = "16514"
        self.tcp_port = "16509"
        self.listen_addr: str | None = None
        self.auth_tcp = "sasl"
        self.auth_tls = "none"
        self.key_file: str | None = None
        self.cert_file: str | None = None
        self.ca_file: str | None = None
        self.crl_file: str | None = None
        self.tls_no_verify_certificate = 0
        self.tls_no_sanity_certificate = 0
        self.tls_allowed_dn_list: list[str] = []
        self.tls_priority = ""


def _check_access(value: Setting, place: str) -> None:
    """Rules for each call are not there yet; whoever relies on them must not be let down."""
    if value not in ([], "", ["none"]):
        raise ConfigUnsupported(
            f"{place}: access_drivers = {value!r}: this daemon has no access drivers yet",
            domain=ErrorDomain.CONF,
            remedy="remove the key, and bound who may connect by auth_unix_rw",
        )


def _check_text(name: str, value: str, place: str) -> None:
    if name.endswith("_perms") and not re.fullmatch(r"0?[0-7]{3}", value):
        raise _wrong(place, f'{name} must be an octal mode such as "0770", not "{value}"')
    if name.startswith("auth_") and value not in _AUTH:
        if value == "sasl" and name == "auth_tcp":
            return  # libvirt's default; refused where TCP is to be served
        if value == "sasl":
            raise ConfigUnsupported(
                f"{place}: {name} = \"{value}\": this daemon has no '{value}' authentication yet",
                domain=ErrorDomain.CONF,
                remedy=f'set {name} = "polkit", or "none" with unix_sock_group and the sockets\' '
                "modes to bound who may connect",
            )
        raise _wrong(place, f'{name} must be "none" or "polkit", not "{value}"')


def _line_of(name: str, text: str) -> int:
    """Where a key is set; the last place wins."""
    pattern = re.compile(rf"\s*{re.escape(name)}\s*=")
    lines = [n for n, line in enumerate(text.splitlines(), 1) if pattern.match(line)]
    return lines[-1] if lines else 1


def _wrong(place: str, what: str) -> ConfSyntax:
    return ConfSyntax(f"{place}: {what}", domain=ErrorDomain.CONF)
