# SPDX-License-Identifier: Apache-2.0
"""A test guest that is a whole Debian host: its kernel has what the kernel of this machine lacks.

The guest boots Debian's full kernel and has the file system of this machine as its root, below a
layer in memory that takes what it writes: whatever is installed here runs there, as root, and
nothing of it stays. What needs 802.1Q, bonding, connection tracking on bridges, device-mapper,
NFS or iSCSI is tested in it. It is emulated: a command takes about ten times as long as here.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from virloom.testing import guest as tiny
from virloom.testing import initramfs as image

#: What it takes to have this machine's files, and to talk.
_MODULES = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay")

_INIT = """\
#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs dev /dev
for module in {modules}; do busybox insmod /modules/$module.ko || echo "no $module"; done
busybox mkdir /lower /layer /host
busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /lower
busybox mount -t tmpfs -o size=80% layer /layer
busybox mkdir /layer/upper /layer/work
busybox mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work host /host
busybox mount --move /dev /host/dev
busybox mkdir -p /host/dev/pts /host/dev/shm
busybox mount -t devpts devpts /host/dev/pts
busybox mount -t tmpfs shm /host/dev/shm
busybox mount -t proc proc /host/proc
busybox ln -s /proc/self/fd /host/dev/fd
busybox ln -s fd/0 /host/dev/stdin
busybox mount -t sysfs sys /host/sys
busybox mount -t tmpfs run /host/run
busybox ifconfig lo up
exec busybox switch_root /host /bin/bash -c '{agent}'
"""

#: Reads a command a line, says how it ended and what it printed; base64 saves the quoting.
_AGENT = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
exec 3<>/dev/vport0p1
echo ready >&3
while read -r line <&3; do
    echo "$line" | base64 -d >/run/command
    bash /run/command </dev/null >/run/output 2>&1 3<&-
    echo "$? $(base64 -w0 /run/output)" >&3
done
"""

EMULATOR = "qemu-system-x86_64"
#: Seconds until it answers; ten, where nothing else keeps the machine busy.
_BOOTING = 400
#: Seconds for a command; a busy machine takes minutes for what it does in one by itself.
_PATIENCE = 600
_KERNEL_LINE = (
    "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests tsc=reliable no_timer_check"
)


class HostGuest:
    """The guest, while it runs.

    Args:
        modules: Kernel modules to load before the first command.
        options: More of QEMU's command line, e.g. network cards and disks.
        memory: MiB.
        words: More of the kernel's command line.
        emulator: QEMU and what it needs to be told, where the system's own will not do.
    """

    def __init__(
        self,
        modules: Sequence[str] = (),
        options: Sequence[str] = (),
        memory: int = 1024,
        words: str = "",
        emulator: Sequence[str] = (EMULATOR,),
    ) -> None:
        self._words = words
        self._emulator = emulator
        self._modules = modules
        self._options = options
        self._memory = memory

    def __enter__(self) -> HostGuest:
        with contextlib.ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostguest")))
            self._console = directory / "console"
            ours, theirs = socket.socketpair()
            self._lines = stack.enter_context(ours)
            with theirs:
                argv = self._command(directory, theirs.fileno())
                self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
            stack.callback(self._end)
            self._received = b""
            if self._line(_BOOTING) != b"ready":
                raise RuntimeError(f"the test guest does not start: {self.console()}")
            if self._modules:
                self.run(f"modprobe -a {' '.join(self._modules)}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _command(self, directory: Path, agent: int) -> list[str]:
        kernel = full_kernel()
        initrd = directory / "initrd.gz"
        initrd.write_bytes(_initial_files(kernel))
        return [
            *self._emulator, "-M", "q35,accel=tcg", "-cpu", "max", "-m", str(self._memory),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(kernel), "-initrd", str(initrd),
            "-append", f"{_KERNEL_LINE} {self._words}",
            "-serial", f"file:{self._console}",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={agent}",
            "-device", "virtserialport,chardev=agent,nr=1",
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
            *self._options,
        ]  # fmt: skip

    def ask(self, script: str, seconds: float = _PATIENCE) -> tuple[int, str]:
        """Runs lines of the shell there; how they ended and what they printed.

        Raises:
            TimeoutError: They took too long; the guest is of no use any more.
        """
        self._lines.sendall(base64.b64encode(script.encode()) + b"\n")
        code, _, output = self._line(seconds).partition(b" ")
        return int(code), base64.b64decode(output).decode(errors="replace")

    def run(self, script: str, seconds: float = _PATIENCE) -> str:
        """The same for lines that must succeed; what they printed."""
        code, output = self.ask(f"set -e\n{script}", seconds)
        assert code == 0, f"in the test guest: {script}\nended with {code}: {output}"
        return output

    def console(self) -> str:
        """What its kernel said."""
        return self._console.read_text(errors="replace")[-4000:]

    def _line(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            self._lines.settimeout(max(0.01, deadline - time.monotonic()))
            received = self._lines.recv(1 << 16)
            if not received:
                raise RuntimeError(f"the test guest has ended: {self.console()}")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line


def full_kernel() -> Path:
    """The newest kernel that has drivers for real hardware.

    Raises:
        FileNotFoundError: There is none.
    """
    found = [path for path in Path("/boot").glob("vmlinuz-*-amd64") if "cloud" not in path.name]
    if not found:
        raise FileNotFoundError("no full kernel: apt install linux-image-amd64")
    return max(found, key=tiny.version_key)


def _initial_files(kernel: Path) -> bytes:
    directory = Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-")
    files = tiny.load_order(directory, _MODULES)
    loads = " ".join(path.stem for path in files)
    init = _INIT.format(modules=loads, agent=_AGENT)
    archive = image.Archive()
    for name in ("bin", "dev", "modules"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", tiny.busybox().read_bytes(), mode=0o755)
    archive.symlink("bin/sh", "busybox").file("init", init.encode(), mode=0o755)
    for path in files:
        archive.file(f"modules/{path.stem}.ko", path.read_bytes())
    return archive.packed()
