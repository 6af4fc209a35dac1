# SPDX-License-Identifier: Apache-2.0
"""PCI devices of the host are taken from it, given back and reset.

What they are is virtnodedevd's to tell; which guest has one is known here, and so it is here, as
in libvirt, that they change hands.
"""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, InvalidArg
from virloom.procedures import nodedev as p

_DOMAIN = ErrorDomain.QEMU


class HostDevices:
    """Handlers of devices of the host that guests may get."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.NODE_DEVICE_DETTACH)
    async def detach(self, call: Call, args: p.NodeDeviceDettachArgs) -> None:
        await self._detach(args.name, None)

    @serves(p.NODE_DEVICE_DETACH_FLAGS)
    async def detach_flags(self, call: Call, args: p.NodeDeviceDetachFlagsArgs) -> None:
        check_flags(call, args.flags, 0)
        await self._detach(args.name, args.driver_name)

    async def _detach(self, name: str, driver_name: str | None) -> None:
        from virloom.drivers.qemu.hostdevs import handing  # few hosts give devices to guests
        from virloom.drivers.qemu.hostdevs.pci import has_vfio

        if driver_name == "kvm":
            raise ArgumentUnsupported(
                "KVM itself passes no devices on any more; the driver 'vfio' does", domain=_DOMAIN
            )
        if driver_name not in (None, "vfio"):
            raise InvalidArg(
                f"there is no driver '{driver_name}' that passes devices on; 'vfio' does",
                domain=_DOMAIN,
            )
        if not has_vfio():
            raise ArgumentUnsupported(
                "the host cannot pass devices on: it has no IOMMU, or no VFIO", domain=_DOMAIN
            )
        await handing.detach(self._driver, await handing.find(self._driver, name))

    @serves(p.NODE_DEVICE_RE_ATTACH)
    async def reattach(self, call: Call, args: p.NodeDeviceReAttachArgs) -> None:
        from virloom.drivers.qemu.hostdevs import handing

        await handing.reattach(self._driver, await handing.find(self._driver, args.name))

    @serves(p.NODE_DEVICE_RESET)
    async def reset(self, call: Call, args: p.NodeDeviceResetArgs) -> None:
        from virloom.drivers.qemu.hostdevs import handing

        await handing.reset(self._driver, await handing.find(self._driver, args.name))
