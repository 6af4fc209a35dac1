# SPDX-License-Identifier: Apache-2.0
"""A session about virtual functions of cards: ``/usr/bin/python3 virtual_functions.py URI``.

It runs on a host that has a card ``eth0`` with three functions and a card ``eth1`` with two, both
up, and a card ``eth2`` that has none. Each step prints a line of JSON: its name, what came of it or
the code and domain of the error, what the live documents say of cards, and what the host says of
the functions: their drivers, and the addresses and VLANs that the cards keep.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import libvirt
from guest_steps import GuestSteps

DEVICES = Path("/sys/bus/pci/devices")
PORTS = "<controller type='pci' model='pcie-root-port'/>" * 6
GUEST = f"""<domain type='qemu'><name>{{name}}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='pci' model='pcie-root'/>{PORTS}{{devices}}<memballoon model='none'/>
</devices></domain>"""
VIRTIO = "<model type='virtio'/>"


def pci(device: str) -> str:
    """An address element of the host's device."""
    domain, bus, rest = device.split(":")
    slot, function = rest.split(".")
    return (
        f"<address type='pci' domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' "
        f"function='0x{function}'/>"
    )


def card(device: str, mac: int = 1, more: str = "", managed: str = " managed='yes'") -> str:
    """An interface that is a function of the host's."""
    return (
        f"<interface type='hostdev'{managed}><mac address='52:54:00:00:01:{mac:02x}'/>"
        f"<source>{pci(device)}</source>{more}</interface>"
    )


def pooled(network: str, mac: int = 1, more: str = "") -> str:
    """An interface of a network."""
    return (
        f"<interface type='network'><mac address='52:54:00:00:02:{mac:02x}'/>"
        f"<source network='{network}'/>{more}</interface>"
    )


def direct(device: str, mac: int = 1, more: str = "") -> str:
    """An interface that has all of a link."""
    return (
        f"<interface type='direct'><mac address='52:54:00:00:03:{mac:02x}'/>"
        f"<source dev='{device}' mode='passthrough'/>{more}</interface>"
    )


def given(device: str, more: str = " managed='yes'") -> str:
    """A function as any device of the host's."""
    source = pci(device).replace(" type='pci'", "")
    return f"<hostdev mode='subsystem' type='pci'{more}><source>{source}</source></hostdev>"


def functions(link: str) -> list[str]:
    """The addresses of a card's functions."""
    device = Path(f"/sys/class/net/{link}/device")
    found = sorted(device.glob("virtfn*"), key=lambda path: int(path.name[6:]))
    return [path.resolve().name for path in found]


def link_of(device: str) -> str:
    """The link that the host has of a function; waits until it has one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = sorted((DEVICES / device / "net").glob("*"))
        if found:
            return found[0].name
        time.sleep(0.1)
    raise TimeoutError(device)


class Session(GuestSteps):
    """Networks as well as guests."""

    def settle(self) -> None:
        _settle()

    def shown(self, guest: Any) -> list[str]:
        return _shown(guest)

    def around(self) -> list[Any]:
        return [{net.name(): _pool(net) for net in self.conn.listAllNetworks()}, _host()]

    def all_given_back(self) -> bool:
        """Whether no more functions are with VFIO than guests have."""
        had = sum(len(_shown(guest)) for guest in self.conn.listAllDomains(1))
        return sum(driver == "vfio-pci" for driver, _ in _host().values()) <= had


def _settle() -> None:
    """A driver that has a function again makes its link, which udev then calls otherwise."""
    for link in ("eth0", "eth1"):
        for device in functions(link):
            driver = DEVICES / device / "driver"
            if driver.exists() and driver.resolve().name == "igbvf":
                link_of(device)
    subprocess.run(["udevadm", "settle"], check=True)


def _shown(guest: Any) -> list[str]:
    root = ET.fromstring(guest.XMLDesc())
    found = [*root.iter("interface"), *root.iter("hostdev")]
    texts = [re.sub(r"\s+", " ", ET.tostring(each, encoding="unicode")) for each in found]
    return [re.sub(r"portid=\"[^\"]*\"", "portid", text) for text in texts]


def _pool(network: Any) -> list[str]:
    """A network's live document, and its ports."""
    ports = network.listAllPorts() if network.isActive() else []
    texts = [network.XMLDesc(), *(port.XMLDesc() for port in ports)]
    texts = [re.sub(r"<uuid>[^<]*</uuid>", "", text) for text in texts]
    return sorted(re.sub(r"\s+", " ", text) for text in texts)


