# SPDX-License-Identifier: Apache-2.0
"""``<hub>``: USB hubs."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.fields import attribute
from virloom.xml.kinds import option


class Hub(Device):
    """``<hub type='usb'/>``."""

    tag = "hub"
    schema_path = "domain/devices/hub"

    type: str | None = attribute(option("usb"))
