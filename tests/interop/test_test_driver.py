# SPDX-License-Identifier: Apache-2.0
"""The test driver beside libvirt's own: the same sessions, step by step, by the same module names.

Each step names the function of the API that it tries. Results, codes and domains of errors, and
events with their order must be the same; the words of errors are ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing.served import ServedLibvirt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = ROOT / "src"
SYSTEM_PYTHON = "/usr/bin/python3"
SESSIONS = HERE / "testdriver"
AREAS = (
    "checkpoints", "configured", "devices", "domains", "host", "interfaces", "networks", "pools",
    "saved", "snapshots", "tuning", "volumes",
)  # fmt: skip

#: Functions that libvirt's test driver marks as its own and never answers: it refuses a flag that
#: its own library adds to every such call. Ours answers.
UNANSWERED = (
    "DomainGetSchedulerParametersFlags",
    "DomainSetSchedulerParametersFlags",
    "DomainGetLaunchSecurityInfo",
)

#: Marked functions that a program cannot call, and why.
UNCALLABLE = {"ConnectSupportsFeature": "the library's own question"}

#: What the wire changes: the socket in the URI, an error that libvirt's binding makes of pages
#: whose number the daemon left out, and the domain of the error for an empty list.
BY_THE_WAY = ("ConnectGetURI", "NodeGetFreePages", "ConnectBaselineCPU")

pytestmark = pytest.mark.parity


def has_binding() -> bool:
    """Whether libvirt's own binding is installed, with the library."""
    probe = [SYSTEM_PYTHON, "-c", "import libvirt"]
    return (
        Path(SYSTEM_PYTHON).exists() and not subprocess.run(probe, capture_output=True).returncode
    )


needs_binding = pytest.mark.skipif(not has_binding(), reason="python3-libvirt is not installed")


def rows(python: str, area: str, *uri: str, **env: str) -> list[list[Any]]:
    """What the steps of a session gave: the function, the result, the words of an error."""
    with tempfile.TemporaryDirectory(prefix="testdriver-") as directory:
        done = subprocess.run(
            [python, str(SESSIONS / "session.py"), area, directory, *uri],
            env=os.environ | env, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told: list[list[Any]] = json.loads(done.stdout.replace(directory, "@DIR@"))
    return told


@cache
def ours(area: str) -> list[list[Any]]:
    """The same with the drop-in module and our driver."""
    return rows(sys.executable, area, PYTHONPATH=str(SOURCES))


@needs_binding
@pytest.mark.parametrize("area", AREAS)
def test_a_session_gives_what_it_gives_on_libvirt(area: str) -> None:
    theirs = rows(SYSTEM_PYTHON, area)
    assert not differences(theirs, ours(area))
    assert len(theirs) > 30


def differences(theirs: list[list[Any]], mine: list[list[Any]]) -> list[Any]:
    """The steps that gave something else."""
    return [
        (number, one, other)
        for number, (one, other) in enumerate(zip(theirs, mine, strict=True))
        if one[:2] != other[:2] and one[0] not in UNANSWERED
    ]


def documents(python: str, **env: str) -> dict[str, list[Any]]:
    """What came of every golden document."""
    golden = [str(ROOT / "tests" / "golden" / name) for name in ("define", "xml")]
    done = subprocess.run(
        [python, str(SESSIONS / "documents.py"), *golden],
        env=os.environ | env, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, list[Any]] = json.loads(done.stdout)
    return told


@needs_binding
@pytest.mark.timeout(300)
def test_documents_give_what_they_give_on_libvirt() -> None:
    """All but those that are listed as unlike, which must not grow."""
    listed = (SESSIONS / "documents-unlike.txt").read_text().splitlines()[1:]
    theirs = documents(SYSTEM_PYTHON)
    mine = documents(sys.executable, PYTHONPATH=str(SOURCES))
    assert len(theirs) > 1600
    assert {name for name in theirs if theirs[name] != mine[name]} <= set(listed)


class Everything(Virtqemud):
    """Our daemon that serves the test driver."""

    name, sockets = "libvirtd", "libvirt"


@needs_binding
@needs_libvirtd[1]
@pytest.mark.long
@pytest.mark.timeout(300)
def test_libvirt_s_own_client_on_both_daemons(libvirtd: Libvirtd, virtqemud: Virtqemud) -> None:
    """The same by libvirt's library over the wire, on libvirtd and on ours."""
    root = virtqemud.root / "all"
    root.mkdir(mode=0o755)
    daemon = Everything(root)
    daemon.start()
    try:
        for area in AREAS:
            theirs, mine = (
                rows(SYSTEM_PYTHON, area, f"test+unix:///default?socket={socket}")
                for socket in (libvirtd.socket, daemon.socket())
            )
            unlike = differences(theirs, mine)
            assert not [row for row in unlike if row[1][0] not in BY_THE_WAY], area
    finally:
        assert daemon.signal(signal.SIGTERM) == 0


@needs_binding
def test_libvirt_s_own_client_meets_faults() -> None:
    with ServedLibvirt() as host:
        host.faults.fail("virDomainSuspend", 38, "the disk is on fire")
        host.faults.cut("virDomainResume")
        done = subprocess.run(
            [SYSTEM_PYTHON, str(SESSIONS / "faults.py"), host.uri],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["suspend", 38, "the disk is on fire"],
        ["suspend", "gave"],
        ["resume", 38],
        ["alive", 0],
    ]


def test_every_function_is_tried() -> None:
    """All that libvirt's table says of its test driver, but what is no function for programs."""
    table = json.loads((ROOT / "data" / "protocol" / "drivers.json").read_text())
    marked = {
        row["api"].removeprefix("vir")
        for section in table["sections"]
        for row in section["rows"]
        if "test" in row["drivers"]
    }
    assert len(marked) == 248
    tried = {row[0] for area in AREAS for row in ours(area)}
    assert marked - tried - UNCALLABLE.keys() == set()
