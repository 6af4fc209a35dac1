# SPDX-License-Identifier: Apache-2.0
"""``<watchdog>``: acts when the guest stops feeding it."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.fields import attribute
from virloom.xml.kinds import choice


class Watchdog(Device):
    """``<watchdog model='itco' action='reset'/>``."""

    tag = "watchdog"
    schema_path = "domain/devices/watchdog"

    model: str | None = attribute(choice("i6300esb", "ib700", "diag288", "itco"))
    action: str | None = attribute(
        choice("reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi")
    )
