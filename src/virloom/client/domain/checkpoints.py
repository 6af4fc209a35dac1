# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a domain, and backups: what has changed since when, and its copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.client.domain.facet import Facet
from virloom.client.domain.moment import Moment
from virloom.client.link import text_of
from virloom.procedures import domain as p

if TYPE_CHECKING:
    from virloom.xml import Element


class Checkpoint(Moment):
    """One checkpoint; calls raise NoDomainCheckpoint when it is gone."""

    _wire: p.NonnullDomainCheckpoint

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.checkpoint.DomainCheckpointXMLFlags`)."""
        args = p.DomainCheckpointGetXMLDescArgs(self._wire, flags)
        return (await self._link.call(p.DOMAIN_CHECKPOINT_GET_XML_DESC, args)).xml

    async def delete(self, flags: int = 0) -> None:
        """Deletes it; *flags*: DomainCheckpointDeleteFlags."""
        args = p.DomainCheckpointDeleteArgs(self._wire, flags)
        await self._link.call(p.DOMAIN_CHECKPOINT_DELETE, args)

    async def parent(self) -> Checkpoint:
        """The one before it.

        Raises:
            NoDomainCheckpoint: It is the first.
        """
        args = p.DomainCheckpointGetParentArgs(self._wire)
        ret = await self._link.call(p.DOMAIN_CHECKPOINT_GET_PARENT, args)
        return Checkpoint(self._link, ret.parent)

    async def children(self, flags: int = 0) -> list[Checkpoint]:
        """Those after it; *flags*: DomainCheckpointListFlags."""
        args = p.DomainCheckpointListAllChildrenArgs(self._wire, 1, flags)
        ret = await self._link.call(p.DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN, args)
        return [Checkpoint(self._link, one) for one in ret.checkpoints]


class Checkpoints(Facet):
    """``dom.checkpoints``."""

    async def create(self, document: str | Element, flags: int = 0) -> Checkpoint:
        """Makes one as the document says; *flags*: DomainCheckpointCreateFlags."""
        args = p.DomainCheckpointCreateXMLArgs(self._dom, text_of(document), flags)
        ret = await self._link.call(p.DOMAIN_CHECKPOINT_CREATE_XML, args)
        return Checkpoint(self._link, ret.checkpoint)

    async def list(self, flags: int = 0) -> list[Checkpoint]:
        """All of them, or some; *flags*: DomainCheckpointListFlags."""
        args = p.DomainListAllCheckpointsArgs(self._dom, 1, flags)
        ret = await self._link.call(p.DOMAIN_LIST_ALL_CHECKPOINTS, args)
        return [Checkpoint(self._link, one) for one in ret.checkpoints]

    async def lookup(self, name: str) -> Checkpoint:
        """Finds one.

        Raises:
            NoDomainCheckpoint: There is none of that name.
        """
        args = p.DomainCheckpointLookupByNameArgs(self._dom, name)
        ret = await self._link.call(p.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME, args)
        return Checkpoint(self._link, ret.checkpoint)

    async def backup(
        self, document: str | Element, checkpoint: str | Element | None = None, flags: int = 0
    ) -> None:
        """Begins a backup as the document says, and makes *checkpoint* with it.

        Args:
            document: The backup document.
            checkpoint: The checkpoint's document.
            flags: :class:`~virloom.enums.domain.DomainBackupBeginFlags`.
        """
        also = None if checkpoint is None else text_of(checkpoint)
        args = p.DomainBackupBeginArgs(self._dom, text_of(document), also, flags)
        await self._link.call(p.DOMAIN_BACKUP_BEGIN, args)

    async def backup_xml_desc(self) -> str:
        """The document of the backup that runs."""
        args = p.DomainBackupGetXMLDescArgs(self._dom)
        return (await self._link.call(p.DOMAIN_BACKUP_GET_XML_DESC, args)).xml