def _host() -> dict[str, Any]:
    """Who has which function, and what its card keeps."""
    found: dict[str, Any] = {}
    for link in ("eth0", "eth1"):
        done = subprocess.run(
            ["ip", "link", "show", "dev", link], capture_output=True, text=True, check=True
        )
        kept = [line.strip() for line in done.stdout.splitlines() if line.startswith("    vf ")]
        for number, device in enumerate(functions(link)):
            driver = DEVICES / device / "driver"
            found[device] = [driver.resolve().name if driver.exists() else None, kept[number]]
    return found


def starts(session: Session) -> None:
    one, two, three = functions("eth0")
    session.create("a function", "one", card(one))
    session.create("of two guests", "two", card(one, 2))
    session.create("of two guests, as a device", "two", given(one))
    session.create("another, in a VLAN", "two", card(two, 2, "<vlan><tag id='42'/></vlan>"))
    session.end()
    for what, more in (
        ("two tags", "<vlan><tag id='42'/><tag id='43'/></vlan>"),
        ("trunk", "<vlan trunk='yes'><tag id='42'/></vlan>"),
        ("VLAN 0", "<vlan><tag id='0'/></vlan>"),
        ("802.1Qbg", "<virtualport type='802.1Qbg'><parameters managerid='11' typeid='1' "
         "typeidversion='2' instanceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport>"),
        ("openvswitch", "<virtualport type='openvswitch'/>"),
        # Last of those that are refused: libvirt 9 has told the card the address by then.
        ("802.1Qbh", "<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>"),
        ("driver vfio", "<driver name='vfio'/>"), ("driver kvm", "<driver name='kvm'/>"),
        ("link down", "<link state='down'/>"),
        ("mtu", "<mtu size='1400'/>"),
        ("bandwidth", "<bandwidth><inbound average='9'/></bandwidth>"),
        ("rom", "<rom bar='off'/>"),
        ("filter", "<filterref filter='clean-traffic'/>"), ("target", "<target dev='vnet5'/>"),
    ):  # fmt: skip
        session.create(what, "one", card(one, more=more))
        session.end()
    session.create("multicast", "one", card(one).replace("52:54", "53:54"))
    session.create("trusted", "one", card(one).replace("type=", "trustGuestRxFilters='yes' type="))
    session.end()
    session.create("the card itself", "one", card("0000:01:00.0"))
    session.create("a card without functions", "one", card("0000:00:0a.0"))
    session.create("absent", "one", card("0000:07:10.0"))
    session.create("absent function", "one", card("0000:01:11.4"))
    session.create("one twice", "one", card(one), card(one, 2))
    session.create("one twice, as a device", "one", card(one), given(one))
    session.create("one address twice", "one", card(one), card(two))
    session.end()
    session.create("as a device", "one", given(one))
    session.create("of two guests", "two", card(one))
    session.end()
    session.create("all of them", "one", card(one), card(two, 2), card(three, 3))
    session.end()
    session.create("not managed", "one", card(one, managed=""))
    detached = session.conn.nodeDeviceLookupByName("pci_" + re.sub("[:.]", "_", one))
    session.step("detach", detached.dettach)
    session.create("not managed", "one", card(one, managed=""))
    for what in ("reAttach", "dettach", "reset"):
        session.step(what, getattr(detached, what))
    session.end()
    session.create("detached, managed", "one", card(one))
    session.end()
    session.step("reattach", detached.reAttach)


