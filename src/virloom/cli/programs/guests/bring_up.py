# SPDX-License-Identifier: Apache-2.0
"""``libvirt-guests start``: the guests that ran when the host went down run again."""

from __future__ import annotations

import asyncio

import virloom
from virloom.cli.programs.guests.record import Ran, Record
from virloom.cli.programs.guests.report import Report, uri_of
from virloom.cli.programs.guests.settings import GuestSettings
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainCreateFlags, DomainSetTimeFlags
from virloom.errors import VirloomError


async def bring_up(settings: GuestSettings, record: Record, report: Report) -> None:
    """Starts what is remembered, where that is wanted, and forgets it."""
    if record.kept:
        if settings.start_on_boot:
            for ran in record.read():
                await _resume_all(ran, settings, report)
        else:
            report.say("libvirt-guests is configured not to start any guests on boot")
        record.forget()
    record.mark_started()


async def _resume_all(ran: Ran, settings: GuestSettings, report: Report) -> None:
    if ran.uri not in settings.uris:
        report.say(f"Ignoring guests on {ran.uri} URI")
        return
    try:
        connection = await virloom.open(uri_of(ran.uri))
    except VirloomError as error:
        report.unreachable(ran.uri, error)
        return
    async with connection:
        report.say(f"\nResuming guests on {ran.uri} URI...")
        started = 0
        for uuid in ran.uuids:
            # The pause is between two starts; one that runs already costs none.
            pause = settings.start_delay if started else 0
            started += await _resume(connection, uuid, pause, settings, report)


async def _resume(
    connection: Connection, uuid: str, pause: int, settings: GuestSettings, report: Report
) -> bool:
    """Starts a guest; whether it had to be."""
    try:
        guest = await connection.lookup_by_uuid(uuid)
        if await guest.is_active():
            report.say(f"Resuming guest {guest.name}: already active")
            return False
        await _passed(pause)
        saved = await _has_saved_state(guest)
        flags = DomainCreateFlags.START_BYPASS_CACHE if settings.bypass_cache else 0
        report.say(f"Resuming guest {guest.name}: ", end="")
        await guest.create(flags)
    except VirloomError as error:
        report.fail(f"guest '{uuid}' cannot be started", error)
        return False
    report.say("done")
    if saved and settings.sync_time:
        await _set_clock(guest, report)
    return True


async def _has_saved_state(guest: Domain) -> bool:
    try:
        return await guest.saving.has_managed_save()
    except VirloomError:  # a driver that has no saved states
        return False


async def _set_clock(guest: Domain, report: Report) -> None:
    try:
        await guest.agent.set_time(0, 0, DomainSetTimeFlags.SYNC)
    except VirloomError as error:
        report.fail(f"the clock of guest '{guest.name}' is not set", error)


async def _passed(seconds: int) -> None:
    """Waits for nothing but time: START_DELAY spares the host many boots at once."""
    if seconds:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)
