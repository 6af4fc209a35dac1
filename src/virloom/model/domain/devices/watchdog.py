# SPDX-License-Identifier: Apache-2.0
"""``<watchdog>``: acts when the guest stops feeding it."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.fields import attribute
from virloom.xml.kinds import option


class Watchdog(Device):
    """``<watchdog model='i6300esb' action='reset'/>``."""

    tag = "watchdog"
    schema_path = "domain/devices/watchdog"

    model: str | None = attribute(option("i6300esb", "ib700", "diag288"))
    action: str | None = attribute(
        option("reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi")
    )
