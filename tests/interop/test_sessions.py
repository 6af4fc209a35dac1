# SPDX-License-Identifier: Apache-2.0
"""A user's own daemon, started by whoever needs it first; and the program that ssh runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import STEP, Virtqemud
from tests.interop.reference import LIBVIRTD, Libvirtd, needs_libvirtd
from virloom.daemons import FAMILY

pytestmark = needs_libvirtd

SOURCES = Path(__file__).resolve().parents[2] / "src"
NOBODY = 65534
PYTHON = "/usr/bin/python3"  # one that other users can run

#: Three at once, of which one starts the daemon; then its pid file tells which it was.
_OPEN = """
import asyncio, virloom
async def main():
    many = await asyncio.gather(*(opened() for _ in range(3)))
    print(*{await one.driver_uri() for one in many}, await many[0].lib_version())
    for one in many:
        await one.close()
async def opened():
    return await virloom.open("qemu:///session")
asyncio.run(main())
"""

_DAEMON = """#!/bin/sh
exec {python} -c 'from virloom.daemons.virtqemud import main; raise SystemExit(main())' "$@"
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "run").mkdir(mode=0o700)
        os.chown(path, NOBODY, NOBODY)
        os.chown(path / "run", NOBODY, NOBODY)
        (path / "virtqemud").write_text(_DAEMON.format(python=PYTHON))
        (path / "virtqemud").chmod(0o755)
        yield path
        for file in (path / "run/libvirt").glob("*.pid"):
            os.kill(int(file.read_text()), signal.SIGTERM)


def as_user(home: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What a user's program says."""
    return subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PYTHON, "-c",
         script],
        env={
            "PATH": f"{home}:/usr/bin:/bin", "PYTHONPATH": str(SOURCES), "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"), "PYTHONDONTWRITEBYTECODE": "1", **env,
        },
        capture_output=True, text=True, timeout=2 * STEP, check=False, cwd="/",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("env", "names"),
    [({}, ["virtqemud"]), ({"LIBVIRTD_PATH": str(LIBVIRTD)}, ["libvirtd"])],
    ids=["virtqemud", "libvirtd"],
)
def test_one_daemon_for_all(home: Path, env: dict[str, str], names: list[str]) -> None:
    done = as_user(home, _OPEN, **env)
    assert done.stdout.split() == ["qemu:///session", "9000000"], done.stderr
    assert [file.stem for file in (home / "run/libvirt").glob("*.pid")] == names
    assert [file.stem for file in (home / "run/libvirt").glob("*.lock")] == names


def test_a_daemon_that_ends_at_once(home: Path) -> None:
    done = as_user(home, _OPEN, LIBVIRTD_PATH="/bin/false")
    assert "the daemon '/bin/false' ended before it served" in done.stderr
    done = as_user(home, _OPEN, LIBVIRT_AUTOSTART="0")
    assert "Failed to connect socket to" in done.stderr


@pytest.fixture
def ssh(tmp_path: Path) -> Path:
    """An ``ssh`` that logs in to this host, where the helper is ours."""
    helper = tmp_path / "virt-ssh-helper"
    helper.write_text(
        f"#!/bin/sh\nPYTHONPATH={SOURCES} exec {sys.executable} -m virloom.client.ssh_helper "
        '"$@" 2>>"$0.log"\n'
    )
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nPATH={tmp_path}:$PATH\nwhile [ "$1" != host ]; do shift; done\nshift\n'
        'eval "$@"\n'
    )
    for program in (helper, ssh):
        program.chmod(0o755)
    return ssh


def test_virsh_by_our_helper(virtqemud: Virtqemud, ssh: Path) -> None:
    """The URI that the helper gets tells the socket, as nothing serves at the usual place here."""
    name = f"qemu:///system?socket={virtqemud.socket()}".replace("?", "%3f").replace("=", "%3d")
    uri = f"qemu+ssh://host/system?command={ssh}&name={name}"
    done = subprocess.run(
        ["virsh", "-c", uri, "version", "--daemon"],
        capture_output=True, text=True, timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Running against daemon: 9.0.0" in done.stdout


def test_our_client_by_our_helper(libvirtd: Libvirtd, ssh: Path) -> None:
    command = ssh.with_name("ext")
    command.write_text(
        f"#!/bin/sh\nexec {ssh.with_name('virt-ssh-helper')} -r "
        f"'qemu:///system?socket={libvirtd.directory}/libvirt-sock-ro'\n"
    )
    command.chmod(0o755)
    script = (
        "import sys, virloom\n"
        "with virloom.open_sync(sys.argv[1], readonly=True) as conn:\n"
        "    print(conn.driver_uri(), bool(conn.hostname()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"qemu+ext:///system?command={command}"],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True, text=True, timeout=4 * STEP, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["qemu:///system", "True"], done.stderr


def test_the_family_of_a_user(home: Path) -> None:
    """All daemons that a user has; none is tried that could not start."""
    run = subprocess.Popen(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PYTHON, "-c",
         "from virloom.cli.main import main; raise SystemExit(main())", "daemons"],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(SOURCES), "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"), "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE, text=True, cwd="/",
    )  # fmt: skip
    try:
        assert run.stdout is not None
        lines = [run.stdout.readline().split(": ") for _ in range(len(FAMILY) - 1)]
    finally:
        run.terminate()
    assert {daemon for daemon, _ in lines} == set(FAMILY.values()) - {"virtnwfilterd"}
    assert all(said.startswith("ready as process") for _, said in lines), lines
    assert run.wait(timeout=STEP) == 0
    run.stdout.close()
