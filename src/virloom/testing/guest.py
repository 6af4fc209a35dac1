# SPDX-License-Identifier: Apache-2.0
"""Tiny guests: a kernel, an initial file system, and the documents that boot them.

The kernel is Debian's cloud kernel (``VIRLOOM_GUEST_KERNEL`` names another one); the initial file
system is packed here (:mod:`virloom.testing.initramfs`) and kept in the user's cache directory.
A guest prints ``VIRLOOM-GUEST-READY boot-id=<id>`` on its console and then runs the lines it
reads there; it powers off on ``exit``, on the end of its input and on the ACPI power button.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from virloom.errors import OperationFailed
from virloom.host.files import write_atomic
from virloom.testing import initramfs as image

READY = "VIRLOOM-GUEST-READY"
READY_PATTERN = re.compile(rb"VIRLOOM-GUEST-READY boot-id=([0-9a-f-]{36})")

KERNEL_VARIABLE = "VIRLOOM_GUEST_KERNEL"
CACHE_VARIABLE = "VIRLOOM_GUEST_CACHE"

MODULES = (
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "virtio_net",
    "virtio-rng",
    "virtio_balloon",
    "virtio_console",
    "virtio_mem",
    "button",
    "evdev",
    "pvpanic-mmio",
    "pvpanic-pci",
    "qemu_fw_cfg",
)
"""What every tiny guest carries; what it loads is said on its command line."""


def kernel() -> Path:
    """The kernel that tiny guests boot: ``$VIRLOOM_GUEST_KERNEL``, or the newest cloud kernel.

    Raises:
        OperationFailed: There is none; the message names the package.
    """
    chosen = os.environ.get(KERNEL_VARIABLE)
    found = [Path(chosen)] if chosen else list(Path("/boot").glob("vmlinuz-*-cloud-amd64"))
    found = [path for path in found if os.access(path, os.R_OK)]
    if not found:
        raise OperationFailed(
            f"no readable guest kernel: '{chosen or '/boot/vmlinuz-*-cloud-amd64'}'",
            remedy=f"apt install linux-image-cloud-amd64, or set {KERNEL_VARIABLE}",
        )
    return max(found, key=version_key)


def busybox() -> Path:
    """The BusyBox of the tiny guest, which must be the statically linked one.

    Raises:
        OperationFailed: It is not installed.
    """
    path = Path("/bin/busybox")
    if not path.is_file() or b"/ld-linux" in path.read_bytes():
        raise OperationFailed(
            "no statically linked '/bin/busybox' for the guest", remedy="apt install busybox-static"
        )
    return path


def module_closure(names: Sequence[str]) -> list[Path]:
    """The files of kernel modules and of all they need, in an order in which they load.

    Modules that are built into the kernel have no file and are left out.
    """
    return load_order(Path("/lib/modules") / _release(kernel()), names)


def load_order(directory: Path, names: Sequence[str]) -> list[Path]:
    """The same for the kernel whose modules are in *directory* (by its ``modules.dep``)."""
    needs = _dependencies(directory)
    order: dict[Path, None] = {}
    for name in names:
        if name in needs:
            # modules.dep lists the needed ones outermost first.
            for relative in (*reversed(needs[name][1:]), needs[name][0]):
                order[directory / relative] = None
    return list(order)


def initramfs() -> Path:
    """The initial file system, built when none with the same content is in the cache.

    The cache is ``$VIRLOOM_GUEST_CACHE``, ``$XDG_CACHE_HOME/virloom`` or ``~/.cache/virloom``, or
    a directory of the user's below the temporary one. A file appears there whole or not at all.

    Raises:
        OperationFailed: BusyBox or the kernel is missing, or no cache directory can be written.
    """
    shell, modules = busybox(), module_closure(MODULES)
    path = cache_directory() / f"initramfs-{_key([shell, *modules])}.gz"
    if not path.exists():
        # It can be built again, so it need not outlive a loss of power.
        write_atomic(path, image.build(shell, modules), mode=0o644, durable=False)
    return path


def command_line(modules: tuple[str, ...] = ()) -> str:
    """The tiny guest's kernel command line: serial console, no tests, the modules to load.

    An emulated CPU counts the host's cycles. Told their frequency the kernel need not measure it,
    which fails on a busy host and then leaves ``microvm`` without any clock.
    """
    load = ",".join(path.stem for path in module_closure(modules))
    return (
        f"console=ttyS0 quiet loglevel=3 panic=-1 tsc_early_khz={_host_khz()} mitigations=off "
        f"cryptomgr.notests random.trust_cpu=on noreplace-smp virloom.load={load}"
    )


def version_key(path: Path) -> list[tuple[int, str]]:
    """A key that sorts kernels by the numbers in their names."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _release(path: Path) -> str:
    return path.name.partition("-")[2]


@cache
def _dependencies(directory: Path) -> dict[str, list[str]]:
    table = {}
    try:
        lines = (directory / "modules.dep").read_text().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        module, _, needs = line.partition(":")
        table[Path(module).stem] = [module, *needs.split()]
    return table


def _key(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    digest.update(Path(image.__file__).read_bytes())
    for path in files:
        about = path.stat()
        digest.update(f"{path} {about.st_size} {about.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def cache_directory() -> Path:
    """Where the initial file system is kept.

    Raises:
        OperationFailed: None of the places can be written.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = os.environ.get(CACHE_VARIABLE)
    wanted = [Path(chosen)] if chosen else [home / "virloom", _temporary_directory()]
    for path in wanted:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        # Below the shared temporary directory someone else may own the name.
        if os.access(path, os.W_OK) and path.stat().st_uid == os.getuid():
            return path
    tried = ", ".join(f"'{path}'" for path in wanted)
    raise OperationFailed(
        f"no directory to keep the guest's initial file system in; tried {tried}",
        remedy=f"set {CACHE_VARIABLE} to a directory that can be written",
    )


def _temporary_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"virloom-guest-{os.getuid()}"


def _host_khz() -> int:
    match = re.search(r"^cpu MHz\s*:\s*(\d+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return int(match[1]) * 1000 if match else 1_000_000
