# SPDX-License-Identifier: Apache-2.0
"""What becomes of a start that fails: nothing of it is left, and its error says why."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections.abc import Iterator, Mapping

from virloom.drivers.qemu.command.blocknodes import image_key
from virloom.drivers.qemu.locks.guest import give_all_back
from virloom.drivers.qemu.process.hooked import leave_networks
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import START_FAILED
from virloom.drivers.qemu.process.start import Start
from virloom.enums.domain import DomainEventID, DomainEventType, DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError
from virloom.host.release import release
from virloom.model.domain import Disk, Domain

logger = logging.getLogger(__name__)

#: Seconds between the end of QEMU's monitor and its own, at most.
_EXIT_LIMIT = 2.0


async def undo(start: Start, *, told: bool) -> None:
    """Leaves no process, file or socket of this start.

    Args:
        told: Clients are told of its end. Of a guest whose disk another one has, libvirt
            tells nothing.
    """
    guest = start.guest
    if start.running is not None:
        start.running.close_counters()
    if start.running is not None and guest.running is start.running:
        guest.running = None
        guest.id = -1
    if start.process is not None:
        start.process.send_signal(signal.SIGKILL)  # it has not run: nothing can be lost
        await start.process.wait()
        start.process.close()
    if start.monitor is not None:
        start.monitor.close()
    await give_all_back(start.driver.locks, start.record)
    await start.servers.kill()
    if start.record.lent:
        from virloom.drivers.qemu.hostdevs.taking import return_devices  # few guests have any

        await return_devices(start.record)
    start.driver.claims.drop(guest.name)
    failed = release(start.record.resources)
    if failed:
        logger.error("domain '%s': cannot release %s", guest.name, failed)
    else:
        start.record.delete()
    await leave_networks(start.driver, guest.name, start.model)
    if start.record.autodestroy:
        start.driver.forget_autodestroy(start.record)
    guest.set_state(DomainState.SHUTOFF, START_FAILED.reason)
    if told and start.process is not None and start.incoming is None:
        # It had begun; what is refused before makes no event, nor does a failed restore.
        start.driver.events.emit(
            DomainEventID.LIFECYCLE,
            guest.ref(),
            int(DomainEventType.STOPPED),
            int(START_FAILED.detail),
        )


async def has_died(start: Start) -> bool:
    """Whether QEMU went by itself; its monitor breaks off a moment before it has ended."""
    if start.process is None or _monitor_works(start):
        return False
    try:
        async with asyncio.timeout(_EXIT_LIMIT):
            await start.process.wait()
    except TimeoutError:
        return False
    return True


def _monitor_works(start: Start) -> bool:
    return start.monitor is not None and not start.monitor.closed


async def close_log(start: Start, died: bool) -> str:
    """QEMU's last words, if it has died; how it ended where it has said nothing."""
    if start.log is None:
        return ""
    words = (await start.log.last_words() or _end_of(start)) if died else ""
    start.log.note("shutting down, reason=failed")
    await start.log.settled()
    start.log.close()
    return words


def _end_of(start: Start) -> str:
    assert start.process is not None
    code = start.process.exit_code
    if code is None:
        return "it said nothing"
    if code >= 0:
        return f"it ended with exit code {code} and said nothing"
    # The usual one that nobody here has sent.
    cause = ", as for want of memory (see <memtune>)" if code == -signal.SIGKILL else ""
    return f"it was ended by signal {-code}{cause}"


def explained(start: Start, error: VirloomError, words: str) -> VirloomError:
    """*error* with QEMU's last words, which say why it died or refused."""
    doing = "process exited while connecting to monitor" if start.running is None else error.detail
    words = with_images(words, start.model, start.record.runtime.get("fdsets", {}))
    return InternalError(f"{doing}: {words}", domain=ErrorDomain.QEMU)


def with_images(words: str, model: Domain, fdsets: Mapping[str, int]) -> str:
    """QEMU's words with the paths of images, which it has only as ``/dev/fdset/N``.

    Args:
        fdsets: The number of each image's set, by the key of the image.
    """
    paths = {
        f"/dev/fdset/{fdsets[key]}": path
        for disk in model.devices.disks
        for depth, path in enumerate(_images(disk))
        if path and (key := image_key(alias_of(disk), depth)) in fdsets
    }
    return re.sub(r"/dev/fdset/\d+", lambda found: paths.get(found[0], found[0]), words)


def _images(disk: Disk) -> Iterator[str | None]:
    """The files of a disk, as far down as its document tells them."""
    yield disk.source.file or disk.source.dev
    store = disk.backing_store
    while store is not None:
        yield store.source.file or store.source.dev
        store = store.backing_store
