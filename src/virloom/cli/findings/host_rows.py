# SPDX-License-Identifier: Apache-2.0
"""The rows of ``virt-host-validate``, as findings: what is asked of a host for QEMU and for LXC."""

from __future__ import annotations

import platform
import tempfile

from virloom.cli.findings.finding import Finding
from virloom.cli.findings.host import Host
from virloom.drivers.qemu.capabilities import kvm

_QEMU, _LXC = "QEMU", "LXC"

#: Flags of processors that run guests by themselves; others have the device or have it not.
_VIRTUALIZES = {"x86_64": ("vmx", "svm"), "i686": ("vmx", "svm"), "s390x": ("sie",)}

_LOAD = "load the kernel's module '{}'"

CONTROLLERS = {
    _QEMU: ("cpu", "cpuacct", "cpuset", "memory", "devices", "blkio"),
    _LXC: ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio"),
}


async def qemu_rows(host: Host, machine: str | None = None) -> list[Finding]:
    """What QEMU guests ask of the host.

    Args:
        host: The host.
        machine: Its architecture; by default this one's.
    """
    machine = machine or platform.machine()
    return [
        *await _virtualization(host, machine),
        _device(_QEMU, host, "/dev/vhost-net", "vhost_net", required=False),
        _device(_QEMU, host, "/dev/net/tun", "tun"),
        *controller_rows(host, _QEMU, required=False),
        *_iommu(host),
        _secure_guests(host),
    ]


def lxc_rows(host: Host) -> list[Finding]:
    """What containers ask of the host."""
    new = host.release() >= (2, 6, 26)
    return [
        Finding(_LXC, "for Linux >= 2.6.26", new, "", "run a newer kernel", True),
        *(_namespace(host, name) for name in ("ipc", "mnt", "pid", "uts", "net", "user")),
        *controller_rows(host, _LXC, required=True),
        _device(_LXC, host, "/sys/fs/fuse/connections", "fuse"),
    ]


def controller_rows(host: Host, area: str, *, required: bool) -> list[Finding]:
    """The control groups; no row where there are none at all."""
    if not host.has_cgroups():
        return []
    found = host.controllers()
    remedy = "mount this cgroup controller, or choose a kernel that has it"
    return [
        Finding(
            area, f"for cgroup '{name}' controller support", name in found, "", remedy, required
        )
        for name in CONTROLLERS[area]
    ]


async def _virtualization(host: Host, machine: str) -> list[Finding]:
    flags = _VIRTUALIZES.get(machine)
    virtualizes = bool(host.cpu_flags() & set(flags)) if flags else host.exists(kvm.DEVICE)
    name = "for hardware virtualization"
    if not virtualizes:
        remedy = "without it guests are emulated, which is slow: <domain type='qemu'>"
        return [Finding(_QEMU, name, False, "", remedy, True)]
    modules = "load KVM's module, after enabling virtualization in the firmware"
    exists, usable = host.exists(kvm.DEVICE), host.usable(kvm.DEVICE)
    rights = f"join the group of '{kvm.DEVICE}', or be given rights on it"
    rows = [
        Finding(_QEMU, name, True, "", required=True),
        Finding(_QEMU, f"if device {kvm.DEVICE} exists", exists, "", modules, True),
    ]
    if exists:
        accessible = f"if device {kvm.DEVICE} is accessible"
        rows.append(Finding(_QEMU, accessible, usable, "", rights, True))
    return [*rows, *([await _runs()] if usable else [])]


async def _runs() -> Finding:
    """A row of our own: what the flags promise, tried."""
    with tempfile.TemporaryDirectory() as scratch:
        verdict = await kvm.check(scratch)
    return Finding(_QEMU, "if KVM runs a virtual CPU", verdict.usable, "", verdict.reason, True)


def _device(area: str, host: Host, path: str, module: str, *, required: bool = True) -> Finding:
    name = f"if device {path} exists"
    return Finding(area, name, host.exists(path), "", _LOAD.format(module), required)


def _namespace(host: Host, name: str) -> Finding:
    found = host.exists(f"/proc/self/ns/{name}")
    return Finding(_LXC, f"for namespace {name}", found, "", "choose a kernel that has it", True)


def _iommu(host: Host) -> list[Finding]:
    name = "for device assignment IOMMU support"
    table = host.iommu_table()
    if table is None:
        return [Finding(_QEMU, name, False, "", "it is not known how this platform tells")]
    if not host.acpi_table(table):
        remedy = f"there is no ACPI table {table}: enable the IOMMU in the firmware"
        return [Finding(_QEMU, name, False, "", remedy)]
    enabled = host.iommu_groups()
    remedy = "boot with intel_iommu=on" if table == "DMAR" else "boot with iommu=pt iommu=1"
    return [
        Finding(_QEMU, name, True, ""),
        Finding(_QEMU, "if IOMMU is enabled by kernel", enabled, "", remedy),
    ]


def _secure_guests(host: Host) -> Finding:
    name = "for secure guest support"
    if "sev" not in host.cpu_flags():
        return Finding(_QEMU, name, False, "", "it is not known whether this platform has it")
    remedy = "boot with kvm_amd.sev=1"
    return Finding(_QEMU, name, host.encrypts_guests(), "", remedy)
