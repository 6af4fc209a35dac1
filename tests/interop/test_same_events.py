# SPDX-License-Identifier: Apache-2.0
"""Every domain event that QEMU can cause, caused on libvirtd 9 and on ours: the same events.

``data/interop/events.json`` says of each event id where it is caused: ``here``, in another test, in
any test as soon as a procedure is served, or why nothing can cause it.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fakes import ports
from tests.interop.reference import Libvirtd, needs_libvirtd
from tools.support_table import DRIVERS, served_by_driver

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SESSION = HERE / "sessions" / "events.py"
TABLE = ROOT / "data" / "interop" / "events.json"
API = ROOT / "data" / "protocol" / "api.json"

#: Where a new qcow2 image of one L2 table has the entry of its second cluster.
_SECOND_CLUSTER = 0x40000 + 8
#: That entry, when it is of a compressed cluster that lies in the image's header: no such thing.
_NONSENSE = 1 << 62


class Told(NamedTuple):
    """What a session prints: the answers by step, and all events in a row."""

    answers: dict[str, Any]
    events: list[list[Any]]


def prepare(directory: Path) -> None:
    """The images that the session names."""
    sector = directory / "sector"
    sector.write_bytes(ports.boot_sector())
    for name in ("good", "bad"):
        image = directory / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
        commands = (f"write -s {sector} 0 512", f"write -P 5 {ports.FAR} 64k")
        words = [word for command in commands for word in ("-c", command)]
        subprocess.run(
            ["qemu-io", "-f", "qcow2", *words, str(image)], check=True, capture_output=True
        )
        image.chmod(0o666)
    with (directory / "bad.qcow2").open("r+b") as file:
        file.seek(_SECOND_CLUSTER)
        file.write(struct.pack(">Q", _NONSENSE))
    for name in ("cd.iso", "stick.raw"):
        (directory / name).write_bytes(bytes(1 << 20))
        (directory / name).chmod(0o666)


async def told(uri: str, directory: Path) -> Told:
    """The session's answers and events."""
    prepare(directory)
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(SESSION), uri, str(directory),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    steps = [json.loads(line) for line in out.splitlines()]
    # How often QEMU goes through the memory depends on how busy the host is: the first time counts.
    events = [
        event
        for _, _, caused in steps
        for event in caused
        if event[0] != "MIGRATION_ITERATION" or event[1] == 1
    ]
    # Who waits for the CPUs to stop after a panic is told of it, or not, as libvirt's threads go.
    panic = events.index(["LIFECYCLE", "CRASHED", "PANICKED"])
    for place in (panic + 1, panic - 1):
        if events[place] == ["LIFECYCLE", "SUSPENDED", "PAUSED"]:
            del events[place]
    return Told({name: answer for name, answer, _ in steps}, events)


@pytest.mark.parity
@pytest.mark.timeout(180)
class TestSession:
    """The session on both."""

    pytestmark = needs_libvirtd

    async def test_the_same_events(self, libvirtd: Libvirtd, virtqemud: Any) -> None:
        theirs, ours = await asyncio.gather(
            told(libvirtd.uri, libvirtd.directory), told(virtqemud.uri(), virtqemud.root)
        )
        assert ours.answers == theirs.answers
        assert ours.events == theirs.events
        missed = [event for event in ours.events if event[0] == "MISSED"]
        assert not missed
        # What the table says is caused here is.
        listed = {id for id, entry in table().items() if entry.get("here")}
        assert {event[0] for event in ours.events} == listed


def table() -> dict[str, Any]:
    """Event id → where it is caused, or why it is not."""
    entries: dict[str, Any] = json.loads(TABLE.read_text())["events"]
    return entries


def event_ids() -> list[str]:
    """All of them, as the API's description has them."""
    prefix = "VIR_DOMAIN_EVENT_ID_"
    return [
        event["name"].removeprefix(prefix)
        for event in json.loads(API.read_text())["events"]
        if event["family"] == "domain"
    ]


def test_every_event_is_caused_or_has_a_reason() -> None:
    assert sorted(table()) == sorted(event_ids())


@pytest.mark.parametrize("name", sorted(table()))
def test_where_an_event_is_caused(name: str) -> None:
    entry = table()[name]
    assert entry.keys() & {"here", "test", "procedure", "reason"}, "it says nothing"
    if "test" in entry:
        path, _, function = entry["test"].partition("::")
        source = (ROOT / path).read_text()
        assert f"def {function}(" in source, f"{path} has no {function}"
        assert entry["named"] in source, f"{path} does not name {entry['named']}"
    if "procedure" in entry and entry["procedure"] in served_by_driver(DRIVERS)["qemu"]:
        sources = [*ROOT.glob("tests/system/*.py"), *ROOT.glob("tests/interop/**/*.py")]
        found = [path for path in sources if re.search(entry["named"], path.read_text())]
        assert found, f"no test of real guests names {entry['named']}"
