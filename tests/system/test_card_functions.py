# SPDX-License-Identifier: Apache-2.0
"""Virtual functions of network cards (SR-IOV) are given to guests, in a test guest that has some.

The card is QEMU's ``igb``, which QEMU has since 8.0: another one than the system's may be named by
``VIRLOOM_QEMU_IGB``, with the words that it needs (docs/contributing/tests.rst). The same session,
by libvirt's binding, runs against libvirtd and then against ours; guests stay paused, for they are
emulated twice over.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.interop.reference import needs_libvirtd
from tests.system.devicehost import OURS, SESSIONS, THEIRS, DeviceHost, domain, uri
from tests.system.hostguest import EMULATOR, HostGuest
from tests.system.test_passed_devices import UDEV
from virloom.drivers.qemu.process.steps import FUNCTION_STEPS, HOSTDEV_STEPS

pytestmark = [
    pytest.mark.long,
    *needs_libvirtd,
    pytest.mark.timeout(7200),
]

NAMED = "VIRLOOM_QEMU_IGB"
MODULES = ("vfio-pci", "igb", "igbvf", "e1000", "macvtap")
ONE, TWO = "0000:01:10.0", "0000:01:10.2"
MAC = "52:54:00:00:01:01"
#: Links that are down keep functions waiting: a driver of one then makes up its address.
FUNCTIONS = """
for link in eth0 eth1; do ip link set $link up; done
for link in eth0 eth1; do
    for i in $(seq 300); do [ "$(cat /sys/class/net/$link/carrier)" = 1 ] && break; sleep .2; done
done
echo 3 >/sys/class/net/eth0/device/sriov_numvfs
echo 2 >/sys/class/net/eth1/device/sriov_numvfs
udevadm settle
"""
#: Ours, as it is started again after a kill; it dies at the step that is its first word.
_MORTAL = """
import os, signal, sys
from virloom.daemons.virtqemud import main
from virloom.drivers.qemu.process.steps import observed
step = sys.argv.pop(1)
def die_at(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)
with observed(die_at):
    raise SystemExit(main())
