# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``rbd``: the images of a Ceph pool: changed by rbd(8), looked at by ours.

The secret is a descriptor that rbd(8) inherits, or what our program reads; no configuration of the
host is read, all that counts is the pool's document.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.secret_values import secret_value
from virloom.drivers.storage import rbd_images
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.names import check_name, check_size
from virloom.drivers.storage.own_programs import ask_program
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.enums.storage import StorageVolCreateFlags as _Create
from virloom.enums.storage import StorageVolDeleteFlags, StorageVolResizeFlags
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    VirloomError,
    system_failure,
)
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource

_DOMAIN = ErrorDomain.STORAGE
#: Seconds that a cluster may take to answer (libvirt's), and that our programs have.
_TIMEOUT, _PATIENCE = 30, 24 * 3600.0
_TIMEOUTS = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
_METADATA, _REFLINK = int(_Create.PREALLOC_METADATA), int(_Create.REFLINK)
_ALLOCATE = int(StorageVolResizeFlags.ALLOCATE)
_DELETE = StorageVolDeleteFlags.ZEROED | StorageVolDeleteFlags.WITH_SNAPSHOTS


class RbdBackend(Backend):
    """Volumes are images, which QEMU reaches by itself."""

    kind = "rbd"
    named_at_once = True

    async def look(self, model: Pool) -> dict[str, Volume]:
        await self.measure(model, {})
        listed = await self._images(model, "list")
        return {name: _volume(_name(model), name, size, used) for name, size, used in listed}

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        whole, free, used = await self._images(model, "measure")
        model.capacity, model.available = in_bytes(whole), in_bytes(free)
        model.allocation = in_bytes(used)

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        check_size(model)
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
        if metadata:
            raise unknown_flags(_METADATA, "virStorageBackendRBDBuildVol", _DOMAIN)
        if reflink:
            raise unknown_flags(_REFLINK, "virStorageBackendRBDBuildVolFrom", _DOMAIN)
        if model.target.format.type not in (None, "raw"):
            raise ConfigUnsupported("images of Ceph are raw", domain=_DOMAIN)
        if origin is None:
            image = ["--pool", _name(pool), "--image", model.name or ""]
            size = model.capacity.value or 0
            await self._run(pool, ["rbd", "create", "--size", f"{size}B", *image])
        else:
            await self._copy(pool, origin, model)
        return await self.fresh(pool, model)

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        name = volume.name or ""
        return _volume(_name(pool), *await self._images(pool, "stat", name))

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        """Refuses what libvirt does not do either: all but zeros and giving back."""
        if algorithm not in (Algorithm.ZERO, Algorithm.TRIM):
            raise InvalidArg(f"unsupported algorithm {algorithm}", domain=_DOMAIN)

    async def wipe(self, pool: Pool, volume: Volume, algorithm: int) -> None:
        """Overwrites an image with zeros, or gives its objects back; the program ends with us."""
        what = "discard" if algorithm == Algorithm.TRIM else "clear"
        await self._images(pool, what, volume.name or "")

    async def _copy(self, pool: Pool, origin: Volume, model: Volume) -> None:
        name = _name(pool)
        if origin.key != f"{name}/{origin.name}":
            raise ConfigUnsupported("the origin is in another pool", domain=_DOMAIN)
        place = f"{name}/{model.name}"
        await self._run(pool, ["rbd", "cp", "--no-progress", origin.key, place])
        size = model.capacity.value or 0
        if size > (origin.capacity.value or 0):
            await self._resize(pool, model.name or "", size)

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        check_flags(flags, _DELETE, "virStorageBackendRBDDeleteVol")
        image = ["--pool", _name(pool), "--image", volume.name or ""]
        if flags & StorageVolDeleteFlags.WITH_SNAPSHOTS:
            await self._run(pool, ["rbd", "snap", "purge", "--no-progress", *image])
        await self._run(pool, ["rbd", "rm", "--no-progress", *image])

    async def resize(
        self, pool: Pool, volume: Volume, capacity: int, *, allocate: bool, shrink: bool
    ) -> None:
        if allocate:
            raise unknown_flags(_ALLOCATE, "virStorageBackendRBDResizeVol", _DOMAIN)
        await self._resize(pool, volume.name or "", capacity, *["--allow-shrink"] * shrink)

    async def _resize(self, pool: Pool, name: str, capacity: int, *more: str) -> None:
        image = ["--pool", _name(pool), "--image", name]
        words = ["rbd", "resize", "--no-progress", *more]
        await self._run(pool, [*words, "--size", f"{capacity}B", *image])

    # -- the cluster ---------------------------------------------------------------------------

    async def _images(self, model: Pool, do: str, image: str | None = None) -> Any:
        """What our program prints.

        Raises:
            SystemFailure: The cluster does not answer, does not let us in, or has no such thing.
            InternalError: It has no such option, or the program has failed.
        """
        source = _source(model)
        secret = await self._secret(source)
        asked: dict[str, Any] = {"do": do, "pool": _name(model), "image": image}
        asked["id"] = None if source.auth is None else source.auth.username
        options = [("auth_supported", "none" if source.auth is None else "cephx")]
        if secret is not None:
            options.append(("key", base64.b64encode(secret).decode()))
        options.append(("mon_host", _monitors(source)))
        options += [(name, str(_TIMEOUT)) for name in _TIMEOUTS]
        options += [(name.replace("-", "_"), value) for name, value in _options(model)]
        asked["options"] = options
        answer = await ask_program(self.host, rbd_images, asked, whom="cluster", timeout=_PATIENCE)
        if not answer.good:
            raise _failed(*answer.told)
        return answer.told

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
            # They end with the number of the error.
            raise _failed(done.returncode or 0, f"'{' '.join(words)}': {said}")
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
    words = ["--conf", "/dev/null", "--mon-host", _monitors(source)]
    if source.auth is None:
        words += ["--auth-client-required", "none"]
    else:
        words += ["--id", source.auth.username or "", "--auth-client-required", "cephx"]
    for option in _TIMEOUTS:
        words += [f"--{option.replace('_', '-')}", str(_TIMEOUT)]
    return words + [word for name, value in _options(model) for word in (f"--{name}", value)]


def _monitors(source: PoolSource) -> str:
    return ",".join(
        f"{host.name}:{host.port}" if host.port else host.name or "" for host in source.hosts
    )


def _failed(code: int, said: str) -> VirloomError:
    if not code:
        return InternalError(said, domain=_DOMAIN)
    return system_failure(said, OSError(code, os.strerror(code)), domain=_DOMAIN)


def _options(model: Pool) -> Iterator[tuple[str, str]]:
    """Those of ``<rbd:config_opts>``, which go before ours."""
    for option in model.rbd_options.options:
        yield (option.name or "").replace("_", "-"), option.value or ""


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


def _volume(pool: str, name: str, size: int, occupied: int) -> Volume:
    """An image occupies what its objects would, as libvirt has it."""
    volume = named_volume("network", name, f"{pool}/{name}", size)
    volume.allocation = in_bytes(occupied)
    volume.target.format.type = "raw"
    return volume
