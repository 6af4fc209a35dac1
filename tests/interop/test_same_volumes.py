# SPDX-License-Identifier: Apache-2.0
"""Volumes on libvirtd 9 and on ours, step by step: formats, features, copies, encryption."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "volumes.py"


class Everything(Virtqemud):
    """The daemon that has secrets beside the pools."""

    name, sockets = "libvirtd", "libvirt"


@pytest.fixture
def ours() -> Iterator[Everything]:
    root = Path(tempfile.mkdtemp(prefix="sv"))
    root.chmod(0o755)
    daemon = Everything(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def session(uri: str, directory: Path, *parts: str) -> list[str]:
    """What libvirt's binding makes of the session, step by step."""
    directory.mkdir()
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory), *parts],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def compare(libvirtd: Libvirtd, ours: Everything, directory: Path, *parts: str) -> None:
    """Both go through the same steps."""
    found = session(ours.uri(), directory / "ours", *parts)
    assert found == session(libvirtd.uri, directory / "theirs", *parts)


@needs_libvirtd[0]
@needs_libvirtd[1]
def test_what_is_made_and_what_is_found(
    libvirtd: Libvirtd, ours: Everything, tmp_path: Path
) -> None:
    """Features, backing images, directories, copies; files of others, hostile ones included."""
    compare(libvirtd, ours, tmp_path, "formats")
    (tmp_path / "found").mkdir()
    compare(libvirtd, ours, tmp_path / "found", "found")


@pytest.mark.long
@pytest.mark.timeout(600)
@needs_libvirtd[0]
@needs_libvirtd[1]
def test_what_is_encrypted(libvirtd: Libvirtd, ours: Everything, tmp_path: Path) -> None:
    """Each image costs seconds, which its key is derived for."""
    compare(libvirtd, ours, tmp_path, "encrypted")
