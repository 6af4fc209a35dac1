# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a pool: completed and checked, with libvirt's codes."""

from __future__ import annotations

import re
from uuid import uuid4

from virloom.drivers.storage.kinds import KINDS, PoolKind
from virloom.drivers.storage.volumes import check_mode
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.storage import Pool
from virloom.model.storage.pool import PoolSource, PoolTarget
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.STORAGE


def parse_pool(text: str, *, validate: bool = False) -> Pool:
    """The pool that a document describes, complete but for its sizes.

    Raises:
        XmlError: It is malformed, or lacks what its kind needs.
        ConfigUnsupported: Its format is unknown.
    """
    model = parse_document(Pool, text, validate=validate)
    if model.type is None:
        raise XmlError(
            "Missing required attribute 'type' in element 'pool'", domain=ErrorDomain.XML
        )
    kind = KINDS[model.type]
    if model.source is None:
        model.source = PoolSource()
    _fill_names(model, model.source)
    model.uuid = model.uuid or str(uuid4())
    _fill_source(model.source, kind)
    _check_source(model.source, kind)
    _fill_target(model, model.source, kind)
    return model


def _fill_names(model: Pool, source: PoolSource) -> None:
    """A pool and its source may have the same name."""
    name = model.name or source.name
    if not name:
        raise XmlError("missing pool source name element", domain=_DOMAIN)
    if "/" in name:
        raise XmlError(f"name {name} cannot contain '/'", domain=_DOMAIN)
    model.name = name
    if "name" in KINDS[model.type or ""].needs and not source.name:
        source.name = name


def _fill_source(source: PoolSource, kind: PoolKind) -> None:
    if kind.formats:
        source.format.type = source.format.type or kind.formats[0]
        if source.format.type not in kind.formats:
            raise ConfigUnsupported(
                f"unknown pool format type {source.format.type}", domain=_DOMAIN
            )
    else:
        source.format.type = None
    adapter = source.adapter
    if adapter is not None:
        adapter.type = adapter.type or ("fc_host" if adapter.wwnn else "scsi_host")


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
        if missing[part]:
            raise XmlError(f"missing storage pool source {words[part]}", domain=_DOMAIN)


def _fill_target(model: Pool, source: PoolSource, kind: PoolKind) -> None:
    if not kind.local:
        model.target = PoolTarget()
        return
    target = model.target
    if kind.target is not None:
        target.path = kind.target.format(source.name)
    if not target.path:
        raise XmlError("missing storage pool target path", domain=_DOMAIN)
    check_mode(target.permissions)
    target.path = re.sub(r"/+", "/", target.path)
    if len(target.path) > 1:
        target.path = target.path.rstrip("/")


def same_source(one: Pool, other: Pool) -> bool:
    """Whether two pools would be the same storage."""
    return bool(set(_places(one)) & set(_places(other)))


def _places(pool: Pool) -> list[tuple[str | None, ...]]:
    """What no two pools may both be."""
    kind, source = pool.type or "", pool.source or PoolSource()
    host = source.hosts[0].name if source.hosts else None
    devices = [device.path for device in source.devices]
    if kind in ("dir", "vstorage"):
        return [("path", pool.target.path)]
    if kind in ("fs", "logical", "disk", "zfs") and devices:
        return [("device", device) for device in devices]
    if kind in ("netfs", "gluster"):
        return [(kind, host, source.dir.path, source.name)]
    if kind in ("iscsi", "iscsi-direct"):
        return [("iscsi", host, source.initiator.iqn.name, device) for device in devices]
    if kind == "scsi" and source.adapter is not None:
        adapter = source.adapter
        return [(kind, adapter.name, adapter.wwnn, adapter.wwpn)]
    if kind in ("rbd", "sheepdog"):
        return [(kind, host, source.name)]
    return []
