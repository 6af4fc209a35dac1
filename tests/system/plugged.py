# SPDX-License-Identifier: Apache-2.0
"""What tests plug into guests: documents of devices, and of guests with room for them."""

from __future__ import annotations

from pathlib import Path

from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainXMLFlags

LIVE, CONFIG = 1, 2
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 9)
)
USB = "<controller type='usb' model='qemu-xhci'/>"
CARD = "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>"
NO_STICK = (
    "<hostdev mode='subsystem' type='usb'><source>"
    "<address bus='99' device='99'/></source></hostdev>"
)
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


def disk(path: Path, target: str, bus: str = "virtio", device: str = "disk") -> str:
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='raw'/>"
        f"<source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>"
    )


async def xml(dom: Domain, *, inactive: bool = False) -> str:
    return await dom.xml_desc(DomainXMLFlags.INACTIVE if inactive else 0)
