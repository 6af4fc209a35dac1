# SPDX-License-Identifier: Apache-2.0
"""What documents of pools say of adapters, secrets and owners, checked with libvirt's codes."""

from __future__ import annotations

import re

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.storage.pool import Adapter, Pool, PoolSource
from virloom.model.storage.target import Auth, Permissions

_DOMAIN = ErrorDomain.STORAGE
_NOBODY = (1 << 32) - 1  # what libvirt takes for "not said"


def check_owners(permissions: Permissions) -> None:
    """Checks who is to own the target, by number; -1 says nothing.

    Raises:
        XmlError: It is no number.
    """
    for which in ("owner", "group"):
        said = getattr(permissions, which)
        if said is None:
            continue
        number = int(said) if re.fullmatch(r"-1|\d{1,10}", said) else _NOBODY + 1
        if number > _NOBODY:
            raise XmlError(f"malformed {which} element", domain=_DOMAIN)
        setattr(permissions, which, None if number in (-1, _NOBODY) else str(number))


def check_auth(auth: Auth) -> None:
    """Checks how a server is to know us.

    Raises:
        XmlError: The user or the secret is missing, or the secret is named twice.
        ConfigUnsupported: The way is missing, or there is no such way.
    """
    if not auth.username:
        raise XmlError("missing username for auth", domain=_DOMAIN)
    if auth.type not in (None, "chap", "ceph"):
        raise ConfigUnsupported(f"unknown auth type '{auth.type}'", domain=_DOMAIN)
    secret = auth.secret
    if secret is None:
        raise XmlError("missing <secret> element in auth", domain=_DOMAIN)
    if not secret.uuid and not secret.usage:
        raise XmlError("missing secret uuid or usage attribute", domain=ErrorDomain.NONE)
    if secret.uuid and secret.usage:
        raise XmlError("either secret uuid or usage expected", domain=ErrorDomain.NONE)
    if auth.type is None:
        raise ConfigUnsupported("storage pool missing auth type", domain=_DOMAIN)


def check_named(source: PoolSource) -> None:
    """Checks that what a source lists is named.

    Raises:
        XmlError: A host has no name, or a device no path.
    """
    if any(host.name is None for host in source.hosts):
        raise _wrong("missing storage pool host name")
    if any(device.path is None for device in source.devices):
        raise _wrong("missing storage pool source device path")


def check_options(model: Pool) -> None:
    """Checks the options of mounts and of Ceph's client.

    Raises:
        XmlError: One has no name, or one of Ceph's no value.
    """
    if any(option.name is None for option in model.mount_options.options):
        raise _wrong("an option of <fs:mount_opts> has no name")
    for option in model.rbd_options.options:
        if not option.name:
            raise _wrong("an option of <rbd:config_opts> has no name")
        if not option.value:
            raise _wrong(f"option '{option.name}' of <rbd:config_opts> has no value")


def check_adapter(adapter: Adapter) -> None:
    """Says of what kind an adapter is, and checks that it can be found by what is said.

    Raises:
        XmlError: Too little or too much is said.
        InternalError: A world-wide name is none (libvirt's code for it).
    """
    adapter.type = adapter.type or ("fc_host" if adapter.wwnn else "scsi_host")
    if adapter.type == "fc_host":
        _check_fc_host(adapter)
        return
    if adapter.name is None and adapter.parentaddr is None:
        raise _wrong("either 'name' or 'parent' must be specified for the 'scsi_host' adapter")
    if adapter.name is not None and adapter.parentaddr is not None:
        raise _wrong("both 'name' and 'parent' cannot be specified for the 'scsi_host' adapter")
    if adapter.parentaddr is not None:
        if adapter.parentaddr.unique_id is None:
            raise _wrong("missing or invalid 'unique_id' of a scsi adapter")
        if adapter.parentaddr.address is None:
            raise _wrong("missing scsi_host PCI address element")


def _check_fc_host(adapter: Adapter) -> None:
    if adapter.wwnn is None or adapter.wwpn is None:
        raise _wrong("'wwnn' and 'wwpn' must be specified for adapter type 'fc_host'")
    if (adapter.parent_wwnn is None) != (adapter.parent_wwpn is None):
        raise _wrong("'parent_wwnn' and 'parent_wwpn' must be provided together")
    names = (
        adapter.wwnn, adapter.wwpn, adapter.parent_wwnn, adapter.parent_wwpn,
        adapter.parent_fabric_wwn,
    )  # fmt: skip
    for name in names:
        if name is not None and re.fullmatch(r"(0x)?[0-9a-fA-F]{16}", name) is None:
            raise InternalError(f"Malformed wwn: {name}", domain=ErrorDomain.NONE)


def _wrong(what: str) -> XmlError:
    return XmlError(what, domain=_DOMAIN)
