# SPDX-License-Identifier: Apache-2.0
"""``<smartcard>``: a card in the guest's reader."""

from __future__ import annotations

from virloom.model.domain.devices.chardev import Chardev
from virloom.xml.fields import attribute, leaf, leaves
from virloom.xml.kinds import STRING, choice


class Smartcard(Chardev):
    """``<smartcard mode='host'/>``; in mode ``passthrough`` a character device brings the card."""

    tag = "smartcard"
    schema_path = "domain/devices/smartcard"

    mode: str | None = attribute(choice("host", "host-certificates", "passthrough"), order=-1)
    certificates: list[str] = leaves(STRING, "certificate")
    database: str | None = leaf(STRING)
