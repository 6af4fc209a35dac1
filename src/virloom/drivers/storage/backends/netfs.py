# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``netfs``: a file system of another host, mounted at the target."""

from __future__ import annotations

from virloom.drivers.storage.backends.files import FileBackend, place
from virloom.drivers.storage.backends.mounts import mounted, options, unmount
from virloom.drivers.storage.flags import check_exclusive, check_flags
from virloom.drivers.storage.gluster_volumes import volumes_of
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolBuildFlags as Flags
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    OperationFailed,
    OperationInvalid,
    VirloomError,
)
from virloom.model.storage import Pool
from virloom.model.storage.pool import PoolSource, SourceDir, SourceHost
from virloom.model.storage.target import FormatType

_DOMAIN = ErrorDomain.STORAGE
#: What mounts of a format have besides; Gluster's asks its kernel side not to cache images twice.
_OPTIONS = {"glusterfs": ("direct-io-mode=1",), "cifs": ("guest",)}
#: Seconds that a server may take to say what it has.
_PATIENCE = 120.0


class NetfsBackend(FileBackend):
    """Mounted by a start, unmounted by a stop."""

    kind = "netfs"

    async def is_active(self, model: Pool) -> bool:
        return await mounted(self.host, _source(model), place(model))

    async def build(self, model: Pool, flags: int) -> None:
        """Makes the directory; the file system is its server's.

        Raises:
            InvalidArg: There are other flags than those of a format, or both of them.
            OperationInvalid: There is one of them.
            SystemFailure: The directory cannot be made.
        """
        check_flags(flags, Flags.OVERWRITE | Flags.NO_OVERWRITE, "virStorageBackendFileSystemBuild")
        check_exclusive(
            flags, Flags.OVERWRITE, Flags.NO_OVERWRITE,
            "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and 'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE'",
        )  # fmt: skip
        await self.make_directory(model)
        if flags:
            raise OperationInvalid(
                f"No source device specified when formatting pool '{model.name}'", domain=_DOMAIN
            )

    async def start(self, model: Pool) -> None:
        if not await self.is_active(model):
            form = _format(model)
            typed = [] if form == "auto" else ["-t", form]
            words = ["mount", "-o", ",".join(_options(model)), *typed]
            await self.host.output([*words, "--", _source(model), place(model)])

    async def stop(self, model: Pool) -> None:
        await unmount(self.host, _source(model), place(model))

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """What a host exports by NFS, and its Gluster volumes where that is installed here.

        Raises:
            InvalidArg, ConfigUnsupported: It is not said which host.
            OperationFailed: It has none, or cannot be asked.
        """
        if spec is None:
            raise InvalidArg.worded("hostname must be specified for netfs sources", domain=_DOMAIN)
        host = _host(spec)
        found: list[PoolSource] = []
        errors: list[VirloomError] = []
        for ask in (self._exports, self._gluster_volumes):
            try:
                found += await ask(host)
            except VirloomError as error:
                errors.append(error)
        if not found:
            why = f": {errors[0].message}" if errors else ""
            raise OperationFailed(
                f"no storage pools were found on host '{host}'{why}", domain=_DOMAIN
            )
        return found

    async def _exports(self, host: str) -> list[PoolSource]:
        words = ["showmount", "--no-headers", "--exports", "--", host]
        lines = (await self.host.output(words, timeout=_PATIENCE)).splitlines()
        paths = [line.split()[0] for line in lines if line.startswith("/")]
        return [_found(host, path, "nfs") for path in paths]

    async def _gluster_volumes(self, host: str) -> list[PoolSource]:
        names = await volumes_of(self.host, host)
        return [_found(host, f"/{name}", "glusterfs") for name in names]


def _found(host: str, path: str, form: str) -> PoolSource:
    source = PoolSource(hosts=[SourceHost(name=host)])
    source.dir, source.format = SourceDir(path=path), FormatType(type=form)
    return source


def _host(source: PoolSource) -> str:
    if len(source.hosts) != 1:
        raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
    return source.hosts[0].name or ""


def _format(model: Pool) -> str:
    return (model.source.format.type if model.source is not None else None) or "auto"


def _source(model: Pool) -> str:
    """What mount(8) is told: a host and a path there.

    Raises:
        ConfigUnsupported: There is not just one host.
    """
    source = model.source or PoolSource()
    host, path = _host(source), source.dir.path or ""
    if _format(model) == "cifs":
        return f"//{host}/{path.lstrip('/')}"
    return f"{host}:{path}"


def _options(model: Pool) -> list[str]:
    words = options(model)
    version = model.source.protocol.ver if model.source is not None else None
    mine = list(_OPTIONS.get(_format(model), ()))
    if version is not None:
        mine.append(f"nfsvers={version}")
    # libvirt's order: the later of two that contradict each other counts.
    return [*words[:3], *mine, *words[3:]]
