# SPDX-License-Identifier: Apache-2.0
"""Snapshot work that the former owner of the directories did not live to finish.

Each kind of work says in its module what becomes of it in which phase. The domain's asynchronous
job is taken before any client is answered, so that nothing comes in between.
"""

from __future__ import annotations

import logging
import uuid as uuids
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import complete
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.snapshots import internal, offline, revert, store
from virloom.drivers.qemu.snapshots.deletion import drop
from virloom.drivers.qemu.snapshots.external import settle_live, thaw_left
from virloom.drivers.qemu.snapshots.journal import Journal, work_directory
from virloom.drivers.qemu.snapshots.merging import carry_out
from virloom.drivers.runtime.jobs import AsyncJob
from virloom.errors import VirloomError
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

Settle = Callable[["QemuDriver", Guest, Journal], Awaitable[None]]


async def settle_all(driver: QemuDriver) -> None:
    """Begins to deal with every note; each guest is kept from others until its work is done."""
    for path in sorted(work_directory(driver).glob("*.json")):
        try:
            journal = Journal.load(path)
        except (OSError, ValueError) as exc:
            logger.error("%s; it is left alone", exc)
            continue
        guest = driver.guests.by_uuid(uuids.UUID(journal.uuid).bytes)
        if guest is None:
            await _settle_orphan(journal)
            continue
        hold = guest.jobs.hold_async(AsyncJob.SNAPSHOT, "takeover")
        await hold.__aenter__()

        async def work(
            guest: Guest = guest, journal: Journal = journal, hold: object = hold
        ) -> None:
            try:
                await _settle(driver, guest, journal)
            finally:
                await hold.__aexit__(None, None, None)  # type: ignore[attr-defined]

        driver.background(work(), f"snapshot work of '{guest.name}'")


async def _settle_orphan(journal: Journal) -> None:
    """The domain was transient and is no more: what was being made for it goes."""
    if journal.phase == "making":
        try:
            await offline.undo_making(journal)
        except VirloomError as exc:
            logger.error("'%s': %s", journal.path, exc)
            return
    journal.end()


async def _settle(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    logger.warning(
        "domain '%s': snapshot work '%s' was interrupted (%s)",
        guest.name,
        journal.kind,
        journal.phase,
    )
    await SETTLERS[journal.kind](driver, guest, journal)


async def _settle_offline(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    if journal.phase == "making":
        await offline.undo_making(journal)
    elif journal.kind == "within":
        await offline.finish_within(driver, guest, journal)
    else:
        await offline.finish_overlays(driver, guest, journal)


async def _settle_state(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    if journal.phase == "made":
        await internal.finish_state(driver, guest, journal)
    elif guest.running is not None:
        await internal.undo_state(guest.running, journal)
    else:
        await offline.drop_kept(internal.images_of(guest, journal), journal.data["name"])
        journal.end()


async def _settle_live(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    await thaw_left(guest, journal)
    await settle_live(driver, guest, journal)


async def _settle_revert(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """As the table of :mod:`.revert` says."""
    snapshot: Snapshot | None = store.snapshots_of(driver, guest).get(journal.data["name"])
    if snapshot is None or snapshot.domain is None:
        journal.end()
        return
    running = guest.running
    model = await complete(driver, snapshot.domain)
    loaded = running is not None and internal.REVERTED in running.record.runtime
    if running is not None and loaded:
        await internal.go_on_reverted(running)
        await revert.finish(driver, guest, snapshot, model, journal)
    elif journal.phase == "ready":
        await revert.finish(driver, guest, snapshot, model, journal)
    elif running is not None:
        offline.remove_made(journal.data["overlays"])
        journal.end()
    else:
        await revert.carry_out(driver, guest, snapshot, model, journal)


SETTLERS: dict[str, Settle] = {
    "within": _settle_offline,
    "overlay": _settle_offline,
    "state": _settle_state,
    "live": _settle_live,
    "revert": _settle_revert,
    "drop": drop,
    "merge": carry_out,
}
