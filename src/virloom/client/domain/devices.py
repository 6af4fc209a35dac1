# SPDX-License-Identifier: Apache-2.0
"""Attaching, detaching and changing the devices of a domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from virloom.client.domain.facet import Facet
from virloom.client.link import text_of
from virloom.procedures import domain as p

if TYPE_CHECKING:
    from virloom.xml import Element


class Devices(Facet):
    """``dom.devices``. Flags are :class:`~virloom.enums.domain.DomainDeviceModifyFlags`.

    Without any, None stands for libvirt's first calls, which know the running guest only.
    """

    async def attach(self, document: str | Element, flags: int | None = 0) -> None:
        """Adds the device that the document describes."""
        text = text_of(document)
        if flags is None:
            await self._link.call(p.DOMAIN_ATTACH_DEVICE, p.DomainAttachDeviceArgs(self._dom, text))
            return
        args = p.DomainAttachDeviceFlagsArgs(self._dom, text, flags)
        await self._link.call(p.DOMAIN_ATTACH_DEVICE_FLAGS, args)

    async def detach(self, document: str | Element, flags: int | None = 0) -> None:
        """Takes it away; the guest may take its time, DeviceRemovedEvent tells when it has."""
        text = text_of(document)
        if flags is None:
            await self._link.call(p.DOMAIN_DETACH_DEVICE, p.DomainDetachDeviceArgs(self._dom, text))
            return
        args = p.DomainDetachDeviceFlagsArgs(self._dom, text, flags)
        await self._link.call(p.DOMAIN_DETACH_DEVICE_FLAGS, args)

    async def detach_alias(self, alias: str, flags: int = 0) -> None:
        """The same, by its alias."""
        args = p.DomainDetachDeviceAliasArgs(self._dom, alias, flags)
        await self._link.call(p.DOMAIN_DETACH_DEVICE_ALIAS, args)

    async def update(self, document: str | Element, flags: int = 0) -> None:
        """Changes a device: another medium, another link state and the like."""
        args = p.DomainUpdateDeviceFlagsArgs(self._dom, text_of(document), flags)
        await self._link.call(p.DOMAIN_UPDATE_DEVICE_FLAGS, args)

    async def associate_fds(self, name: str, fds: Sequence[int], flags: int = 0) -> None:
        """Gives the guest copies of open descriptors, for a disk whose source has that group.

        Args:
            name: The group's name (``<source fdgroup=…>``).
            fds: The descriptors; they stay the caller's.
            flags: :class:`~virloom.enums.domain.DomainFDAssociateFlags`.
        """
        args = p.DomainFdAssociateArgs(self._dom, name, flags)
        _, got = await self._link.call_with_fds(p.DOMAIN_FD_ASSOCIATE, args, fds)
        got.close()
