# SPDX-License-Identifier: Apache-2.0
"""Our virtqemud in a root of its own, for clients that are not ours."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.namespace import OWN_NETWORK
from tests.interop.reference import Libvirtd
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.errors import VirloomError
from virloom.sync.portal import portal
from virloom.testing import guest as tiny

#: Seconds for one step of a client, or of the daemon.
STEP = 30


@pytest.fixture(scope="session", autouse=True)
def _portal() -> None:
    """Lives as long as the process: no leak of the test that happens to be first."""
    portal()


class Virtqemud:
    """A daemon process that can be ended and started again over the same root."""

    #: The program, and what the names of its sockets begin with.
    name = sockets = "virtqemud"
    #: Seconds for one of its steps.
    patience: float = STEP

    def __init__(self, root: Path, prefix: Sequence[str] = ()) -> None:
        self.root = root
        self.prefix = prefix
        self.process: subprocess.Popen[bytes] | None = None

    def socket(self, *, readonly: bool = False) -> Path:
        """The path that clients connect to."""
        return self.root / "run/libvirt" / f"{self.sockets}-sock{'-ro' if readonly else ''}"

    def uri(self, *, readonly: bool = False) -> str:
        """The URI that leads there."""
        return f"qemu+unix:///system?socket={self.socket(readonly=readonly)}"

    @property
    def command(self) -> list[str]:
        """What starts it."""
        program = f"from virloom.daemons.{self.name} import main; raise SystemExit(main())"
        return [*self.prefix, sys.executable, "-c", program, "--root", str(self.root)]

    @property
    def pid(self) -> int:
        """Of the running daemon."""
        assert self.process is not None
        return self.process.pid

    def start(self, *options: str) -> None:
        """Starts it, and waits until it says that clients can connect."""
        address = self.root / f"{self.name}.notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(str(address))
            told.settimeout(self.patience)
            with (self.root / "daemon.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [*self.command, *options],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, "NOTIFY_SOCKET": str(address)},
                )  # fmt: skip
            while told.recv(4096) != b"READY=1":  # what one leaves with us for later is let go
                pass

    def signal(self, number: int) -> int:
        """Sends a signal that ends it; its exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(self.patience)

    def virsh(self, *words: str, readonly: bool = False) -> str:
        """What virsh prints for a command that must succeed."""
        done = self.try_virsh(*words, readonly=readonly)
        assert done.returncode == 0, f"virsh {words}: {done.stderr}\n{self.log()}"
        return done.stdout.strip()

    def try_virsh(self, *words: str, readonly: bool = False) -> subprocess.CompletedProcess[str]:
        """virsh's end, whatever it is."""
        command = ["virsh", *(["-r"] if readonly else []), "-c", self.uri(readonly=readonly)]
        return subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=self.patience,
            check=False,
        )  # fmt: skip

    def log(self) -> str:
        """What the daemon has written."""
        return (self.root / "daemon.log").read_text()


class Virtsecretd(Virtqemud):
    """The daemon of secrets."""

    name = sockets = "virtsecretd"

    def uri(self, *, readonly: bool = False) -> str:
        return f"secret+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtnetworkd(Virtqemud):
    """The daemon of networks, never in this machine's own network."""

    name = sockets = "virtnetworkd"

    def __init__(self, root: Path, prefix: Sequence[str] = OWN_NETWORK) -> None:
        super().__init__(root, prefix)

    def uri(self, *, readonly: bool = False) -> str:
        return f"network+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtnodedevd(Virtqemud):
    """The daemon of the host's devices."""

    name = sockets = "virtnodedevd"

    def uri(self, *, readonly: bool = False) -> str:
        return f"nodedev+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtinterfaced(Virtqemud):
    """The daemon of the host's interfaces."""

    name = sockets = "virtinterfaced"

    def uri(self, *, readonly: bool = False) -> str:
        return f"interface+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtnwfilterd(Virtqemud):
    """The daemon of network filters."""

    name = sockets = "virtnwfilterd"

    def uri(self, *, readonly: bool = False) -> str:
        return f"nwfilter+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtstoraged(Virtqemud):
    """The daemon of storage."""

    name = sockets = "virtstoraged"

    def uri(self, *, readonly: bool = False) -> str:
        return f"storage+unix:///system?socket={self.socket(readonly=readonly)}"


class Virtlogd(Virtqemud):
    """The daemon of guest logs."""

    name = sockets = "virtlogd"


class Virtlockd(Virtqemud):
    """The daemon of leases on disks."""

    name = sockets = "virtlockd"


class Virtproxyd(Virtqemud):
    """The proxy."""

    name, sockets = "virtproxyd", "libvirt"


@pytest.fixture
def virtqemud() -> Iterator[Virtqemud]:
    """A running daemon; its guests end with the test."""
    if shutil.which("virsh") is None:
        pytest.skip("virsh is not installed")
    try:
        find_emulator("x86_64")
        tiny.kernel()
    except VirloomError as error:
        pytest.skip(error.message)
    root = Path(tempfile.mkdtemp(prefix="vq"))  # short: libvirt's clients cannot connect to more
    root.chmod(0o755)
    daemon = Virtqemud(root)
    try:
        daemon.start()
        yield daemon
        if daemon.process is None:
            daemon.start()
        for name in daemon.virsh("list", "--name").split():
            daemon.try_virsh("destroy", name)  # one may be ending with its connection
        assert daemon.virsh("list", "--name") == ""
    finally:
        if daemon.process is not None:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


@contextmanager
def virtstoraged_running(prefix: Sequence[str] = ()) -> Iterator[Virtstoraged]:
    """The daemon of storage over a root of its own, until the end of the block.

    Args:
        prefix: What its command line begins with: namespaces that it is to run in.
    """
    root = Path(tempfile.mkdtemp(prefix="vs"))
    daemon = Virtstoraged(root, prefix)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


@contextmanager
def reference_running() -> Iterator[Libvirtd]:
    """The reference, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        Path(name).chmod(0o755)  # its guests run as another user
        daemon = Libvirtd(Path(name))
        try:
            daemon.await_socket()
            yield daemon
        finally:
            daemon.end()


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[Libvirtd]:
    """The reference, running."""
    with reference_running() as daemon:
        yield daemon
