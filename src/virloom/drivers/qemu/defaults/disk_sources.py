# SPDX-License-Identifier: Apache-2.0
"""Defaults of what backs a disk, for it and for each of its backing images."""

from __future__ import annotations

from virloom.model.domain import BackingStore, Disk, DiskSource, Encryption, Nvram

#: TCP ports of storage servers, where the document names none.
PORTS = {
    "nbd": 10809,
    "sheepdog": 7000,
    "gluster": 24007,
    "iscsi": 3260,
    "http": 80,
    "https": 443,
    "ftp": 21,
    "ftps": 990,
    "tftp": 69,
    "ssh": 22,
    "vxhs": 9999,
}
_WEB = ("http", "https")
_SECURE = ("https", "ftps")
_CURL = (*_WEB, "ftp", "ftps", "tftp")


def fill_source(disk: Disk) -> None:
    """Completes the sources of a disk and of its backing images."""
    if disk.encryption is not None:
        _fill_encryption(disk.encryption)
    _fill(disk.type or "file", disk.source)
    store: BackingStore | None = disk.backing_store
    while store is not None:
        # Whether an image may be missing is asked of the top only.
        store.source.startup_policy = None
        _fill(store.type or "file", store.source)
        store = store.backing_store


def fill_variables(nvram: Nvram) -> None:
    """Completes where firmware's variables are."""
    if nvram.type is not None and nvram.source is not None:
        _fill(nvram.type, nvram.source)


def _fill(kind: str, source: DiskSource) -> None:
    if kind == "network":
        _fill_network(source)
    if source.encryption is not None:
        _fill_encryption(source.encryption)
    # Nobody but SELinux knows how to skip a label, and it is not here.
    source.seclabels[:] = [label for label in source.seclabels if not label.labelskip]


def _fill_network(source: DiskSource) -> None:
    protocol = source.protocol or ""
    for host in source.hosts:
        if host.transport in (None, "tcp") and not host.port:
            host.port = PORTS.get(protocol)
        if host.transport == "tcp":
            host.transport = None
    if protocol == "iscsi" and source.name and "/" not in source.name:
        source.name += "/0"
    fresh = DiskSource()
    if protocol not in _WEB:
        source.query = None
        source.cookies = fresh.cookies
    if protocol not in _SECURE:
        source.ssl = fresh.ssl
    if protocol not in _CURL:
        source.readahead, source.timeout = fresh.readahead, fresh.timeout
    if not source.readahead.size:
        source.readahead = fresh.readahead
    if not source.initiator.iqn.name:
        source.initiator = fresh.initiator


def _fill_encryption(encryption: Encryption) -> None:
    if encryption.format is not None and encryption.engine is None:
        encryption.engine = "qemu"
