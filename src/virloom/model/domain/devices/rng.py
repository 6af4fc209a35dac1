# SPDX-License-Identifier: Apache-2.0
"""``<rng>``: random numbers for the guest."""

from __future__ import annotations

from virloom.model.domain.devices.chardev import TYPE, ChardevSource, Log, Protocol
from virloom.model.domain.devices.device import Device, VirtioOptions
from virloom.xml.element import Element
from virloom.xml.fields import ONCE, attribute, children, content, group
from virloom.xml.kinds import STRING, UINT_OWNED, blank, option


class Rate(Element):
    """``<rate bytes='1024' period='1000'/>``: at most so many bytes in so many milliseconds."""

    bytes: int | None = attribute(blank(UINT_OWNED))
    period: int | None = attribute(blank(UINT_OWNED))


class RngBackend(Element):
    """``<backend model='random'>/dev/urandom</backend>``; ``egd`` has a character device."""

    model: str | None = attribute(option("random", "egd", "builtin"))
    type: str | None = attribute(TYPE)
    value: str | None = content(STRING)
    sources: list[ChardevSource] = children(ChardevSource, "source")
    protocol: Protocol = group(Protocol, once=ONCE)
    log: Log = group(Log, once=ONCE)


class Rng(Device):
    """``<rng model='virtio'>``."""

    tag = "rng"
    schema_path = "domain/devices/rng"

    model: str | None = attribute(
        option("virtio", "virtio-transitional", "virtio-non-transitional")
    )
    rate: Rate = group(Rate)
    backend: RngBackend = group(RngBackend, once=ONCE)
    driver: VirtioOptions = group(VirtioOptions)
