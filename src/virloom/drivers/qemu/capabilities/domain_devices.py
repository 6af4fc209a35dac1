# SPDX-License-Identifier: Apache-2.0
"""What domain capabilities tell of devices and features, by what a QEMU and its machine have."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.capabilities.vhost_user import find_server

Enums = dict[str, tuple[str, ...]]

_VIRTIO = ("virtio", "virtio-transitional", "virtio-non-transitional")
_ARM = ("aarch64", "armv6l", "armv7l")
_X86 = ("x86_64", "i686")

#: Video models by the device that each of them is.
_VIDEOS = {
    "vga": ("VGA",),
    "cirrus": ("cirrus-vga",),
    "vmvga": ("vmware-svga",),
    "qxl": ("qxl-vga",),
    "virtio": ("virtio-gpu-pci", "virtio-gpu-ccw"),
    "none": (),
    "bochs": ("bochs-display",),
    "ramfb": ("ramfb",),
}

#: TPM models by the device that each of them is, in libvirt's order.
_TPMS = {
    "tpm-tis": ("tpm-tis", "tpm-tis-device"),
    "tpm-crb": ("tpm-crb",),
    "tpm-spapr": ("tpm-spapr",),
    "spapr-tpm-proxy": ("spapr-tpm-proxy",),
}


class GuestDevices:
    """The devices that guests of one machine can have.

    Args:
        caps: Of the emulator, with its devices.
        arch: libvirt's name of the architecture.
        machine: The machine's canonical name.
    """

    def __init__(self, caps: BinaryCaps, arch: str, machine: str) -> None:
        self._caps = caps
        self._arch = arch
        self._machine = machine
        self._bare = machine == "microvm" or machine.startswith("microvm-")
        self._pseries = machine.startswith("pseries")

    def _any(self, *devices: str) -> bool:
        return any(self._caps.has_device(device) for device in devices)

    def _known(self, models: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The models of which this QEMU has the device; those without one are always there."""
        return tuple(name for name, devices in models.items() if not devices or self._any(*devices))

    def kinds(self) -> Iterator[tuple[str, Enums | None]]:
        """Each kind of device with its enumerations; None for one that there is not."""
        groups: tuple[tuple[str, Callable[[], Enums | None]], ...] = (
            ("disk", self._disk),
            ("graphics", self._graphics),
            ("video", self._video),
            ("hostdev", self._hostdev),
            ("rng", self._rng),
            ("filesystem", self._filesystem),
            ("tpm", self._tpm),
            ("redirdev", self._redirdev),
            ("channel", self._channel),
        )
        for name, tell in groups:
            yield name, tell()

    def _disk(self) -> Enums:
        if self._bare:  # no PCI, and no disks but virtio
            return {"diskDevice": ("disk",), "bus": ("virtio",), "model": ("virtio",)}
        floppy = not self._pseries
        ide = self._machine == "isapc" or self._machine.startswith("pc-i440fx")
        buses = (
            *(("ide",) if ide else ()),
            *(("fdc",) if floppy else ()),
            "scsi",
            "virtio",
            *(("usb",) if self._any("usb-storage") else ()),
            *(("sata",) if self._any("ich9-ahci") else ()),
        )
        kinds = ("disk", "cdrom", *(("floppy",) if floppy else ()), "lun")
        return {"diskDevice": kinds, "bus": buses, "model": _VIRTIO}

    def _graphics(self) -> Enums:
        return {"type": ("sdl", "vnc", "spice", "egl-headless", "dbus")}

    def _video(self) -> Enums:
        return {"modelType": ("none",) if self._bare else self._known(_VIDEOS)}

    def _hostdev(self) -> Enums | None:
        if self._bare:
            return None
        usb = ("usb",) if self._any("usb-host") else ()
        backend = ("vfio",) if os.path.isdir("/sys/kernel/iommu_groups") and _has_groups() else ()
        return {
            "mode": ("subsystem",),
            "startupPolicy": ("default", "mandatory", "requisite", "optional"),
            "subsysType": (*usb, "pci", "scsi"),
            "capsType": (),
            "pciBackend": backend,
        }

    def _rng(self) -> Enums:
        backends = ("random", "egd", "builtin")
        return {"model": ("virtio",) if self._bare else _VIRTIO, "backendModel": backends}

    def _filesystem(self) -> Enums | None:
        if self._bare:
            return None
        served = self._any("vhost-user-fs-pci") and find_server() is not None
        return {"driverType": ("path", "handle", *(("virtiofs",) if served else ()))}

    def _tpm(self) -> Enums | None:
        models = self._known(_TPMS)
        if not models:
            return None
        import shutil  # takes the compressors along, which a daemon starts without

        emulator = ("emulator",) if shutil.which("swtpm") else ()
        return {
            "model": models,
            "backendModel": ("passthrough", *emulator, "external"),
            "backendVersion": ("1.2", "2.0") if emulator else (),
        }

    def _redirdev(self) -> Enums | None:
        return {"bus": ("usb",)} if self._any("usb-redir") and not self._bare else None

    def _channel(self) -> Enums:
        return {"type": ("pty", "unix", "spicevmc")}

    def features(self) -> Iterator[tuple[str, Enums | bool | None]]:
        """Features beside devices: whether they are there, or their enumerations."""
        arm_virt = self._arch in _ARM and (
            self._machine == "virt" or self._machine.startswith("virt-")
        )
        yield "gic", {"version": ("2", "3")} if arm_virt else None
        yield "vmcoreinfo", self._any("vmcoreinfo")
        yield "genid", self._any("vmgenid")
        yield "backingStoreInput", True
        yield "backup", True
        if self._arch == "s390x":
            yield "s390-pv", False
        yield "sev", False
        yield "sgx", False
        if self._arch in _X86:
            yield "hyperv", {"features": ("spinlocks", "vendor_id")}


def _has_groups() -> bool:
    """Whether the host's devices are in groups that can be given away."""
    return any(Path("/sys/kernel/iommu_groups").iterdir())


def memory_sources() -> tuple[str, ...]:
    """Where a guest's memory can be."""
    return ("file", "anonymous", "memfd")


def lines(name: str, enums: Enums | bool | None, indent: int) -> Iterator[str]:
    """A kind or a feature as text."""
    space = " " * indent
    if not enums and not isinstance(enums, dict):
        yield f"{space}<{name} supported='no'/>"
        return
    if enums is True:
        yield f"{space}<{name} supported='yes'/>"
        return
    assert isinstance(enums, dict)
    yield f"{space}<{name} supported='yes'>"
    for enum, values in enums.items():
        yield from enumeration(enum, values, indent + 2)
    yield f"{space}</{name}>"


def enumeration(name: str, values: Iterable[str], indent: int) -> Iterator[str]:
    """``<enum name='type'><value>vnc</value></enum>``; one tag without values."""
    space = " " * indent
    items = [f"{space}  <value>{value}</value>" for value in values]
    if not items:
        yield f"{space}<enum name='{name}'/>"
        return
    yield f"{space}<enum name='{name}'>"
    yield from items
    yield f"{space}</enum>"
