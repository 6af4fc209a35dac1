# SPDX-License-Identifier: Apache-2.0
"""A domain on its way to another host: the phases on this one, and their tuning."""

from __future__ import annotations

from virloom.client.domain.facet import Facet
from virloom.client.migration import MigrationParams, params_of
from virloom.procedures import connect as c
from virloom.procedures import domain as p


class Migration(Facet):
    """``dom.migration``. The whole of it is ``dom.migrate``, which goes through the phases."""

    # In this order

    async def begin(self, params: MigrationParams, flags: int = 0) -> tuple[str, bytes]:
        """The document for the other host, and a cookie for its ``prepare``."""
        args = p.DomainMigrateBegin3ParamsArgs(self._dom, params_of(params), flags)
        ret = await self._link.call(p.DOMAIN_MIGRATE_BEGIN3_PARAMS, args)
        return ret.xml, ret.cookie_out

    async def perform(
        self, params: MigrationParams, cookie: bytes, flags: int = 0, *, uri: str | None = None
    ) -> bytes:
        """Sends the guest over; a cookie for the other host's ``finish``.

        Args:
            params: By libvirt's names.
            cookie: What ``prepare`` gave.
            flags: :class:`~virloom.enums.domain.DomainMigrateFlags`.
            uri: The other host's daemon, for peer to peer migration.
        """
        args = p.DomainMigratePerform3ParamsArgs(self._dom, uri, params_of(params), cookie, flags)
        return (await self._link.call(p.DOMAIN_MIGRATE_PERFORM3_PARAMS, args)).cookie_out

    async def confirm(
        self, params: MigrationParams, cookie: bytes, flags: int = 0, *, cancelled: bool
    ) -> None:
        """Ends the guest here, or, when *cancelled*, lets it go on."""
        args = p.DomainMigrateConfirm3ParamsArgs(
            self._dom, params_of(params), cookie, flags, int(cancelled)
        )
        await self._link.call(p.DOMAIN_MIGRATE_CONFIRM3_PARAMS, args)

    async def supports(self, feature: int) -> bool:
        """Whether the host has a feature of libvirt's private list."""
        args = c.ConnectSupportsFeatureArgs(feature)
        return bool((await self._link.call(c.CONNECT_SUPPORTS_FEATURE, args)).supported)

    # Tuning

    async def max_speed(self, flags: int = 0) -> int:
        """The bound of the traffic, in MiB/s (DomainMigrateMaxSpeedFlags)."""
        args = p.DomainMigrateGetMaxSpeedArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_MIGRATE_GET_MAX_SPEED, args)).bandwidth

    async def set_max_speed(self, bandwidth: int, flags: int = 0) -> None:
        """Changes it, also while the guest is on its way."""
        args = p.DomainMigrateSetMaxSpeedArgs(self._dom, bandwidth, flags)
        await self._link.call(p.DOMAIN_MIGRATE_SET_MAX_SPEED, args)

    async def max_downtime(self, flags: int = 0) -> int:
        """How many milliseconds the guest may stand still."""
        args = p.DomainMigrateGetMaxDowntimeArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_MIGRATE_GET_MAX_DOWNTIME, args)).downtime

    async def set_max_downtime(self, downtime: int, flags: int = 0) -> None:
        """Changes it, also while the guest is on its way."""
        args = p.DomainMigrateSetMaxDowntimeArgs(self._dom, downtime, flags)
        await self._link.call(p.DOMAIN_MIGRATE_SET_MAX_DOWNTIME, args)

    async def compression_cache(self, flags: int = 0) -> int:
        """Bytes that the compression of repeated pages may use."""
        args = p.DomainMigrateGetCompressionCacheArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_MIGRATE_GET_COMPRESSION_CACHE, args)).cache_size

    async def set_compression_cache(self, size: int, flags: int = 0) -> None:
        """Changes that."""
        args = p.DomainMigrateSetCompressionCacheArgs(self._dom, size, flags)
        await self._link.call(p.DOMAIN_MIGRATE_SET_COMPRESSION_CACHE, args)

    async def start_post_copy(self, flags: int = 0) -> None:
        """Lets the guest run on the other host now; the rest of its memory follows."""
        args = p.DomainMigrateStartPostCopyArgs(self._dom, flags)
        await self._link.call(p.DOMAIN_MIGRATE_START_POST_COPY, args)
