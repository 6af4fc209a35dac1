# SPDX-License-Identifier: Apache-2.0
"""The calls of the admin program (``data/protocol/admin.json``), as libvirt's daemons answer."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping
from typing import Any

from virloom.daemon.client import Client
from virloom.daemon.control import DaemonControl
from virloom.daemon.server import Server
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.release import LIB_VERSION
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    InvalidArg,
    NoClient,
    NoServer,
    OperationUnsupported,
)
from virloom.procedures import admin as p
from virloom.procedures.record import TypedParamValue

#: ``VIR_CLIENT_TRANS_*``
_UNIX, _TCP, _TLS = 0, 1, 2
_INT, _UINT, _STRING, _BOOLEAN = 1, 2, 7, 6


class AdminHandlers:
    """The calls of the admin program, in the order of their numbers."""

    def __init__(self, servers: Mapping[str, Server], control: DaemonControl) -> None:
        self._servers = servers
        self._control = control

    @serves(p.CONNECT_OPEN)
    def open(self, _call: Call, args: p.ConnectOpenArgs) -> None:
        _no_flags(args.flags)

    @serves(p.CONNECT_CLOSE)
    def close(self, _call: Call, _args: Any) -> None:
        """The client then leaves."""

    @serves(p.CONNECT_GET_LIB_VERSION)
    def lib_version(self, _call: Call, _args: Any) -> p.ConnectGetLibVersionRet:
        return p.ConnectGetLibVersionRet(LIB_VERSION)

    @serves(p.CONNECT_LIST_SERVERS)
    def list_servers(self, _call: Call, args: p.ConnectListServersArgs) -> p.ConnectListServersRet:
        _no_flags(args.flags)
        found = [p.NonnullServer(name) for name in self._servers]
        return p.ConnectListServersRet(found if args.need_results else [], len(found))

    @serves(p.CONNECT_LOOKUP_SERVER)
    def lookup_server(
        self, _call: Call, args: p.ConnectLookupServerArgs
    ) -> p.ConnectLookupServerRet:
        _no_flags(args.flags)
        self._server(args.name)
        return p.ConnectLookupServerRet(p.NonnullServer(args.name))

    @serves(p.SERVER_GET_THREADPOOL_PARAMETERS)
    def threadpool(
        self, _call: Call, args: p.ServerGetThreadpoolParametersArgs
    ) -> p.ServerGetThreadpoolParametersRet:
        """Calls take their turns on one loop: there are none of the threads that it asks for."""
        _no_flags(args.flags)
        server = self._server(args.srv.name)
        waiting = sum(client.waiting for client in server.all())
        figures = {
            "minWorkers": 0, "maxWorkers": 0, "nWorkers": 0, "freeWorkers": 0, "prioWorkers": 0,
            "jobQueueDepth": waiting,
        }  # fmt: skip
        return p.ServerGetThreadpoolParametersRet(_unsigned(figures))

    @serves(p.SERVER_SET_THREADPOOL_PARAMETERS)
    def set_threadpool(self, _call: Call, args: p.ServerSetThreadpoolParametersArgs) -> None:
        _no_flags(args.flags)
        self._server(args.srv.name)
        raise OperationUnsupported(
            "this daemon has no pool of threads", domain=ErrorDomain.ADMIN,
            remedy="bound calls by max_client_requests, and clients by client-limits",
        )  # fmt: skip

    @serves(p.SERVER_LIST_CLIENTS)
    def list_clients(self, _call: Call, args: p.ServerListClientsArgs) -> p.ServerListClientsRet:
        _no_flags(args.flags)
        found = [_reference(args.srv, client) for client in self._server(args.srv.name).all()]
        return p.ServerListClientsRet(found if args.need_results else [], len(found))

    @serves(p.SERVER_LOOKUP_CLIENT)
    def lookup_client(self, _call: Call, args: p.ServerLookupClientArgs) -> p.ServerLookupClientRet:
        _no_flags(args.flags)
        return p.ServerLookupClientRet(_reference(args.srv, self._client(args.srv.name, args.id)))

    @serves(p.CLIENT_GET_INFO)
    def client_info(self, _call: Call, args: p.ClientGetInfoArgs) -> p.ClientGetInfoRet:
        _no_flags(args.flags)
        return p.ClientGetInfoRet(_facts(self._client(args.clnt.srv.name, args.clnt.id)))

    @serves(p.CLIENT_CLOSE)
    def client_close(self, _call: Call, args: p.ClientCloseArgs) -> None:
        _no_flags(args.flags)
        self._client(args.clnt.srv.name, args.clnt.id).close()

    @serves(p.SERVER_GET_CLIENT_LIMITS)
    def client_limits(
        self, _call: Call, args: p.ServerGetClientLimitsArgs
    ) -> p.ServerGetClientLimitsRet:
        _no_flags(args.flags)
        server = self._server(args.srv.name)
        figures = {
            "nclients_max": server.limits.clients,
            "nclients": server.clients,
            "nclients_unauth_max": server.limits.anonymous,
            "nclients_unauth": sum(not client.authenticated for client in server.all()),
        }
        return p.ServerGetClientLimitsRet(_unsigned(figures))

    @serves(p.SERVER_SET_CLIENT_LIMITS)
    def set_client_limits(self, _call: Call, args: p.ServerSetClientLimitsArgs) -> None:
        _no_flags(args.flags)
        server = self._server(args.srv.name)
        wanted = _numbers(args.params, ("nclients_max", "nclients_unauth_max"))
        clients = wanted.get("nclients_max", server.limits.clients)
        anonymous = wanted.get("nclients_unauth_max", server.limits.anonymous)
        if anonymous > clients:
            raise InvalidArg(
                f"clients that have not authenticated ({anonymous}) cannot be more than all "
                f"({clients})",
                domain=ErrorDomain.ADMIN,
            )
        server.set_limits(clients=clients, anonymous=anonymous)

    @serves(p.CONNECT_GET_LOGGING_OUTPUTS)
    def logging_outputs(
        self, _call: Call, args: p.ConnectGetLoggingOutputsArgs
    ) -> p.ConnectGetLoggingOutputsRet:
        _no_flags(args.flags)
        outputs = self._control.log_outputs
        return p.ConnectGetLoggingOutputsRet(outputs, len(outputs.split()))

    @serves(p.CONNECT_GET_LOGGING_FILTERS)
    def logging_filters(
        self, _call: Call, args: p.ConnectGetLoggingFiltersArgs
    ) -> p.ConnectGetLoggingFiltersRet:
        _no_flags(args.flags)
        filters = self._control.log_filters
        return p.ConnectGetLoggingFiltersRet(filters or None, len(filters.split()))

    @serves(p.CONNECT_SET_LOGGING_OUTPUTS)
    def set_logging_outputs(self, _call: Call, args: p.ConnectSetLoggingOutputsArgs) -> None:
        _no_flags(args.flags)
        self._control.set_logging(outputs=args.outputs or "")

    @serves(p.CONNECT_SET_LOGGING_FILTERS)
    def set_logging_filters(self, _call: Call, args: p.ConnectSetLoggingFiltersArgs) -> None:
        _no_flags(args.flags)
        self._control.set_logging(filters=args.filters or "")

    @serves(p.SERVER_UPDATE_TLS_FILES)
    def update_tls_files(self, _call: Call, args: p.ServerUpdateTlsFilesArgs) -> None:
        _no_flags(args.flags)
        self._server(args.srv.name)
        self._control.renew_certificates(args.srv.name)

    @serves(p.CONNECT_SET_DAEMON_TIMEOUT)
    def set_daemon_timeout(self, _call: Call, args: p.ConnectSetDaemonTimeoutArgs) -> None:
        _no_flags(args.flags)
        self._control.set_timeout(args.timeout)

    @serves(p.CONNECT_DAEMON_SHUTDOWN)
    def shut_down(self, _call: Call, args: p.ConnectDaemonShutdownArgs) -> None:
        _no_flags(args.flags)
        self._control.shut_down()

    def _server(self, name: str) -> Server:
        server = self._servers.get(name)
        if server is None:
            raise NoServer(f"No server named '{name}'", domain=ErrorDomain.ADMIN)
        return server

    def _client(self, server: str, number: int) -> Client:
        found = next((one for one in self._server(server).all() if one.number == number), None)
        if found is None:
            raise NoClient(f"No client with matching ID '{number}'", domain=ErrorDomain.ADMIN)
        return found


def _no_flags(flags: int) -> None:
    if flags:
        raise InvalidArg(f"unsupported flags ({flags:#x})", domain=ErrorDomain.ADMIN)


def _reference(server: p.NonnullServer, client: Client) -> p.NonnullClient:
    kind = _UNIX
    if client.identity.uid is None:
        kind = _TLS if client.encrypted else _TCP
    return p.NonnullClient(server, client.number, client.since, kind)


def _facts(client: Client) -> list[p.TypedParam]:
    identity, peer = client.identity, client.peer
    found = [_param("readonly", _BOOLEAN, identity.readonly)]
    if peer.uid is None:
        host, _, port = (peer.address or "").rpartition(":")
        found.append(_param("sock_addr", _STRING, f"{host};{port}"))
        if identity.tls_name is not None:
            found.append(_param("tls_x509_dname", _STRING, identity.tls_name))
        return found
    return [
        *found,
        _param("unix_user_id", _INT, peer.uid),
        _param("unix_user_name", _STRING, _named(lambda: pwd.getpwuid(peer.uid or 0).pw_name)),
        _param("unix_group_id", _INT, peer.gid),
        _param("unix_group_name", _STRING, _named(lambda: grp.getgrgid(peer.gid or 0).gr_name)),
        _param("unix_process_id", _INT, peer.pid),
    ]


def _named(look_up: Callable[[], str]) -> str:
    try:
        return look_up()
    except KeyError:  # a number without a name
        return ""


def _param(name: str, kind: int, value: Any) -> p.TypedParam:
    return p.TypedParam(name, TypedParamValue(kind, value))


def _unsigned(figures: Mapping[str, int]) -> list[p.TypedParam]:
    return [_param(name, _UINT, value) for name, value in figures.items()]


def _numbers(params: list[p.TypedParam], known: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for param in params:
        if param.field not in known:
            raise InvalidArg(f"parameter '{param.field}' not supported", domain=ErrorDomain.ADMIN)
        if param.value.type != _UINT:
            raise InvalidArg(f"'{param.field}' is an unsigned number", domain=ErrorDomain.ADMIN)
        if param.field in found:
            raise InvalidArg(f"'{param.field}' is given twice", domain=ErrorDomain.ADMIN)
        found[param.field] = int(param.value.value)
    return found
