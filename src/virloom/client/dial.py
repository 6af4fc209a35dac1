# SPDX-License-Identifier: Apache-2.0
"""From a URI to the daemon that serves it, by the transport that the URI names."""

from __future__ import annotations

import socket

from virloom.client.address import (
    PORTS,
    flag,
    port_of,
    starts_on_demand,
    transport_of,
    unix_socket,
)
from virloom.endpoint.remote import RemoteEndpoint
from virloom.enums.error import ErrorDomain
from virloom.enums.host import ConnectFlags
from virloom.errors import InvalidArg, NoSupport, SystemFailure, VirloomError, system_failure
from virloom.transport.base import Transport
from virloom.uri import ConnectURI


async def dial(uri: ConnectURI, *, readonly: bool) -> RemoteEndpoint:
    """A connection to the daemon, opened.

    Raises:
        InvalidArg: The URI lacks something that its transport needs, or has nonsense.
        NoSupport: Nothing here speaks that transport.
        SystemFailure: Nobody listens there.
        AuthUnavailable: The daemon wants to be shown who we are in a way that we cannot.
    """
    inner = str(uri.without_transport())
    try:
        transport = await _transport(uri, readonly=readonly)
    except OSError as exc:
        raise _unreachable(uri, exc, readonly=readonly) from exc
    endpoint = RemoteEndpoint(transport, secure=transport_of(uri) != "tcp")
    try:
        await endpoint.start(uri.params.get("auth"))
        await endpoint.open(inner, ConnectFlags.RO if readonly else 0)
    except BaseException:
        await endpoint.drop()
        raise
    return endpoint


def _unreachable(uri: ConnectURI, error: OSError, *, readonly: bool) -> VirloomError:
    kind = transport_of(uri)
    if kind == "unix":
        doing = f"Failed to connect socket to '{unix_socket(uri, readonly=readonly)}'"
    elif kind in PORTS:
        doing = f"unable to connect to server at '{_host(uri)}:{port_of(uri)}'"
    else:
        doing = f"cannot connect to '{uri}'"
    if isinstance(error, socket.gaierror):
        return SystemFailure(f"{doing}: {error}", domain=ErrorDomain.RPC)
    return system_failure(doing, error, domain=ErrorDomain.RPC)


async def _transport(uri: ConnectURI, *, readonly: bool) -> Transport:
    kind = transport_of(uri)
    if kind == "unix" and starts_on_demand(uri):
        from virloom.client.session_daemon import connect_or_start

        return await connect_or_start(uri, readonly=readonly)
    if kind == "unix":
        from virloom.transport.unix import connect_unix

        return await connect_unix(unix_socket(uri, readonly=readonly))
    if kind == "tcp":
        from virloom.transport.tcp import connect_tcp

        return await connect_tcp(_host(uri), port_of(uri))
    if kind == "tls":
        return await _tls(uri)
    if kind == "ssh":
        from virloom.transport.ext import connect_command

        return await connect_command(ssh_argv(uri, readonly=readonly))
    if kind == "ext":
        from virloom.transport.ext import connect_command

        command = uri.params.get("command")
        if not command:
            raise InvalidArg(f"'{uri}' says no command", remedy="add '?command=/path/to/it'")
        return await connect_command([command])
    raise NoSupport(f"the transport '{kind}'", remedy="use ssh, which runs the host's own program")


def _host(uri: ConnectURI) -> str:
    assert uri.host is not None, "the URI's parser asks for one"
    return uri.host


async def _tls(uri: ConnectURI) -> Transport:
    from virloom.transport.tls import TlsFiles, connect_tls

    if priority := uri.params.get("tls_priority"):
        raise NoSupport(
            f"the TLS priority '{priority}'",
            remedy="leave it out: it is GnuTLS's own",
        )
    files = TlsFiles.find(uri.params.get("pkipath"))
    return await connect_tls(_host(uri), port_of(uri), files, verify=not flag(uri, "no_verify"))


def ssh_argv(uri: ConnectURI, *, readonly: bool) -> list[str]:
    """The ssh command of a URI: by the far side's helper, by netcat, or by what is there.

    Raises:
        InvalidArg: The proxy is none of auto, native, netcat.
        OperationInvalid: A session by netcat, without its socket.
    """
    from virloom.transport.ssh import (
        SshTarget,
        either_script,
        helper_script,
        netcat_script,
        ssh_command,
    )

    params = uri.params
    target = SshTarget(
        host=_host(uri),
        user=uri.user,
        port=uri.port,
        program=params.get("command") or "ssh",
        keyfile=params.get("keyfile"),
        no_verify=flag(uri, "no_verify"),
        no_tty=flag(uri, "no_tty"),
    )
    proxy = params.get("proxy", "auto")
    if proxy not in ("auto", "native", "netcat"):
        raise InvalidArg(f"'{uri}': the proxy '{proxy}' is not one of auto, native, netcat")
    if proxy == "auto" and ("netcat" in params or "socket" in params):
        proxy = "netcat"  # the helper knows neither
    helper = helper_script(str(uri.without_transport()), readonly=readonly)
    if proxy == "native" or (proxy == "auto" and uri.path == "/session"):
        return ssh_command(target, helper)
    netcat = netcat_script(unix_socket(uri, readonly=readonly), params.get("netcat") or "nc")
    return ssh_command(target, netcat if proxy == "netcat" else either_script(helper, netcat))
