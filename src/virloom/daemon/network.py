# SPDX-License-Identifier: Apache-2.0
"""The sockets of the network, TCP and TLS: what is configured, and what is listened on.

Without authentication, TCP serves the host itself only. Of TLS, a client's certificate is its
authentication.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from virloom.daemon.config import NetworkConfig
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.transport.base import Transport
from virloom.transport.tcp import listen_tcp
from virloom.transport.unix import SocketTransport

_LOOPBACK = ("127.0.0.1", "::1")


class TlsGate:
    """What a client passes before it is one; its certificates can be read again.

    Raises:
        SystemFailure: One cannot be used.
    """

    def __init__(self, config: NetworkConfig, prefix: Path) -> None:
        self._config = config
        self._pki = prefix / "etc/pki"
        self.renew()

    def renew(self) -> None:
        """Reads the certificates; where they cannot be used, those in use stay.

        Raises:
            SystemFailure: One cannot be used.
        """
        # The library is a third of an idle daemon's memory: only who serves TLS loads it.
        from virloom.transport.tls import server_context

        config = self._config
        self._context = server_context(
            Path(config.ca_file or self._pki / "CA/cacert.pem"),
            Path(config.cert_file or self._pki / "libvirt/servercert.pem"),
            Path(config.key_file or self._pki / "libvirt/private/serverkey.pem"),
            revoked=Path(config.crl_file) if config.crl_file else None,
            verify=not config.tls_no_verify_certificate,
        )

    def _allows(self, name: str | None) -> bool:
        allowed = self._config.tls_allowed_dn_list
        return not allowed or any(fnmatch.fnmatchcase(name or "", one) for one in allowed)

    async def __call__(self, transport: SocketTransport) -> Transport:
        """Agrees with a client on encryption.

        Raises:
            SystemFailure: The client is not one whom we trust, or does not answer.
        """
        from virloom.transport.tls import TlsTransport

        peer = transport.peer.address or "?"
        secured = TlsTransport(transport, self._context, peer, server=True, allows=self._allows)
        await secured.handshake()
        return secured


class NetworkSocket(NamedTuple):
    """A listening socket of the network, and what comes before its clients are clients."""

    socket: socket.socket
    secure: TlsGate | None


def listen(config: NetworkConfig, prefix: Path) -> list[NetworkSocket]:
    """The sockets that the configuration asks for.

    Args:
        prefix: What the usual places of certificates are below.

    Raises:
        ConfigUnsupported: TCP would serve others than this host, and nobody would be asked who he
            is; or a way to authenticate that there is not here.
        SystemFailure: A socket or a certificate cannot be used.
    """
    made: list[NetworkSocket] = []
    try:
        if config.listen_tcp:
            _check_tcp(config)
            hosts = [config.listen_addr] if config.listen_addr else _LOOPBACK
            made += [NetworkSocket(item, None) for item in _sockets(hosts, config.tcp_port)]
        if config.listen_tls:
            secure = TlsGate(config, prefix)
            hosts = [config.listen_addr or ""]
            made += [NetworkSocket(item, secure) for item in _sockets(hosts, config.tls_port)]
    except BaseException:
        for entry in made:
            entry.socket.close()
        raise
    return made


def _check_tcp(config: NetworkConfig) -> None:
    if config.auth_tcp != "none":
        raise ConfigUnsupported(
            f'auth_tcp = "{config.auth_tcp}": this daemon has no such authentication yet',
            domain=ErrorDomain.CONF,
            remedy='set auth_tcp = "none", which serves this host only, or listen_tls = 1',
        )
    if config.listen_addr and not _is_loopback(config.listen_addr):
        raise ConfigUnsupported(
            f'listen_addr = "{config.listen_addr}": TCP without authentication serves this '
            "host only",
            domain=ErrorDomain.CONF,
            remedy='set listen_addr = "127.0.0.1", or listen_tcp = 0 and listen_tls = 1',
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _sockets(hosts: tuple[str, ...] | list[str], port: str) -> list[socket.socket]:
    made: list[socket.socket] = []
    for host in hosts:
        try:
            number = int(port) if port.isdigit() else socket.getservbyname(port)
            made += listen_tcp(host, number)
        except OSError as exc:
            if made and host == _LOOPBACK[1]:  # a host without IPv6
                continue
            for listening in made:
                listening.close()
            raise system_failure(f"cannot listen on port {port} of '{host or '*'}'", exc) from exc
    return made
