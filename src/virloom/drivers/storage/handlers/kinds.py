# SPDX-License-Identifier: Apache-2.0
"""Which kinds of pools there are, and what can be found of them."""

from __future__ import annotations

from virloom.drivers.storage.backends import BACKENDS, GONE
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.kinds import KINDS, PoolKind
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSupport, XmlError
from virloom.model.storage import PoolCapabilities
from virloom.model.storage.capabilities import FormatOptions, Values
from virloom.model.storage.capabilities import PoolKind as ShownKind
from virloom.model.storage.pool import PoolSource
from virloom.model.storage.sources import PoolSources, SourceSpecification
from virloom.model.storage.target import FormatType
from virloom.procedures import storage as p
from virloom.xml import format_document, parse_document

#: Kinds whose formats of volumes libvirt does not list, and those that it does not tell at all.
_UNLISTED, _UNTOLD = ("rbd",), ("sheepdog",)


class Kinds:
    """Handlers of what is asked of no pool."""

    def __init__(self, driver: StorageDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_GET_STORAGE_POOL_CAPABILITIES)
    def capabilities(
        self, call: Call, args: p.ConnectGetStoragePoolCapabilitiesArgs
    ) -> p.ConnectGetStoragePoolCapabilitiesRet:
        check_flags(args.flags, 0, "storageConnectGetStoragePoolCapabilities")
        model = PoolCapabilities()
        model.pools = [_shown(name, kind) for name, kind in KINDS.items()]
        return p.ConnectGetStoragePoolCapabilitiesRet(format_document(model))

    @serves(p.CONNECT_FIND_STORAGE_POOL_SOURCES)
    async def find_sources(
        self, call: Call, args: p.ConnectFindStoragePoolSourcesArgs
    ) -> p.ConnectFindStoragePoolSourcesRet:
        if args.type not in KINDS:
            raise InternalError(
                f"unknown storage pool type {args.type}", domain=ErrorDomain.STORAGE
            )
        served = args.type in BACKENDS or args.type in GONE
        backend = self._driver.backend_of(args.type) if served else None
        if backend is None or not backend.finds_sources:
            raise NoSupport(
                f"pool type '{args.type}' does not support source discovery",
                domain=ErrorDomain.STORAGE,
            )
        check_flags(args.flags, 0, "storageConnectFindStoragePoolSources")
        found = PoolSources()
        found.sources = await backend.find_sources(specified(args.src_spec, backend))
        return p.ConnectFindStoragePoolSourcesRet(format_document(found))


def specified(text: str | None, backend: Backend) -> PoolSource | None:
    """Where sources are to be looked for; kinds that look everywhere do not read it.

    Raises:
        XmlError: A host has no name.
    """
    if text is None or not backend.narrows_sources:
        return None
    spec = parse_document(SourceSpecification, text)
    if any(host.name is None for host in spec.hosts):
        raise XmlError("missing storage pool host name", domain=ErrorDomain.STORAGE)
    return spec


def _shown(name: str, kind: PoolKind) -> ShownKind:
    shown = ShownKind(type=name, supported=name in BACKENDS)
    if kind.formats:
        shown.pool_options = _options("sourceFormatType", kind.formats)
    if kind.volume_formats and name not in _UNTOLD:
        shown.vol_options = _options("targetFormatType", kind.volume_formats)
        if name in _UNLISTED:
            shown.vol_options.enums = [Values(name="targetFormatType")]
    return shown


def _options(name: str, values: tuple[str, ...]) -> FormatOptions:
    # libvirt lists these first, and has "raw" as what counts where nothing is said.
    listed = sorted(values, key=lambda value: value not in ("none", "unknown"))
    return FormatOptions(
        default_format=FormatType(type=values[0]), enums=[Values(name=name, values=listed)]
    )
