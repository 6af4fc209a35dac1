# SPDX-License-Identifier: Apache-2.0
"""Filters of guests' cards: virsh, virtqemud and virtnwfilterd."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnwfilterd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_guests_on_networks import Host
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs("nft", root=True), pytest.mark.timeout(120)]

_FILTERS = [
    f"<filter name='{name}'><rule action='drop' direction='{direction}'>"
    "<mac srcmacaddr='52:54:00:00:00:99'/></rule></filter>"
    for name, direction in (("quiet", "out"), ("other", "in"))
]


def card(number: int, name: str = "quiet", target: str = "") -> str:
    """A card with a filter, on the bridge."""
    return (
        f"<interface type='bridge'><mac address='52:54:00:00:cc:0{number}'/><source bridge='br9'/>"
        f"{target}<model type='virtio'/><filterref filter='{name}'>"
        "<parameter name='IP' value='10.0.0.7'/></filterref></interface>"
    )


@pytest.fixture
def host() -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="fc"))
    root.chmod(0o755)
    with NetworkNamespace("ip link add br9 type bridge; ip link set br9 up") as space:
        made = Host(space, root)
        filters = Virtnwfilterd(root, space.prefix)
        filters.start()
        made.qemu.start()
        for text in _FILTERS:
            made.virsh("nwfilter-define", made.document(text))
        try:
            yield made
        finally:
            for name in made.virsh("list", "--name").split():
                made.virsh("destroy", name)
            assert made.qemu.signal(signal.SIGTERM) == 0, made.qemu.log()
            assert filters.signal(signal.SIGTERM) == 0, filters.log()
    shutil.rmtree(root)


def bindings(host: Host) -> dict[str, str]:
    """The filters at work, by their taps."""
    lines = host.virsh("nwfilter-binding-list").splitlines()[2:]
    return {words[0]: words[1] for words in map(str.split, lines)}


def create(host: Host, name: str, devices: str) -> None:
    """Creates a guest whose processors stand still."""
    text = paused_guest_xml(name, machine="pc", extra_devices=devices)
    host.virsh("create", host.document(text), "--paused")


def test_filters_come_and_go_with_cards(host: Host) -> None:
    create(host, "one", card(1))
    assert bindings(host) == {"vnet0": "quiet"}
    told = host.virsh("nwfilter-binding-dumpxml", "vnet0")
    for words in ("<name>one</name>", "52:54:00:00:cc:01", "name='IP' value='10.0.0.7'"):
        assert words in told
    assert "vnet0" in host.space.run("nft", "list", "ruleset")
    mine = "<target dev='mine0'/>"
    host.virsh("attach-device", "one", host.document(card(2, target=mine)))
    assert bindings(host) == {"vnet0": "quiet", "mine0": "quiet"}
    changed = host.document(card(2, "other", target=mine))
    host.virsh("update-device", "one", changed, "--live")
    assert bindings(host)["mine0"] == "other"
    assert "filter='other'" in host.virsh("dumpxml", "one")
    unknown = card(2, "none", target=mine), card(3, "none", "<target dev='mine1'/>")
    for command, device in zip(("update-device", "attach-device"), unknown, strict=True):
        refused = host.qemu.try_virsh(command, "one", host.document(device), "--live")
        assert "none" in refused.stderr
        assert bindings(host) == {"vnet0": "quiet", "mine0": "other"}
    assert "mine1" not in host.links()
    host.virsh("destroy", "one")
    assert bindings(host) == {}
    assert "vnet0" not in host.space.run("nft", "list", "ruleset")


def test_a_guest_that_ends_while_nobody_looks(host: Host) -> None:
    create(host, "two", card(4))
    record = json.loads((host.root / "run/libvirt/qemu/two.json").read_text())
    host.qemu.signal(signal.SIGKILL)
    subprocess.run(["kill", "-9", str(record["process"]["pid"])], check=True)
    host.qemu.start()
    assert bindings(host) == {}
    assert list((host.root / "run/libvirt/qemu").glob("*.filters")) == []
