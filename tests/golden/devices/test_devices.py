# SPDX-License-Identifier: Apache-2.0
"""Every device of a document, alone: what libvirt 9 makes of it, and QEMU's options for it.

The expectations come from libvirt itself: ``/usr/bin/python3 tools/golden_devices.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.golden_devices import cases, changes, document, plain, split
from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.command.environment import guest_environment
from virloom.drivers.qemu.command.native import (
    name_channels,
    native_command,
    settle_ports,
    simplify_interfaces,
)
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.address import assign_addresses
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.process import live
from virloom.errors import VirloomError
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document, parse_document

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("*.txt"))
DIRECTORIES = Directories.embedded(Path("@ROOT@"))
PERSISTENT = FormatFlags.INACTIVE | FormatFlags.SECURE

#: Cases whose command line is not libvirt's, and why.
OTHER_LINES = {
    # Ours reads cookies from a file that QEMU alone may read; libvirt encrypts them on the line.
    "disk/http": "secret",
    "disk/https": "secret",
    # libvirt 9 leaves out a disk that it would add later, through the monitor.
    "disk/transient-share": "transient",
}


@pytest.fixture(scope="module")
def caps() -> BinaryCaps:
    """What QEMU 7.2 of Debian 12 said."""
    return from_json(json.loads((HERE.parent / "caps" / "qemu-7.2.json").read_text()))


def prepared(caps: BinaryCaps, text: str) -> Domain:
    dom = parse_document(Domain, text)
    prepare_definition(dom, caps, directories=DIRECTORIES)
    return dom


def native(caps: BinaryCaps, dom: Domain) -> str:
    home = DIRECTORIES.guest(-1, dom.name)
    simplify_interfaces(dom)
    assign_addresses(dom, caps)
    assign_aliases(dom)
    name_channels(dom, DIRECTORIES.channels(-1, dom.name))
    live.prepare(dom, str(home), QemuConfig())
    settle_ports(dom)
    return native_command(
        dom,
        caps,
        home,
        guest_environment(home, "/bin"),
        certificates=DIRECTORIES.certificates,
        bus_socket=DIRECTORIES.bus(-1, dom.name),
        seccomp=True,
    )


def expected(file: str) -> dict[str, list[str]]:
    blocks = (HERE / f"{file}.expected").read_text().split("## ")[1:]
    return {block.splitlines()[0]: block.splitlines()[1:] for block in blocks}


def recorded(file: str) -> list[tuple[str, str, str, str, list[str]]]:
    wanted = expected(file)
    found = cases((HERE / f"{file}.txt").read_text())
    return [(f"{file}/{name}", name, machine, body, wanted[name]) for name, machine, body in found]


ALL = [case for file in FILES for case in recorded(file)]
REFUSED = [case for case in ALL if case[4][:1] and case[4][0].startswith("refused")]
ACCEPTED = [case for case in ALL if case not in REFUSED]
# What stands before <devices> is not on the command line of every driver yet.
SHOWN = [
    case
    for case in ACCEPTED
    if "no native" not in case[4] and case[0] not in OTHER_LINES and "!" not in case[3]
]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case[0])
def test_a_device_is_defined_as_libvirt_defines_it(
    caps: BinaryCaps, case: tuple[str, str, str, str, list[str]]
) -> None:
    _, name, machine, body, wanted = case
    base = format_document(prepared(caps, plain(name, machine, body)), PERSISTENT)
    text = format_document(prepared(caps, document(name, machine, body)), PERSISTENT)
    assert changes(base, text) == [line for line in wanted if line[0] in "+-"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0])
def test_a_device_is_refused_with_libvirts_code(
    caps: BinaryCaps, case: tuple[str, str, str, str, list[str]]
) -> None:
    _, name, machine, body, wanted = case
    with pytest.raises(VirloomError) as caught:
        prepared(caps, document(name, machine, body))
    assert f"refused {int(caught.value.code)}" == wanted[0], caught.value.message


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case[0])
def test_a_device_has_libvirts_options(
    caps: BinaryCaps, case: tuple[str, str, str, str, list[str]]
) -> None:
    _, name, machine, body, wanted = case
    base = split(native(caps, prepared(caps, plain(name, machine, body))))
    dom = prepared(caps, document(name, machine, body))
    line = split(native(caps, dom))
    given = [f"> {line}" for line in changes("\n".join(base), "\n".join(line))]
    assert given == [line for line in wanted if line.startswith("> ")]


def test_all_kinds_of_cases_are_there() -> None:
    assert len(REFUSED) > 250
    assert len(ACCEPTED) > 290
    assert len(SHOWN) > 240
