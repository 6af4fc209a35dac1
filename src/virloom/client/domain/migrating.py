# SPDX-License-Identifier: Apache-2.0
"""The order of a migration's phases, as libvirt's own clients have it."""

from __future__ import annotations

import logging

from virloom.client.domain.migration import Migration
from virloom.client.domain.ref import DomainRef
from virloom.client.migration import Arrivals, MigrationParams, text_param
from virloom.enums.domain import DomainMigrateFlags as Flags
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, InternalError, InvalidArg, NoSupport, VirloomError

logger = logging.getLogger(__name__)

#: Features of libvirt's private list.
P2P, CHANGE_PROTECTION, OFFLINE, PARAMS = 4, 7, 12, 13

#: What is the sending host's own affair.
_SOURCE_ONLY = Flags.ABORT_ON_ERROR | Flags.AUTO_CONVERGE


def check(flags: int) -> None:
    """Refuses flags that contradict each other.

    Raises:
        InvalidArg: They do.
    """
    copy_all, copy_some = Flags.NON_SHARED_DISK, Flags.NON_SHARED_INC
    if flags & copy_all and flags & copy_some:
        raise InvalidArg("NON_SHARED_DISK and NON_SHARED_INC exclude each other")
    if flags & Flags.TUNNELLED and not flags & Flags.PEER2PEER:
        raise InvalidArg("a tunnelled migration is a peer to peer one: add PEER2PEER to the flags")


async def peer_to_peer(
    source: Migration, uri: str | None, params: MigrationParams, flags: int
) -> None:
    """Has the two hosts do it between them.

    Raises:
        ArgumentUnsupported: PEER2PEER is not among the flags.
        InvalidArg: There is no URI.
        NoSupport: The host cannot.
    """
    if not flags & Flags.PEER2PEER:
        raise ArgumentUnsupported(
            "direct migration is not supported by the source host", domain=ErrorDomain.DOMAIN
        )
    check(flags)
    if not uri:
        raise InvalidArg("a peer to peer migration needs the URI of the other host's daemon")
    if not await source.supports(P2P):
        raise ArgumentUnsupported(
            "p2p migration is not supported by the source host", domain=ErrorDomain.DOMAIN
        )
    await source.perform(params, b"", flags, uri=uri)


class Managed:
    """A migration whose phases are called from here."""

    def __init__(
        self, source: Migration, arrivals: Arrivals, params: MigrationParams, flags: int
    ) -> None:
        check(flags)
        self._source = source
        self._arrivals = arrivals
        self._params = dict(params)
        self._flags = flags
        self._there = flags & ~_SOURCE_ONLY

    async def run(self, name: str, *, paused: bool) -> DomainRef:
        """All phases.

        Args:
            name: The guest's, for where it shall have no other there.
            paused: Whether it stands still now, and shall so there.

        Raises:
            VirloomError: A phase failed, and the guest goes on here.
        """
        if not await self._source.supports(PARAMS):
            raise NoSupport("migration by parameters", remedy="the host is older than libvirt 1.1")
        protects = await self._source.supports(CHANGE_PROTECTION)
        here = self._flags | (Flags.CHANGE_PROTECTION if protects else 0)
        document, cookie = await self._source.begin(self._params, here)
        self._params["destination_xml"] = document
        if paused:
            here, self._there = here | Flags.PAUSED, self._there | Flags.PAUSED
        try:
            uri, cookie = await self._arrivals.prepare(self._params, cookie, self._there)
        except BaseException:
            if protects:
                await self._confirm(b"", here, cancelled=True)
            raise
        if not text_param(self._params, "destination_name"):
            self._params["destination_name"] = name
        return await self._send(uri, cookie, here)

    async def _send(self, uri: str | None, cookie: bytes, here: int) -> DomainRef:
        """From a host that is ready on."""
        failure: BaseException | None = None
        if uri:
            self._params["migrate_uri"] = uri
        elif not text_param(self._params, "migrate_uri"):
            failure = InternalError("the other host did not say where to send the guest")
        if failure is None and not self._flags & Flags.OFFLINE:
            try:
                cookie = await self._source.perform(self._params, cookie, here)
            except BaseException as exc:
                failure, cookie = exc, b""
        ref: DomainRef | None = None
        try:
            ref, cookie = await self._arrivals.finish(
                self._params, cookie, self._there, cancelled=failure is not None
            )
        except VirloomError as exc:
            failure = failure or exc
        await self._confirm(cookie, here, cancelled=failure is not None)
        if failure is not None or ref is None:
            raise failure or InternalError("the other host has no such guest now")
        return ref

    async def _confirm(self, cookie: bytes, flags: int, *, cancelled: bool) -> None:
        """Tells this host how it ended; what it says to that changes nothing any more."""
        try:
            await self._source.confirm(self._params, cookie, flags, cancelled=cancelled)
        except VirloomError as exc:
            logger.info("the end of a migration: %s", exc)
