# SPDX-License-Identifier: Apache-2.0
"""``virloom doctor`` of a host whose daemons run: who answers, who may connect, what is dropped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtproxyd, Virtqemud, Virtsecretd
from tests.interop.reference import Libvirtd, needs_libvirtd

UserPython = Callable[[Sequence[str]], list[str]]
Rows = dict[tuple[str, str], dict[str, Any]]

pytestmark = pytest.mark.timeout(180)

VIRLOOM = Path(sys.executable).with_name("virloom")


def rows_of(output: str) -> Rows:
    """The findings of doctor's JSON by area and name."""
    return {(item["area"], item["name"]): item for item in json.loads(output)["findings"]}


@pytest.fixture
def host(installed: None) -> Iterator[Path]:
    """A root whose daemons run."""
    root = Path(tempfile.mkdtemp(prefix="dh"))
    root.chmod(0o755)
    daemons = [kind(root) for kind in (Virtsecretd, Virtqemud, Virtproxyd)]
    started = []
    try:
        for daemon in daemons:
            daemon.start()
            started.append(daemon)
        yield root
    finally:
        for daemon in started:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def test_daemons_that_answer(host: Path, virloom_command: Any) -> None:
    done = virloom_command("doctor", "-o", "json", "--root", host)
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(done.stdout)
    for name in ("virtsecretd", "virtqemud", "libvirtd or virtproxyd"):
        assert rows["daemons", name]["detail"].startswith("answers as 9.0.0, process ")
    for name in ("virtqemud-sock", "virtqemud-sock-ro", "virtqemud-admin-sock", "libvirt-sock"):
        assert rows["sockets", name]["found"]
    assert rows["sockets", "virtqemud-sock-ro"]["detail"] == "mode 0777, everybody may connect"
    assert rows["directories", "run/libvirt"]["detail"] == str(host / "run/libvirt")


def test_a_daemon_of_libvirts(virloom_command: Any, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name))
        try:
            daemon.await_socket()
            (tmp_path / "run").mkdir()
            (tmp_path / "run/libvirt").symlink_to(name)
            rows = rows_of(virloom_command("doctor", "-o", "json", "--root", tmp_path).stdout)
        finally:
            daemon.end()
    row = rows["daemons", "libvirtd or virtproxyd"]
    assert row["detail"] == (f"answers as 9.0.0, process {daemon.process.pid} (libvirtd) of root")


test_a_daemon_of_libvirts.pytestmark = needs_libvirtd  # type: ignore[attr-defined]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_may_not_connect(host: Path, ordinary_user: UserPython) -> None:
    code = "import sys; from virloom.cli.main import main; sys.exit(main())"
    argv = ordinary_user(["-c", code, "doctor", "-o", "json", "--root", str(host)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(done.stdout)
    row = rows["sockets", "virtqemud-sock"]
    assert not row["found"]
    assert row["detail"] == ("mode 0700, root may connect; we not: its rights leave 'nobody' out")
    assert "unix_sock_group" in row["remedy"]
    assert rows["daemons", "virtqemud"]["detail"].startswith("not asked: ")
    assert rows["sockets", "virtqemud-sock-ro"]["found"]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("iptables") is None, reason="needs root and iptables"
)
@pytest.mark.parametrize(
    ("rules", "found", "words"),
    [
        ("true", True, "no chain drops by default"),
        ("iptables -P FORWARD DROP; iptables -N DOCKER-USER", False, "Docker has "),
        ("iptables -P FORWARD DROP", False, "drops what no rule accepts"),
    ],
)
def test_what_is_forwarded(rules: str, found: bool, words: str, tmp_path: Path) -> None:
    script = f'{rules}; exec "$@"'
    command = [VIRLOOM, "doctor", "-o", "json", "--root", tmp_path]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", script, "sh", *map(str, command)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if "iptables" in done.stderr:
        pytest.skip(f"iptables does not work here: {done.stderr.strip()}")
    row = rows_of(done.stdout)["firewall", "forwarding"]
    assert row["found"] is found
    assert words in row["detail"]
    assert found or row["remedy"]
