# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``gluster``: the files of a directory of a Gluster volume, which is not mounted.

A program of ours looks at them by libgfapi. As with libvirt, nothing is done by a start but that,
and volumes are only listed and deleted; QEMU reaches them by itself.
"""

from __future__ import annotations

import base64
import stat
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from virloom.drivers.runtime.image import ImageHead
from virloom.drivers.storage import gluster_files
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.gluster_volumes import volumes_of
from virloom.drivers.storage.names import can_be_told
from virloom.drivers.storage.own_programs import ask_program
from virloom.drivers.storage.probe import probe
from virloom.drivers.storage.statuses import time_of
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationFailed,
    VirloomError,
    XmlError,
    system_failure,
)
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource, SourceDir, SourceHost
from virloom.model.storage.target import Amount, FormatType, Permissions, Timestamps
from virloom.model.storage.volume import Encryption, ImageFeatures, VolumeBacking

_DOMAIN = ErrorDomain.STORAGE
#: Seconds that a server has for all answers; the bytes of memory that its library may take.
_PATIENCE, _MEMORY = 120.0, 4 << 30
#: What libvirt leaves as it is in addresses.
_PLAIN = "/;@&=+$,-_.!~*'()"
_LONGEST_HEAD = 65536


class GlusterBackend(Backend):
    """Volumes are files, which QEMU reaches by itself."""

    kind = "gluster"

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The files and directories; what is neither is left out.

        Raises:
            XmlError: The volume or the directory cannot be one.
            SystemFailure: There is no such volume or directory, or the server does not answer.
            OperationTimeout: It does not end.
        """
        base = _address(model) + quote(_directory(model).lstrip("/"), safe=_PLAIN)
        listed = await self._ask(model, "list")
        await self.measure(model, {})
        return {seen["name"]: _volume(base, seen) for seen in listed if can_be_told(seen["name"])}

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        whole, free = await self._ask(model, "measure")
        model.capacity, model.available = in_bytes(whole), in_bytes(free)
        model.allocation = in_bytes(whole - free)

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        check_flags(flags, 0, "virStorageBackendGlusterVolDelete")
        await self._ask(pool, "remove", name=volume.name, folder=volume.type == "netdir")

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """The volumes of a server.

        Raises:
            InvalidArg, ConfigUnsupported: It is not said which server.
            OperationFailed: It has none, or cannot be asked.
        """
        if spec is None:
            what = "hostname must be specified for gluster sources"
            raise InvalidArg.worded(what, domain=_DOMAIN)
        if len(spec.hosts) != 1 or not spec.hosts[0].name:
            raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
        host, why = spec.hosts[0].name, ""
        names: list[str] = []
        try:
            names = await volumes_of(self.host, host)
        except VirloomError as exc:
            why = f": {exc.message}"
        if not names:
            raise OperationFailed(
                f"no storage pools were found on host '{host}'{why}", domain=_DOMAIN
            )
        return [
            PoolSource(hosts=[SourceHost(name=host)], name=name, dir=SourceDir(path="/"))
            for name in names
        ]

    async def _ask(self, model: Pool, do: str, **more: Any) -> Any:
        """What our program prints.

        Raises:
            SystemFailure: The server does not answer, or has no such thing.
            InternalError: The program has failed.
        """
        source = _source(model)
        host = source.hosts[0]
        asked = {"host": host.name, "port": host.port or 0, "volume": source.name, "do": do}
        asked |= {"directory": _directory(model), "address": _address(model), **more}
        limits = ["prlimit", f"--as={_MEMORY}", "--core=0"]
        answer = await ask_program(
            self.host, gluster_files, asked, whom="server", timeout=_PATIENCE, limits=limits
        )
        if not answer.good:
            code, words = answer.told
            raise system_failure(words, OSError(code, ""), domain=_DOMAIN)
        return answer.told


def _source(model: Pool) -> PoolSource:
    source = model.source
    if source is None or not source.hosts:
        raise InternalError("missing storage pool source", domain=_DOMAIN)
    name, path = source.name or "", source.dir.path or "/"
    if "/" in name:
        raise XmlError(f"gluster pool name '{name}' must not contain /", domain=_DOMAIN)
    if not path.startswith("/"):
        raise XmlError(f"gluster pool path '{path}' must start with /", domain=_DOMAIN)
    return source


def _directory(model: Pool) -> str:
    """The directory in the volume, with a slash at its end."""
    return (_source(model).dir.path or "/").rstrip("/") + "/"


def _address(model: Pool) -> str:
    source = _source(model)
    host = source.hosts[0]
    server = f"[{host.name}]" if ":" in (host.name or "") else host.name
    port = f":{host.port}" if host.port else ""
    return f"gluster://{server}{port}/{quote(source.name or '', safe=_PLAIN)}/"


def _volume(base: str, seen: Mapping[str, Any]) -> Volume:
    folder = stat.S_ISDIR(seen["mode"])
    path = base + quote(seen["name"], safe=_PLAIN)
    volume = named_volume("netdir" if folder else "network", seen["name"], path, seen["size"])
    volume.allocation = in_bytes(seen["blocks"] * 512)
    volume.physical = in_bytes(seen["size"]) if seen["size"] else Amount()
    volume.target.permissions = Permissions(
        mode=f"0{seen['mode'] & 0o7777:o}", owner=str(seen["uid"]), group=str(seen["gid"])
    )
    # Gluster does not tell when a file was made; libvirt says 0 then.
    times = {which: time_of(seen[which]) for which in ("atime", "mtime", "ctime")}
    volume.target.timestamps = Timestamps(**times, btime="0")
    if folder:
        volume.target.format.type = "dir"
    else:
        _probe(volume, seen["head"])
    return volume


def _probe(volume: Volume, head: str) -> None:
    """What a file's first bytes say; nothing that it names is looked for."""
    unpacked = zlib.decompressobj().decompress(base64.b64decode(head), _LONGEST_HEAD)
    probed = probe(ImageHead((0, 0), block=False, data=unpacked), volume.target.path or "")
    target = volume.target
    target.format.type, target.compat = probed.format, probed.compat
    if probed.capacity:
        volume.capacity = in_bytes(probed.capacity)
    if probed.compat == "1.1":
        target.features = ImageFeatures(
            lazy_refcounts=probed.lazy_refcounts, extended_l2=probed.extended_l2
        )
    if probed.encryption is not None:
        target.encryption = Encryption(format=probed.encryption)
    if probed.backing is not None:
        form = FormatType(type=probed.backing.format)
        volume.backing_store = VolumeBacking(path=probed.backing.reference, format=form)
