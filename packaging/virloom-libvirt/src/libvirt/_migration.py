# SPDX-License-Identifier: Apache-2.0
"""Migration of ``virDomain``, by two connections of this process or between the two hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libvirt._invoke import guarded, handle_of, wrap
from virloom.client.domain.ref import DomainRef


def migrate(
    self: Any,
    dconn: Any,
    flags: int = 0,
    dname: str | None = None,
    uri: str | None = None,
    bandwidth: int = 0,
) -> Any:
    """Moves the domain to the host of *dconn*; the domain there."""
    params = _given(destination_name=dname, migrate_uri=uri, bandwidth=bandwidth)
    return _moved("virDomainMigrate", self, dconn, params, flags)


def migrate2(
    self: Any,
    dconn: Any,
    dxml: str | None = None,
    flags: int = 0,
    dname: str | None = None,
    uri: str | None = None,
    bandwidth: int = 0,
) -> Any:
    """The same with another document for the other host."""
    params = _given(
        destination_xml=dxml, destination_name=dname, migrate_uri=uri, bandwidth=bandwidth
    )
    return _moved("virDomainMigrate2", self, dconn, params, flags)


def migrate3(self: Any, dconn: Any, params: Mapping[str, Any], flags: int = 0) -> Any:
    """The same by parameters."""
    return _moved("virDomainMigrate3", self, dconn, dict(params), flags)


def migrateToURI(
    self: Any, duri: str, flags: int = 0, dname: str | None = None, bandwidth: int = 0
) -> int:
    """Has the two hosts move the domain between them."""
    params = _given(destination_name=dname, bandwidth=bandwidth)
    return _sent("virDomainMigrateToURI", self, duri, params, flags)


def migrateToURI2(
    self: Any,
    dconnuri: str | None = None,
    miguri: str | None = None,
    dxml: str | None = None,
    flags: int = 0,
    dname: str | None = None,
    bandwidth: int = 0,
) -> int:
    """The same with another document for the other host, and where its data goes."""
    params = _given(
        destination_xml=dxml, destination_name=dname, migrate_uri=miguri, bandwidth=bandwidth
    )
    return _sent("virDomainMigrateToURI2", self, dconnuri, params, flags)


def migrateToURI3(
    self: Any, dconnuri: str | None, params: Mapping[str, Any], flags: int = 0
) -> int:
    """The same by parameters."""
    return _sent("virDomainMigrateToURI3", self, dconnuri, dict(params), flags)


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value}


def _moved(function: str, self: Any, dconn: Any, params: dict[str, Any], flags: int) -> Any:
    here, there = handle_of(self, function), handle_of(dconn, function)
    domain = here.connection.domain(DomainRef.of_wire(self._o))
    moved = guarded(function, lambda: here.run(domain.migrate(there.connection, params, flags)))
    return wrap(dconn, moved.ref.wire)


def _sent(function: str, self: Any, uri: str | None, params: dict[str, Any], flags: int) -> int:
    here = handle_of(self, function)
    domain = here.connection.domain(DomainRef.of_wire(self._o))
    guarded(function, lambda: here.run(domain.migrate_to_uri(uri, params, flags)))
    return 0
