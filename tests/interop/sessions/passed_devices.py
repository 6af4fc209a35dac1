# SPDX-License-Identifier: Apache-2.0
"""A session about USB and SCSI devices that guests get: ``/usr/bin/python3 passed_devices.py URI``.

It runs on a host that has a tablet, two sticks that are alike, and a SCSI host with three units.
Each step prints a line of JSON: its name, what came of it or the code and domain of the error, what
the live document says of devices of the host, and the devices that QEMU has of them.
"""

from __future__ import annotations

import json
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
from guest_steps import GuestSteps

USB = Path("/sys/bus/usb/devices")
SCSI = Path("/sys/bus/scsi/devices")
TABLET, STICK = ("0x0627", "0x0001"), ("0x46f4", "0x0001")
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<controller type='usb' model='qemu-xhci'/><controller type='scsi' model='virtio-scsi'/>
{devices}<memballoon model='none'/></devices></domain>"""
ABSENT = ("0x1234", "0xbeef")


def by_name(identity: tuple[str, str], source: str = "", more: str = "") -> str:
    vendor, product = identity
    return (
        f"<hostdev mode='subsystem' type='usb' managed='yes'><source{source}>"
        f"<vendor id='{vendor}'/><product id='{product}'/>{more}</source></hostdev>"
    )


def by_place(bus: int, device: int, source: str = "") -> str:
    address = f"<address bus='{bus}' device='{device}'/>"
    return f"<hostdev mode='subsystem' type='usb'><source{source}>{address}</source></hostdev>"


def unit(host: int, number: int, more: str = "", target: int = 0, attributes: str = "") -> str:
    return (
        f"<hostdev mode='subsystem' type='scsi'{attributes}><source>"
        f"<adapter name='scsi_host{host}'/>"
        f"<address bus='0' target='{target}' unit='{number}'/></source>{more}</hostdev>"
    )


def places(identity: tuple[str, str]) -> list[tuple[int, int]]:
    """Where the host has devices of that name."""
    found = []
    for path in USB.iterdir():
        if not (path / "idVendor").exists():
            continue
        ids = [f"0x{(path / name).read_text().strip()}" for name in ("idVendor", "idProduct")]
        if tuple(ids) == identity:
            numbers = [int((path / name).read_text()) for name in ("busnum", "devnum")]
            found.append((numbers[0], numbers[1]))
    return sorted(found)


def scsi_host() -> int:
    """The number of the host with the units."""
    for path in SCSI.glob("*:0:0:2"):
        return int(path.name.partition(":")[0])
    raise LookupError("no SCSI host with three units")


class Session(GuestSteps):
    """Guests with devices of the host, and whose the host's nodes are."""

    def shown(self, guest: Any) -> list[Any]:
        return _shown(guest)

    def around(self) -> list[Any]:
        return [_owners()]


def _shown(guest: Any) -> list[Any]:
    """What the document says, and what QEMU does."""
    root = ET.fromstring(guest.XMLDesc())
    found = [ET.tostring(each, encoding="unicode") for each in root.iter("hostdev")]
    usb = libvirt_qemu.qemuMonitorCommand(guest, "info usb", 1)
    block = libvirt_qemu.qemuMonitorCommand(guest, "info block", 1)
    devices = [line.strip() for line in usb.splitlines() if "Product" in line]
    # libvirt 9 adds a port for a device that is missing, in which nothing is.
    devices = [line for line in devices if "USB Host Device" not in line]
    units = re.findall(r"/dev/sg\d+", block)
    return [[re.sub(r"\s+", " ", text) for text in found], devices, units]


def _owners() -> list[int]:
    """Whose the host's own nodes are."""
    nodes = [*Path("/dev/bus/usb").glob("*/*"), *Path("/dev").glob("sg*")]
    return sorted({os.stat(node).st_uid for node in nodes})


