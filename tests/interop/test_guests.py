# SPDX-License-Identifier: Apache-2.0
"""libvirt-guests, ours and libvirt's script, with guests of our daemon and of libvirtd."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtqemud
from tests.interop.programs import Done, ours, run
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

SCRIPT = Path("/usr/lib/libvirt/libvirt-guests.sh")

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.parity,
    pytest.mark.skipif(
        not SCRIPT.exists() or os.geteuid() != 0, reason="libvirt-guests.sh, or root, is not here"
    ),
]

#: That libvirt's own program does what is expected is seen by `make long`.
KINDS = ["ours", pytest.param("theirs", marks=pytest.mark.long)]
BOTH = pytest.mark.parametrize("kind", KINDS)


class Service:
    """The service over files of its own."""

    def __init__(self, kind: str, place: Path, uri: str) -> None:
        self._ours = kind == "ours"
        self._place = place
        self.uri = uri
        self.list = place / "var/lib/libvirt/libvirt-guests"
        for name in ("etc/default", "var/lib/libvirt", "var/lock"):
            (place / name).mkdir(parents=True)
        self.configure()

    def configure(self, uris: str | None = None, **settings: object) -> None:
        """Writes its settings."""
        lines = [f"{name}={value}" for name, value in settings.items()]
        text = "\n".join([f"URIS='{uris or self.uri}'", *lines, ""])
        (self._place / "etc/default/libvirt-guests").write_text(text)

    def __call__(self, *words: str) -> Done:
        if self._ours:
            return run([*ours("guests.main"), "--root", self._place, *words])
        at = self._place
        prepare = (
            f"mount --bind {at}/etc/default /etc/default; mkdir -p /run/lock\n"
            f"mount --bind {at}/var/lib/libvirt /var/lib/libvirt\n"
            f"mount --bind {at}/var/lock /run/lock"
        )
        return run(["sh", SCRIPT, *words], prepare=prepare)


def told(done: Done, service: Service) -> list[str]:
    """What it said: without the waiting, which no two runs have in common."""
    text = re.sub(r"^Waiting for .*\n", "", done.stdout, flags=re.M)
    return text.replace(service.uri, "URI").splitlines()


def define(uri: str, *names: str, logs: Path | None = None, transient: bool = False) -> None:
    """Guests that run: with *logs* booted, so that they answer the power button; else deaf."""
    for name in names:
        text = paused_guest_xml(name)
        if logs is not None:
            text = tiny_guest_xml(name, console=f"file:{logs / name}")
        with virloom.open_sync(uri) as conn:
            if transient:
                conn.create_xml(text)
            else:
                conn.define_xml(text).create()
        if logs is not None:
            await_boot(logs / name)


def await_boot(log: Path) -> None:
    """Returns when a guest is up."""
    deadline = time.monotonic() + 60
    while b"VIRLOOM-GUEST-READY" not in (log.read_bytes() if log.exists() else b""):
        assert time.monotonic() < deadline, "the guest does not boot"
        time.sleep(0.1)


def uuids(uri: str, *names: str) -> list[str]:
    """The guests' UUIDs."""
    with virloom.open_sync(uri) as conn:
        return [str(conn.lookup_by_name(name).uuid) for name in names]


def active(uri: str) -> list[str]:
    """The names of what runs."""
    with virloom.open_sync(uri) as conn:
        return sorted(domain.name for domain in conn.list_all_domains(1))


