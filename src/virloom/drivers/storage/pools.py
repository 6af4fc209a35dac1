# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a pool: completed and checked, with libvirt's codes."""

from __future__ import annotations

import re
from uuid import uuid4

from virloom.drivers.storage.kinds import KINDS, PoolKind
from virloom.drivers.storage.sources import (
    check_adapter,
    check_auth,
    check_named,
    check_options,
    check_owners,
)
from virloom.drivers.storage.volumes import check_permissions
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    NoSupport,
    VirloomError,
    XmlDetail,
    XmlError,
    XmlInvalidSchema,
)
from virloom.model.storage import Pool
from virloom.model.storage.pool import Adapter, Initiator, PoolSource, PoolTarget, SourceDir
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.STORAGE


def parse_pool(text: str, *, validate: bool = False) -> Pool:
    """The pool that a document describes, complete but for its sizes.

    Raises:
        XmlError: It is malformed, or lacks what its kind needs.
        XmlDetail: Its name has more than one line, or its version of NFS would be more than one
            option of the mount.
        XmlInvalidSchema: What it says is known nowhere, or to other kinds; with *validate*.
        ConfigUnsupported: Its format is unknown.
    """
    try:
        model = parse_document(Pool, text, validate=validate)
    except VirloomError as exc:
        raise _as_libvirt(exc) from exc
    if model.type is None:
        raise XmlError(
            "Missing required attribute 'type' in element 'pool'", domain=ErrorDomain.XML
        )
    kind = KINDS[model.type]
    if validate:
        _check_parts(model, kind)
    if model.source is None:
        model.source = PoolSource()
    if model.features.cow.state is not None and model.type not in ("dir", "fs"):
        raise NoSupport("cow feature may only be used for 'fs' and 'dir' pools", domain=_DOMAIN)
    _fill_names(model, model.source)
    model.uuid = model.uuid or str(uuid4())
    check_named(model.source)
    check_options(model)
    _fill_source(model.source, kind)
    _check_source(model.source, kind)
    _fill_target(model, model.source, kind)
    return model


def _as_libvirt(error: VirloomError) -> VirloomError:
    """libvirt's code where a value is none."""
    if "pool/uuid" in error.message:
        return XmlError("malformed uuid element", domain=_DOMAIN)
    if "secret/@uuid" in error.message:
        return XmlError("invalid secret uuid", domain=ErrorDomain.NONE)
    if "pool/refresh/volume/@allocation" in error.message:
        return ConfigUnsupported(
            "unknown storage pool volume refresh allocation type", domain=_DOMAIN
        )
    return error


def _check_parts(model: Pool, kind: PoolKind) -> None:
    """Refuses what pools of other kinds say, which is dropped else, and half a login."""
    source = model.source or PoolSource()
    said = {
        "host": source.hosts, "device": source.devices, "dir": source.dir.path,
        "adapter": source.adapter, "initiator": source.initiator.iqn.name, "name": source.name,
    }  # fmt: skip
    known = (*kind.needs, *kind.takes)
    odd = [f"source/{part}" for part, value in said.items() if value and part not in known]
    if source.format.type is not None and not kind.formats:
        odd.append("source/format")
    if model.target.path is not None and not kind.local:
        odd.append("target")
    auth = source.auth
    if auth is not None and (auth.username is None or auth.secret is None):
        what = "source/auth lacks its user or its secret"
        raise XmlInvalidSchema(what, domain=ErrorDomain.XML)
    if any(None in (each.name, each.value) for each in model.rbd_options.options):
        what = "an option of rbd:config_opts lacks its name or its value"
        raise XmlInvalidSchema(what, domain=ErrorDomain.XML)
    if odd:
        what = f"pools of kind '{model.type}' have no {', '.join(odd)}"
        raise XmlInvalidSchema(what, domain=ErrorDomain.XML)


def _fill_names(model: Pool, source: PoolSource) -> None:
    """A pool and its source may have the same name."""
    name = model.name or source.name
    if not name:
        raise XmlError("missing pool source name element", domain=_DOMAIN)
    if "/" in name:
        raise XmlError(f"name {name} cannot contain '/'", domain=_DOMAIN)
    if "\n" in name:
        raise XmlDetail("invalid char in name: line break", domain=ErrorDomain.XML)
    model.name = name
    if "name" in KINDS[model.type or ""].needs and not source.name:
        if model.type == "rbd":
            raise XmlError("element 'name' is mandatory for RBD pool", domain=_DOMAIN)
        source.name = name
    if model.type == "gluster":
        source.dir.path = source.dir.path or "/"


