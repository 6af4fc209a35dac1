# SPDX-License-Identifier: Apache-2.0
"""``<panic>``: how a guest tells that its kernel died."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.fields import attribute
from virloom.xml.kinds import option


class Panic(Device):
    """``<panic model='isa'/>``."""

    tag = "panic"
    schema_path = "domain/devices/panic"

    model: str | None = attribute(option("isa", "pseries", "hyperv", "s390"))