@BOTH
def test_down_and_up_again(kind: str, virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    define(service.uri, "one", "two", logs=virtqemud.root)
    assert service("status").stdout == "stopped, with no saved guests\n"
    service.configure(SHUTDOWN_TIMEOUT=60, ON_BOOT="start", START_DELAY=1)
    done = service("stop")
    assert (told(done, service), done.returncode) == (
        [
            "", "Running guests on URI URI: one, two", "Shutting down guests on URI URI...",
            "Starting shutdown on guest: one", "Shutdown of guest one complete.",
            "Starting shutdown on guest: two", "Shutdown of guest two complete.",
        ], 0,
    )  # fmt: skip
    assert active(service.uri) == []
    assert service.list.read_text().split() == [service.uri, *uuids(service.uri, "one", "two")]
    status = service("status")
    assert (status.stdout, status.returncode) == ("stopped, with saved guests\n", 3)
    again = service("stop")
    assert (again.stdout, again.returncode) == ("", 0)

    done = service("start")
    assert (told(done, service), done.returncode) == (
        ["", "Resuming guests on URI URI...", "Resuming guest one: done",
         "Resuming guest two: done"], 0,
    )  # fmt: skip
    assert active(service.uri) == ["one", "two"]
    assert not service.list.exists()
    status = service("status")
    assert (status.stdout, status.returncode) == ("started\n", 0)
    shown = service("gueststatus")
    assert [line.split() for line in told(shown, service)[1:]] == [
        ["Id", "Name", "State"], ["-" * 23], ["3", "one", "running"], ["4", "two", "running"], [],
    ] or shown.stdout.count("running") == 2  # fmt: skip


@BOTH
def test_several_at_once(kind: str, virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    define(service.uri, "one", "two", "three", logs=virtqemud.root)
    service.configure(SHUTDOWN_TIMEOUT=60, PARALLEL_SHUTDOWN=2)
    done = service("stop")
    assert done.returncode == 0, done.stderr
    assert active(service.uri) == []
    lines = told(done, service)
    assert lines[:5] == [
        "", "Running guests on URI URI: one, two, three", "Shutting down guests on URI URI...",
        "Starting shutdown on guest: one", "Starting shutdown on guest: two",
    ]  # fmt: skip
    assert "Starting shutdown on guest: three" in lines
    done = service("start")
    assert done.stdout == "libvirt-guests is configured not to start any guests on boot\n"
    assert active(service.uri) == []
    assert not service.list.exists()


@BOTH
@pytest.mark.parametrize("parallel", [0, 3])
def test_guests_that_do_not_listen(
    kind: str, parallel: int, virtqemud: Virtqemud, tmp_path: Path
) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    define(service.uri, "deaf")
    service.configure(SHUTDOWN_TIMEOUT=6, PARALLEL_SHUTDOWN=parallel)
    done = service("stop")
    last = (
        "Timeout expired while shutting down domains" if parallel
        else "Shutdown of guest deaf failed to complete in time."
    )  # fmt: skip
    assert (told(done, service)[-1], done.returncode) == (last, 1 if parallel else 0)
    assert "deaf" in active(service.uri)
    assert "seconds left" in done.stdout


@BOTH
def test_what_runs_already_and_what_is_not_asked_for(
    kind: str, virtqemud: Virtqemud, tmp_path: Path
) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    define(service.uri, "one")
    service.configure(ON_BOOT="start")
    service.list.write_text(
        f"test:///other {'1' * 8}-1111-1111-1111-{'1' * 12}\n"
        f"{service.uri} {uuids(service.uri, 'one')[0]}\n"
    )
    done = service("start")
    assert (told(done, service), done.returncode) == (
        ["Ignoring guests on test:///other URI", "", "Resuming guests on URI URI...",
         "Resuming guest one: already active"], 0,
    )  # fmt: skip


@BOTH
def test_no_guests(kind: str, virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    done = service("stop")
    assert (told(done, service)[:2], done.returncode) == (
        ["", "Running guests on URI URI: no running guests."], 0,
    )  # fmt: skip
    assert not service.list.exists()
    for words in (["reload"], ["force-reload"], ["condrestart"]):
        done = service(*words)
        assert (done.stdout, done.returncode) == ("", 0)


@BOTH
@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["nothing"], 2), ([], 2)])
def test_the_command_line(kind: str, words: list[str], code: int, tmp_path: Path) -> None:
    assert Service(kind, tmp_path, "default")(*words).returncode == code


