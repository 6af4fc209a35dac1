# SPDX-License-Identifier: Apache-2.0
"""Devices of a host are given to guests, in a test guest that has an IOMMU and cards to give.

QEMU runs in it, emulated twice over, so guests stay paused: what counts is who has which device.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(1800),
]
BIN = Path(sys.executable).parent

#: Cards alone in their IOMMU groups: one behind a port of PCI Express, one not.
DEVICES = (
    "-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on",
    "-device", "pcie-root-port,id=slot1,slot=1,chassis=1,addr=8",
    "-device", "e1000e,bus=slot1,mac=52:54:00:aa:bb:01", "-device", "e1000,addr=9",
)  # fmt: skip
EXPRESS, PLAIN, PORT = "0000:01:00.0", "0000:00:09.0", "0000:00:08.0"

DAEMONS = f"""
mkdir -p /run/own/etc/libvirt
echo 'security_driver = "none"' >/run/own/etc/libvirt/qemu.conf
for daemon in virtlogd virtnodedevd virtqemud; do
    {BIN}/$daemon --root /run/own >>/run/$daemon.log 2>&1 &
done
sockets=/run/own/run/libvirt
for i in $(seq 1500); do
    [ -S $sockets/virtqemud-sock ] && [ -S $sockets/virtnodedevd-sock ] && exit
    sleep .2
done
cat /run/virt*.log; exit 1
"""
#: Started again after a kill; it answers when its guests are taken over.
AGAIN = f"""
pkill -9 -x virtqemud || kill -9 $(pgrep -f bin/virtqemud)
rm -f /run/own/run/libvirt/virtqemud-sock
{BIN}/virtqemud --root /run/own >>/run/virtqemud.log 2>&1 &
for i in $(seq 1500); do [ -S /run/own/run/libvirt/virtqemud-sock ] && exit; sleep .2; done
cat /run/virtqemud.log; exit 1
"""
VIRSH = "virsh -c qemu:///system?socket=/run/own/run/libvirt/virtqemud-sock"


class Host:
    """The host that has the devices."""

    def __init__(self, guest: HostGuest) -> None:
        self.guest = guest

    def driver(self, address: str) -> str:
        """The driver that has a device."""
        told = self.guest.run(
            f"basename $(readlink /sys/bus/pci/devices/{address}/driver || echo none)"
        )
        return told.strip()

    def virsh(self, line: str, *, fails: bool = False) -> str:
        """What virsh says."""
        code, told = self.guest.ask(f"{VIRSH} {line}", 600)
        assert (code != 0) == fails, f"{line}: {told}"
        return told

    def create(self, name: str, *devices: str, fails: bool = False) -> str:
        """Starts a guest, paused."""
        self.write("guest.xml", domain(name, *devices))
        return self.virsh("create /run/guest.xml --paused", fails=fails)

    def write(self, name: str, text: str) -> None:
        self.guest.run(f"cat >/run/{name} <<'END'\n{text}\nEND")


def domain(name: str, *devices: str) -> str:
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<os><type machine='q35'>hvm</type></os><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='qemu-xhci'/>
<controller type='pci' model='pcie-root'/>{"<controller type='pci' model='pcie-root-port'/>" * 4}
{"".join(devices)}<memballoon model='none'/></devices></domain>"""


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
        guest.run(DAEMONS, 400)
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
