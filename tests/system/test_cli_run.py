# SPDX-License-Identifier: Apache-2.0
"""``virloom run``: the console, exit codes, and that the guest ends with the command."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import virloom
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

VIRLOOM = str(Path(sys.executable).with_name("virloom"))
READY = b"VIRLOOM-GUEST-READY"
SECONDS = 60

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("installed")]


class Run:
    """A ``virloom run`` under way; what it shows is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], output: int, input: int) -> None:
        self.process = process
        self.output = output
        self.input = input
        self.shown = b""

    def type(self, data: bytes) -> None:
        os.write(self.input, data)

    def wait_for(self, words: bytes) -> None:
        """Reads until *words* have been shown."""
        deadline = time.monotonic() + SECONDS
        while words not in self.shown:
            ready, _, _ = select.select([self.output], [], [], deadline - time.monotonic())
            assert ready, f"{words!r} was not shown in {SECONDS} s, but {self.shown!r}"
            data = self._read()
            assert data, f"the output ended without {words!r}: {self.shown!r}"
            self.shown += data

    def shows(self, words: bytes, seconds: float) -> bool:
        """Whether *words* are shown within a time."""
        deadline = time.monotonic() + seconds
        while words not in self.shown:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.output], [], [], left)[0]:
                return False
            self.shown += self._read()
        return True

    def ends(self) -> tuple[int, str]:
        """Exit code, and what it said on standard error."""
        while data := self._read():
            self.shown += data
        code = self.process.wait(SECONDS)
        assert self.process.stderr is not None
        with self.process.stderr:
            return code, self.process.stderr.read().decode()

    def guest(self) -> int:
        """The pid of its QEMU."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, children.split()):
            if b"guest=" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise AssertionError(f"no QEMU among {children!r}")

    def _read(self) -> bytes:
        try:
            return os.read(self.output, 65536)
        except OSError:  # a pty whose other side is closed
            return b""


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """The document of a tiny guest on microvm, its console on standard input and output."""
    path = tmp_path / "guest.xml"
    path.write_text(tiny_guest_xml("run", machine="microvm", console="stdio"))
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """``start("run", FILE)`` with pipes, or with ``terminal=True`` on a pseudo terminal."""
    runs: list[Run] = []
    held: list[int] = []

    def begin(*words: str | Path, terminal: bool = False) -> Run:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        if terminal:
            ours, theirs = os.openpty()
            ends = (ours, ours)
            given = (theirs, theirs)
        else:
            (given_in, typed), (shown, given_out) = os.pipe(), os.pipe()
            ends, given = (shown, typed), (given_in, given_out)
        process = subprocess.Popen(
            [VIRLOOM, *map(str, words)],
            stdin=given[0], stdout=given[1], stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        for fd in {*given}:
            os.close(fd)
        held.extend({*ends})
        runs.append(Run(process, *ends))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            run.process.wait(SECONDS)
        if run.process.stderr is not None:
            run.process.stderr.close()
    for fd in held:
        os.close(fd)


def no_root_left(directory: Path) -> bool:
    """Whether the temporary root of the command is gone."""
    return not list(directory.glob("virloom-run-*"))


def test_the_console_goes_through_and_power_off_is_success(
    guest: Path, start: Any, tmp_path: Path
) -> None:
    run = start("run", guest)
    run.wait_for(READY)
    run.wait_for(b"# ")
    run.type(b"echo a$((6 * 7))b\n")
    run.wait_for(b"a42b")
    run.type(b"echo last''words; poweroff -f\n")
    assert run.ends() == (0, "")
    assert b"lastwords" in run.shown
    assert no_root_left(tmp_path)


def test_the_end_of_the_input_does_not_end_the_guest(guest: Path) -> None:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([VIRLOOM, "run", guest], stdin=subprocess.DEVNULL, stdout=output)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(5)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 128 + signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_guest_too(
    number: signal.Signals, guest: Path, start: Any, tmp_path: Path
) -> None:
    run = start("run", guest)
    run.wait_for(READY)
    qemu = os.pidfd_open(run.guest())
    try:
        run.process.send_signal(number)
        code, errors = run.ends()
        assert code == 128 + number
        assert errors == f"virloom run: guest 'run' was ended ({number.name})\n"
        assert select.select([qemu], [], [], 0)[0]
    finally:
        os.close(qemu)
    assert no_root_left(tmp_path)


def test_sigkill_of_the_command_ends_the_guest(guest: Path, start: Any) -> None:
    run = start("run", guest)
    run.wait_for(READY)
    qemu = os.pidfd_open(run.guest())
    try:
        run.process.kill()
        assert select.select([qemu], [], [], 10)[0], "the guest outlives its command"
    finally:
        os.close(qemu)


def test_a_killed_guest_is_no_success(guest: Path, start: Any, tmp_path: Path) -> None:
    run = start("run", guest)
    run.wait_for(READY)
    os.kill(run.guest(), signal.SIGKILL)
    code, errors = run.ends()
    assert code == 1
    assert errors.startswith("virloom run: guest 'run' ")
    assert no_root_left(tmp_path)


def test_a_reader_that_leaves_ends_it(guest: Path, start: Any) -> None:
    run = start("run", guest)
    run.wait_for(READY)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, run.output)
    os.close(null)
    run.type(b"echo to nobody\n")
    code, errors = run.ends()
    assert code == 1
    assert "nobody reads" in errors


def test_on_a_terminal_keys_go_to_the_guest_and_the_escape_leaves(guest: Path, start: Any) -> None:
    run = start("run", guest, terminal=True)
    before = termios.tcgetattr(run.output)
    run.wait_for(b"# ")
    # In raw mode this is the guest's to interpret; a cooked terminal would end the command.
    run.type(b"echo a''sleep; sleep 60\r")
    run.wait_for(b"asleep")
    # A shell that has not begun to sleep yet is not interrupted: until it is.
    for _ in range(SECONDS):
        run.type(b"\x03")
        run.wait_for(b"^C")
        run.type(b"echo a$((6 * 7))b\r")
        if run.shows(b"a42b", 2):
            break
    assert b"a42b" in run.shown
    run.type(b"\x1d")
    code, errors = run.ends()
    assert code == 1
    assert "ctrl-] leaves" in errors
    assert "was ended (the escape character was typed)" in errors
    assert before[3] & termios.ECHO


async def destroy_all(root: Path) -> None:
    """Takes over what runs in a root, and ends it."""
    async with virloom.open(f"qemu:///embed?root={root}") as connection:
        for domain in await connection.list_all_domains():
            await domain.destroy()


def test_a_kept_guest_goes_on(guest: Path, start: Any, root: Path) -> None:
    run = start("run", "--keep", "--root", root, guest, terminal=True)
    run.wait_for(b"# ")
    qemu = os.pidfd_open(run.guest())
    try:
        run.type(b"\x1d")
        code, errors = run.ends()
        assert (code, "goes on" in errors) == (0, True)
        assert not select.select([qemu], [], [], 0.5)[0]
        asyncio.run(destroy_all(root))
        assert select.select([qemu], [], [], 5)[0]
    finally:
        os.close(qemu)


def test_a_guest_without_console_is_waited_for(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "quiet.xml"
    path.write_text(paused_guest_xml("quiet", console="null"))
    run = start("run", path)
    assert run.process.stderr is not None
    assert b"the console is not shown" in run.process.stderr.readline()
    run.process.send_signal(signal.SIGTERM)
    assert run.ends()[0] == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<memory unit='MiB'>128</memory>", "", "memory"),
        ("microvm", "microwave", "microvm"),
        ("type='qemu'>", "type='qemu'><", "guest.xml"),
        ("</type>", "</type><kernel>/nonexistent/kernel</kernel>", "kernel"),
    ],
)
def test_what_cannot_start_is_one_line_and_2(
    old: str, new: str, said: str, guest: Path, virloom_command: Any, tmp_path: Path
) -> None:
    text = guest.read_text()
    assert old in text
    guest.write_text(text.replace(old, new, 1))
    done = virloom_command("run", guest)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("virloom run: ")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_keep_needs_a_root(guest: Path, virloom_command: Any) -> None:
    done = virloom_command("run", "--keep", guest)
    assert done.returncode == 2
    assert "--root" in done.stderr


def test_a_file_that_is_not_there(virloom_command: Any) -> None:
    done = virloom_command("run", "/nonexistent/guest.xml")
    assert done.returncode == 2
    assert done.stderr.startswith("virloom run: cannot read the document '/nonexistent/guest.xml'")
    assert len(done.stderr.splitlines()) == 1