def kept(session: Session) -> None:
    """What the card had for a function before comes back."""
    one = functions("eth0")[0]
    for words in ("mac 52:54:00:77:77:77", "vlan 7", "trust on", "spoofchk off"):
        subprocess.run(["ip", "link", "set", "eth0", "vf", "0", *words.split()], check=True)
    _rebind(one)
    session.create("kept before", "one", card(one, more="<vlan><tag id='9'/></vlan>"))
    session.end()
    session.create("kept before, no VLAN", "one", card(one))
    session.end()
    session.create("kept before, as a device", "one", given(one))
    session.end()
    session.create("kept before, direct", "one", direct(link_of(one)))
    session.end()
    session.create("kept before, direct with VLAN", "one",
                   direct(link_of(one), 1, "<vlan><tag id='9'/></vlan>"))  # fmt: skip
    session.end()
    for words in ("mac 00:00:00:00:00:00", "vlan 0", "trust off", "spoofchk on"):
        subprocess.run(["ip", "link", "set", "eth0", "vf", "0", *words.split()], check=True)
    _rebind(one)
    subprocess.run(["ip", "link", "set", "eth1", "down"], check=True)
    session.create("card down", "one", card(functions("eth1")[0]))
    session.end()
    session.create("card down, with VLAN", "one",
                   card(functions("eth1")[0], 1, "<vlan><tag id='9'/></vlan>"))  # fmt: skip
    session.end()
    subprocess.run(["ip", "link", "set", "eth1", "up"], check=True)
    time.sleep(3)


def _rebind(device: str) -> None:
    """The function's link learns what its card has been told."""
    for name in ("unbind", "bind"):
        Path(f"/sys/bus/pci/drivers/igbvf/{name}").write_text(device)
    _settle()


def plugs(session: Session) -> None:
    one, two, _ = functions("eth0")
    guest = session.create("empty", "one")
    other = session.create("another", "two", card(two, 9))
    for what, device in (
        ("function", card(one, 1, "<vlan><tag id='5'/></vlan>")), ("again", card(one, 1)),
        ("again, other address", card(one, 2)), ("another's", card(two, 3)),
        ("as a device", given(one)),
        ("card itself", card("0000:01:00.0", 4)), ("absent", card("0000:07:10.0", 4)),
        ("no function", card("0000:00:0a.0", 4)), ("two tags", card(functions("eth0")[2], 4,
        "<vlan><tag id='5'/><tag id='6'/></vlan>")), ("not managed",
        card(functions("eth0")[2], 4, managed="")),
    ):  # fmt: skip
        session.step(f"attach {what}", guest.attachDevice, device)
    session.step("update", guest.updateDeviceFlags, card(one, 1, "<vlan><tag id='6'/></vlan>"))
    session.step("update link", guest.updateDeviceFlags, card(one, 1, "<link state='down'/>"))
    session.step("detach another's", guest.detachDevice, card(two, 9))
    session.step("detach by a wrong address", guest.detachDevice, card(one, 7))
    _unplug(session, guest, card(one, 1, "<vlan><tag id='5'/></vlan>"))
    session.step("attach", guest.attachDevice, card(one, 1))
    _unplug(session, guest, given(one, ""))
    session.step("attach as a device", guest.attachDevice, given(one))
    _unplug(session, guest, given(one))
    session.step("attach to the other", other.attachDevice, card(one, 1))
    session.end()


def _unplug(session: Session, guest: Any, device: str) -> None:
    """A guest without a system lets go when it is reset; then the host has the function again."""
    session.step("detach", guest.detachDevice, device)
    guest.reset(0)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (_shown(guest) or not session.all_given_back()):
        time.sleep(0.2)
    session.step("gone", lambda: None)


