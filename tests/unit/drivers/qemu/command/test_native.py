# SPDX-License-Identifier: Apache-2.0
"""Command lines for people: paths instead of descriptors, and words that a shell reads back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.command.environment import guest_environment
from virloom.drivers.qemu.command.native import (
    name_channels,
    native_command,
    quoted,
    settle_ports,
    simplify_interfaces,
)
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.address import assign_addresses
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.directories import Directories
from virloom.model.domain import Domain
from virloom.xml import parse_document

CAPS_FILE = Path(__file__).parents[4] / "golden" / "caps" / "qemu-7.2.json"
HOME = Path("/lib/domain--1-t")


@pytest.fixture(scope="module")
def caps() -> BinaryCaps:
    return from_json(json.loads(CAPS_FILE.read_text()))


def words(caps: BinaryCaps, devices: str) -> list[str]:
    """What a shell makes of the line for a guest with *devices*."""
    dom = parse_document(
        Domain,
        "<domain type='qemu'><name>t</name><memory>65536</memory>"
        f"<os><type machine='q35'>hvm</type></os><devices>{devices}</devices></domain>",
    )
    directories = Directories.embedded(Path("/r"))
    prepare_definition(dom, caps, directories=directories)
    simplify_interfaces(dom)
    assign_addresses(dom, caps)
    assign_aliases(dom)
    name_channels(dom, directories.channels(-1, "t"))
    settle_ports(dom)
    environment = guest_environment(HOME, "/bin:/usr/bin")
    return shlex.split(
        native_command(
            dom,
            caps,
            HOME,
            environment,
            certificates=directories.certificates,
            bus_socket=directories.bus(-1, "t"),
            seccomp=True,
        )
    )


def test_variables_come_first(caps: BinaryCaps) -> None:
    line = words(caps, "")
    assert line[:3] == ["LC_ALL=C", "PATH=/bin:/usr/bin", f"HOME={HOME}"]
    assert line[6] == "/usr/bin/qemu-system-x86_64"
    assert f"socket,id=charmonitor,path={HOME}/monitor.sock,server=on,wait=off" in line


def test_files_need_not_exist_and_are_named_by_path(caps: BinaryCaps) -> None:
    line = words(
        caps,
        "<disk type='file'><driver type='qcow2'/><source file=\"/no/it's\"/><target dev='vda'/>"
        "</disk><serial type='file'><source path='/no/log' append='on'/></serial>",
    )
    nodes = [json.loads(word) for word in line if word.startswith('{"') and "node-name" in word]
    assert nodes[0]["filename"] == "/no/it's"
    assert nodes[0]["auto-read-only"] is True
    # Nobody has looked whether there is an image behind it.
    assert "backing" not in nodes[1]
    assert "file,id=charserial0,path=/no/log,append=on" in line
    assert "-add-fd" not in line


def test_a_chain_that_ends_in_the_document(caps: BinaryCaps) -> None:
    line = words(
        caps,
        "<disk type='file'><driver type='qcow2'/><source file='/a'/><backingStore type='file'>"
        "<format type='qcow2'/><source file='/b'/><backingStore/></backingStore>"
        "<target dev='vda'/></disk>",
    )
    nodes = [json.loads(word) for word in line if word.startswith('{"node-name')]
    assert [node["backing"] for node in nodes] == [None, "libvirt-2-format"]


def test_every_interface_is_a_tap(caps: BinaryCaps) -> None:
    line = words(
        caps,
        "<interface type='user'><model type='virtio'/></interface>"
        "<interface type='bridge'><source bridge='none'/><model type='virtio'/>"
        "<address type='pci' bus='0' slot='9'/></interface>",
    )
    taps = [json.loads(line[i + 1]) for i, word in enumerate(line) if word == "-netdev"]
    assert [tap["type"] for tap in taps] == ["tap", "tap"]
    cards = [json.loads(word) for word in line if word.startswith('{"driver":"virtio-net-pci"')]
    assert all(card["bus"] != "pcie.0" for card in cards), "addresses are given out anew"


def test_sockets_and_ports_that_a_start_would_choose(caps: BinaryCaps) -> None:
    line = words(
        caps,
        "<graphics type='vnc' autoport='yes'/><channel type='unix'>"
        "<target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    )
    assert "127.0.0.1:0,audiodev=audio1" in line
    socket = "/r/lib/qemu/channel/target/domain--1-t/org.qemu.guest_agent.0"
    assert f"socket,id=charchannel0,path={socket},server=on,wait=off" in line


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_reads_back_what_was_quoted(texts: list[str]) -> None:
    assert shlex.split(" ".join(map(quoted, texts))) == texts


@pytest.mark.parametrize(
    ("word", "shown"),
    [("a=b,c@d%+:/é", "a=b,c@d%+:/é"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'")],
)
def test_quotes_only_where_needed(word: str, shown: str) -> None:
    assert quoted(word) == shown
