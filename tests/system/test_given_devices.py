# SPDX-License-Identifier: Apache-2.0
"""Devices of a host are given to guests, in a test guest that has an IOMMU and cards to give.

QEMU runs in it, emulated twice over, so guests stay paused: what counts is who has which device.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.system.devicehost import BIN, OURS, DeviceHost
from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(1800),
]

#: Cards alone in their IOMMU groups: one behind a port of PCI Express, one not.
DEVICES = (
    "-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on",
    "-device", "pcie-root-port,id=slot1,slot=1,chassis=1,addr=8",
    "-device", "e1000e,bus=slot1,mac=52:54:00:aa:bb:01", "-device", "e1000,addr=9",
)  # fmt: skip
DRIVERS = "/sys/bus/pci/drivers"
EXPRESS, PLAIN, PORT = "0000:01:00.0", "0000:00:09.0", "0000:00:08.0"

#: Started again after a kill; it answers when its guests are taken over.
AGAIN = f"""
pkill -9 -x virtqemud || kill -9 $(pgrep -f bin/virtqemud)
rm -f /run/own/run/libvirt/virtqemud-sock
{BIN}/virtqemud --root /run/own >>/run/virtqemud.log 2>&1 &
for i in $(seq 1500); do [ -S /run/own/run/libvirt/virtqemud-sock ] && exit; sleep .2; done
cat /run/virtqemud.log; exit 1
"""


class Host(DeviceHost):
    """The host that has the cards."""

    def driver(self, address: str) -> str:
        """The driver that has a card."""
        told = self.guest.run(
            f"basename $(readlink /sys/bus/pci/devices/{address}/driver || echo none)"
        )
        return told.strip()


def card(address: str, *, managed: str = "yes") -> str:
    bus, slot = address.split(":")[1], address.split(":")[2].split(".")[0]
    place = f"<address domain='0' bus='0x{bus}' slot='0x{slot}' function='0'/>"
    given = f"<hostdev mode='subsystem' type='pci' managed='{managed}'>"
    return f"{given}<source>{place}</source></hostdev>"


def node(address: str) -> str:
    return "pci_" + address.replace(":", "_").replace(".", "_")


@pytest.fixture(scope="module")
def host(installed: None) -> Iterator[Host]:
    modules = ("vfio-pci", "e1000e", "e1000")
    with HostGuest(modules, DEVICES, 2048, "intel_iommu=on") as guest:
        guest.run(OURS, 400)
        yield Host(guest)


def test_cards_change_hands(host: Host) -> None:
    for address, driver in ((EXPRESS, "e1000e"), (PLAIN, "e1000")):
        for _ in range(2):
            host.virsh(f"nodedev-detach {node(address)}")
            assert host.driver(address) == "vfio-pci"
        host.virsh(f"nodedev-reset {node(address)}")
        for _ in range(2):
            host.virsh(f"nodedev-reattach {node(address)}")
            assert host.driver(address) == driver
    host.virsh(f"nodedev-reset {node(EXPRESS)}")  # with its bus
    assert "no way to be reset" in host.virsh(f"nodedev-reset {node(PLAIN)}", fails=True)
    assert "bridge" in host.virsh(f"nodedev-detach {node(PORT)}", fails=True)
    assert host.driver(PORT) == "pcieport"


def test_a_guest_takes_what_it_gets_and_gives_it_back(host: Host) -> None:
    assert "nodedev-detach" in host.create("a", card(EXPRESS, managed="no"), fails=True)
    host.create("a", card(EXPRESS))
    assert host.driver(EXPRESS) == "vfio-pci"
    assert "<driver name='vfio'/>" in host.virsh("dumpxml a")
    for line in ("detach", "reattach", "reset"):
        host.virsh(f"nodedev-{line} {node(EXPRESS)}", fails=True)
    assert "domain a" in host.create("b", card(EXPRESS), fails=True)
    host.guest.run(AGAIN, 400)
    assert "domain a" in host.create("b", card(EXPRESS), fails=True)
    host.write("card.xml", card(PLAIN))
    host.virsh("attach-device a /run/card.xml")
    assert host.driver(PLAIN) == "vfio-pci"
    limit = host.guest.run("grep 'Max locked' /proc/$(pgrep -f guest=a)/limits").split()[3]
    assert int(limit) >= 64 << 20
    host.virsh("destroy a")
    assert (host.driver(EXPRESS), host.driver(PLAIN)) == ("e1000e", "e1000")


def test_memory_that_qemu_may_lock(host: Host) -> None:
    """No more than before, when its last card has gone."""

    def limits() -> list[str]:
        told = host.guest.run("grep 'Max locked' /proc/$(pgrep -f guest=a)/limits")
        return told.split()[3:5]

    host.create("a")
    before = limits()
    host.write("card.xml", card(EXPRESS))
    host.virsh("attach-device a /run/card.xml")
    assert limits() == [str((64 + 1024) << 20)] * 2
    host.virsh("detach-device a /run/card.xml")
    host.virsh("reset a")  # which a guest without a system lets the card go by
    host.guest.run(
        f"for i in $(seq 100); do [ -e {DRIVERS}/e1000e/{EXPRESS} ] && break; sleep .2; done"
    )
    assert host.driver(EXPRESS) == "e1000e"
    assert limits() == before
    host.virsh("destroy a")


def test_what_was_detached_before_stays_so(host: Host) -> None:
    host.virsh(f"nodedev-detach {node(EXPRESS)}")
    host.create("a", card(EXPRESS))
    host.virsh("destroy a")
    assert host.driver(EXPRESS) == "vfio-pci"
    host.virsh(f"nodedev-reattach {node(EXPRESS)}")


def test_a_killed_daemon_and_a_killed_guest(host: Host) -> None:
    host.create("a", card(EXPRESS))
    host.guest.run("kill -9 $(pgrep -f bin/virtqemud) $(pgrep -f guest=a)")
    assert host.driver(EXPRESS) == "vfio-pci"
    host.guest.run(AGAIN.replace("pkill", "true ||"), 400)
    assert host.driver(EXPRESS) == "e1000e"
    note = json.dumps({"path": f"/sys/bus/pci/devices/{EXPRESS}", "override": ""})
    host.guest.run(f"""
echo vfio-pci >/sys/bus/pci/devices/{EXPRESS}/driver_override
echo {EXPRESS} >/sys/bus/pci/devices/{EXPRESS}/driver/unbind
echo '{note}' >/run/own/run/libvirt/qemu/{EXPRESS}.pci""")
    host.guest.run(AGAIN, 400)
    assert host.driver(EXPRESS) == "e1000e"