def _fill_source(source: PoolSource, kind: PoolKind) -> None:
    if kind.formats:
        source.format.type = source.format.type or kind.formats[0]
        if source.format.type not in kind.formats:
            raise ConfigUnsupported(
                f"unknown pool format type {source.format.type}", domain=_DOMAIN
            )
    else:
        source.format.type = None
    _drop(source, (*kind.needs, *kind.takes))
    if source.dir.path:
        source.dir.path = sanitized(source.dir.path)
    for device in source.devices:
        device.free_extents = []
    source.protocol.ver = source.protocol.ver or None
    for said in (source.vendor, source.product, source.initiator.iqn):
        said.name = said.name or None
    if "," in (source.protocol.ver or ""):
        raise XmlDetail(
            f"storage pool protocol ver '{source.protocol.ver}' must not contain ','",
            domain=_DOMAIN,
        )


def _drop(source: PoolSource, kept: tuple[str, ...]) -> None:
    """Forgets what sources of the kind do not say."""
    if "host" not in kept:
        source.hosts = []
    if "device" not in kept:
        source.devices = []
    if "dir" not in kept:
        source.dir = SourceDir()
    if "adapter" not in kept:
        source.adapter = None
    if "name" not in kept:
        source.name = None
    if "initiator" not in kept:
        source.initiator = Initiator()


def _check_source(source: PoolSource, kind: PoolKind) -> None:
    missing = {
        "host": not any(host.name for host in source.hosts),
        "device": not any(device.path for device in source.devices),
        "dir": not source.dir.path,
        "adapter": source.adapter is None,
        "name": not source.name,
    }
    words = {
        "host": "host name", "device": "device name", "dir": "path", "adapter": "adapter",
        "name": "name",
    }  # fmt: skip
    for part in kind.needs:
        if missing.get(part):
            raise XmlError(f"missing storage pool source {words[part]}", domain=_DOMAIN)
    if "initiator" in kind.needs and not source.initiator.iqn.name:
        raise ConfigUnsupported("missing initiator IQN", domain=_DOMAIN)
    if source.auth is not None:
        check_auth(source.auth)
    if source.adapter is not None:
        check_adapter(source.adapter)


def _fill_target(model: Pool, source: PoolSource, kind: PoolKind) -> None:
    if not kind.local:
        model.target = PoolTarget()
        return
    target = model.target
    if kind.target is not None:
        target.path = kind.target.format(source.name)
    if not target.path:
        raise XmlError("missing storage pool target path", domain=_DOMAIN)
    check_permissions(target.permissions)
    check_owners(target.permissions)
    target.path = sanitized(target.path)


def sanitized(path: str) -> str:
    """A path without needless slashes; two at its beginning mean something to POSIX (4.13)."""
    start = "//" if re.match("//(?!/)", path) else "/" if path.startswith("/") else ""
    return start + "/".join(word for word in path.split("/") if word)


def same_source(one: Pool, other: Pool) -> bool:
    """Whether two pools would be the same storage."""
    return bool(set(_places(one)) & set(_places(other)))


def _places(pool: Pool) -> list[tuple[str | None, ...]]:
    """What no two pools may both be."""
    kind, source = pool.type or "", pool.source or PoolSource()
    host = source.hosts[0].name if source.hosts else None
    port = str(source.hosts[0].port or 0) if source.hosts else None
    devices = [device.path for device in source.devices]
    if kind in ("dir", "vstorage"):
        return [("path", pool.target.path)]
    if kind in ("fs", "logical", "disk", "zfs") and devices:
        return [("device", device) for device in devices]
    if kind in ("netfs", "gluster"):
        return [(kind, host, port, source.dir.path, source.name)]
    if kind == "iscsi":
        return [("iscsi", host, source.initiator.iqn.name, device) for device in devices]
    if kind == "scsi" and source.adapter is not None:
        adapter = source.adapter
        name = (adapter.name or "").removeprefix("scsi_")
        return [(kind, name, adapter.wwnn, adapter.wwpn, *_parent(adapter))]
    if kind == "mpath":
        return [(kind,)]
    return []


def _parent(adapter: Adapter) -> tuple[str, ...]:
    parent = adapter.parentaddr
    if parent is None or parent.address is None:
        return ()
    at = parent.address
    return tuple(map(str, (parent.unique_id, at.domain, at.bus, at.slot, at.function)))
