# SPDX-License-Identifier: Apache-2.0
"""etcd's version 3 API as JSON over HTTP (its gRPC gateway), as far as leases need it.

Design note 0017 says why. Numbers of 64 bits are strings there, keys and values base64, and what is
zero or empty is left out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from virloom.drivers.qemu.locks.etcd_config import EtcdConfig

logger = logging.getLogger(__name__)

#: Seconds for one member to answer.
_PATIENCE = 5.0
#: Bytes of an answer, at most.
_MOST = 1 << 20

#: Codes of gRPC (its documentation, "status codes").
NOT_FOUND, _UNAVAILABLE, _UNAUTHENTICATED = 5, 14, 16


class EtcdError(OperationFailed):
    """etcd refuses.

    Attributes:
        status: A code of gRPC.
    """

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail, domain=ErrorDomain.LOCKING)
        self.status = status


def encoded(text: str) -> str:
    """A key or a value, as the gateway takes it."""
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def decoded(text: str) -> str:
    """A key or a value, from what the gateway says."""
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


class EtcdGateway:
    """One cluster.

    Args:
        config: Where it is, and who we are.
    """

    def __init__(self, config: EtcdConfig) -> None:
        self._config = config
        self._endpoints = list(config.endpoints)
        self._token = ""
        self._tls: Any = None

    async def call(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Asks one member after the other, the one that answered last first.

        Args:
            path: Below ``/v3/``.

        Raises:
            EtcdError: It refuses.
            OperationFailed: None of them answers; nobody knows whether it was done.
        """
        if self._config.user and not self._token:
            await self._authenticate()
        try:
            return await self._ask(path, message)
        except EtcdError as exc:
            if exc.status != _UNAUTHENTICATED or not self._config.user:
                raise
            await self._authenticate()  # the token has had its time
            return await self._ask(path, message)

    async def _authenticate(self) -> None:
        self._token = ""
        message = {"name": self._config.user, "password": self._config.password}
        self._token = str((await self._ask("auth/authenticate", message))["token"])

    async def _ask(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        failures = []
        for endpoint in list(self._endpoints):
            try:
                answer = await asyncio.to_thread(self._post, endpoint, path, message)
            except (OSError, ValueError) as exc:  # ValueError: no JSON
                failures.append(f"{endpoint}: {exc}")
                continue
            except EtcdError as exc:
                if exc.status != _UNAVAILABLE:
                    raise
                failures.append(f"{endpoint}: {exc.detail}")
                continue
            self._endpoints.remove(endpoint)
            self._endpoints.insert(0, endpoint)
            return answer
        raise OperationFailed(
            f"no member of etcd answers ({'; '.join(failures)})", domain=ErrorDomain.LOCKING
        )

    def _post(self, endpoint: str, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """One request, in a thread."""
        from http.client import HTTPException  # few hosts have etcd

        connection = self._connection(endpoint)
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(message), headers)
            response = connection.getresponse()
            answer = json.loads(response.read(_MOST))
        except HTTPException as exc:
            raise OSError(f"{type(exc).__name__} {exc}") from exc
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise ValueError("it says no object")
        if response.status != 200 or "error" in answer:
            what = answer.get("error", f"HTTP {response.status}")
            status = answer.get("code", 0)
            if isinstance(what, dict):  # of a stream
                status, what = what.get("grpc_code", 0), what.get("message", "")
            raise EtcdError(f"etcd: {what}", int(status))
        return answer

    def _connection(self, endpoint: str) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.parse import urlsplit

        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        port = parts.port or 2379
        if parts.scheme == "http":
            return HTTPConnection(parts.hostname, port, timeout=_PATIENCE)
        return HTTPSConnection(parts.hostname, port, timeout=_PATIENCE, context=self._context())

    def _context(self) -> Any:
        if self._tls is None:
            import ssl

            config = self._config
            self._tls = ssl.create_default_context(cafile=config.ca_file or None)
            if config.cert_file:
                self._tls.load_cert_chain(config.cert_file, config.key_file)
        return self._tls
