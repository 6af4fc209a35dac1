# SPDX-License-Identifier: Apache-2.0
"""A session about changes of network cards: ``/usr/bin/python3 card_updates.py URI [-v]``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
cards in both documents that are new, how many have gone, and with ``-v`` the error's words.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import libvirt

LIVE, CONFIG = 1, 2
NETWORKS = (
    "<network><name>inner</name><uuid>11111111-2222-3333-4444-555555555501</uuid>"
    "<bridge name='vbr1'/><mac address='52:54:00:aa:00:01'/>"
    "<portgroup name='slow'><bandwidth><inbound average='100'/></bandwidth></portgroup>"
    "<portgroup name='plain'/></network>",
    "<network><name>other</name><uuid>11111111-2222-3333-4444-555555555502</uuid>"
    "<bridge name='vbr2'/><mac address='52:54:00:aa:00:02'/></network>",
    "<network><name>given</name><uuid>11111111-2222-3333-4444-555555555503</uuid>"
    "<forward mode='bridge'/><bridge name='br8'/></network>",
    "<network><name>away</name><uuid>11111111-2222-3333-4444-555555555504</uuid>"
    "<bridge name='vbr3'/><mac address='52:54:00:aa:00:03'/></network>",
)
FILTER = (
    "<filter name='arps' chain='root'>"
    "<rule action='accept' direction='inout'><arp/></rule></filter>"
)
USER, BRIDGE, NETWORK, PLAIN, GIVEN = (
    ("user", 1, "<interface type='user'>{mac}{more}</interface>"),
    ("bridge", 2, "<interface type='bridge'>{mac}<source bridge='br8'/>{more}</interface>"),
    ("network", 3, "<interface type='network'>{mac}<source network='inner'/>{more}</interface>"),
    ("ethernet", 4, "<interface type='ethernet'>{mac}<target dev='tapx'/>{more}</interface>"),
    ("given", 5, "<interface type='network'>{mac}<source network='given'/>{more}</interface>"),
)
CARDS = (USER, BRIDGE, NETWORK, PLAIN, GIVEN)
MODEL = "<model type='virtio'/>"


def mac(number: int) -> str:
    """The hardware address of a card."""
    return f"<mac address='52:54:00:00:01:{number:02x}'/>"


def text(card: tuple[str, int, str], more: str = "", number: int | None = None) -> str:
    """A card, virtio unless *more* says otherwise."""
    _, own, form = card
    model = "" if "<model" in more else MODEL
    return form.format(mac=mac(own if number is None else number), more=model + more)


GUEST = f"""<domain type='qemu'><name>cards</name>
<uuid>11111111-2222-3333-4444-555555555555</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
{"".join(text(card) for card in CARDS)}<memballoon model='none'/></devices></domain>"""

#: What is added to each card, one after the other; after each the card is put back.
ADDED = (
    "<link state='down'/>", "<link state='up'/>", "<link state='sideways'/>", "<link/>",
    "<model type='e1000'/>", "<model/>", "<model type='no such'/>",
    "<bandwidth><inbound average='500' peak='600' burst='700'/></bandwidth>",
    "<bandwidth><inbound average='500' floor='200'/></bandwidth>",
    "<bandwidth><inbound floor='200'/></bandwidth>",
    "<bandwidth><outbound average='300'/></bandwidth>",
    "<bandwidth><outbound average='0'/></bandwidth>",
    "<bandwidth/>", "<bandwidth><inbound/></bandwidth>",
    "<bandwidth><inbound average='-1'/></bandwidth>",
    "<bandwidth><inbound average='x'/></bandwidth>",
    "<bandwidth><outbound average='5' floor='5'/></bandwidth>",
    "<bandwidth><inbound peak='5'/></bandwidth>", "<bandwidth><inbound burst='5'/></bandwidth>",
    "<filterref filter='arps'/>", "<filterref filter='no-such-filter'/>",
    "<filterref filter='arps'><parameter name='IP' value='10.0.0.1'/></filterref>",
    "<filterref/>",
    "<vlan><tag id='5'/></vlan>", "<vlan trunk='yes'><tag id='5'/><tag id='6'/></vlan>",
    "<vlan/>", "<vlan><tag id='5000'/></vlan>", "<vlan><tag id='5'/><tag id='6'/></vlan>",
    "<mtu size='1400'/>", "<mtu size='x'/>", "<mtu size='0'/>", "<mtu/>",
    "<alias name='ua-mine'/>", "<alias name='net9'/>",
    "<boot order='1'/>", "<boot order='0'/>", "<boot order='x'/>",
    "<driver name='qemu'/>", "<driver queues='4'/>", "<driver name='vhost'/>",
    "<driver txmode='iothread'/>", "<driver ioeventfd='on' event_idx='off'/>",
    "<driver rx_queue_size='512'/>", "<driver rx_queue_size='500'/>",
    "<driver><host csum='off'/></driver>", "<driver iommu='on'/>", "<driver name='nope'/>",
    "<tune><sndbuf>1600</sndbuf></tune>", "<tune><sndbuf>x</sndbuf></tune>",
    "<coalesce><rx><frames max='7'/></rx></coalesce>",
    "<coalesce><rx><frames max='0'/></rx></coalesce>",
    "<port isolated='yes'/>", "<port isolated='no'/>", "<port isolated='maybe'/>",
    "<rom bar='off'/>", "<rom file='/nowhere/rom'/>", "<rom enabled='no'/>",
    "<acpi index='7'/>", "<acpi index='0'/>",
    "<target dev='vnet77'/>", "<target dev='other0'/>", "<target dev='/etc/x'/>",
    "<script path='/bin/true'/>", "<downscript path='/bin/true'/>",
    "<ip address='10.0.0.5' prefix='24'/>", "<ip address='10.0.0.500'/>",
    "<ip address='fd00::1' prefix='64'/>",
    "<route address='10.1.0.0' prefix='16' gateway='10.0.0.1'/>",
    "<backend tap='/dev/net/tun'/>", "<backend vhost='/dev/vhost-net'/>",
    "<guest dev='eth9'/>", "<teaming type='persistent'/>",
    "<virtualport type='openvswitch'/>", "<virtualport type='802.1Qbh'/>",
    "<virtualport><parameters interfaceid='11111111-2222-3333-4444-555555555556'/></virtualport>",
    "<address type='pci' domain='0' bus='0' slot='0x1e' function='0'/>",
    "<address type='pci' domain='0' bus='9' slot='0x1e' function='0'/>",
    "<address type='usb' bus='0' port='1'/>", "<address type='unknown'/>",
    "<unknown/>", "<source dev='lo'/>",
)  # fmt: skip

#: Other documents, for whatever card they mean.
OTHERS = (
    "<interface type='bridge'>{2}<source bridge='br9'/>@</interface>",
    "<interface type='bridge'>{2}<source bridge='nope'/>@</interface>",
    "<interface type='bridge'>{2}<source bridge='lo'/>@</interface>",
    "<interface type='bridge'>{2}<source/>@</interface>",
    "<interface type='bridge'>{2}@</interface>",
    "<interface type='bridge'>{2}<source bridge='br8'/>@</interface>",
    "<interface type='network'>{2}<source network='other'/>@</interface>",
    "<interface type='bridge'>{2}<source bridge='br8'/>@</interface>",
    "<interface type='network'>{3}<source network='other'/>@</interface>",
    "<interface type='network'>{3}<source network='away'/>@</interface>",
    "<interface type='network'>{3}<source network='nope'/>@</interface>",
    "<interface type='network'>{3}<source/>@</interface>",
    "<interface type='network'>{3}<source network='given'/>@</interface>",
    "<interface type='network'>{3}<source network='inner' portgroup='slow'/>@</interface>",
    "<interface type='network'>{3}<source network='inner' portgroup='plain'/>@</interface>",
    "<interface type='network'>{3}<source network='inner' portgroup='nope'/>@</interface>",
    "<interface type='bridge'>{3}<source bridge='br9'/>@</interface>",
    "<interface type='bridge'>{3}<source bridge='vbr1'/>@</interface>",
    "<interface type='network'>{3}<source network='inner'/>@</interface>",
    "<interface type='bridge'>{5}<source bridge='br8'/>@</interface>",
    "<interface type='network'>{5}<source network='given'/>@</interface>",
    "<interface type='network'>{1}<source network='inner'/>@</interface>",
    "<interface type='bridge'>{1}<source bridge='br8'/>@</interface>",
    "<interface type='ethernet'>{1}@</interface>",
    "<interface type='user'>{1}@</interface>",
    "<interface type='user'>{2}@</interface>",
    "<interface type='user'>{9}@</interface>",
    "<interface type='user'>@</interface>",
    "<interface type='nope'>{1}@</interface>",
    "<interface>{1}@</interface>",
    "<interface type='user'><mac address='52:54:00:00:01'/>@</interface>",
    "<interface type='user'><mac address='01:54:00:00:01:01'/>@</interface>",
    "<interface type='user'><mac address='ff:ff:ff:ff:ff:ff'/>@</interface>",
    "<interface type='user'><mac/>@</interface>",
    "<interface type='user'><mac address='52:54:00:00:01:01'/><mac address='1'/>@</interface>",
    "<interface type='user'>{1}<alias name='net1'/>@</interface>",
    "<interface type='user'><alias name='net0'/>@</interface>",
    "<interface type='user' trustGuestRxFilters='yes'>{1}@</interface>",
    "<interface type='bridge' trustGuestRxFilters='yes'>{2}<source bridge='br8'/>@</interface>",
    "<interface type='network' trustGuestRxFilters='no'>{3}<source network='inner'/>@</interface>",
    "<interface type='internal'>{1}<source name='x'/>@</interface>",
    "<interface type='vdpa'>{1}<source dev='/dev/vhost-vdpa-0'/>@</interface>",
    "<interface type='direct'>{2}<source dev='lo' mode='bridge'/>@</interface>",
    "<interface type='hostdev'>{2}<source><address type='pci' domain='0' bus='0' slot='1' "
    "function='0'/></source></interface>",
    "<interface type='mcast'>{1}<source address='230.0.0.1' port='5558'/>@</interface>",
    "<interface type='vhostuser'>{1}<source type='unix' path='/x' mode='server'/>@</interface>",
)  # fmt: skip


class Session:
    """The domain, and what is done to it."""

    def __init__(self, uri: str) -> None:
        self.conn = libvirt.open(uri)
        self.shown: list[str] = []
        self.mac = ""
        self.conn.nwfilterDefineXML(FILTER)
        for document in NETWORKS:
            network = self.conn.networkDefineXML(document)
            if "away" not in document:
                network.create()
        self.guest = self.conn.defineXML(GUEST)

    def step(self, name: str, action: Any, *arguments: Any) -> None:
        """Does it, and tells what came of it."""
        said = ""
        try:
            result: Any = plain(action(*arguments))
        except libvirt.libvirtError as error:
            result = [error.get_error_code(), error.get_error_domain()]
            said = masked(str(error))
        now = self.documents()
        changed = [line for line in now if line not in self.shown]
        gone = [line for line in self.shown if line not in now]
        self.shown = now
        told = [name, result, changed, len(gone)]
        print(json.dumps([*told, said] if "-v" in sys.argv else told), flush=True)

    def documents(self) -> list[str]:
        """The cards of the live and of the persistent document."""
        found = []
        for kind, flags in (("live", 0), ("kept", libvirt.VIR_DOMAIN_XML_INACTIVE)):
            if flags or self.guest.isActive():
                document = masked(self.guest.XMLDesc(flags))
                cards = re.findall(r"<interface .*?</interface>", document, re.DOTALL)
                found += [f"{kind} {' '.join(card.split())}" for card in cards]
        return found

    def update(self, document: str, flags: int) -> None:
        """Changes a device."""
        self.step(f"{flags} {document}", self.guest.updateDeviceFlags, document, flags)


def plain(value: Any) -> Any:
    """What JSON can hold."""
    return value if isinstance(value, (int, str, dict, type(None))) else type(value).__name__


def masked(document: str) -> str:
    """Without what nobody gave."""
    document = re.sub(r"portid='[^']+'", "portid='P'", document)
    document = re.sub(r"instanceid='[^']+'|interfaceid='(?!1111)[^']+'", "ID", document)
    document = re.sub(r"<bandwidth>\s*</bandwidth>\s*", "", document)
    return re.sub(r"vnet\d+", "vnetN", document)


def filled(document: str) -> str:
    """With the addresses that numbers stand for, and the usual model."""
    for number in range(1, 10):
        document = document.replace(f"{{{number}}}", mac(number))
    return document.replace("@", MODEL)


def changes(session: Session, flags: int, cards: Any) -> None:
    """Everything that can be added to each card, then other documents."""
    for card in cards:
        for more in ADDED:
            session.update(text(card, more), flags)
            session.update(text(card), flags)
    for document in OTHERS:
        session.update(filled(document), flags)


def aliases(session: Session) -> None:
    """A card of the persistent document that has a name of its own."""
    for name in ("ua-mine", "ua-other", "net1", "ua-mine", ""):
        session.update(text(BRIDGE, f"<alias name='{name}'/>" if name else ""), CONFIG)
    session.update(text(BRIDGE, "<alias name='ua-mine'/>"), CONFIG)
    for flags in (CONFIG, LIVE):
        for card, name in ((BRIDGE, "ua-other"), (BRIDGE, "net1"), (USER, "net0"), (USER, "ua-x")):
            document = text(card, f"<alias name='{name}'/>")
            for action in ("detachDeviceFlags", "attachDeviceFlags"):
                step = getattr(session.guest, action)
                session.step(f"{action} {document} {flags}", step, document, flags)


def alone(session: Session) -> None:
    """The only card of a guest, which is meant without an address too."""
    only = GUEST.replace(">cards<", ">alone<").replace("5555</uuid>", "5556</uuid>")
    only = re.sub(r"(?s)(</interface>).*</interface>", r"\1", only)
    session.guest = session.conn.defineXML(only)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.shown = session.documents()
    for more in ("", "<link state='down'/>", "<model type='e1000'/>"):
        session.update(text(USER, more).replace(mac(1), ""), LIVE)
    session.guest.destroy()
    session.guest.undefine()


def tuning(session: Session, flags: int) -> None:
    """What virsh domiftune and domif-setlink ask for."""
    guest = session.guest
    for device in (
        "52:54:00:00:01:03",
        "52:54:00:00:01:05",
        "52:54:00:00:01:02",
        "vnet0",
        "tapx",
        "52:54:00:00:01:01",
        "nope",
        "",
    ):
        for values in (
            {"inbound.average": 100}, {"inbound.peak": 5}, {"inbound.burst": 5},
            {"inbound.average": 100, "inbound.peak": 200, "inbound.burst": 300},
            {"outbound.average": 50}, {"inbound.average": 0}, {"outbound.average": 0},
            {"inbound.floor": 100}, {"inbound.average": 100, "inbound.floor": 100},
            {"inbound.floor": 0},
        ):  # fmt: skip
            name = f"tune {device} {values} {flags}"
            session.step(name, guest.setInterfaceParameters, device, values, flags)
            session.step(f"read {name}", guest.interfaceParameters, device, flags)


def main(uri: str) -> int:
    """The session."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(uri)
    session.shown = session.documents()
    changes(session, CONFIG, CARDS)
    aliases(session)
    tuning(session, CONFIG)
    session.update(text(USER), LIVE)
    session.update(text(USER), LIVE | CONFIG)
    session.guest.undefine()
    session.guest = session.conn.defineXML(GUEST)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.shown = session.documents()
    changes(session, LIVE, CARDS)
    tuning(session, LIVE)
    session.guest.destroy()
    session.guest.undefine()
    session.guest = session.conn.defineXML(GUEST)
    session.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    session.shown = session.documents()
    changes(session, LIVE | CONFIG, (BRIDGE,))
    session.update(text(USER), 8)
    aliases(session)
    session.guest.destroy()
    session.guest.undefine()
    alone(session)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
