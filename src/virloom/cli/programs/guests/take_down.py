# SPDX-License-Identifier: Apache-2.0
"""``libvirt-guests stop``: remembers the guests that run, and saves them or shuts them down."""

from __future__ import annotations

import contextlib

import virloom
from virloom.cli.programs.guests.ending import Endings
from virloom.cli.programs.guests.record import Ran, Record
from virloom.cli.programs.guests.report import Report, running, uri_of
from virloom.cli.programs.guests.settings import GuestSettings
from virloom.cli.programs.guests.shutting_down import all_at_once, one_by_one
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import ConnectListAllDomainsFlags, DomainSaveRestoreFlags
from virloom.errors import NoSupport, VirloomError


class _Found:
    """A connection that is open, the word that named it, and its guests to take down."""

    def __init__(self, uri: str, connection: Connection, guests: list[Domain]) -> None:
        self.uri = uri
        self.connection = connection
        self.guests = guests


async def take_down(settings: GuestSettings, record: Record, report: Report) -> None:
    """Takes the guests of all URIs down.

    A second stop without a start in between does nothing: what the first one remembers counts.
    """
    if record.kept:
        return
    async with contextlib.AsyncExitStack() as connections:
        found = []
        for uri in settings.uris:
            one = await _look(uri, connections, settings, report)
            found += [one] if one is not None else []
        record.keep([Ran(one.uri, tuple(str(guest.uuid) for guest in one.guests)) for one in found])
        for one in found:
            await _end(one, settings, report)
    record.mark_stopped()


async def _look(
    uri: str, connections: contextlib.AsyncExitStack, settings: GuestSettings, report: Report
) -> _Found | None:
    """The guests of a connection; None where there is none to take down."""
    try:
        connection = await connections.enter_async_context(virloom.open(uri_of(uri)))
        guests = await running(connection)
        transient = await running(connection, ConnectListAllDomainsFlags.TRANSIENT)
    except VirloomError as error:
        report.unreachable(uri, error)
        return None
    report.say(f"\nRunning guests on {uri} URI: {_names(guests) or 'no running guests.'}")
    if settings.suspend and transient:
        report.say(f"Not suspending transient guests on URI: {uri}: {_names(transient)}")
        guests = [guest for guest in guests if guest not in transient]
    return _Found(uri, connection, guests) if guests else None


def _names(guests: list[Domain]) -> str:
    return ", ".join(guest.name for guest in guests)


async def _end(found: _Found, settings: GuestSettings, report: Report) -> None:
    if settings.suspend:
        report.say(f"Suspending guests on {found.uri} URI...")
        for guest in found.guests:
            await _suspend(guest, settings, report)
        return
    report.say(f"Shutting down guests on {found.uri} URI...")
    async with Endings(found.connection) as endings:
        how = all_at_once if settings.parallel else one_by_one
        await how(found.guests, endings, settings, report)


async def _suspend(guest: Domain, settings: GuestSettings, report: Report) -> None:
    flags = DomainSaveRestoreFlags.BYPASS_CACHE if settings.bypass_cache else 0
    report.say(f"Suspending {guest.name}: ...")
    try:
        await guest.saving.managed_save(flags)
    except NoSupport as error:
        words = f"Suspending {guest.name}: refused: its driver saves no guests"
        report.say(f"{words}; it goes on (ON_SHUTDOWN=shutdown would shut it down)")
        report.fail(f"guest '{guest.name}' is not suspended", error)
    except VirloomError as error:
        report.fail(f"guest '{guest.name}' is not suspended", error)
    else:
        report.say(f"Suspending {guest.name}: done")
