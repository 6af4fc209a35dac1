# SPDX-License-Identifier: Apache-2.0
"""A real Ceph in a network of the test's own: a monitor and a store in memory, without a manager.

It lets in whoever says nothing (``none``), and users by their keys (``cephx``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace

#: Its pools of images, and its users: who may do all, who may only read, who may do nothing.
POOLS = ("one", "two")
USERS = {
    "client.admin": ("allow *", "allow *"),
    "client.reader": ("profile rbd", "profile rbd-read-only"),
    "client.nobody": ("allow r", ""),
}
_FSID = "11111111-2222-4333-8444-555555555555"
_STORE = "66666666-2222-4333-8444-555555555555"
_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:3300,v1:127.0.0.1:6789]
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx, none
auth client required = cephx
keyring = {home}/keyring
run dir = {home}
admin socket =
log file = {home}/$name.log
pid file =
mon data = {home}/mon
mon cluster log file = {home}/cluster.log
mon data avail crit = 1
mon allow pool delete = true
mon max pg per osd = 1000
osd data = {home}/osd
osd objectstore = memstore
memstore device bytes = 4G
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd client watch timeout = 10
osd crush chooseleaf type = 0
setuser match path =
"""


class Cluster:
    """A cluster whose monitor is 127.0.0.1.

    Args:
        space: Where it runs.
        home: Its files.
    """

    def __init__(self, space: NetworkNamespace, home: Path) -> None:
        self.space, self.home = space, home
        self.configuration = home / "ceph.conf"
        self._servers: list[subprocess.Popen[bytes]] = []

    def key(self, user: str = "client.admin") -> str:
        """A user's key, as Ceph writes it."""
        return self._run("ceph-authtool", "-p", "-n", user, str(self.home / "keyring")).strip()

    def ceph(self, *words: str) -> str:
        """What ceph(8) prints for its administrator."""
        return self._run("ceph", *words)

    def rbd(self, *words: str) -> str:
        """What rbd(8) prints for its administrator."""
        return self._run("rbd", *words)

    def start(self) -> None:
        """Makes it, and returns when images can be made."""
        self.home.joinpath("osd").mkdir()
        text = _CONFIGURATION.format(fsid=_FSID, home=self.home)
        self.configuration.write_text(text)
        self._make_keys()
        addresses = "[v2:127.0.0.1:3300,v1:127.0.0.1:6789]"
        monitors = str(self.home / "monmap")
        words = ("--create", "--addv", "a", addresses, "--fsid", _FSID, monitors)
        self._run("monmaptool", *words)
        keys = ("--keyring", str(self.home / "keyring"))
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monitors, *keys)
        self._serve("ceph-mon", "-i", "a")
        self.ceph("osd", "new", _STORE)
        self.ceph("auth", "import", "-i", str(self.home / "keyring"))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", _STORE)
        self._serve("ceph-osd", "-i", "0")
        for pool in POOLS:
            self.ceph("osd", "pool", "create", pool)
        for pool in POOLS:
            self.rbd("pool", "init", pool)

    def end(self) -> None:
        """Ends it; what it has is lost."""
        for server in self._servers:
            server.kill()
            server.wait()

    def _make_keys(self) -> None:
        users = {"mon.": ("allow *", ""), "osd.0": ("allow profile osd", "allow *"), **USERS}
        ring = str(self.home / "keyring")
        self._run("ceph-authtool", "--create-keyring", ring)
        for user, (monitor, store) in users.items():
            rights = ("--cap", "mon", monitor, *(("--cap", "osd", store) if store else ()))
            self._run("ceph-authtool", ring, "--gen-key", "-n", user, *rights)
        os.chmod(ring, 0o644)  # QEMU reads it as another user

    def _serve(self, program: str, *words: str) -> None:
        command = [*self.space.prefix, program, "-c", str(self.configuration), *words, "-f"]
        with (self.home / f"{program}.out").open("wb") as said:
            self._servers.append(subprocess.Popen(command, stdout=said, stderr=said))

    def _run(self, program: str, *words: str) -> str:
        command = [*self.space.prefix, program, "-c", str(self.configuration), *words]
        if program in ("ceph-authtool", "monmaptool"):
            command = [*self.space.prefix, program, *words]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


@contextmanager
def served(directory: Path) -> Iterator[Cluster]:
    """A cluster in a network of its own.

    Args:
        directory: An empty one, for its files.
    """
    if any(shutil.which(name) is None for name in ("ceph-mon", "ceph-osd", "rbd")):
        pytest.skip("ceph-mon or ceph-osd is not installed")
    if os.geteuid() != 0:
        pytest.skip("a network of its own: needs root")
    with NetworkNamespace("") as space:
        cluster = Cluster(space, directory)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.end()