@BOTH
def test_saved_by_our_driver(kind: str, virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service(kind, tmp_path, virtqemud.uri())
    define(service.uri, "saved")
    define(service.uri, "passing", transient=True)
    service.configure(ON_SHUTDOWN="suspend", ON_BOOT="start")
    done = service("stop")
    assert (told(done, service)[-2:], done.returncode) == (
        ["Suspending saved: ...", "Suspending saved: done"], 0,
    )  # fmt: skip
    assert active(service.uri) == ["passing"]
    assert virtqemud.virsh("list", "--all", "--with-managed-save", "--name") == "saved"
    done = service("start")
    assert told(done, service)[-1] == "Resuming guest saved: done"
    assert active(service.uri) == ["passing", "saved"]
    assert virtqemud.virsh("domstate", "saved", "--reason") == "running (restored)"


def test_a_connection_that_is_not_there(virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service("ours", tmp_path, virtqemud.uri())
    away = "qemu+unix:///system?socket=/nonexistent"
    service.configure(uris=f"{away} {service.uri}")
    done = service("stop")
    assert done.returncode == 0
    assert done.stderr.startswith(f"'{away}' is left out: ")
    assert "no running guests." in done.stdout


def test_saved_by_libvirtd(kind: str, libvirtd: Libvirtd, tmp_path: Path) -> None:
    service = Service(kind, tmp_path, libvirtd.uri)
    define(service.uri, "saved")
    define(service.uri, "passing", transient=True)
    service.configure(ON_SHUTDOWN="suspend", ON_BOOT="start")
    try:
        done = service("stop")
        assert (told(done, service), done.returncode) == (
            [
                "", "Running guests on URI URI: saved, passing",
                "Not suspending transient guests on URI: URI: passing",
                "Suspending guests on URI URI...", "Suspending saved: ...",
                "Suspending saved: done",
            ], 0,
        )  # fmt: skip
        assert active(service.uri) == ["passing"]
        assert service.list.read_text().split() == [service.uri, *uuids(service.uri, "saved")]
        done = service("start")
        assert told(done, service)[-1] == "Resuming guest saved: done"
        assert active(service.uri) == ["passing", "saved"]
    finally:
        with virloom.open_sync(service.uri) as conn:
            for domain in conn.list_all_domains(1):
                domain.destroy()
            conn.lookup_by_name("saved").undefine()


def test_a_clock_that_cannot_be_set(libvirtd: Libvirtd, tmp_path: Path) -> None:
    service = Service("ours", tmp_path, libvirtd.uri)
    define(service.uri, "late")
    service.configure(ON_SHUTDOWN="suspend", ON_BOOT="start", SYNC_TIME=1)
    try:
        assert service("stop").returncode == 0
        done = service("start")
        assert done.stdout.endswith("Resuming guest late: done\n")
        assert done.returncode == 1
        assert "the clock of guest 'late' is not set: " in done.stderr
    finally:
        with virloom.open_sync(service.uri) as conn:
            domain = conn.lookup_by_name("late")
            domain.destroy()
            domain.undefine()


test_a_clock_that_cannot_be_set.pytestmark = needs_libvirtd  # type: ignore[attr-defined]
test_saved_by_libvirtd.pytestmark = [  # type: ignore[attr-defined]
    *needs_libvirtd, pytest.mark.parametrize("kind", KINDS),
]  # fmt: skip


@pytest.mark.parametrize("parallel", [0, 2])
def test_a_daemon_that_goes(parallel: int, virtqemud: Virtqemud, tmp_path: Path) -> None:
    service = Service("ours", tmp_path, virtqemud.uri())
    define(service.uri, "deaf")
    service.configure(SHUTDOWN_TIMEOUT=60, PARALLEL_SHUTDOWN=parallel)
    command = [*ours("guests.main"), "--root", str(tmp_path), "stop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Waiting for"):
                virtqemud.signal(signal.SIGKILL)
                break
        said = process.stdout.read()
    assert process.returncode == 1
    assert said == "Shutdown of guest deaf: its daemon has gone, nobody can tell.\n"
    virtqemud.start()
    assert active(service.uri) == ["deaf"]
