# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: background, activation, idle end, configuration, lack of memory."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from virloom.daemon.journal import has_journal
from virloom.rpc.packet import Header, pack

STEP = 30
_PROGRAM = "from virloom.daemons.virtqemud import main; raise SystemExit(main())"

#: AUTH_LIST, without arguments.
_HELLO = pack(Header(0x20008086, 1, 66, 0, 0, 0))


def command(*options: str) -> list[str]:
    """The daemon's command line."""
    return [sys.executable, "-c", _PROGRAM, *options]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        command(*options), capture_output=True, text=True, timeout=STEP, check=False
    )


def talk(path: Path) -> bytes:
    """The first bytes that a client is answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(STEP)
        client.connect(str(path))
        client.sendall(_HELLO)
        return client.recv(100)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, so that the sockets' names are short."""
    monkeypatch.chdir(tmp_path)
    return Path()


def test_in_the_background_until_it_is_told_to_end(place: Path, tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "-d", "-p", str(tmp_path / "pid"))
    assert done.returncode == 0, done.stderr
    fd = os.pidfd_open(int((place / "pid").read_text()))
    try:
        assert len(talk(place / "run/libvirt/virtqemud-sock")) == 36
        # OpenSSL would be a tenth of its memory, and nothing here needs it.
        maps = Path(f"/proc/{(place / 'pid').read_text().strip()}/maps").read_text()
        assert "libcrypto" not in maps
        again = run("--root", str(tmp_path), "-d")
        assert not (place / "run/virtqemud.pid").exists()  # -p says another place
        assert again.returncode == 1
        assert "is in use by process" in again.stderr
        assert len(talk(place / "run/libvirt/virtqemud-sock-ro")) == 36
        assert has_journal() or (place / "var/log/libvirt/virtqemud.log").exists()
    finally:
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        os.close(fd)


def test_it_says_which_one_it_is() -> None:
    assert run("-V").stdout == "virtqemud (libvirt) 9.0.0\n"


def test_it_ends_when_nobody_needs_it(place: Path, tmp_path: Path) -> None:
    assert run("--root", str(tmp_path), "--timeout", "1").returncode == 0
    assert not (place / "run/libvirt/virtqemud-sock").exists()


def test_systemd_hands_the_socket_over(place: Path, tmp_path: Path) -> None:
    path = place / "virtqemud-sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        script = f'exec 3<&{listening.fileno()} {listening.fileno()}<&-; LISTEN_PID=$$ exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", script, "sh", *command("--root", str(tmp_path))],
            pass_fds=[listening.fileno()], env={**os.environ, "LISTEN_FDS": "1"},
        )  # fmt: skip
    try:
        assert len(talk(path)) == 36  # it waited in the socket until the daemon was there
        assert not (place / "run/libvirt/virtqemud-sock").exists()
    finally:
        process.terminate()
        assert process.wait(STEP) == 0
    assert path.exists()  # systemd's, not ours to remove


def test_a_wrong_key_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("\nmax_client = 5\n")
    done = run("--root", str(tmp_path / "root"), "-f", str(file))
    assert done.returncode == 1
    assert f"{file}:2: there is no key 'max_client'" in done.stderr
    assert not (tmp_path / "root").exists()


def test_the_units_are_written(tmp_path: Path) -> None:
    done = run("--print-units", str(tmp_path))
    assert done.returncode == 0
    kinds = (".service", ".socket", "-ro.socket", "-admin.socket")
    names = {f"virtqemud{kind}" for kind in kinds}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_with_too_little_memory_to_begin_with(tmp_path: Path) -> None:
    done = subprocess.run(
        ["prlimit", f"--as={26 << 20}", *command("--root", str(tmp_path))],
        capture_output=True, text=True, timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    # Loader, compiler and allocator have each words of their own for it.
    assert done.stderr


def test_with_too_little_memory_it_ends_at_once_and_comes_back(place: Path, tmp_path: Path) -> None:
    path = place / "run/libvirt/virtqemud-sock"
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind("notify")
    told.settimeout(STEP)
    with told, (place / "log").open("wb") as log:
        process = subprocess.Popen(
            command("--root", str(tmp_path)), stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        )  # fmt: skip
        try:
            assert told.recv(100) == b"READY=1"
            used = int((Path("/proc") / str(process.pid) / "statm").read_text().split()[0])
            limit = used * resource.getpagesize() + (4 << 20)
            resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(STEP)
                client.connect(str(path))
                client.sendall(_HELLO)
                client.recv(100)
                with pytest.raises(OSError):  # it is gone before it has read all of that
                    client.sendall((30 << 20).to_bytes(4, "big") + b"\0" * (30 << 20))
            assert process.wait(STEP) == 70
        finally:
            process.kill()
            process.wait()
    assert "out of memory" in (place / "log").read_text()
    assert run("--root", str(tmp_path), "--timeout", "1").returncode == 0
