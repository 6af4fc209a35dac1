# SPDX-License-Identifier: Apache-2.0
"""virtsecretd beside libvirtd 9, and after a kill."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.binding import session
from tests.interop.conftest import STEP, Virtsecretd
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.errors import InvalidSecret, NoSecret, OperationDenied

UUID = "11111111-2222-3333-4444-555555555555"
DOCUMENT = f"<secret><uuid>{UUID}</uuid><usage type='ceph'><name>n</name></usage></secret>"


class Secrets(Virtsecretd):
    """The daemon, and where it keeps what it is told."""

    @property
    def directory(self) -> Path:
        return self.root / "etc/libvirt/secrets"


@pytest.fixture
def virtsecretd() -> Iterator[Secrets]:
    root = Path(tempfile.mkdtemp(prefix="vs"))
    daemon = Secrets(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


@pytest.mark.parity
def test_the_same_session(libvirtd: Libvirtd, virtsecretd: Secrets) -> None:
    assert session("secrets", virtsecretd.uri()) == session("secrets", libvirtd.uri)


test_the_same_session.pytestmark = [*needs_libvirtd, pytest.mark.parity]


def test_virsh(virtsecretd: Secrets, tmp_path: Path) -> None:
    def virsh(*words: str) -> str:
        done = subprocess.run(
            ["virsh", "-c", virtsecretd.uri(), *words],
            capture_output=True, text=True, timeout=STEP, check=True,
        )  # fmt: skip
        return done.stdout

    document = tmp_path / "secret.xml"
    document.write_text(DOCUMENT)
    value = base64.b64encode(b"hush\0").decode()
    assert virsh("secret-define", str(document)) == f"Secret {UUID} created\n\n"
    (tmp_path / "value").write_bytes(b"hush\0")
    virsh("secret-set-value", UUID, "--file", str(tmp_path / "value"), "--plain")
    assert virsh("secret-get-value", UUID).strip() == value
    assert f"{UUID}   ceph n" in virsh("secret-list")
    assert (virtsecretd.directory / f"{UUID}.base64").read_text() == value
    virsh("secret-undefine", UUID)
    assert list(virtsecretd.directory.iterdir()) == []


def test_a_kill_loses_nothing_that_was_acknowledged(virtsecretd: Secrets) -> None:
    for number in range(4):
        with virloom.open_sync(virtsecretd.uri()) as conn:
            secret = conn.secrets.define_xml(DOCUMENT)
            secret.set_value(f"value {number}".encode())
            virtsecretd.signal(signal.SIGKILL)
        virtsecretd.start()
        with virloom.open_sync(virtsecretd.uri()) as conn:
            assert conn.secrets.lookup_by_uuid(UUID).value() == f"value {number}".encode()
    modes = {path.stat().st_mode & 0o777 for path in virtsecretd.directory.iterdir()}
    assert modes == {0o600}
    assert virtsecretd.directory.stat().st_mode & 0o777 == 0o700


def test_damaged_files_cost_no_other_secret(virtsecretd: Secrets) -> None:
    with virloom.open_sync(virtsecretd.uri()) as conn:
        conn.secrets.define_xml(DOCUMENT).set_value(b"kept")
    virtsecretd.signal(signal.SIGKILL)
    other = UUID.replace("1", "2")
    (virtsecretd.directory / f"{other}.xml").write_text("<secret")
    third = UUID.replace("1", "3")
    (virtsecretd.directory / f"{third}.xml").write_text(DOCUMENT.replace(UUID, third))
    (virtsecretd.directory / f"{third}.base64").write_text("not base64!")
    (virtsecretd.directory / ".half.tmp").write_text("x")
    virtsecretd.start()
    with virloom.open_sync(virtsecretd.uri()) as conn:
        assert len(conn.secrets.list()) == 1
        assert conn.secrets.lookup_by_uuid(UUID).value() == b"kept"


def test_who_may_not(virtsecretd: Secrets) -> None:
    with virloom.open_sync(virtsecretd.uri()) as conn:
        secret = conn.secrets.define_xml(DOCUMENT.replace("<secret>", "<secret private='yes'>"))
        with pytest.raises(NoSecret):
            conn.secrets.lookup_by_usage(2, "other")
        secret.set_value(b"hidden")
        with pytest.raises(InvalidSecret):
            secret.value()
    reader = virloom.open_sync(virtsecretd.uri(readonly=True), readonly=True)
    with reader as conn:
        assert len(conn.secrets.list()) == 1
        with pytest.raises(OperationDenied):
            conn.secrets.define_xml(DOCUMENT)


def test_a_second_daemon_on_the_same_files(virtsecretd: Secrets) -> None:
    done = subprocess.run(
        virtsecretd.command,
        capture_output=True, text=True, timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "locked by process" in done.stderr
