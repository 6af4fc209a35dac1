# SPDX-License-Identifier: Apache-2.0
"""Defaults of devices that come from the host or from another process, and of smaller cards."""

from __future__ import annotations

from virloom.drivers.qemu.devices.controllers import ensure_controller
from virloom.model.domain import (
    Address,
    Controller,
    Domain,
    Hostdev,
    HostdevHost,
    Shmem,
    ShmemMsi,
    SourceAddress,
    Tpm,
    TpmBackend,
    TpmDevice,
    Vsock,
)

_DEFAULT_SHMEM = 4 * 1024 * 1024
# A wide SCSI bus, as libvirt 9 counts on for QEMU.
_SCSI_UNITS = 16


def fill_attached(dom: Domain) -> None:
    """Host devices, TPMs, shared memory, vsock, redirection and smartcards."""
    devices = dom.devices
    for hostdev in devices.hostdevs:
        _fill_hostdev(hostdev)
    for tpm in devices.tpms:
        _fill_tpm(tpm)
    for shmem in devices.shmems:
        _fill_shmem(shmem)
    for vsock in devices.vsocks:
        _fill_vsock(vsock)
    for redirdev in devices.redirdevs:
        redirdev.bus = redirdev.bus or "usb"
    for memory in devices.memories:
        if memory.model == "virtio-pmem" and memory.access is None:
            memory.access = "shared"
        if memory.model == "virtio-mem":
            memory.target.requested = memory.target.requested or 0
    _place_smartcards(dom)


def _fill_hostdev(hostdev: Hostdev) -> None:
    hostdev.mode = hostdev.mode or "subsystem"
    if hostdev.mode == "subsystem" and hostdev.managed is None:
        hostdev.managed = False
    source = hostdev.source
    if hostdev.type != "mdev":
        hostdev.display = hostdev.ramfb = None
    if hostdev.type == "pci" and (source.address is None or source.address.kind == "mdev"):
        source.address = SourceAddress()
    if hostdev.type == "mdev" and hostdev.model == "vfio-pci" and hostdev.display is None:
        hostdev.display = False
    if hostdev.type == "scsi" and source.protocol == "iscsi":
        hostdev.complete()
        source.hosts = source.hosts[:1] or [HostdevHost()]


def _fill_tpm(tpm: Tpm) -> None:
    tpm.model = tpm.model or "tpm-tis"
    backend = tpm.backend
    _without_nothing(backend)
    if backend.type == "passthrough":
        backend.device = backend.device or TpmDevice()
        backend.device.path = backend.device.path or "/dev/tpm0"
    if backend.type == "emulator" and backend.version in (None, "default"):
        backend.version = "1.2" if tpm.model == "tpm-tis" else "2.0"


def _without_nothing(backend: TpmBackend) -> None:
    """Elements that name no secret and no bank say nothing."""
    if backend.encryption is not None and backend.encryption.secret is None:
        backend.encryption = None
    banks = backend.active_pcr_banks
    if banks is not None and not any(banks.__dict__.values()):
        backend.active_pcr_banks = None


def _fill_shmem(shmem: Shmem) -> None:
    shmem.model.type = shmem.model.type or "ivshmem"
    if shmem.model.type == "ivshmem-plain" and not shmem.size:
        shmem.size = _DEFAULT_SHMEM
    elif shmem.model.type == "ivshmem-doorbell":
        shmem.msi = shmem.msi or ShmemMsi()
        if shmem.msi.ioeventfd is None:
            shmem.msi.ioeventfd = True


def _fill_vsock(vsock: Vsock) -> None:
    vsock.model = vsock.model or "virtio"
    if vsock.cid.auto is None:
        vsock.cid.auto = not vsock.cid.address


def _place_smartcards(dom: Domain) -> None:
    """Slots of the reader, which each card needs."""
    taken: set[tuple[int, int]] = set()
    for card in dom.devices.smartcards:
        if card.address is not None and card.address.type == "ccid":
            taken.add((card.address.controller or 0, card.address.slot or 0))
    for card in dom.devices.smartcards:
        if card.address is None:
            slot = max((slot for _, slot in taken), default=-1) + 1
            card.address = Address(type="ccid", controller=0, slot=slot)
            taken.add((0, slot))


def place_scsi(dom: Domain) -> None:
    """The first free unit for every SCSI device of the host, and the controllers for them.

    libvirt adds these before those that the machine brings, and so they show; and before it
    numbers controllers whose index the document does not say, which get the next ones.
    """
    disks = [disk.address for disk in dom.devices.disks if disk.target.bus == "scsi"]
    others = [hostdev.address for hostdev in dom.devices.hostdevs]
    taken = {
        (address.controller or 0, address.bus or 0, address.target or 0, address.unit or 0)
        for address in disks + others
        if address is not None and address.type == "drive"
    }
    for hostdev in dom.devices.hostdevs:
        if hostdev.type != "scsi" or hostdev.address is not None:
            continue
        controller = unit = 0
        while (controller, 0, 0, unit) in taken:
            unit += 1
            if unit == _SCSI_UNITS:
                controller, unit = controller + 1, 0
        taken.add((controller, 0, 0, unit))
        hostdev.address = Address(type="drive", controller=controller, bus=0, target=0, unit=unit)
    placed = [device.address for device in dom.devices.hostdevs if device.type == "scsi"]
    used = [address.controller or 0 for address in placed if address and address.type == "drive"]
    there = {c.index for c in dom.devices.controllers if c.type == "scsi"}
    for index in range(max(used, default=-1) + 1):
        if index not in there:
            dom.devices.controllers.append(Controller(type="scsi", index=index))


def add_card_readers(dom: Domain) -> None:
    """The readers that smartcards are in."""
    used = [card.address.controller or 0 for card in dom.devices.smartcards if card.address]
    for index in range(max(used, default=-1) + 1):
        ensure_controller(dom, "ccid", index)
