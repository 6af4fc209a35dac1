# SPDX-License-Identifier: Apache-2.0
"""The daemons of networks, filters and guests that are compared, each side in a network of its own.

Both are driven by our own client over their sockets, so what differs is theirs.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import virloom
from tests.interop.conftest import Virtinterfaced, Virtnetworkd, Virtnwfilterd, Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd
from virloom.sync.connection import Connection

#: What looks for a file, on either side, is told where: libvirt's guests run as another user.
_MODE = 0o755


class Home:
    """One side, running; a context manager.

    Attributes:
        name: Of its column.
        networks, filters, guests: Connections to whoever serves them.
        pids: Of the daemons of networks, filters and interfaces, by their names.
        space: A process in its network.
    """

    name: str
    networks: Connection
    filters: Connection
    guests: Connection
    pids: dict[str, int]
    space: int

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bn")))
            place.chmod(_MODE)
            self._open(stack, place)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._stack.close()

    def _open(self, stack: ExitStack, place: Path) -> None:
        raise NotImplementedError

    def sh(self, lines: str) -> None:
        """Runs lines of the shell in its network; they must succeed."""
        prefix = ["nsenter", "--target", str(self.space), "--net"]
        subprocess.run([*prefix, "sh", "-ec", lines], check=True)

    def memory(self) -> float:
        """RSS of its daemons in MB."""
        return sum(self.sizes().values())

    def sizes(self) -> dict[str, float]:
        """The same of each."""
        return {name: _resident(pid) for name, pid in self.pids.items()}


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


def _connected(stack: ExitStack, uri: str) -> Connection:
    connection: Connection = virloom.open_sync(uri)
    stack.callback(connection.close)
    return connection


class OurHome(Home):
    """virtnetworkd, virtnwfilterd, virtinterfaced, and virtqemud, which uses the first two."""

    name = "Virloom"

    def _open(self, stack: ExitStack, place: Path) -> None:
        network = stack.enter_context(NetworkNamespace("true"))
        self.space = network.pid
        kinds = (Virtnetworkd, Virtnwfilterd, Virtinterfaced)
        daemons: list[Virtqemud] = [kind(place, network.prefix) for kind in kinds]
        daemons.append(Virtqemud(place, network.prefix))
        for daemon in daemons:
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
        self.networks, self.filters, _, self.guests = (
            _connected(stack, daemon.uri()) for daemon in daemons
        )
        self.pids = {daemon.name: daemon.pid for daemon in daemons[:3]}


#: Documents are on the disk, as ours are: in a file system in memory nothing waits for it.
_ON_DISK = """
mkdir {place}/etc; cp -a /etc/libvirt/. {place}/etc/; mount --bind {place}/etc /etc/libvirt
"""


class LibvirtHome(Home):
    """libvirtd: all in one."""

    name = "libvirtd"

    def _open(self, stack: ExitStack, place: Path) -> None:
        daemon = Libvirtd(place, networks=True, before=_ON_DISK.format(place=place))
        stack.callback(daemon.end)
        daemon.await_socket()
        self.networks = self.filters = self.guests = _connected(stack, daemon.uri)
        self.space = daemon.process.pid
        self.pids = {"libvirtd": daemon.process.pid}
