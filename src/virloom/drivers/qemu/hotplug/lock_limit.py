# SPDX-License-Identifier: Apache-2.0
"""How much memory QEMU of a guest that runs may lock.

Devices that reach the guest's memory by themselves (VFIO, vDPA) need all of it where it is. As with
libvirt 9 the limit is raised before such a device comes, is never lowered while there is one, and
what it was before the first one comes back after the last one; the guest's record keeps that.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable

from virloom.drivers.qemu.confine.limits import UNLIMITED, locked_memory
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import system_failure
from virloom.model.domain import Device, Domain, MemoryDevice

logger = logging.getLogger(__name__)

_KEY = "lock_limit"
_KIND = resource.RLIMIT_MEMLOCK

#: As :func:`resource.prlimit`.
Prlimit = Callable[..., tuple[int, int]]


def raise_lock_limit(
    running: RunningGuest, whole: Domain, device: Device, prlimit: Prlimit = resource.prlimit
) -> None:
    """Lets QEMU lock what it takes with a device.

    Args:
        whole: The guest with the device; a memory module is not counted in its memory yet.
        prlimit: Asks the kernel.

    Raises:
        SystemFailure: The kernel would not.
        OperationInvalid: The guest has ended.
    """
    if isinstance(device, MemoryDevice):
        whole = whole.beside(memory=(whole.memory or 0) + (device.target.size or 0))
    wanted = locked_memory(whole)
    if wanted is None:
        return
    limit = resource.RLIM_INFINITY if wanted >= UNLIMITED else wanted
    try:
        soft, hard = prlimit(running.pid, _KIND)
        if _reaches(soft, limit):
            return
        if _KEY not in running.record.runtime:
            running.record.runtime[_KEY] = [soft, hard]
            running.save()
        prlimit(running.pid, _KIND, (limit, hard if _reaches(hard, limit) else limit))
    except OSError as exc:
        raise system_failure(f"cannot let QEMU lock {wanted} bytes", exc) from exc


def lower_lock_limit(running: RunningGuest, prlimit: Prlimit = resource.prlimit) -> None:
    """Puts the limit back that was raised, if the guest needs none now; never fails."""
    former = running.record.runtime.get(_KEY)
    if former is None or locked_memory(running.model) is not None:
        return
    if running.guest.running is not running:
        return  # the number of its process may be another's by now
    try:
        prlimit(running.pid, _KIND, (former[0], former[1]))
    except OSError as exc:
        logger.warning("domain '%s': memory that it may lock: %s", running.guest.name, exc)
    del running.record.runtime[_KEY]
    running.save()


def _reaches(limit: int, wanted: int) -> bool:
    if limit == resource.RLIM_INFINITY:
        return True
    return wanted != resource.RLIM_INFINITY and limit >= wanted
