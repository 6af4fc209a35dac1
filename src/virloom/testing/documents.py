# SPDX-License-Identifier: Apache-2.0
"""Documents of tiny guests, in plain libvirt XML (emulated CPU, nothing that needs a right)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from virloom.testing import guest

# Which drivers a device needs in the guest, told by its element in the document.
_DRIVERS = {
    "<channel": "virtio_console",
    "<disk": "virtio_blk",
    "<interface": "virtio_net",
    "<memballoon": "virtio_balloon",
    "<rng": "virtio-rng",
    "<target type='virtio'": "virtio_console",
}


def tiny_guest_xml(
    name: str,
    *,
    machine: str = "q35",
    memory_mib: int = 128,
    vcpus: int = 1,
    console: str = "pty",
    disks: Sequence[str | Path] = (),
    network: bool = False,
    extra_devices: str = "",
    modules: Sequence[str] | None = None,
) -> str:
    """A domain that boots the tiny guest (:mod:`virloom.testing.guest`) from kernel and initramfs.

    Args:
        name: The domain's name.
        machine: ``q35``, ``pc``, ``microvm`` or another of QEMU's for x86_64.
        memory_mib: Memory in MiB; the guest needs 96.
        vcpus: Number of virtual CPUs.
        console: The serial port: ``pty``, ``stdio``, ``null``, ``file:PATH``, ``unix:PATH``
            (listening) or ``tcp:HOST:PORT`` (listening).
        disks: Image files for ``vda``, ``vdb``, …; ``.qcow2`` by name, else raw.
        network: Give it a ``user`` network interface.
        extra_devices: More XML for ``<devices>``.
        modules: Drivers that the guest loads at boot; by default those its devices need.

    Raises:
        OperationFailed: Kernel or BusyBox is not installed.
    """
    devices = [_disk(path, index) for index, path in enumerate(disks)]
    if network:
        devices.append("<interface type='user'><model type='virtio'/></interface>")
    devices += [_serial(console), extra_devices]
    body = "".join(devices)
    load = tuple(_drivers(machine, body) if modules is None else modules)
    boot = (
        f"<kernel>{guest.kernel()}</kernel><initrd>{guest.initramfs()}</initrd>"
        f"<cmdline>{guest.command_line(load)}</cmdline>"
    )
    return _document(name, machine, memory_mib, vcpus, boot, body)


def paused_guest_xml(
    name: str,
    *,
    machine: str = "q35",
    memory_mib: int = 32,
    vcpus: int = 1,
    console: str = "null",
    extra_devices: str = "",
) -> str:
    """A domain without kernel and disks: to be started paused, or to run firmware only."""
    body = _serial(console) + extra_devices
    return _document(name, machine, memory_mib, vcpus, "", body)


def _document(name: str, machine: str, memory_mib: int, vcpus: int, boot: str, body: str) -> str:
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory_mib}</memory>"
        f"<vcpu>{vcpus}</vcpu>"
        f"<os><type arch='x86_64' machine={quoteattr(machine)}>hvm</type>{boot}</os>"
        f"<features><acpi/></features><devices>{body}</devices></domain>"
    )


def _disk(path: str | Path, index: int) -> str:
    kind = "qcow2" if str(path).endswith(".qcow2") else "raw"
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/>"
        f"<source file={quoteattr(str(path))}/>"
        f"<target dev='vd{chr(ord('a') + index)}' bus='virtio'/></disk>"
    )


def _serial(console: str) -> str:
    kind, _, where = console.partition(":")
    source = ""
    if kind == "file":
        source = f"<source path={quoteattr(where)}/>"
    elif kind == "unix":
        source = f"<source mode='bind' path={quoteattr(where)}/>"
    elif kind == "tcp":
        host, _, port = where.rpartition(":")
        source = f"<source mode='bind' host={quoteattr(host)} service={quoteattr(port)}/>"
    return f"<serial type={quoteattr(kind)}>{source}<target port='0'/></serial>"


def _drivers(machine: str, body: str) -> list[str]:
    names = [driver for element, driver in _DRIVERS.items() if element in body]
    if names:
        names.insert(0, "virtio_mmio" if machine.startswith("microvm") else "virtio_pci")
    return [*names, "button", "evdev"]
