# SPDX-License-Identifier: Apache-2.0
"""What this host has for guests, found by looking and by trying; how it is shown is elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from virloom.cli.findings.finding import Finding
from virloom.cli.findings.rights import group_name, owner
from virloom.drivers.qemu.capabilities import kvm
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.config import QemuConfig
from virloom.errors import VirloomError
from virloom.host.process import run
from virloom.security.dac import Dac
from virloom.testing import guest


class Helper(NamedTuple):
    """A program that some feature calls, and the Debian package that brings it."""

    program: str
    package: str
    purpose: str


HELPERS = (
    Helper("qemu-img", "qemu-utils", "disk images"),
    Helper("swtpm", "swtpm", "an emulated TPM"),
    Helper("virtiofsd", "qemu-system-common", "shared directories"),
    Helper("dnsmasq", "dnsmasq-base", "addresses and names on virtual networks"),
    Helper("nft", "nftables", "the firewall of virtual networks"),
    Helper("passt", "passt", "user networks without rights"),
    Helper("ssh", "openssh-client", "connections by qemu+ssh://"),
)

# Where Debian puts helpers that are no commands, and daemons that a user's PATH leaves out.
_PLACES = ("/usr/sbin", "/sbin", "/usr/lib/qemu", "/usr/libexec")


async def find_emulators() -> list[Finding]:
    """The QEMU binaries that are installed; the one for x86_64 in any case."""
    try:
        path = find_emulator("x86_64")
    except VirloomError as error:
        found = [_failed("QEMU", "x86_64", error, required=True)]
    else:
        found = [Finding("QEMU", "x86_64", True, f"{path}, {await _version(path)}")]
    for path in _other_emulators():
        arch = os.path.basename(path).removeprefix("qemu-system-")
        found.append(Finding("QEMU", arch, True, f"{path}, {await _version(path)}"))
    return found


async def find_accelerators() -> list[Finding]:
    """What runs guests here: KVM where a virtual CPU really runs, and emulation."""
    try:
        path = find_emulator("x86_64")
    except VirloomError:
        return []
    listed = await run([path, "-accel", "help"], timeout=10)
    emulates = b"tcg" in listed.stdout.split()
    detail = "emulation: <domain type='qemu'>" if emulates else "not built into this QEMU"
    return [await _kvm(), Finding("accelerators", "tcg", emulates, detail)]


async def _kvm() -> Finding:
    # An empty directory: what was found out before is not what doctor is asked for.
    with tempfile.TemporaryDirectory() as scratch:
        verdict = await kvm.check(scratch)
    if verdict.usable:
        return Finding(
            "accelerators", "kvm", True, "a virtual CPU executed HLT: <domain type='kvm'>"
        )
    return Finding("accelerators", "kvm", False, verdict.reason, _kvm_remedy())


def _kvm_remedy() -> str:
    if not os.path.exists(kvm.DEVICE):
        return "enable virtualization in the firmware or the host, and load the module kvm"
    if not os.access(kvm.DEVICE, os.R_OK | os.W_OK):
        group = group_name(os.stat(kvm.DEVICE).st_gid)
        return f"add user '{owner(os.geteuid())}' to group '{group}' and log in again"
    return ""


def find_user(config: QemuConfig | None = None) -> Finding:
    """Whom QEMU runs as when this user starts a guest."""
    config = config or QemuConfig()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            ids = Dac(config.user, config.group, scratch).ids
    except VirloomError as error:
        return _failed("user", "QEMU runs as", error, required=True)
    if os.geteuid() == 0 and ids.uid == 0:
        remedy = "apt install libvirt-daemon-system, or set 'user' in qemu.conf"
        return Finding("user", "QEMU runs as", False, "root: there is no 'libvirt-qemu'", remedy)
    return Finding("user", "QEMU runs as", True, f"{owner(ids.uid)} ({ids.uid}:{ids.gid})")


def find_directories() -> list[Finding]:
    """Where guests without a root of their own live, and where images are kept."""
    return [
        _directory("temporary", Path(tempfile.gettempdir())),
        _directory("cache", guest.cache_directory()),
    ]


def find_helpers() -> list[Finding]:
    """The programs that single features call."""
    found = []
    for helper in HELPERS:
        path = locate(helper.program)
        detail = f"{path}: {helper.purpose}" if path else f"not installed: {helper.purpose}"
        remedy = "" if path else f"apt install {helper.package}"
        found.append(Finding("programs", helper.program, path is not None, detail, remedy))
    return found


def find_firmware() -> list[Finding]:
    """The UEFI firmware for ``<os firmware='efi'>``."""
    directories = [Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware")]
    descriptors = [path for place in directories for path in sorted(place.glob("*.json"))]
    uefi = [path for path in descriptors if '"uefi"' in path.read_text(errors="replace")]
    if not uefi:
        return [Finding("firmware", "uefi", False, "no descriptor", "apt install ovmf")]
    return [Finding("firmware", "uefi", True, f"{len(uefi)} descriptors in '{uefi[0].parent}'")]


def find_demo() -> list[Finding]:
    """Kernel and user space of the tiny guest of ``virloom demo``."""
    found = []
    for name, look in (("kernel", guest.kernel), ("busybox", guest.busybox)):
        try:
            found.append(Finding("demo", name, True, str(look())))
        except VirloomError as error:
            found.append(_failed("demo", name, error))
    return found


def locate(program: str) -> str | None:
    """The path of *program*, also where Debian keeps helpers that are no commands."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
    return shutil.which(program, path=places)


def _other_emulators() -> list[str]:
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found: dict[str, str] = {}
    for place in places:
        for path in Path(place).glob("qemu-system-*"):
            found.setdefault(path.name.removeprefix("qemu-system-"), str(path))
    # A dash is Debian's mark of a variant of the same emulator.
    return [found[arch] for arch in sorted(found) if arch != "x86_64" and "-" not in arch]


def _failed(area: str, name: str, error: VirloomError, *, required: bool = False) -> Finding:
    remedy = error.remedy or ""
    return Finding(area, name, False, error.detail.removesuffix(f" ({remedy})"), remedy, required)


async def _version(path: str) -> str:
    try:
        done = await run([path, "--version"], timeout=10)
    except VirloomError as error:
        return f"does not run: {error.message}"
    match = re.search(rb"version (\S+)", done.stdout)
    return f"version {match[1].decode()}" if match else "of unknown version"


def _directory(name: str, path: Path) -> Finding:
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding("directories", name, False, f"'{path}' cannot be written", required=True)
    free = shutil.disk_usage(path).free >> 20
    return Finding("directories", name, True, f"{path}, {free} MiB free")
