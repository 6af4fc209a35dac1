# SPDX-License-Identifier: Apache-2.0
"""How long the driver waits for whom."""

from __future__ import annotations

from typing import NamedTuple


class Patience(NamedTuple):
    """Limits in seconds.

    Attributes:
        job: For another call's job on the same domain; libvirt's limit for a state change lock.
        answer: For QEMU's answer to a monitor command; libvirt waits for ever.
        greeting: For the first answer of a fresh QEMU; a loaded host needs it, others 30 ms.
        reunion: For the answer of a QEMU that is taken over; one that is stopped never gives it.
        unplug: For a guest to let a device go, as libvirt; it may do so later as well.
    """

    job: float = 30.0
    answer: float = 30.0
    greeting: float = 60.0
    reunion: float = 10.0
    unplug: float = 5.0