def usb_starts(session: Session) -> None:
    (tablet,), sticks = places(TABLET), places(STICK)
    session.create("by name", "one", by_name(TABLET))
    session.create("of two guests", "two", by_name(TABLET))
    session.create("of two guests, by place", "two", by_place(*tablet))
    session.create("another", "two", by_place(*sticks[0]))
    session.end()
    session.create("by place", "one", by_place(*tablet))
    session.create("of two guests", "two", by_name(TABLET))
    session.end()
    session.create("several alike", "one", by_name(STICK))
    place = f"<address bus='{sticks[1][0]}' device='{sticks[1][1]}'/>"
    session.create("by name and place", "one", by_name(STICK, more=place))
    session.end()
    session.create("both of them", "one", *(by_place(*each) for each in sticks))
    session.end()
    session.create("one twice", "one", by_place(*tablet), by_name(TABLET))
    session.end()
    session.create("no such place", "one", by_place(tablet[0], 99))
    session.create("another's place", "one", by_name(ABSENT, more=place))
    for policy in ("", "mandatory", "requisite", "optional"):
        source = f" startupPolicy='{policy}'" if policy else ""
        session.create(f"absent, {policy}", "one", by_name(ABSENT, source))
        session.end()
        session.create(f"absent place, {policy}", "one", by_place(tablet[0], 99, source))
        session.end()
        session.create(f"several, {policy}", "one", by_name(STICK, source))
        session.end()


def usb_plugs(session: Session) -> None:
    (tablet,), sticks = places(TABLET), places(STICK)
    one = session.create("one", "one")
    two = session.create("two", "two", by_place(*sticks[0]))
    for what, device in (
        ("by name", by_name(TABLET)), ("again", by_name(TABLET)), ("again, by place",
        by_place(*tablet)), ("another's", by_place(*sticks[0])), ("several alike", by_name(STICK)),
        ("by place", by_place(*sticks[1])), ("absent", by_name(ABSENT)),
        ("absent and optional", by_name(ABSENT, " startupPolicy='optional'")),
    ):  # fmt: skip
        session.step(f"attach {what}", one.attachDevice, device)
    session.step("attach what another has", two.attachDevice, by_name(TABLET))
    for what, device in (
        ("absent", by_name(ABSENT)), ("another's", by_place(*sticks[0])),
        ("by place", by_place(*tablet)), ("again", by_name(TABLET)),
        ("by name", by_name(STICK)), ("again", by_place(*sticks[1])),
    ):  # fmt: skip
        session.step(f"detach {what}", one.detachDevice, device)
    session.step("attach what was another's", two.attachDevice, by_name(TABLET))
    session.end()


