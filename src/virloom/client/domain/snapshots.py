# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a domain: states to go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.client.domain.facet import Facet
from virloom.client.domain.moment import Moment
from virloom.client.link import text_of
from virloom.procedures import domain as p

if TYPE_CHECKING:
    from virloom.xml import Element


class Snapshot(Moment):
    """One snapshot; calls raise NoDomainSnapshot when it is gone."""

    _wire: p.NonnullDomainSnapshot

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.snapshot.DomainSnapshotXMLFlags`)."""
        args = p.DomainSnapshotGetXMLDescArgs(self._wire, flags)
        return (await self._link.call(p.DOMAIN_SNAPSHOT_GET_XML_DESC, args)).xml

    async def revert(self, flags: int = 0) -> None:
        """Goes back to it; *flags*: DomainSnapshotRevertFlags."""
        args = p.DomainRevertToSnapshotArgs(self._wire, flags)
        await self._link.call(p.DOMAIN_REVERT_TO_SNAPSHOT, args)

    async def delete(self, flags: int = 0) -> None:
        """Deletes it; *flags*: DomainSnapshotDeleteFlags."""
        args = p.DomainSnapshotDeleteArgs(self._wire, flags)
        await self._link.call(p.DOMAIN_SNAPSHOT_DELETE, args)

    async def parent(self) -> Snapshot:
        """The one that it was made upon.

        Raises:
            NoDomainSnapshot: It is the first.
        """
        args = p.DomainSnapshotGetParentArgs(self._wire)
        ret = await self._link.call(p.DOMAIN_SNAPSHOT_GET_PARENT, args)
        return Snapshot(self._link, ret.snap)

    async def children(self, flags: int = 0) -> list[Snapshot]:
        """Those that were made upon it; *flags*: DomainSnapshotListFlags."""
        args = p.DomainSnapshotListAllChildrenArgs(self._wire, 1, flags)
        ret = await self._link.call(p.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN, args)
        return [Snapshot(self._link, one) for one in ret.snapshots]

    async def is_current(self) -> bool:
        """Whether the next one will be made upon it."""
        args = p.DomainSnapshotIsCurrentArgs(self._wire)
        return bool((await self._link.call(p.DOMAIN_SNAPSHOT_IS_CURRENT, args)).current)

    async def has_metadata(self) -> bool:
        """Whether the host keeps a description of it beside the images."""
        args = p.DomainSnapshotHasMetadataArgs(self._wire)
        return bool((await self._link.call(p.DOMAIN_SNAPSHOT_HAS_METADATA, args)).metadata)


class Snapshots(Facet):
    """``dom.snapshots``."""

    async def create(self, document: str | Element, flags: int = 0) -> Snapshot:
        """Makes one as the document says; *flags*: DomainSnapshotCreateFlags."""
        args = p.DomainSnapshotCreateXMLArgs(self._dom, text_of(document), flags)
        ret = await self._link.call(p.DOMAIN_SNAPSHOT_CREATE_XML, args)
        return Snapshot(self._link, ret.snap)

    async def list(self, flags: int = 0) -> list[Snapshot]:
        """All of them, or some; *flags*: DomainSnapshotListFlags."""
        args = p.DomainListAllSnapshotsArgs(self._dom, 1, flags)
        ret = await self._link.call(p.DOMAIN_LIST_ALL_SNAPSHOTS, args)
        return [Snapshot(self._link, one) for one in ret.snapshots]

    async def lookup(self, name: str) -> Snapshot:
        """Finds one.

        Raises:
            NoDomainSnapshot: There is none of that name.
        """
        args = p.DomainSnapshotLookupByNameArgs(self._dom, name)
        ret = await self._link.call(p.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, args)
        return Snapshot(self._link, ret.snap)

    async def current(self) -> Snapshot:
        """The one that the next will be made upon.

        Raises:
            NoDomainSnapshot: There is none.
        """
        args = p.DomainSnapshotCurrentArgs(self._dom)
        ret = await self._link.call(p.DOMAIN_SNAPSHOT_CURRENT, args)
        return Snapshot(self._link, ret.snap)

    async def has_current(self) -> bool:
        """Whether there is one."""
        args = p.DomainHasCurrentSnapshotArgs(self._dom)
        return bool((await self._link.call(p.DOMAIN_HAS_CURRENT_SNAPSHOT, args)).result)
