# SPDX-License-Identifier: Apache-2.0
"""The drop-in ``libvirt`` with real guests: beside libvirt's own binding, and on event loops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.errors import VirloomError
from virloom.testing import guest as tiny
from virloom.testing.documents import tiny_guest_xml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHONPATH = str(ROOT / "src")
SYSTEM_PYTHON = "/usr/bin/python3"

#: What the session gives on Virloom and not on libvirt 9, and why. Empty: nothing.
DIFFERENCES: dict[str, str] = {}


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that libvirt's own user may reach (its guests run as that), with a short name."""
    try:
        find_emulator("x86_64")
        tiny.kernel()
        tiny.initramfs()
    except VirloomError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have what guests need: {error.message}")
        pytest.skip(error.message)
    with tempfile.TemporaryDirectory(prefix="dropin-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def run_script(python: str, script: str, root: Path, *arguments: str, **env: str) -> str:
    """What a script prints that gets the URI of the embedded driver in *root*."""
    done = subprocess.run(
        [python, str(HERE / script), f"qemu:///embed?root={root}", *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def ours(script: str, root: Path, *arguments: str) -> str:
    """The same with the drop-in."""
    return run_script(sys.executable, script, root, *arguments, PYTHONPATH=PYTHONPATH)


#: What differs by time, by step.
VOLATILE = ("virDomain.info", "virDomain.vcpus")

#: What a session on libvirtd gives with libvirt's binding and not with ours, and why.
ON_LIBVIRTD = {
    "virConnect.listSecrets": "one call, where the binding first asks for the number",
    "virConnect.listNWFilters": "one call, where the binding first asks for the number",
    "open none": "nothing here takes an unknown driver for one of libvirtd's",
}


@needs_libvirtd[1]
@pytest.mark.parity
def test_every_area_gives_what_the_binding_gives(libvirtd: Libvirtd) -> None:
    """The same script by both modules, one after the other, on one libvirtd."""
    test_uri = f"test+unix:///default?socket={libvirtd.socket}"
    told = []
    for python, env in ((SYSTEM_PYTHON, {}), (sys.executable, {"PYTHONPATH": PYTHONPATH})):
        done = subprocess.run(
            [python, str(HERE / "dropin_areas_session.py"), test_uri, libvirtd.uri,
             str(libvirtd.directory)],
            env=os.environ | env, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    theirs, mine = told
    different = [
        (one, other)
        for one, other in zip(theirs["rows"], mine["rows"], strict=True)
        if one != other and one[0] not in (*VOLATILE, *ON_LIBVIRTD)
    ]
    assert not different
    assert mine["events"] == theirs["events"]
    assert len(theirs["rows"]) > 300


@needs_libvirtd[1]
@pytest.mark.parity
def test_under_eventlet_s_monkey_patching(libvirtd: Libvirtd) -> None:
    """As OpenStack Nova does it: green threads; calls and the event loop in native ones."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "dropin_eventlet.py"),
         f"test+unix:///default?socket={libvirtd.socket}"],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "events": [["green", 0], ["green", 2], ["green", 5], ["green", 1]],
        "names": 40,
        "failed": 42,
        "ticked": True,
        "native": True,
    }


def without_shutdown(events: dict[str, Any]) -> dict[str, Any]:
    """QEMU may have the time to say that it shuts down, or not."""
    return {
        kind: [event for event in told if not (len(event) > 3 and event[3] == 6)]
        for kind, told in events.items()
    }


def rows_of(output: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The session's steps by number and name, and its events."""
    told = json.loads(output)
    return {f"{n} {row[0]}": row[1:] for n, row in enumerate(told["rows"])}, told["events"]


@pytest.mark.parity
def test_a_session_gives_what_it_gives_on_libvirt(home: Path) -> None:
    probe = [SYSTEM_PYTHON, "-c", "import libvirt"]
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("python3-libvirt is not installed")
    (home / "theirs" / "etc").mkdir(parents=True)
    (home / "theirs" / "etc" / "qemu.conf").write_text('stdio_handler = "file"\n')
    theirs, their_events = rows_of(run_script(SYSTEM_PYTHON, "dropin_session.py", home / "theirs"))
    mine, my_events = rows_of(ours("dropin_session.py", home / "ours"))
    different = {
        name: (theirs.get(name), mine.get(name))
        for name in theirs | mine
        if theirs.get(name) != mine.get(name) and name.partition(" ")[2] not in DIFFERENCES
    }
    different = {name: rows for name, rows in different.items() if not name.endswith(" events")}
    assert not different
    assert without_shutdown(my_events) == without_shutdown(their_events)
    assert len(theirs) > 90  # it went through to its end


def test_a_console_an_asyncio_loop_and_a_handler_that_fails(home: Path) -> None:
    document = home / "guest.xml"
    document.write_text(tiny_guest_xml("console", machine="pc"))
    told = json.loads(ours("dropin_asyncio.py", home / "ours", str(document)))
    assert told["ready"]
    assert told["echo"]
    assert told["lifecycle"][:2] == [[2, 0], [4, 0]]
    assert told["lifecycle"][-1] == [5, 1]
    assert told["survived"]  # a callback that raised did not end the loop
    assert told["idle"]
    assert told["blocking"] == "connection closed"


#: A stream of an embedded connection that nobody ends, collected in a thread of the application.
_FORGOTTEN = """
import sys, time, libvirt
directory = sys.argv[1]
conn = libvirt.open(f"qemu:///embed?root={directory}/root")
pool = conn.storagePoolCreateXML(
    f"<pool type='dir'><name>p</name><target><path>{directory}/pool</path></target></pool>", 1)
volume = pool.createXML("<volume><name>v</name><capacity>4096</capacity></volume>")
stream = conn.newStream()
volume.upload(stream, 0, 0)
try:
    volume.wipe()
except libvirt.libvirtError as error:
    print(error.get_error_code())
del stream
deadline = time.monotonic() + 20
while True:
    try:
        print(volume.wipe())
        break
    except libvirt.libvirtError:
        assert time.monotonic() < deadline
        time.sleep(0.02)
conn.close()
"""


def test_a_forgotten_stream_of_an_embedded_connection(tmp_path: Path) -> None:
    """Ends on the loop of the client: the destructor ran its end, and failed, where it was."""
    done = subprocess.run(
        [sys.executable, "-c", _FORGOTTEN, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": PYTHONPATH}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["55", "0"], done.stderr
    assert "Traceback" not in done.stderr
    assert "never awaited" not in done.stderr
