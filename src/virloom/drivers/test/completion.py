# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a domain: what it leaves out filled in, what is senseless refused.

As libvirt's own test driver, this one does no more than what every driver of libvirt does: it has
no machines, so that nothing is added for them.
"""

from __future__ import annotations

from virloom.drivers.qemu.defaults.attached import add_card_readers, fill_attached
from virloom.drivers.qemu.defaults.chardevs import number_ports, pair_console
from virloom.drivers.qemu.defaults.controllers import add_implied_controllers, sort_controllers
from virloom.drivers.qemu.defaults.disk_sources import fill_source
from virloom.drivers.qemu.defaults.disks import (
    fill_geometry,
    fill_iotune,
    place_disk,
    sort_disks,
)
from virloom.drivers.qemu.defaults.features import fill_features
from virloom.drivers.qemu.defaults.filesystems import fill_filesystems
from virloom.drivers.qemu.defaults.graphics import fill_graphics
from virloom.drivers.qemu.defaults.guest import fill_boot, fill_guest
from virloom.drivers.qemu.defaults.identity import fill_identity
from virloom.drivers.qemu.defaults.interfaces import forget_empty, generated_mac
from virloom.drivers.qemu.defaults.numa import fill_numa
from virloom.drivers.qemu.defaults.threads import fill_iothreads, fill_vcpus
from virloom.drivers.qemu.defaults.tuning import fill_tuning
from virloom.drivers.qemu.devices.address import complete_given
from virloom.drivers.qemu.validate import validate_parts
from virloom.drivers.qemu.validate.guest import check_given_settings
from virloom.drivers.runtime.store import check_name
from virloom.drivers.test.validate import check_completed, check_given
from virloom.enums.error import ErrorDomain
from virloom.model.domain import CpuModel, Disk, Domain, Interface, Rate, Video
from virloom.model.domain.qemu_namespace import (
    QemuCapabilities,
    QemuCommandline,
    QemuDeprecation,
    QemuOverride,
)
from virloom.xml import holds, parse_document

_PARAVIRTUAL = ("xen", "linux")
_VIDEO_MEMORY = {
    "vga": 16384,
    "cirrus": 16384,
    "vmvga": 16384,
    "qxl": 65536,
    "xen": 4096,
    "bochs": 16384,
}


def parse_domain(text: str, *, validate: bool = False) -> Domain:
    """The complete tree of a document that a client sends.

    Raises:
        XmlError: It is malformed, or no domain's.
        VirloomError: It contradicts itself.
    """
    model = parse_document(Domain, text, validate=validate)
    complete(model)
    return model


def complete(model: Domain) -> None:
    """Fills in what a parsed document leaves out, in place.

    Raises:
        VirloomError: It contradicts itself.
    """
    check_name(model.name, ErrorDomain.DOMAIN)
    check_given(model)
    check_given_settings(model)
    validate_parts(model)
    model.id = None
    model.os.type.arch = model.os.type.arch or "i686"
    memory = model.memory
    fill_numa(model)
    model.memory = memory or model.memory
    fill_guest(model)
    fill_vcpus(model)
    fill_iothreads(model)
    fill_tuning(model)
    fill_features(model.features)
    if model.os.type.value == "hvm" and model.bootloader is None:
        fill_boot(model)
    if model.os.loader.value is not None:
        model.os.loader.type = model.os.loader.type or "rom"
    _fill_cpu(model)
    fill_identity(model)
    _drop_foreign(model)
    _fill_seclabels(model)
    _fill_devices(model)
    complete_given(model)
    check_completed(model)


def _fill_cpu(model: Domain) -> None:
    cpu = model.cpu
    if cpu is None:
        return
    if cpu.mode in ("host-passthrough", "maximum"):
        cpu.model = CpuModel()
    elif cpu.mode == "host-model":
        cpu.model.fallback = (cpu.model.fallback or "allow") if cpu.model.value else None
    elif cpu.model.value is not None:
        cpu.mode = cpu.mode or "custom"
        cpu.match = cpu.match or "exact"
        cpu.model.fallback = cpu.model.fallback or "allow"
    else:
        cpu.match = None
    if cpu.topology.sockets:
        cpu.topology.dies = cpu.topology.dies or 1
    for feature in cpu.features:
        feature.policy = feature.policy or "require"
    if not holds(cpu):
        model.cpu = None


def _fill_seclabels(model: Domain) -> None:
    """Labels of some kind, with no more than such a kind has."""
    model.seclabels = [label for label in model.seclabels if label.type is not None]
    for label in model.seclabels:
        if label.model == "none":
            label.type = "none"
        if label.type == "none":
            label.label = label.relabel = None
        elif label.relabel is None:
            label.relabel = label.type == "dynamic"
        if label.type == "dynamic":
            label.label = None
        label.imagelabel = None


def _drop_foreign(model: Domain) -> None:
    """Name spaces of other drivers."""
    model.qemu_commandline = QemuCommandline()
    model.qemu_capabilities = QemuCapabilities()
    model.qemu_override = QemuOverride()
    model.qemu_deprecation = QemuDeprecation()


def _fill_devices(model: Domain) -> None:
    devices = model.devices
    sort_disks(model)
    for disk in devices.disks:
        _fill_disk(disk)
    sort_controllers(model)
    fill_filesystems(model)
    for interface in devices.interfaces:
        _fill_interface(interface)
    _fill_consoles(model)
    _fill_attached(model)
    _fill_displays(model)
    _fill_small(model)
    add_implied_controllers(model)
    add_card_readers(model)


def _fill_disk(disk: Disk) -> None:
    disk.type = disk.type or "file"
    if disk.device == "cdrom":
        disk.readonly = True
    disk.mirror = None
    fill_geometry(disk)
    fill_iotune(disk)
    fill_source(disk)
    place_disk(disk)


def _fill_interface(interface: Interface) -> None:
    interface.type = interface.type or "user"
    interface.mac.address = (interface.mac.address or generated_mac()).lower()
    if interface.type == "direct" and interface.source.mode is None:
        interface.source.mode = "vepa"
    forget_empty(interface)


def _fill_consoles(model: Domain) -> None:
    devices = model.devices
    number_ports(model)
    if model.os.type.value == "hvm":
        pair_console(model)
    for device in (*devices.serials, *devices.consoles, *devices.parallels, *devices.channels):
        device.type = device.type or "pty"
    for console in devices.consoles:
        console.target.type = console.target.type or "serial"


def _fill_attached(model: Domain) -> None:
    """Devices of the host, without what only QEMU knows of them."""
    devices = model.devices
    shmems = [(shmem, shmem.size, shmem.msi) for shmem in devices.shmems]
    versions = [(tpm.backend, tpm.backend.version) for tpm in devices.tpms]
    displays = [(hostdev, hostdev.display) for hostdev in devices.hostdevs]
    fill_attached(model)
    for shmem, size, msi in shmems:
        shmem.size, shmem.msi = size, msi
    for backend, version in versions:
        backend.version = version
    for hostdev, display in displays:
        hostdev.display = display if hostdev.type == "mdev" else None


def _fill_displays(model: Domain) -> None:
    devices = model.devices
    paravirtual = model.os.type.value in _PARAVIRTUAL
    for graphics in devices.graphics:
        fill_graphics(graphics)
    if devices.graphics and not devices.videos:
        devices.videos.append(Video())
    devices.videos.sort(key=lambda video: not video.model.primary)
    for number, video in enumerate(devices.videos):
        shown = video.model
        if shown.type is None:
            shown.type = "xen" if paravirtual else "cirrus"
        if shown.vram is None:
            shown.vram = _VIDEO_MEMORY.get(shown.type)
        if shown.type == "qxl":
            shown.ram = shown.ram or _VIDEO_MEMORY["qxl"]
        if shown.type == "none":
            continue
        shown.heads = shown.heads or 1
        if number == 0:
            shown.primary = True


def _fill_small(model: Domain) -> None:
    """Inputs, watchdogs and sources of randomness."""
    devices = model.devices
    paravirtual = model.os.type.value in _PARAVIRTUAL
    for device in devices.inputs:
        if device.bus is None and device.type != "evdev":
            ps2 = device.type in ("mouse", "keyboard")
            device.bus = ("xen" if paravirtual else "ps2") if ps2 else "usb"
    for watchdog in devices.watchdogs:
        watchdog.action = watchdog.action or "reset"
    for rng in devices.rngs:
        if not rng.rate.bytes:
            rng.rate = Rate()
        if rng.backend.model == "random" and not rng.backend.value:
            rng.backend.value = "/dev/random"
    # Of a machine that nobody knows, nobody knows what tells of a panic.
    devices.panics = [panic for panic in devices.panics if panic.model is not None]