"""
_AGAIN = """
pids=$(pgrep -f 'virtqemud.*--root /run/own') && kill -9 $pids
rm -f /run/own/run/libvirt/virtqemud-sock
{python} /run/virtqemud.py {step} --root /run/own >>/run/virtqemud.log 2>&1 &
for i in $(seq 1500); do [ -S /run/own/run/libvirt/virtqemud-sock ] && exit; sleep .2; done
cat /run/virtqemud.log; exit 1
"""


def emulator() -> Sequence[str]:
    """A QEMU that has a card with functions; a test that has none is skipped."""
    words = shlex.split(os.environ.get(NAMED, EMULATOR))
    asked = subprocess.run([*words, "-device", "igb,help"], capture_output=True, check=False)
    if asked.returncode != 0:
        pytest.skip(f"{words[0]} has no igb, a card with virtual functions: {NAMED} may name one")
    return words


def _card(number: int, *, port: int) -> Iterator[str]:
    yield from ("-netdev", f"hubport,id=wire{number},hubid=0")
    yield from ("-device", f"pcie-root-port,id=slot{number},chassis={number},addr={port}")
    place = f"bus=slot{number},netdev=wire{number},mac=52:54:00:aa:bb:0{number}"
    yield from ("-device", f"igb,{place}")


DEVICES = (
    *("-machine", "kernel-irqchip=split", "-smp", "2"),
    *("-device", "intel-iommu,intremap=on,caching-mode=on"),
    *_card(1, port=8),
    *_card(2, port=9),
    *("-netdev", "hubport,id=wire3,hubid=0", "-device", "e1000,addr=a,netdev=wire3"),
)


class Host(DeviceHost):
    """The host that has the functions."""

    def state(self, address: str = ONE) -> tuple[str, str]:
        """The driver of a function, and what its card keeps of the first."""
        told = self.guest.run(
            f"basename $(readlink /sys/bus/pci/devices/{address}/driver || echo none)\n"
            "ip link show dev eth0 | grep '  vf 0'"
        )
        driver, kept = told.splitlines()
        return driver, kept.strip()

    def told(self) -> tuple[str, str]:
        """The same, when the card has been told something that has to come back."""
        self.guest.run("ip link set eth0 vf 0 mac 02:00:00:00:07:01 vlan 7")
        return self.state()

    def again(self, step: str = "never") -> None:
        """Our daemon is killed, and another one comes that dies at a step."""
        self.write("virtqemud.py", _MORTAL)
        self.guest.run(_AGAIN.format(python=sys.executable, step=step), 600)
        self.virsh("list")  # it answers when its guests are taken over

    def dies(self, step: str, line: str) -> None:
        """It dies there by what virsh asks of it, and another one cleans up."""
        self.again(step)
        self.virsh(line, fails=True)
        self.again()


def card(address: str = ONE, more: str = "<vlan><tag id='42'/></vlan>", mac: str = MAC) -> str:
    bus, slot, function = re.split("[:.]", address)[1:]
    place = f"<address type='pci' domain='0' bus='0x{bus}' slot='0x{slot}' function='{function}'/>"
    return (
        f"<interface type='hostdev' managed='yes'><mac address='{mac}'/>"
        f"<source>{place}</source>{more}</interface>"
    )


@pytest.fixture(scope="module")
def host(installed: None) -> Iterator[Host]:
    words = emulator()
    with HostGuest(MODULES, DEVICES, 3072, "intel_iommu=on", words) as guest:
        guest.run(UDEV)
        guest.run(FUNCTIONS, 300)
        guest.run(OURS.replace("virtlogd", "virtlogd virtnetworkd"), 900)
        guest.run(THEIRS, 900)
        yield Host(guest)


def test_the_same_node_devices(host: Host) -> None:
    found = [host.guest.run(f"/usr/bin/python3 {SESSIONS}/hardware.py '{uri(who)}'", 900)
             for who in ("theirs", "ours")]  # fmt: skip
    theirs, ours = (sorted(re.sub("<uuid>.*</uuid>", "", text).splitlines()) for text in found)
    assert ours == theirs
    assert sum("<capability type='phys_function'>" in line for line in ours) == 5
    trees = [
        host.guest.run(f"virsh -c '{uri(who)}' nodedev-list --tree") for who in ("theirs", "ours")
    ]
    assert trees[1] == trees[0]


#: What drivers made up, or nobody has told a card yet; what their card was told of a function, for
#: which libvirt 9 puts what the driver made up; what functions were called meanwhile;
#: and what a macvtap has left of its address on a function.
_MADE_UP = re.compile(
    r"\b(?!52:54|ff:ff)[0-9a-f]{2}(:[0-9a-f]{2}){5}\b|52:54:00:77:77:77"
    r"|(?<=ether )52:54:00:00:03:[0-9a-f]{2}"
    r"|\b(eth\d+|enp\w+|macvtap\d+)\b"
)
#: We register no virtual ports, and say so before the card is told anything.
DIFFERENT = ("802.1Qbh",)


def comparable(step: Any) -> Any:
    """What a step says, without words and without what is made up."""
    if isinstance(step, list):
        return [comparable(each) for each in step]
    if isinstance(step, dict):
        return {name: comparable(each) for name, each in step.items()}
    return _MADE_UP.sub("…", step) if isinstance(step, str) else step


@pytest.mark.parametrize("part", ["starts", "kept", "plugs", "pools", "passed_through"])
def test_the_same_session(host: Host, part: str) -> None:
    theirs, ours = (
        [comparable(step) for step in host.session("virtual_functions", who, 3000, part)]
        for who in ("theirs", "ours")
    )
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [
        pair
        for pair in zip(theirs, ours, strict=True)
        if pair[0] != pair[1] and pair[0][0] not in DIFFERENT
    ]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)


@pytest.mark.parametrize("step", [*HOSTDEV_STEPS, *FUNCTION_STEPS, "configured"])
def test_the_daemon_is_killed_at_a_start(host: Host, step: str) -> None:
    before = host.told()
    host.write("guest.xml", domain("one", card()))
    host.dies(step, "create /run/guest.xml --paused")
    assert host.state() == before
    assert "one" not in host.virsh("list --all")


@pytest.mark.parametrize("step", ["stopping-recorded", "ended", "released"])
def test_the_daemon_is_killed_at_an_end(host: Host, step: str) -> None:
    before = host.told()
    host.again()
    host.create("one", card())
    driver, kept = host.state()
    assert driver == "vfio-pci"
    assert f"link/ether {MAC} " in kept
    assert "vlan 42" in kept
    host.dies(step, "destroy one")
    assert host.state() == before


@pytest.mark.parametrize("step", [*FUNCTION_STEPS, "device-noted"])
def test_the_daemon_is_killed_at_a_plug(host: Host, step: str) -> None:
    before = host.told()
    host.again()
    host.create("one")
    host.write("card.xml", card())
    host.dies(step, "attach-device one /run/card.xml")
    assert host.state() == before
    assert MAC not in host.virsh("dumpxml one")
    host.virsh("attach-device one /run/card.xml")
    assert host.state()[0] == "vfio-pci"
    host.virsh("destroy one")
    assert host.state() == before


def test_a_guest_that_is_killed(host: Host) -> None:
    """The host has its function again, as it was, with a daemon and without one."""
    before = host.told()
    for pids in ("$(pgrep -f guest=one)", "$(pgrep -f 'guest=one|virtqemud.*--root /run/own')"):
        host.create("one", card())
        host.guest.run(f"kill -9 {pids}")
        host.guest.run(
            "for i in $(seq 300); do pgrep -f guest=one >/run/null || break; sleep .2; done"
        )
        host.again()
        assert host.state() == before
