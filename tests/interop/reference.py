# SPDX-License-Identifier: Apache-2.0
"""A libvirtd 9 of our own: the reference, and what our clients drive."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.interop import probed

LIBVIRTD = Path("/usr/sbin/libvirtd")

#: For tests that need it.
needs_libvirtd = [
    pytest.mark.parity,
    pytest.mark.skipif(
        not LIBVIRTD.exists() or os.geteuid() != 0,
        reason="libvirtd is not installed, or this is not root, who can run one of one's own",
    ),
]

#: Where libvirtd keeps what all of a host's share; ours gets empty ones of its own.
_PRIVATE = ("/etc/libvirt", "/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")

_SCRIPT = """
for place in {places}; do mkdir -p $place; mount -t tmpfs -o mode=755 private $place; done
printf 'stdio_handler = "file"\\nsecurity_driver = "none"\\n' > /etc/libvirt/qemu.conf
mkdir /run/lock
mkdir -p /{findings}
cp {kept}/*.xml /{findings}/ 2>/dev/null || true
# It looks at every emulator of the host when it is first asked what there is, which takes long;
# it is left those that ours serves.
for emulator in /usr/bin/qemu-system-*; do
    case $emulator in
    *x86_64|*i386|*arm|*aarch64|*ppc64|*ppc64le|*riscv32|*riscv64|*s390x) ;;
    *) mount --bind /dev/null $emulator ;;
    esac
done
{before}
exec {libvirtd} --listen --config {config}
"""


class Libvirtd:
    """A libvirtd of our own, in a mount namespace of its own.

    Args:
        prefix: What its command line begins with: for one in namespaces of the test.
        networks: It gets a network namespace too, where it may start virtual networks; nobody
            reaches it by TCP then.
        before: What a shell does in its namespaces before it starts.
    """

    def __init__(
        self,
        directory: Path,
        authentication: str = "none",
        prefix: Sequence[str] = (),
        *,
        networks: bool = False,
        before: str = "",
    ) -> None:
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = directory / "libvirtd.conf"
        config.write_text(
            f'listen_tls = 0\nlisten_tcp = 1\nlisten_addr = "127.0.0.1"\ntcp_port = "{self.port}"\n'
            f'auth_tcp = "none"\nauth_unix_rw = "{authentication}"\n'
            f'auth_unix_ro = "{authentication}"\n'
            f'unix_sock_dir = "{directory}"\nlog_outputs = "4:file:{directory}/log"\n'
        )
        script = _SCRIPT.format(
            places=" ".join(_PRIVATE),
            libvirtd=LIBVIRTD,
            config=config,
            findings=probed.FINDINGS,
            kept=probed.kept(),
            before=before,
        )
        spaces = ["--mount", "--net"] if networks else ["--mount"]
        self.process = subprocess.Popen(
            [*prefix, "unshare", *spaces, "--propagation", "private", "sh", "-ec", script],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def root(self) -> Path:
        """The tree of files that it sees."""
        return Path(f"/proc/{self.process.pid}/root")

    @property
    def socket(self) -> Path:
        return self.directory / "libvirt-sock"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def readonly_uri(self) -> str:
        return f"qemu+unix:///system?socket={self.directory / 'libvirt-sock-ro'}"

    @property
    def tcp_uri(self) -> str:
        return f"qemu+tcp://127.0.0.1:{self.port}/system"

    def await_socket(self) -> None:
        """Returns once it answers; it tells nobody when that is."""
        deadline = time.monotonic() + 30
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.socket)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.directory / "log"
                pytest.fail(f"libvirtd: {log.read_text() if log.exists() else 'no log'}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def running(self) -> Iterator[Libvirtd]:
        """Answers within, and is ended behind it."""
        try:
            self.await_socket()
            yield self
        finally:
            self.end()

    def end(self) -> None:
        """Ends it, gently at first."""
        if self.process.poll() is None:
            probed.keep(self.root)
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
