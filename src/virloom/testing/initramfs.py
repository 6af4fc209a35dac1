# SPDX-License-Identifier: Apache-2.0
"""An initial file system for the tiny guest, packed without any tool.

The archive is ``newc`` cpio (kernel documentation, ``driver-api/early-userspace/buffer-format``)
behind gzip: BusyBox, the wanted kernel modules and one ``/init``. It is the same, byte for byte,
for the same inputs.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

_TRAILER = "TRAILER!!!"
_HEADER = "070701" + "%08X" * 13

INIT = """\
#!/bin/busybox sh
export PATH=/bin HOME=/ TERM=vt100
busybox mount -t devtmpfs dev /dev 2>/dev/null
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
load=
for word in $(busybox cat /proc/cmdline); do
    case $word in virloom.load=*) load=${word#*=} ;; esac
done
IFS=,
for module in $load; do busybox insmod /modules/$module.ko; done
unset IFS
# The power button is opened before the guest calls itself ready, so that no press is missed.
for input in /sys/class/input/event*; do
    [ -e $input/device/name ] || continue
    read -r name < $input/device/name
    if [ "$name" = "Power Button" ]; then
        exec 3< /dev/input/${input##*/}
        { busybox dd bs=24 count=1 <&3 >/dev/null 2>&1; busybox poweroff -f; } &
        exec 3<&-
    fi
done
read -r id < /proc/sys/kernel/random/boot_id
echo "VIRLOOM-GUEST-READY boot-id=$id"
# A syntax error ends the line reader with another status than `exit` or the end of its input.
# The session stays the same: its end would hang the console up, and lose what is typed ahead.
busybox setsid busybox cttyhack busybox sh -c 'trap : INT; until busybox sh /reader; do :; done'
busybox poweroff -f
"""

READER = """\
trap : INT
while printf '# '; read -r line || [ $? -gt 128 ]; do eval "$line"; done
exit 0
"""


class Archive:
    """Collects the entries of one archive.

    Example: ``Archive().directory("bin").file("bin/x", data, mode=0o755).packed()``.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._directories = {"."}
        self._inode = 0

    def directory(self, name: str) -> Archive:
        """Add a directory; parents must have been added before it."""
        self._directories.add(name)
        return self._entry(name, stat.S_IFDIR | 0o755, b"")

    def directory_once(self, name: str) -> Archive:
        """The same, unless it is there already."""
        return self if name in self._directories else self.directory(name)

    def file(self, name: str, data: bytes, *, mode: int = 0o644) -> Archive:
        """Add a regular file."""
        return self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name: str, target: str) -> Archive:
        """Add a symbolic link."""
        return self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> Archive:
        """Add a character device."""
        return self._entry(name, stat.S_IFCHR | 0o600, b"", device=(major, minor))

    def packed(self) -> bytes:
        """The archive, compressed (level 1: unpacking is what a guest spends time on)."""
        trailer = Archive()._entry(_TRAILER, 0, b"")._parts
        return gzip.compress(b"".join(self._parts + trailer), compresslevel=1, mtime=0)

    def _entry(
        self, name: str, mode: int, data: bytes, *, device: tuple[int, int] = (0, 0)
    ) -> Archive:
        self._inode += 1
        path = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        # Inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name, check.
        header = _HEADER % (
            self._inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(path), 0,
        )  # fmt: skip
        for part in (header.encode() + path, data):
            self._parts.append(part + b"\0" * (-len(part) % 4))
        return self


def build(
    busybox: Path, modules: Iterable[Path], beside: Mapping[str, tuple[Path, int]] | None = None
) -> bytes:
    """The tiny guest's initial file system.

    Args:
        busybox: A statically linked BusyBox.
        modules: Kernel modules to take along; ``virloom.load=a,b`` on the guest's command line
            says which are loaded, in that order.
        beside: More files: name in the guest → the host's, and its mode.
    """
    archive = Archive()
    for name in ("bin", "dev", "modules", "proc", "sys", "tmp"):
        archive.directory(name)
    # The kernel opens the console before anything is mounted.
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox.read_bytes(), mode=0o755).symlink("bin/sh", "busybox")
    archive.file("init", INIT.encode(), mode=0o755).file("reader", READER.encode())
    for module in modules:
        archive.file(f"modules/{module.stem}.ko", module.read_bytes())
    for name, (path, mode) in (beside or {}).items():
        for parent in reversed(PurePosixPath(name).parents):
            archive.directory_once(str(parent))
        archive.file(name, path.read_bytes(), mode=mode)
    return archive.packed()
