# SPDX-License-Identifier: Apache-2.0
"""Migration of ``virDomain``: not supported yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libvirt._invoke import unsupported


def migrate(
    self: Any,
    dconn: Any,
    flags: int = 0,
    dname: str | None = None,
    uri: str | None = None,
    bandwidth: int = 0,
) -> Any:
    """Not supported."""
    return unsupported("virDomainMigrate")


def migrate2(
    self: Any,
    dconn: Any,
    dxml: str | None = None,
    flags: int = 0,
    dname: str | None = None,
    uri: str | None = None,
    bandwidth: int = 0,
) -> Any:
    """Not supported."""
    return unsupported("virDomainMigrate2")


def migrate3(self: Any, dconn: Any, params: Mapping[str, Any], flags: int = 0) -> Any:
    """Not supported."""
    return unsupported("virDomainMigrate3")


def migrateToURI(
    self: Any, duri: str, flags: int = 0, dname: str | None = None, bandwidth: int = 0
) -> int:
    """Not supported."""
    return int(unsupported("virDomainMigrateToURI"))


def migrateToURI2(
    self: Any,
    dconnuri: str | None = None,
    miguri: str | None = None,
    dxml: str | None = None,
    flags: int = 0,
    dname: str | None = None,
    bandwidth: int = 0,
) -> int:
    """Not supported."""
    return int(unsupported("virDomainMigrateToURI2"))


def migrateToURI3(
    self: Any, dconnuri: str | None, params: Mapping[str, Any], flags: int = 0
) -> int:
    """Not supported."""
    return int(unsupported("virDomainMigrateToURI3"))
