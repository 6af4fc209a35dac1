# SPDX-License-Identifier: Apache-2.0
"""Documents of host devices and leases: ``/usr/bin/python3 given_documents.py URI``.

Each is defined, started, attached to a guest that runs and to one that is defined, and detached. A
step prints a line of JSON: its name, what came of it or the code and domain of the error, and what
the documents say then. The host has none of the devices.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

import libvirt

GUEST = """<domain type='qemu'><name>{name}</name>
<uuid>c7a5fdbd-edaf-9455-926a-d65c16db18{number}</uuid><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<controller type='usb' model='qemu-xhci'/><controller type='scsi' model='virtio-scsi'/>
{devices}<memballoon model='none'/></devices></domain>"""
UUID = "8a05ad83-3472-497d-8631-8142f31460e8"


def hostdev(kind: str, source: str, rest: str = "", mode: str = "subsystem", more: str = "") -> str:
    return f"<hostdev mode='{mode}' type='{kind}'{more}>{source}{rest}</hostdev>"


def usb() -> Iterator[str]:
    ids = "<vendor id='0x1234'/><product id='0xbeef'/>"
    for inside in (
        ids, "<address bus='1' device='2'/>", ids + "<address bus='1' device='2'/>", "",
        "<vendor id='0x1234'/>", "<product id='0xbeef'/>", "<vendor id='1234'/><product id='1'/>",
        "<vendor id='0x12345'/><product id='0x1'/>", "<vendor/><product/>",
        "<vendor id='0'/><product id='0'/>", "<vendor id='x'/><product id='0x1'/>",
        "<address bus='0' device='0'/>", "<address bus='1'/>", "<address device='2'/>",
        "<address bus='-1' device='2'/>", "<address bus='0x1' device='010'/>",
        "<address bus='1' device='4294967296'/>", "<address/>", ids + ids,
        ids + "<address bus='0' device='0'/>",
    ):  # fmt: skip
        yield hostdev("usb", f"<source>{inside}</source>")
    for attribute in (
        "startupPolicy='optional'", "startupPolicy='requisite'", "startupPolicy='mandatory'",
        "startupPolicy='never'", "guestReset='off'", "guestReset='on'", "guestReset='no'",
        "guestReset='uninitialized'",
    ):  # fmt: skip
        yield hostdev("usb", f"<source {attribute}>{ids}</source>")
    source = f"<source>{ids}</source>"
    for rest in (
        "<address type='usb' bus='0' port='1'/>", "<address type='usb' bus='7' port='1'/>",
        "<address type='pci' domain='0' bus='0' slot='9' function='0'/>", "<boot order='1'/>",
        "<address type='usb' bus='0' port='99'/>", "<boot order='0'/>", "<readonly/>",
        "<shareable/>", "<alias name='ua-stick'/>", "<alias name='stick'/>", "<rom bar='off'/>",
        "<driver name='vfio'/>", "<teaming type='transient' persistent='ua-x'/>",
    ):  # fmt: skip
        yield hostdev("usb", source, rest)
    for more in (" managed='yes'", " managed='no'", " managed='maybe'", " sgio='filtered'",
                 " rawio='yes'", " model='vfio-pci'", " display='on'"):  # fmt: skip
        yield hostdev("usb", source, more=more)


def pci() -> Iterator[str]:
    for address in (
        "domain='0' bus='3' slot='4' function='0'", "domain='0x0000' bus='0x03' slot='0x04'",
        "bus='3' slot='4' function='8'", "bus='3' slot='32'", "bus='256'", "domain='0x10000'",
        "domain='0xffff' bus='0xff' slot='0x1f' function='0x7'", "", "slot='x'",
        "domain='0' bus='0' slot='0' function='0'", "uuid='1'",
        "domain='0' bus='3' slot='4' function='0' multifunction='on'",
    ):  # fmt: skip
        yield hostdev("pci", f"<source><address {address}/></source>")
    source = "<source><address domain='0' bus='3' slot='4' function='0'/></source>"
    for rest in (
        "<driver name='vfio'/>", "<driver name='kvm'/>", "<driver name='xen'/>",
        "<driver name='x'/>", "<driver/>", "<rom bar='on' file='/nowhere'/>", "<rom bar='off'/>",
        "<rom enabled='no'/>", "<rom enabled='no' file='/x'/>", "<rom bar='x'/>",
        "<boot order='2'/>", "<address type='unassigned'/>", "<address type='usb' bus='0'/>",
        "<address type='pci' bus='0' slot='9' multifunction='on'/>",
        "<address type='pci' bus='9' slot='1'/>", "<teaming type='transient' persistent='ua-x'/>",
        "<teaming type='persistent'/>", "<teaming type='transient'/>", "<readonly/>",
        "<source startupPolicy='optional'/>",
    ):  # fmt: skip
        yield hostdev("pci", source, rest)
    yield hostdev("pci", source.replace("<source>", "<source writeFiltering='no'>"))
    yield hostdev("pci", source.replace("<source>", "<source startupPolicy='optional'>"))
    yield hostdev("pci", source, more=" managed='yes'")
    yield hostdev("pci", source, more=" sgio='filtered'")


def scsi() -> Iterator[str]:
    for inside in (
        "<adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/>",
        "<adapter name='scsi_host77'/><address bus='0' target='0' unit='0'/>",
        "<adapter name='fc_host0'/><address bus='0' target='0' unit='0'/>",
        "<adapter name=''/><address bus='0' target='0' unit='0'/>",
        "<adapter/><address bus='0' target='0' unit='0'/>", "<adapter name='scsi_host0'/>",
        "<address bus='0' target='0' unit='0'/>", "", "<adapter name='scsi_host0'/><address/>",
        "<adapter name='scsi_host0'/><address bus='0' target='0'/>",
        "<adapter name='scsi_host0'/><address target='0' unit='0'/>",
        "<adapter name='scsi_host0'/><address bus='0' target='0' unit='18446744073709551615'/>",
        "<adapter name='scsi_host0'/><address bus='0' target='-1' unit='0'/>",
    ):  # fmt: skip
        yield hostdev("scsi", f"<source>{inside}</source>")
    source = "<source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"
    for rest in (
        "<readonly/>", "<shareable/>", "<readonly/><shareable/>", "<boot order='1'/>",
        "<address type='drive' controller='0' bus='0' target='0' unit='3'/>",
        "<address type='drive' controller='0' bus='1' target='0' unit='3'/>",
        "<address type='drive' controller='5' bus='0' target='0' unit='3'/>",
        "<address type='drive' controller='0' bus='0' target='999' unit='3'/>",
        "<address type='pci' bus='0' slot='9'/>", "<alias name='ua-unit'/>",
    ):  # fmt: skip
        yield hostdev("scsi", source, rest)
    for more in (" sgio='filtered'", " sgio='unfiltered'", " sgio='x'", " rawio='yes'",
                 " rawio='no'", " rawio='x'", " managed='yes'", " model='virtio'"):  # fmt: skip
        yield hostdev("scsi", source, more=more)
    name = "iqn.2014-06.com.example:target/1"
    host = "<host name='127.0.0.1' port='1'/>"
    secret = "<auth username='me'><secret type='iscsi' usage='{}'/></auth>"
    for protocol, called, inside in (
        ("iscsi", name, host), ("iscsi", name, ""), ("iscsi", "", host), ("iscsi", name, host * 2),
        ("iscsi", name.partition("/")[0], host), ("iscsi", name, "<host name='127.0.0.1'/>"),
        ("iscsi", name, "<host port='1'/>"), ("nfs", name, host), ("rbd", name, host),
        ("iscsi", name, host + "<initiator><iqn name='iqn.2020-01.org.x:me'/></initiator>"),
        ("iscsi", name, host + "<initiator><iqn/></initiator>"),
        ("iscsi", name, host + secret.format("nobody")), ("iscsi", name, host + "<auth/>"),
        ("iscsi", name, host + "<auth username='me'/>"), ("iscsi", "x/y", host),
        ("iscsi", name, host + secret.format("x").replace("type='iscsi'", "type='ceph'")),
        ("iscsi", name, host.replace("name=", "transport='unix' socket='/x' name=")),
    ):  # fmt: skip
        yield hostdev("scsi", f"<source protocol='{protocol}' name='{called}'>{inside}</source>")


def others() -> Iterator[str]:
    for wwpn in ("naa.5123456789abcde0", "naa.5123456789ABCDE0", "naa.5", "5123456789abcde0", ""):
        yield hostdev("scsi_host", f"<source protocol='vhost' wwpn='{wwpn}'/>")
    source = "<source protocol='vhost' wwpn='naa.5123456789abcde0'/>"
    for protocol in ("adapter", "none", "x"):
        yield hostdev("scsi_host", source.replace("vhost", protocol))
    yield hostdev("scsi_host", "<source wwpn='naa.5123456789abcde0'/>")
    yield hostdev("scsi_host", "<source protocol='vhost'/>")
    for model in ("virtio", "virtio-transitional", "virtio-non-transitional", "vfio-pci", "x"):
        yield hostdev("scsi_host", source, more=f" model='{model}'")
    yield hostdev("scsi_host", source, "<boot order='1'/>")
    for uuid in (UUID, UUID.replace("-", ""), UUID.upper(), "x", ""):
        place = f"<source><address uuid='{uuid}'/></source>"
        yield hostdev("mdev", place, more=" model='vfio-pci'")
    place = f"<source><address uuid='{UUID}'/></source>"
    for more in (
        "", " model='vfio-ccw'", " model='vfio-ap'", " model='x'", " model='virtio'",
        " model='vfio-pci' display='on'", " model='vfio-pci' display='off'",
        " model='vfio-pci' display='on' ramfb='on'", " model='vfio-pci' ramfb='on'",
        " model='vfio-pci' display='x'", " model='vfio-pci' managed='yes'",
    ):  # fmt: skip
        yield hostdev("mdev", place, more=more)
    for rest in ("<boot order='1'/>", "<address type='pci' bus='0' slot='9'/>",
                 "<address type='ccw'/>", "<rom bar='off'/>", "<readonly/>"):  # fmt: skip
        yield hostdev("mdev", place, rest, more=" model='vfio-pci'")
    yield hostdev("mdev", "<source/>", more=" model='vfio-pci'")
    for kind, inside in (
        ("storage", "<block>/dev/sdf1</block>"), ("misc", "<char>/dev/input0</char>"),
        ("net", "<interface>eth0</interface>"), ("storage", ""), ("misc", ""), ("net", ""),
    ):  # fmt: skip
        yield hostdev(kind, f"<source>{inside}</source>", mode="capabilities")
    yield hostdev("pci", "<source/>", mode="capabilities")
    yield hostdev("storage", "<source><block>/dev/sdf1</block></source>")
    yield hostdev("usb", "<source/>", mode="x")
    yield hostdev("x", "<source/>")
    yield from ("<hostdev/>", "<hostdev mode='subsystem'/>", "<hostdev type='usb'/>")
    yield "<hostdev mode='subsystem' type='usb'/>"


def leases() -> Iterator[str]:
    target = "<target path='/nowhere/lease' offset='1024'/>"
    for inside in (
        f"<lockspace>s</lockspace><key>k</key>{target}", f"<key>k</key>{target}",
        f"<lockspace>s</lockspace>{target}", "<lockspace>s</lockspace><key>k</key>", "",
        "<lockspace>s</lockspace><key>k</key><target/>",
        "<lockspace>s</lockspace><key>k</key><target path='/x'/>",
        "<lockspace>s</lockspace><key>k</key><target path=''/>",
        "<lockspace>s</lockspace><key>k</key><target path='/x' offset='x'/>",
        "<lockspace>s</lockspace><key>k</key><target path='/x' offset='-1'/>",
        "<lockspace>s</lockspace><key>k</key><target path='/x' offset='18446744073709551615'/>",
        f"<lockspace></lockspace><key></key>{target}",
        f"<lockspace> s </lockspace><key> k </key>{target}",
        f"<lockspace>a/b</lockspace><key>..</key>{target}", target,
    ):  # fmt: skip
        yield f"<lease>{inside}</lease>"


PAIRS = (
    hostdev("usb", "<source><address bus='1' device='2'/></source>"),
    hostdev("usb", "<source><vendor id='0x1234'/><product id='0xbeef'/></source>"),
    hostdev("pci", "<source><address bus='3' slot='4'/></source>"),
    hostdev("mdev", f"<source><address uuid='{UUID}'/></source>", more=" model='vfio-pci'"),
    hostdev("scsi_host", "<source protocol='vhost' wwpn='naa.5123456789abcde0'/>"),
    hostdev(
        "scsi",
        "<source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>",
    ),
    "<lease><lockspace>s</lockspace><key>k</key><target path='/x'/></lease>",
    "<lease><lockspace>s</lockspace><key>k</key><target path='/y' offset='512'/></lease>",
)


class Session:
    """A guest that is defined, and one that runs."""

    def __init__(self, uri: str) -> None:
        self.conn = libvirt.open(uri)
        text = GUEST.format(name="runs", number="02", devices="")
        self.runs = self.conn.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED)

    def step(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        try:
            result = call(*args)
        except libvirt.libvirtError as error:
            print(json.dumps([name, error.get_error_code(), error.get_error_domain()]))
            return None
        print(json.dumps([name, result if isinstance(result, int | str) else "done"]))
        return result

    def shown(self, what: str, guest: Any, flags: int = 0) -> None:
        root = ET.fromstring(guest.XMLDesc(flags))
        found = [
            re.sub(r"\s+", " ", ET.tostring(each, encoding="unicode")).strip()
            for kind in ("hostdev", "lease", "controller") for each in root.iter(kind)
        ]  # fmt: skip
        print(json.dumps([what, found]))

    def document(self, device: str) -> None:
        text = GUEST.format(name="defined", number="01", devices=device)
        guest = self.step(f"define {device}", self.conn.defineXML, text)
        if guest is not None:
            self.shown("is", guest)
            self.step("start", guest.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
            if guest.isActive():
                self.shown("runs", guest)
                guest.destroy()
            guest.undefine()
        self.step("validated", self.conn.defineXMLFlags, text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        self.plug(device)

    def plug(self, device: str) -> None:
        text = GUEST.format(name="defined", number="01", devices="")
        guest = self.conn.defineXML(text)
        for flags in (2, 3):
            self.step(f"attach {flags}", guest.attachDeviceFlags, device, flags)
        self.step("update", guest.updateDeviceFlags, device, 2)
        self.shown("has", guest, libvirt.VIR_DOMAIN_XML_INACTIVE)
        for _ in range(2):
            self.step("detach", guest.detachDeviceFlags, device, 2)
        self.shown("has", guest, libvirt.VIR_DOMAIN_XML_INACTIVE)
        guest.undefine()
        self.step("attach live", self.runs.attachDeviceFlags, device, 1)
        self.step("update live", self.runs.updateDeviceFlags, device, 1)
        self.step("detach live", self.runs.detachDeviceFlags, device, 1)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(sys.argv[1])
    for kind in (usb, pci, scsi, others, leases):
        for device in kind():
            session.document(device)
    for number, one in enumerate(PAIRS):
        for other in PAIRS[number:]:
            text = GUEST.format(name="defined", number="01", devices=one + other)
            guest = session.step(f"both {one} {other}", session.conn.defineXML, text)
            if guest is not None:
                session.shown("has", guest, libvirt.VIR_DOMAIN_XML_INACTIVE)
                session.step("again", guest.attachDeviceFlags, one, 2)
                session.step("one goes", guest.detachDeviceFlags, one, 2)
                session.shown("has", guest, libvirt.VIR_DOMAIN_XML_INACTIVE)
                guest.undefine()
    session.runs.destroy()


if __name__ == "__main__":
    main()
