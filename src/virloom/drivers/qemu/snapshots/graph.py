# SPDX-License-Identifier: Apache-2.0
"""Which images stand behind which: what may be changed, and what others would lose by it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.block.chain import chain_of, disk_chain
from virloom.drivers.qemu.snapshots.store import snapshots_of
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, VirloomError
from virloom.model.domain import Disk, Domain
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver


class Chain(NamedTuple):
    """Images one behind the other, top first, and whose they are."""

    owner: str
    paths: tuple[str, ...]


class Images:
    """All chains of a domain: of its documents, and of its snapshots."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._chains = list(chains)

    @classmethod
    def of(cls, driver: QemuDriver, guest: Guest) -> Images:
        """Reads the heads of all images of a domain."""
        return cls(_chains(driver, guest))

    def refuse_change(
        self, path: str, *, but: Iterable[str] = (), owner: str | None = None
    ) -> None:
        """Refuses to change an image that others read through theirs.

        Args:
            but: Images that may be upon it.
            owner: The snapshot that goes: what only it has counts for nothing.

        Raises:
            OperationInvalid: Which image would lose what it has.
        """
        allowed = list(but)
        for chain in self._chains:
            for upper, lower in zip(chain.paths, chain.paths[1:], strict=False):
                if not same(lower, path) or any(same(upper, one) for one in allowed):
                    continue
                if owner is not None and chain.owner == snapshot_named(owner):
                    continue
                raise OperationInvalid(
                    f"'{path}' cannot be changed: it is behind '{upper}' of {chain.owner}",
                    domain=ErrorDomain.QEMU,
                )


def snapshot_named(name: str | None) -> str:
    """How an error calls a snapshot."""
    return f"snapshot '{name}'"


def same(one: str, other: str) -> bool:
    """Whether two paths lead to one image."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _chains(driver: QemuDriver, guest: Guest) -> Iterator[Chain]:
    documents = [("the domain", guest.model)]
    if guest.definition is not None:
        documents.append(("the domain", guest.definition.model))
    for owner, document in documents:
        yield from _of_document(owner, document)
    for snapshot in snapshots_of(driver, guest):
        owner = snapshot_named(snapshot.name)
        if snapshot.domain is not None:
            yield from _of_document(owner, snapshot.domain)
        yield from _of_overlays(owner, snapshot)


def _of_document(owner: str, document: Domain) -> Iterator[Chain]:
    for disk in document.devices.disks:
        yield Chain(owner, tuple(_paths(disk)))


def _paths(disk: Disk) -> list[str]:
    # What the images say themselves: a document may be older than they are.
    alone = disk.copy()
    alone.backing_store = None
    try:
        return [layer.path for layer in disk_chain(alone) if layer.is_local]
    except VirloomError:  # it is not there any more, and loses nothing
        return []


def _of_overlays(owner: str, snapshot: Snapshot) -> Iterator[Chain]:
    for entry in snapshot.disks.disks:
        path = entry.source.file or entry.source.dev
        if entry.snapshot != "external" or not path:
            continue
        try:
            layers = chain_of(path, entry.driver.type or "qcow2")
        except VirloomError:
            continue
        yield Chain(owner, tuple(layer.path for layer in layers))
