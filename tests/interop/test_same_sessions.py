# SPDX-License-Identifier: Apache-2.0
"""The same sessions on libvirtd 9 and on our virtqemud: every difference is one that is listed.

``data/interop/differences.json`` has the list, with reasons; the documentation shows it. A
difference that is not listed fails, and so does a listed one that is none any more.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.conftest import reference_running
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(300)]

HERE = Path(__file__).resolve().parent
SESSIONS = HERE / "sessions"
ROOT = HERE.parents[1]
TABLE = ROOT / "data" / "interop" / "differences.json"
SYSTEM_PYTHON = "/usr/bin/python3"

UUID = "11111111-2222-3333-4444-555555555555"
_DEVICES = """
<video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>
<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
"""

_PULL = (
    "<domainbackup mode='pull'><server transport='unix' socket='{public}/nbd'/><disks>"
    "<disk name='vda' type='file'><scratch file='{public}/scratch'/></disk></disks></domainbackup>"
)

#: What differs between two runs of the same daemon.
_VARIES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"/dev/pts/\d+"), "/dev/pts/N"),
    (re.compile(r"((?:cpu|vcpu\.\d)\.(?:time|user|system|delay|wait)=)\d+"), r"\1N"),
    (re.compile(r"((?:rss|block\.\d\.(?:rd|wr)\.\w+|last_update|last-update)[ =])\d+"), r"\1N"),
    # What the file system has set aside.
    (re.compile(r"((?:allocation|physical)=|Allocation: +)\d+"), r"\1N"),
    (re.compile(r"(CPU time: +)[\d.]+s"), r"\1N"),
    (re.compile(r"port='59\d\d'"), "port='59NN'"),
    (re.compile(r"(127\.0\.0\.1:)\d+"), r"\1N"),
)  # fmt: skip
#: With what pads it to a width.
_NUMBER = re.compile(r"\d+ *")


class Side(NamedTuple):
    """One of the two daemons."""

    uri: str
    readonly_uri: str
    directory: Path

    def prepare(self) -> None:
        """The documents and the disk that the sessions name."""
        disk = self.directory / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "64M"], check=True)
        disk.chmod(0o666)
        public = self.directory / "public"  # where libvirt's QEMU, another user, may listen
        public.mkdir(exist_ok=True)
        public.chmod(0o777)
        plain = paused_guest_xml("one", extra_devices=_DEVICES.format(disk=disk))
        guest = plain.replace("<memory", f"<uuid>{UUID}</uuid><memory", 1)
        for name, text in {
            "guest": guest,
            "sameuuid": guest.replace("<name>one<", "<name>other<"),
            "pull": _PULL.format(public=public),
            "transient": paused_guest_xml("passing"),
            "broken": "<domain type='qemu'><name>broken</name>",
            "nameless": guest.replace("<name>one</name>", ""),
            "network": "<network><name>n</name></network>",
            "unknown": guest.replace("<devices>", "<devices><nosuch/>"),
        }.items():
            (self.directory / f"{name}.xml").write_text(text)

    def masked(self, text: str) -> str:
        """*text* without what tells the daemons or two runs apart."""
        text = text.replace(self.uri, "@URI@").replace(self.readonly_uri, "@URI@")
        for own in ("/var", "/run", "/etc"):  # libvirtd has them in its own mount namespace
            text = text.replace(f"{self.directory}{own}/", f"{own}/")
        text = text.replace(str(self.directory), "@DIR@")
        for pattern, put in _VARIES:
            text = pattern.sub(put, text)
        return text


@pytest.fixture(scope="module")
def another_libvirtd() -> Iterator[Libvirtd]:
    """One for virsh alone: guests are numbered from the daemon's start on."""
    with reference_running() as daemon:
        yield daemon


def both(libvirtd: Libvirtd, virtqemud: Any) -> list[Side]:
    """libvirtd and ours, with what the sessions need."""
    made = [
        Side(libvirtd.uri, libvirtd.readonly_uri, libvirtd.directory),
        Side(virtqemud.uri(), virtqemud.uri(readonly=True), virtqemud.root),
    ]
    for side in made:
        side.prepare()
    return made


@pytest.fixture
def sides(libvirtd: Libvirtd, virtqemud: Any) -> list[Side]:
    """The two that libvirt's binding is led to."""
    return both(libvirtd, virtqemud)


@pytest.fixture
def virsh_sides(another_libvirtd: Libvirtd, virtqemud: Any) -> list[Side]:
    """The two that virsh is led to."""
    return both(another_libvirtd, virtqemud)


def virsh(side: Side, command: str) -> str:
    """The exit code and what virsh printed."""
    words = shlex.split(command.replace("@DIR@", str(side.directory)))
    uri = side.readonly_uri if words[0] == "-r" else side.uri
    done = subprocess.run(
        ["virsh", "-c", uri, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return f"exit code {done.returncode}\n{side.masked(done.stdout + done.stderr).rstrip()}"


def check(session: str, answers: dict[str, tuple[str, str]]) -> None:
    """Holds the differences against the table."""
    listed = json.loads(TABLE.read_text())[session]
    wrong, unused = [], dict(listed)
    for step, (theirs, ours) in answers.items():
        if theirs == ours:
            continue
        lines = list(
            difflib.unified_diff(theirs.splitlines(), ours.splitlines(), n=0, lineterm="")
        )[2:]
        lines = [line for line in lines if not line.startswith("@@")]
        entry = unused.pop(step, None)
        expected = [re.compile(pattern) for pattern in (entry or {}).get("lines", [])]
        # What there is of the host, or is not: it need not occur.
        allowed = expected + [re.compile(pattern) for pattern in (entry or {}).get("host", [])]
        strange = [line for line in lines if not any(p.fullmatch(line) for p in allowed)]
        # A pattern that nothing needs would let a new difference pass.
        strange += [
            f"unused: {p.pattern}" for p in expected if not any(p.fullmatch(line) for line in lines)
        ]
        if strange:
            wrong.append("\n  ".join([f"{step}:", *strange]))
            if os.environ.get("VIRLOOM_SHOW"):
                wrong.append("\n  ".join(["all:", *lines]))
    assert not wrong, "differences that are not listed:\n" + "\n".join(wrong)
    assert not unused, f"listed differences that are none: {list(unused)}"


def test_virsh(virsh_sides: list[Side]) -> None:
    answers: dict[str, tuple[str, str]] = {}
    for line in (SESSIONS / "virsh.steps").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        command = line.lstrip("~! ")
        theirs, ours = (virsh(side, command) for side in virsh_sides)
        if line.startswith("~"):
            theirs, ours = _NUMBER.sub("N", theirs), _NUMBER.sub("N", ours)
        if line.startswith("!"):
            continue
        name, count = command, 1
        while name in answers:
            count += 1
            name = f"{command} ({count})"
        answers[name] = theirs, ours
    check("virsh", answers)


def python(side: Side) -> dict[str, str]:
    """The steps of the session and their answers, by libvirt's binding."""
    script = [SYSTEM_PYTHON, str(SESSIONS / "session.py")]
    done = subprocess.run(
        [*script, side.uri, side.readonly_uri, str(side.directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, value = json.loads(line)
        count = sum(key.partition(" (")[0] == name for key in answers)
        key = f"{name} ({count + 1})" if count else name
        answers[key] = side.masked(json.dumps(value, indent=1))
    return answers


def test_python(sides: list[Side]) -> None:
    theirs, ours = (python(side) for side in sides)
    assert list(theirs) == list(ours)
    check("python", {step: (theirs[step], ours[step]) for step in theirs})