def pools(session: Session) -> None:
    conn = session.conn
    pool = "<network><name>pool</name><forward mode='hostdev'{}>{}</forward>{}</network>"
    for what, attributes, inside, rest in (
        ("card", " managed='yes'", "<pf dev='eth1'/>", ""),
        ("card, not managed", "", "<pf dev='eth1'/>", ""),
        ("addresses", " managed='yes'", "".join(map(pci, functions("eth1"))), ""),
        ("driver", " managed='yes'", "<driver name='vfio'/><pf dev='eth1'/>", ""),
        ("VLAN", " managed='yes'", "<pf dev='eth1'/>", "<vlan><tag id='12'/></vlan>"),
        ("group", " managed='yes'", "<pf dev='eth1'/>", "<portgroup name='g' default='yes'><vlan>"
         "<tag id='13'/></vlan></portgroup><portgroup name='h'/>"),
        ("two tags", " managed='yes'", "<pf dev='eth1'/>", "<vlan trunk='yes'><tag id='12'/>"
         "<tag id='13'/></vlan>"),
        ("no functions", " managed='yes'", "<pf dev='eth2'/>", ""),
        ("no card", " managed='yes'", "<pf dev='eth99'/>", ""),
        ("a function as card", " managed='yes'",
         f"<pf dev='{link_of(functions('eth1')[0])}'/>", ""),
        ("the card's address", " managed='yes'", pci("0000:02:00.0"), ""),
        ("absent address", " managed='yes'", pci("0000:07:10.0"), ""),
    ):  # fmt: skip
        text = pool.format(attributes, inside, rest)
        network = session.step(f"{what}: network", conn.networkCreateXML, text)
        if network is None:
            continue
        session.create(f"{what}: first", "one", pooled("pool", 1))
        session.create(f"{what}: second", "two", pooled("pool", 2))
        if what == "card":
            session.create(f"{what}: third", "three", pooled("pool", 3))
            session.create(f"{what}: by address", "three", card(functions("eth1")[0]))
            session.end()
            guest = session.create(f"{what}: VLAN", "one", pooled("pool", 1,
                                   "<vlan><tag id='77'/></vlan>"))  # fmt: skip
            session.step("attach", guest.attachDevice, pooled("pool", 2))
            session.step("attach a third", guest.attachDevice, pooled("pool", 3))
            session.end()
            guest = session.create("empty", "one")
            session.step("attach", guest.attachDevice, pooled("pool", 2))
            _unplug(session, guest, pooled("pool", 2))
        if what == "group":
            session.end()
            device = pooled("pool").replace("'pool'", "'pool' portgroup='h'")
            session.create("group h", "one", device)
        session.end()
        session.step("destroy network", network.destroy)


def passed_through(session: Session) -> None:
    conn = session.conn
    one, two = functions("eth1")
    session.create("direct", "one", direct(link_of(one)))
    session.create("of two guests", "two", direct(link_of(one), 2))
    session.create("in a VLAN", "two", direct(link_of(two), 3, "<vlan><tag id='8'/></vlan>"))
    session.end()
    session.create("two tags", "one", direct(link_of(one), 3,
                   "<vlan><tag id='8'/><tag id='9'/></vlan>"))  # fmt: skip
    session.create("no function, VLAN", "one", direct("eth2", 3, "<vlan><tag id='8'/></vlan>"))
    guest = session.create("empty", "one")
    session.step("attach", guest.attachDevice, direct(link_of(one), 1, VIRTIO))
    _unplug(session, guest, direct(link_of(one), 1, VIRTIO))
    session.end()
    for mode in ("passthrough", "bridge"):
        inside = f"<forward mode='{mode}'><pf dev='eth1'/></forward>"
        text = f"<network><name>pool</name>{inside}</network>"
        network = session.step(f"{mode}: network", conn.networkCreateXML, text)
        if network is None:
            continue
        for number, name in enumerate(("one", "two", "three")):
            session.create(f"{mode}: {name}", name, pooled("pool", number))
        session.end()
        session.step("destroy network", network.destroy)


PARTS = {part.__name__: part for part in (starts, kept, plugs, pools, passed_through)}


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(sys.argv[1], GUEST)
    for part in sys.argv[2:] or PARTS:
        PARTS[part](session)
    session.conn.close()


if __name__ == "__main__":
    main()
