# SPDX-License-Identifier: Apache-2.0
"""``<devices>``: all devices of a guest, in libvirt's order."""

from __future__ import annotations

from typing import Self

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain.devices.chardev import Channel, Console, Parallel, Serial
from virloom.model.domain.devices.controller import Controller
from virloom.model.domain.devices.disk import Disk
from virloom.model.domain.devices.filesystem import Filesystem
from virloom.model.domain.devices.graphics import Graphics
from virloom.model.domain.devices.hostdev import Hostdev
from virloom.model.domain.devices.hub import Hub
from virloom.model.domain.devices.input import Input
from virloom.model.domain.devices.interface import Interface
from virloom.model.domain.devices.iommu import Iommu
from virloom.model.domain.devices.lease import Lease
from virloom.model.domain.devices.memballoon import Memballoon
from virloom.model.domain.devices.memory import MemoryDevice
from virloom.model.domain.devices.nvram import NvramDevice
from virloom.model.domain.devices.panic import Panic
from virloom.model.domain.devices.redirdev import Redirdev, Redirfilter
from virloom.model.domain.devices.rng import Rng
from virloom.model.domain.devices.shmem import Shmem
from virloom.model.domain.devices.smartcard import Smartcard
from virloom.model.domain.devices.sound import Audio, Sound
from virloom.model.domain.devices.tpm import Tpm
from virloom.model.domain.devices.video import Video
from virloom.model.domain.devices.vsock import Vsock
from virloom.model.domain.devices.watchdog import Watchdog
from virloom.xml.element import Element
from virloom.xml.fields import Once, child, children, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import STRING

_ONE_BALLOON = Once(InternalError, ErrorDomain.DOMAIN)


class Devices(Element):
    """``<devices>``; what is a list of :class:`Node` is kept word for word and not started."""

    always = True
    empty = "lines"

    emulator: str | None = leaf(STRING)
    disks: list[Disk] = children(Disk, "disk")
    controllers: list[Controller] = children(Controller, "controller")
    leases: list[Lease] = children(Lease, "lease")
    filesystems: list[Filesystem] = children(Filesystem, "filesystem")
    interfaces: list[Interface] = children(Interface, "interface")
    smartcards: list[Smartcard] = children(Smartcard, "smartcard")
    serials: list[Serial] = children(Serial, "serial")
    parallels: list[Parallel] = children(Parallel, "parallel")
    consoles: list[Console] = children(Console, "console")
    channels: list[Channel] = children(Channel, "channel")
    inputs: list[Input] = children(Input, "input")
    tpms: list[Tpm] = children(Tpm, "tpm")
    graphics: list[Graphics] = children(Graphics, "graphics")
    sounds: list[Sound] = children(Sound, "sound")
    audios: list[Audio] = children(Audio, "audio")
    videos: list[Video] = children(Video, "video")
    hostdevs: list[Hostdev] = children(Hostdev, "hostdev")
    redirdevs: list[Redirdev] = children(Redirdev, "redirdev")
    redirfilters: list[Redirfilter] = children(Redirfilter, "redirfilter")
    hubs: list[Hub] = children(Hub, "hub")
    watchdogs: list[Watchdog] = children(Watchdog, "watchdog")
    memballoon: Memballoon | None = child(Memballoon, once=_ONE_BALLOON)
    rngs: list[Rng] = children(Rng, "rng")
    nvrams: list[NvramDevice] = children(NvramDevice, "nvram")
    panics: list[Panic] = children(Panic, "panic")
    shmems: list[Shmem] = children(Shmem, "shmem")
    memories: list[MemoryDevice] = children(MemoryDevice, "memory")
    iommus: list[Iommu] = children(Iommu, "iommu")
    vsocks: list[Vsock] = children(Vsock, "vsock")

    def adapted(self, flags: FormatFlags) -> Self:
        """For another host: without what every libvirt adds by itself."""
        if not flags & FormatFlags.MIGRATABLE:
            return self
        return self.beside(
            controllers=_without_implied(_without_implied(self.controllers, "usb"), "pci"),
            inputs=[i for i in self.inputs if (i.type, i.bus) != ("keyboard", "ps2")],
            audios=[] if [(a.id, a.type) for a in self.audios] == [(1, "none")] else self.audios,
        )


# The only controller of its type that an old libvirt did not show, and does not know.
_IMPLIED = {"usb": ("piix3-uhci", None), "pci": ("pci-root",)}


def _without_implied(controllers: list[Controller], kind: str) -> list[Controller]:
    same = [c for c in controllers if c.type == kind]
    if len(same) == 1 and same[0].index == 0 and same[0].model in _IMPLIED[kind]:
        return [c for c in controllers if c is not same[0]]
    return controllers
