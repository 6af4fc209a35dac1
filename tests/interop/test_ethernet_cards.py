# SPDX-License-Identifier: Apache-2.0
"""Guests' taps by themselves: scripts, taps of somebody else, interrupts that are gathered."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_direct_cards import create, pid_of
from tests.interop.test_guests_on_networks import Host

pytestmark = [*needs("dnsmasq", root=True), pytest.mark.timeout(120)]

_SETUP = """
ip link add plain type bridge; ip link set plain up
ip tuntap add dev mine0 mode tap
"""
USB = "<controller type='usb' model='qemu-xhci'/>"
PLACE = "<address type='usb' bus='0' port='1'/>"
_SCRIPT = """#!/bin/sh
echo "$0 $1 $(cat /sys/class/net/$1/flags 2>&1)" >> {log}
"""


class Ethernet(Host):
    """A host with scripts, which write a log."""

    def __init__(self, space: NetworkNamespace, root: Path) -> None:
        super().__init__(space, root)
        self.log_file = root / "scripts.log"
        for name in ("up", "down"):
            path = root / name
            path.write_text(_SCRIPT.format(log=self.log_file))
            path.chmod(0o755)

    def told(self) -> list[list[str]]:
        """What the scripts have written, a list of words for each run."""
        words = [line.split() for line in self.log_file.read_text().splitlines()]
        return [[Path(line[0]).name, *line[1:]] for line in words]


@pytest.fixture
def host() -> Iterator[Ethernet]:
    root = Path(tempfile.mkdtemp(prefix="ec"))
    root.chmod(0o755)
    with NetworkNamespace(_SETUP) as space:
        made = Ethernet(space, root)
        made.qemu.start()
        yield made
        for name in made.virsh("list", "--name").split():
            made.virsh("destroy", name)
        assert made.qemu.signal(signal.SIGTERM) == 0, made.qemu.log()
    shutil.rmtree(root)


def card(number: int, more: str, kind: str = "ethernet", model: str = "virtio") -> str:
    """A card whose other end is nothing but a tap, or on the bridge."""
    source = "<source bridge='plain'/>" if kind == "bridge" else ""
    return (
        f"<interface type='{kind}'><mac address='52:54:00:00:ee:0{number}'/>{source}{more}"
        f"<model type='{model}'/></interface>"
    )


def scripts(host: Ethernet, up: str = "up", down: str = "down") -> str:
    """Both, in the words of a document."""
    return f"<script path='{host.root}/{up}'/><downscript path='{host.root}/{down}'/>"


def test_scripts_are_told_of_taps(host: Ethernet) -> None:
    # A card on USB can be taken out without the guest's help.
    usb = card(1, scripts(host) + "<target dev='tap1'/>" + PLACE, model="usb-net")
    create(host, "one", USB + usb)
    (up,) = host.told()
    assert up == ["up", "tap1", "0x1003"]  # it is up, as in libvirt
    host.virsh("detach-interface", "one", "ethernet", "--live")
    assert host.told()[1][:2] == ["down", "tap1"]
    plugged = card(2, scripts(host) + "<target dev='tap2'/>")
    host.virsh("attach-device", "one", host.document(plugged), "--live")
    failing = card(3, scripts(host, up="none") + "<target dev='tap3'/>")
    refused = host.qemu.try_virsh("attach-device", "one", host.document(failing), "--live")
    assert "internal error: script" in refused.stderr
    assert "tap3" not in host.links()
    host.qemu.signal(signal.SIGKILL)
    subprocess.run(["kill", "-9", pid_of(host, "one")], check=True)
    host.qemu.start()
    assert [line[:2] for line in host.told()[2:]] == [
        ["up", "tap2"],
        ["down", "tap3"],
        ["down", "tap2"],
    ]
    assert not list((host.root / "run/libvirt/qemu").glob("*.partings"))


def test_what_a_tap_is_made_by(host: Ethernet) -> None:
    gathered = "<coalesce><rx><frames max='7'/></rx></coalesce>"
    brought = "<target dev='mine0' managed='no'/>"
    create(host, "two", card(4, brought) + card(5, gathered, "bridge"))
    assert "UP" not in host.links()["mine0"]["flags"]  # it is as its owner has it
    assert "LOWER_UP" not in host.links()["mine0"]["flags"]
    document = host.virsh("dumpxml", "two")
    assert "<frames max='7'/>" in document
    much = card(6, gathered.replace("7", "9999"), "bridge")
    host.virsh("attach-device", "two", host.document(much), "--live")
    assert "<frames max='64'/>" in host.virsh("dumpxml", "two")  # what the kernel makes of it
    for refused, words in (
        (card(7, "<target dev='none0' managed='no'/>"), "internal error: there is no link 'none0'"),
        (card(7, "<target managed='no'/>"), "internal error: <target managed='no'>"),
        (card(7, "<backend tap='/dev/none'/>"), "Unable to open /dev/none, is tun module loaded?"),
        (
            card(7, scripts(host), "bridge"),
            "scripts are not supported on interfaces of type bridge",
        ),
        (card(7, "<port isolated='yes'/>"), "isolated='yes'"),
    ):
        done = host.qemu.try_virsh("attach-device", "two", host.document(refused), "--live")
        assert words in done.stderr, done.stderr
    assert {link for link in host.links() if link.startswith("vnet")} <= {"vnet0", "vnet1", "vnet2"}
    host.virsh("destroy", "two")
    assert "mine0" in host.links()
