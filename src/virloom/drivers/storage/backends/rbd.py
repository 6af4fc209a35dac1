# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``rbd``: the images of a Ceph pool, by rbd(8) and rados(8).

The secret is a descriptor that the programs inherit; no configuration of the host is read, all
that counts is the pool's document.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from virloom.drivers.runtime.secret_values import secret_value
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.names import check_name
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.enums.storage import StorageVolDeleteFlags
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource
from virloom.xml.node import Node

_DOMAIN = ErrorDomain.STORAGE
#: Seconds that a cluster may take to answer (libvirt's), and that our programs have.
_TIMEOUT, _PATIENCE = 30, 24 * 3600.0
_DELETE = StorageVolDeleteFlags.ZEROED | StorageVolDeleteFlags.WITH_SNAPSHOTS


class RbdBackend(Backend):
    """Volumes are images, which QEMU reaches by itself."""

    kind = "rbd"
    named_at_once = True

    async def look(self, model: Pool) -> dict[str, Volume]:
        await self.measure(model, {})
        pool = _name(model)
        listed = await self._ask(model, ["rbd", "ls", "--pool", pool, "--long", "--format", "json"])
        images = [each for each in listed if "snapshot" not in each]
        return {each["image"]: _volume(pool, each["image"], int(each["size"])) for each in images}

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        found = await self._ask(model, ["rados", "df", "--format", "json"])
        pool = next((each for each in found["pools"] if each["name"] == _name(model)), None)
        if pool is None:
            raise InternalError(f"there is no Ceph pool '{_name(model)}'", domain=_DOMAIN)
        model.capacity = in_bytes(int(found["total_space"]) * 1024)
        model.available = in_bytes(int(found["total_avail"]) * 1024)
        model.allocation = in_bytes(int(pool["size_bytes"]))

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        check_name(pool, model)

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes an image, empty or as a copy.

        Raises:
            ConfigUnsupported: It is not to be raw, or the origin is in another pool.
        """
        name, size = _name(pool), model.capacity.value or 0
        if model.target.format.type not in (None, "raw"):
            raise ConfigUnsupported("images of Ceph are raw", domain=_DOMAIN)
        image = ["--pool", name, "--image", model.name or ""]
        if origin is None:
            await self._run(pool, ["rbd", "create", "--size", f"{size}B", *image])
        else:
            await self._copy(pool, origin, model)
        return _volume(name, model.name or "", size)

    async def _copy(self, pool: Pool, origin: Volume, model: Volume) -> None:
        name = _name(pool)
        if origin.key != f"{name}/{origin.name}":
            raise ConfigUnsupported("the origin is in another pool", domain=_DOMAIN)
        place = f"{name}/{model.name}"
        await self._run(pool, ["rbd", "cp", "--no-progress", origin.key, place])
        size = model.capacity.value or 0
        if size > (origin.capacity.value or 0):
            await self.resize(
                pool, _volume(name, model.name or "", 0), size, allocate=False, shrink=False
            )

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        check_flags(flags, _DELETE, "virStorageBackendRBDDeleteVol")
        image = ["--pool", _name(pool), "--image", volume.name or ""]
        if flags & StorageVolDeleteFlags.WITH_SNAPSHOTS:
            await self._run(pool, ["rbd", "snap", "purge", "--no-progress", *image])
        await self._run(pool, ["rbd", "rm", "--no-progress", *image])

    async def resize(
        self, pool: Pool, volume: Volume, capacity: int, *, allocate: bool, shrink: bool
    ) -> None:
        words = ["rbd", "resize", "--no-progress", *(["--allow-shrink"] if shrink else [])]
        image = ["--pool", _name(pool), "--image", volume.name or ""]
        await self._run(pool, [*words, "--size", f"{capacity}B", *image])
        volume.capacity = in_bytes(capacity)

    # -- the cluster ---------------------------------------------------------------------------

    async def _ask(self, model: Pool, words: Sequence[str]) -> Any:
        printed = await self._run(model, words)
        try:
            return json.loads(printed)
        except ValueError as exc:
            raise InternalError(
                f"{words[0]} has printed '{printed[:200]}'", domain=_DOMAIN
            ) from exc

    async def _run(self, model: Pool, words: Sequence[str]) -> str:
        source = _source(model)
        secret = await self._secret(source)
        with _descriptor(secret) as descriptor:
            key = ["--keyfile", f"/proc/self/fd/{descriptor}"] if descriptor is not None else []
            done = await self.host.run(
                [*words, *_connection(model, source), *key],
                timeout=_PATIENCE, pass_fds=() if descriptor is None else (descriptor,),
            )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise InternalError(f"'{' '.join(words)}': {said}", domain=_DOMAIN)
        return done.stdout.decode(errors="replace")

    async def _secret(self, source: PoolSource) -> bytes | None:
        auth = source.auth
        if auth is None or auth.secret is None:
            return None
        async with self.host.areas.opened("secret", trusted=True) as endpoint:
            return await secret_value(
                endpoint, SecretUsageType.CEPH, uuid=auth.secret.uuid, usage=auth.secret.usage
            )


def _source(model: Pool) -> PoolSource:
    if model.source is None:
        raise InternalError("missing storage pool source", domain=_DOMAIN)
    return model.source


def _name(model: Pool) -> str:
    return _source(model).name or ""


def _connection(model: Pool, source: PoolSource) -> list[str]:
    """How the programs reach the cluster: by the document alone."""
    hosts = ",".join(
        f"{host.name}:{host.port}" if host.port else host.name or "" for host in source.hosts
    )
    words = ["--conf", "/dev/null", "--mon-host", hosts]
    if source.auth is None:
        words += ["--auth-client-required", "none"]
    else:
        words += ["--id", source.auth.username or "", "--auth-client-required", "cephx"]
    for option in ("client-mount-timeout", "rados-mon-op-timeout", "rados-osd-op-timeout"):
        words += [f"--{option}", str(_TIMEOUT)]
    return words + [word for name, value in _options(model) for word in (f"--{name}", value)]


def _options(model: Pool) -> Iterator[tuple[str, str]]:
    """Those of ``<rbd:config_opts>``, which go before ours."""
    for node in (child for opts in model.rbd_config_opts for child in opts.children):
        if isinstance(node, Node) and node.tag == "rbd:option":
            yield (
                node.attributes.get("name", "").replace("_", "-"),
                node.attributes.get("value", ""),
            )


@contextmanager
def _descriptor(secret: bytes | None) -> Iterator[int | None]:
    """A file in memory with a secret, for a program that inherits it."""
    if secret is None:
        yield None
        return
    descriptor = os.memfd_create("secret", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, base64.b64encode(secret))  # as Ceph writes its keys
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _volume(pool: str, name: str, size: int) -> Volume:
    volume = named_volume("network", name, f"{pool}/{name}", size)
    volume.target.format.type = "raw"
    return volume