def usb_defined(session: Session) -> None:
    """A device that comes and goes, of a guest that is defined."""
    (tablet,) = places(TABLET)
    conn = session.conn
    for policy in ("mandatory", "optional"):
        device = by_name(TABLET, f" startupPolicy='{policy}'")
        guest = session.step("define", conn.defineXML, GUEST.format(name="one", devices=device))
        paused = libvirt.VIR_DOMAIN_START_PAUSED
        session.step("start", guest.createWithFlags, paused)
        _pull_out(tablet)
        session.step("pulled out", lambda: None)
        session.step("attach what is gone", guest.attachDevice, by_place(*tablet))
        session.step("detach what is gone", guest.detachDevice, by_place(*tablet))
        session.step("destroy", guest.destroy)
        session.step(f"start without, {policy}", guest.createWithFlags, paused)
        _plug_in()
        (tablet,) = places(TABLET)
        if guest.isActive():
            session.step("attach what has come", guest.attachDevice, by_name(TABLET))
            session.step("destroy", guest.destroy)
        session.step("start with", guest.createWithFlags, paused)
        session.step("destroy", guest.destroy)
        text = ET.fromstring(guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find(".//hostdev")
        assert text is not None
        print(json.dumps(["inactive", re.sub(r"\s+", " ", ET.tostring(text, encoding="unicode"))]))
        session.step("undefine", guest.undefine)


def _pull_out(place: tuple[int, int]) -> None:
    for path in USB.iterdir():
        if (path / "devnum").exists() and (path / "remove").exists():
            numbers = [int((path / name).read_text()) for name in ("busnum", "devnum")]
            if (numbers[0], numbers[1]) == place:
                (path / "remove").write_text("1")


def _plug_in() -> None:
    """All devices of all hubs are looked for anew, and get other numbers."""
    hubs = Path("/sys/bus/usb/drivers/hub")
    for hub in [path.name for path in hubs.glob("*-0:1.0")]:
        (hubs / "unbind").write_text(hub)
        (hubs / "bind").write_text(hub)
    _await(lambda: len(places(TABLET)) == 1 and len(places(STICK)) == 2)


def _await(condition: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def scsi(session: Session) -> None:
    host = scsi_host()
    shared = "<shareable/>"
    session.create("a unit", "one", unit(host, 0), unit(host, 1, "<readonly/>"))
    session.create("of two guests", "two", unit(host, 0))
    session.create("of two guests, one shares", "two", unit(host, 0, shared))
    session.create("another", "two", unit(host, 2))
    session.end()
    session.create("shared", "one", unit(host, 0, shared), unit(host, 1))
    two = session.create("shared by two", "two", unit(host, 0, shared))
    session.create("not shared by a third", "three", unit(host, 0))
    if two is not None:
        session.step("attach what another has", two.attachDevice, unit(host, 1))
        session.step("attach", two.attachDevice, unit(host, 2))
        session.step("attach again", two.attachDevice, unit(host, 2))
        session.step("attach the shared one again", two.attachDevice, unit(host, 0, shared))
        session.step("attach, absent", two.attachDevice, unit(host, 7))
        session.step("attach, no such host", two.attachDevice, unit(77, 0))
        session.step("attach a disk", two.attachDevice, unit(host, 0, target=1))
        session.step("detach, absent", two.detachDevice, unit(host, 7))
        session.step("detach what another has", two.detachDevice, unit(host, 1))
        session.step("detach", two.detachDevice, unit(host, 2))
        session.step("detach again", two.detachDevice, unit(host, 2))
        session.step("detach the shared one", two.detachDevice, unit(host, 0, shared))
    session.create("shared by a third", "three", unit(host, 0, shared))
    session.end()
    session.create("one twice", "one", unit(host, 0), unit(host, 0))
    session.create("one shared twice", "one", unit(host, 0, shared), unit(host, 0, shared))
    session.create("absent", "one", unit(host, 7))
    session.create("no such host", "one", unit(77, 0))
    for attributes in (" sgio='filtered'", " sgio='unfiltered'", " rawio='yes'", " managed='yes'"):
        session.create(attributes.strip(), "one", unit(host, 0, attributes=attributes))
        session.end()
    place = "<address type='drive' controller='0' bus='0' target='0' unit='5'/>"
    session.create("at a place", "one", unit(host, 0, place), unit(host, 1))
    session.end()
    guest = session.create("a unit", "one", unit(host, 0))
    (SCSI / f"{host}:0:0:0" / "delete").write_text("1")
    session.step("pulled out", lambda: None)
    session.step("detach what is gone", guest.detachDevice, unit(host, 0))
    session.step("attach what is gone", guest.attachDevice, unit(host, 0))
    session.end()
    session.create("what is gone", "one", unit(host, 0))
    Path(f"/sys/class/scsi_host/host{host}/scan").write_text("- - -")
    _await(lambda: (SCSI / f"{host}:0:0:0" / "scsi_generic").exists())


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(sys.argv[1], GUEST)
    for part in (usb_starts, usb_plugs, usb_defined, scsi):
        part(session)
    session.conn.close()


if __name__ == "__main__":
    main()
