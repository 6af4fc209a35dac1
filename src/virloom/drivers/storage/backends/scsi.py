# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``scsi``: the logical units of a SCSI host, found in sysfs.

Files: ``Documentation/ABI/testing/sysfs-class-fc_host`` and ``…/sysfs-bus-scsi`` of the kernel;
types of devices: SPC-4, table 144.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.backends.scsi_units import present_units
from virloom.drivers.storage.blocks import fill_sizes, stable_path
from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import Adapter

_DOMAIN = ErrorDomain.STORAGE
_HOSTS, _FC_HOSTS = "/sys/class/scsi_host", "/sys/class/fc_host"


class ScsiBackend(PathBackend):
    """Volumes are logical units; a host that is virtual is made by a start."""

    kind = "scsi"

    async def is_active(self, model: Pool) -> bool:
        return await asyncio.to_thread(_find, self.host, _adapter(model)) is not None

    async def start(self, model: Pool) -> None:
        await asyncio.to_thread(_make_virtual, self.host, _adapter(model))

    async def stop(self, model: Pool) -> None:
        await asyncio.to_thread(_remove_virtual, self.host, _adapter(model))

    async def look(self, model: Pool) -> dict[str, Volume]:
        found = await asyncio.to_thread(_scan, self.host, _adapter(model))
        volumes: dict[str, Volume] = {}
        for name, path in found:
            target = model.target.path or ""
            place = await asyncio.to_thread(stable_path, target, path)
            if place == path and target not in ("", "/dev"):
                continue  # it has no name there that would last
            volume = await self.host.device(place, name)
            volumes[name] = volume
        fill_sizes(model, volumes.values())
        return volumes

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return await self.host.device(volume.target.path or "", volume.name or "")


def _adapter(model: Pool) -> Adapter:
    if model.source is None or model.source.adapter is None:
        raise InternalError("missing storage pool source adapter", domain=_DOMAIN)
    return model.source.adapter


def _find(host: StorageHost, adapter: Adapter) -> str | None:
    """The name of the host that an adapter is, such as ``host1``; None where there is none."""
    if adapter.type == "fc_host":
        return _by_names(host, adapter.wwnn or "", adapter.wwpn or "")
    if adapter.parentaddr is not None:
        return _by_address(host, adapter)
    name = (adapter.name or "").removeprefix("scsi_")
    return name if re.match(r"host\d+\Z", name) and (host.path(_HOSTS) / name).exists() else None


def _by_names(host: StorageHost, node: str, port: str) -> str | None:
    for each in _listed(host.path(_FC_HOSTS)):
        said = (_read(each / "node_name"), _read(each / "port_name"))
        if tuple(word.removeprefix("0x").lower() for word in said) == (
            node.removeprefix("0x").lower(), port.removeprefix("0x").lower()
        ):  # fmt: skip
            return each.name
    return None


def _by_address(host: StorageHost, adapter: Adapter) -> str | None:
    parent = adapter.parentaddr
    if parent is None or parent.address is None:
        return None
    at = parent.address
    address = f"/{at.domain:04x}:{at.bus:02x}:{at.slot:02x}.{at.function:x}/"
    for each in _listed(host.path(_HOSTS)):
        if address in os.path.realpath(each) and _read(each / "unique_id") == str(
            parent.unique_id or 0
        ):
            return each.name
    return None


def _make_virtual(host: StorageHost, adapter: Adapter) -> None:
    """Has the parent make a virtual host (vHBA), unless it is there.

    Raises:
        ConfigUnsupported: Its parent is not said, or not there.
        SystemFailure: The parent would not.
    """
    if adapter.type != "fc_host" or _find(host, adapter) is not None:
        return
    parent = _parent(host, adapter)
    if parent is None:
        raise ConfigUnsupported(
            f"there is no host with the names {adapter.wwnn} and {adapter.wwpn}, and no parent "
            "that could make it",
            domain=_DOMAIN,
        )
    _write(parent / "vport_create", f"{adapter.wwpn}:{adapter.wwnn}")


def _remove_virtual(host: StorageHost, adapter: Adapter) -> None:
    """Has the parent remove it again, if the pool manages it."""
    if adapter.type != "fc_host" or not adapter.managed or _find(host, adapter) is None:
        return
    parent = _parent(host, adapter)
    if parent is not None:
        _write(parent / "vport_delete", f"{adapter.wwpn}:{adapter.wwnn}")


def _parent(host: StorageHost, adapter: Adapter) -> Path | None:
    name: str | None = None
    if adapter.parent is not None:
        name = adapter.parent.removeprefix("scsi_")
    elif adapter.parent_wwnn is not None and adapter.parent_wwpn is not None:
        name = _by_names(host, adapter.parent_wwnn, adapter.parent_wwpn)
    path = host.path(_FC_HOSTS) / name if name and re.match(r"host\d+\Z", name) else None
    return path if path is not None and path.exists() else None


def _scan(host: StorageHost, adapter: Adapter) -> list[tuple[str, str]]:
    """Has the host look for its units; the names of volumes, and their devices.

    Raises:
        SystemFailure: There is no such host.
    """
    name = _find(host, adapter) or (adapter.name or "").removeprefix("scsi_") or "host?"
    _write(host.path(_HOSTS) / name / "scan", "- - -")
    number = int(name.removeprefix("host"))
    found = sorted(present_units(host, number))
    return [(unit.name, f"/dev/{unit.block}") for unit in found if unit.block]


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise system_failure(f"cannot write to '{path}'", exc, domain=_DOMAIN) from exc
