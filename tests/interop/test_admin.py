# SPDX-License-Identifier: Apache-2.0
"""virt-admin on our daemons, step by step as on libvirtd 9.0.0."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtproxyd, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.errors import VirloomError

pytestmark = [
    *needs_libvirtd,
    pytest.mark.skipif(shutil.which("virt-admin") is None, reason="no virt-admin"),
]


def admin(socket: Path, *words: str) -> subprocess.CompletedProcess[str]:
    uri = f"libvirtd+unix:///system?socket={socket}"
    return subprocess.run(
        ["virt-admin", "-c", uri, *words], capture_output=True, text=True, timeout=STEP
    )


def said(socket: Path, *words: str) -> str:
    done = admin(socket, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def socket(virtqemud: Virtqemud) -> Iterator[Path]:
    return virtqemud.root / "run/libvirt/virtqemud-admin-sock"


#: Steps whose output must be the same; SERVER is the name of the main server.
STEPS = (
    ("version",),
    ("srv-list",),
    ("server-list",),
    ("srv-clients-info", "SERVER"),
    ("srv-clients-set", "SERVER", "--max-clients", "100", "--max-unauth-clients", "10"),
    ("srv-clients-info", "SERVER"),
    ("srv-clients-set", "SERVER", "--max-clients", "5"),
    ("srv-clients-set", "SERVER", "--max-unauth-clients", "500"),
    ("srv-clients-list", "SERVER"),
    ("srv-clients-list", "nosuch"),
    ("srv-clients-info", "nosuch"),
    ("srv-threadpool-info", "nosuch"),
    ("client-info", "SERVER", "99"),
    ("client-disconnect", "SERVER", "99"),
    ("daemon-log-filters",),
    ("daemon-log-filters", "1:qemu 3:rpc"),
    ("daemon-log-filters",),
    ("daemon-log-filters", "9:qemu"),
    ("daemon-log-filters", ""),
    ("daemon-log-outputs", "4:file:LOG"),
    ("daemon-log-outputs",),
    ("daemon-log-outputs", "4:nowhere"),
    ("daemon-log-outputs",),
)


def _session(socket: Path, server: str, log: Path) -> list[str]:
    lines = []
    for step in STEPS:
        words = [word.replace("SERVER", server).replace("LOG", str(log)) for word in step]
        done = admin(socket, *words)
        text = f"{step} -> {done.returncode}\n{done.stdout}{_code_of(done.stderr)}"
        lines.append(text.replace(server, "SERVER").replace(str(log), "LOG"))
    return [_masked(text) for text in lines]


def _code_of(errors: str) -> str:
    """Errors without the words of who made them: virt-admin's own line, and the code's."""
    kept = [line.split(": ")[1] if ": " in line else line for line in errors.splitlines()]
    return "\n".join(kept)


def _masked(text: str) -> str:
    # libvirtd lists its servers in an order that changes from one start to the next.
    if "list',)" in text:
        text = "\n".join(sorted(re.sub(r"^ \d+ ", " N ", line) for line in text.splitlines()))
    text = re.sub(r" +", " ", text)  # a table is as wide as its longest name
    text = re.sub(r"-{5,}", "-----", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+\d{4}", "WHEN", text)


def test_the_same_session_as_on_libvirtd(socket: Path, libvirtd: Libvirtd, tmp_path: Path) -> None:
    ours = _session(socket, "virtqemud", tmp_path / "ours.log")
    theirs = _session(libvirtd.directory / "libvirt-admin-sock", "libvirtd", tmp_path / "their.log")
    assert ours == theirs


def _await_end(call: Callable[[], object]) -> None:
    deadline = time.monotonic() + STEP
    while time.monotonic() < deadline:
        try:
            call()
        except VirloomError:
            return
        time.sleep(0.02)
    pytest.fail("the client was not cut off")


def test_clients_are_told_and_cut_off(virtqemud: Virtqemud, socket: Path) -> None:
    with virloom.open_sync(virtqemud.uri(readonly=True)) as conn:
        conn.list_all_domains()
        listed = said(socket, "srv-clients-list", "virtqemud")
        (number,) = re.findall(r"^ (\d+) +unix ", listed, re.MULTILINE)
        facts = said(socket, "client-info", "virtqemud", number)
        assert re.search(r"readonly +: yes", facts)
        assert re.search(r"unix_user_id +: 0", facts)
        said(socket, "client-disconnect", "virtqemud", number)
        _await_end(conn.list_all_domains)
    assert " unix " not in said(socket, "srv-clients-list", "virtqemud")


def test_logging_is_changed_while_it_runs(socket: Path, tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    said(socket, "daemon-log-outputs", f"1:file:{log}")
    said(socket, "daemon-log-filters", "1:virloom")
    uri = str(socket).replace("-admin-sock", "-sock")
    subprocess.run(
        ["virsh", "-c", f"qemu+unix:///system?socket={uri}", "destroy", "nosuch"],
        capture_output=True, timeout=STEP,
    )  # fmt: skip
    assert log.exists()
    refused = admin(socket, "daemon-log-outputs", "1:file:/proc/nowhere/x")
    assert refused.returncode == 1
    assert f"1:file:{log}" in said(socket, "daemon-log-outputs")


def test_threads_and_certificates_that_there_are_not(socket: Path) -> None:
    for words in (
        ("srv-threadpool-set", "virtqemud", "--max-workers", "30"),
        ("server-update-tls", "virtqemud"),
    ):
        assert admin(socket, *words).returncode == 1
    assert "jobQueueDepth" in said(socket, "srv-threadpool-info", "virtqemud")


def test_nobody_else_may(virtqemud: Virtqemud, socket: Path) -> None:
    assert socket.stat().st_mode & 0o777 == 0o700
    socket.chmod(0o777)  # even then
    script = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "try:\n"
        "    s.sendall(bytes.fromhex('0000002006900690' + '00000001' * 2 + '00000000' * 4))\n"
        "    sys.exit(len(s.recv(100)))\n"
        "except OSError:  # closed before or after it could be read\n"
        "    pass\n"
    )
    done = subprocess.run(
        ["python3", "-c", script, str(socket)], capture_output=True, text=True, timeout=STEP
    )
    assert done.returncode == 0, done.stderr
    assert "may not administrate" in virtqemud.log()
    assert virtqemud.signal(signal.SIGTERM) == 0
    virtqemud.start()


@pytest.mark.parametrize("name", ["libvirt-admin-sock", "virtproxyd-admin-sock"])
def test_the_proxy_is_administered_by_both_names(virtqemud: Virtqemud, name: str) -> None:
    proxy = Virtproxyd(virtqemud.root)
    proxy.start()
    try:
        path = virtqemud.root / "run/libvirt" / name
        assert path.stat().st_mode & 0o777 == 0o700
        assert "virtproxyd" in said(path, "srv-list")
    finally:
        assert proxy.signal(signal.SIGTERM) == 0, proxy.log()
    assert not path.exists()
