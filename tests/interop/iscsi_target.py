# SPDX-License-Identifier: Apache-2.0
"""A real iSCSI target in a network of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace

#: Of user joe.
PASSWORD = "secret123456"
TARGET, ME = "iqn.2013-06.com.example:t", "iqn.2013-06.com.example:me"


@contextmanager
def served(directory: Path) -> Iterator[NetworkNamespace]:
    """A network whose 127.0.0.1 serves TARGET, with two units, and one more to joe alone.

    Args:
        directory: Gets the units: ``1-1.img``, ``1-2.img`` and ``2-1.img``.
    """
    if shutil.which("tgtd", path="/usr/sbin:/sbin") is None or shutil.which("iscsi-ls") is None:
        pytest.skip("tgt or libiscsi-bin is not installed")
    with NetworkNamespace("mount -t tmpfs none /run") as space:
        words = ["/usr/sbin/tgtd", "-f", "--iscsi", "portal=127.0.0.1:3260"]
        with subprocess.Popen([*space.prefix, *words], stderr=subprocess.DEVNULL) as server:
            try:
                serve(space, directory)
                yield space
            finally:
                server.kill()


def serve(space: NetworkNamespace, directory: Path) -> None:
    """Has the server, which is about to start, serve two units, and one to joe alone."""
    deadline = time.monotonic() + 10
    while target(space, "1", TARGET, (100, 50), directory) != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert target(space, "2", f"{TARGET}-locked", (10,), directory) == 0
    joe = ("--mode", "account", "--user", "joe")
    space.run("tgtadm", "--lld", "iscsi", "--op", "new", *joe, "--password", PASSWORD)
    space.run("tgtadm", "--lld", "iscsi", "--op", "bind", *joe, "--tid", "2")


def target(
    space: NetworkNamespace, number: str, name: str, sizes: tuple[int, ...], directory: Path
) -> int:
    """Makes a target with units of so many MiB; 0, unless the server is not there yet."""
    manage = ("tgtadm", "--lld", "iscsi", "--tid", number, "--op")
    code = space.ask(*manage, "new", "--mode", "target", "--targetname", name)[0]
    if code != 0:
        return code
    for unit, size in enumerate(sizes, 1):
        image = directory / f"{number}-{unit}.img"
        with image.open("wb") as file:
            file.truncate(size << 20)
        space.run(*manage, "new", "--mode", "logicalunit", "--lun", str(unit), "-b", str(image))
    space.run(*manage, "bind", "--mode", "target", "-I", "ALL")
    return 0
