# SPDX-License-Identifier: Apache-2.0
"""A session about settings of cards, displays and the guest: ``device_settings.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, and
what it changed of cards and displays in both documents.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import libvirt

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
GUEST = """<domain type='qemu'><name>set</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/><model type='e1000'/>
<link state='down'/></interface>
<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1' passwd='first'/>
<graphics type='spice' autoport='yes' listen='127.0.0.1' passwd='first'/>
<video><model type='vga'/></video><video><model type='virtio' heads='2'/></video>
</devices></domain>"""
HIDDEN = """<domain type='qemu'><name>off</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<interface type='ethernet'><mac address='52:54:00:00:00:03'/><target dev='plug0'/>
<bandwidth><inbound average='100' peak='200' burst='300'/><outbound average='5'/></bandwidth>
</interface></devices></domain>"""

#: What an update of the first card has in it, of what type it is, and what model.
CARDS = [
    ("", "user"), ("<link state='down'/>", "user"), ("<link state='up'/>", "user"),
    ("<bandwidth><inbound average='100'/></bandwidth>", "user"),
    ("<filterref filter='x'/>", "user"), ("<target dev='abc'/>", "user"),
    ("<mtu size='1400'/>", "user"), ("<driver queues='2'/>", "user"), ("<boot order='1'/>", "user"),
    ("<coalesce><rx><frames max='7'/></rx></coalesce>", "user"), ("<rom bar='off'/>", "user"),
    ("<alias name='net5'/>", "user"), ("<alias name='net0'/>", "user"),
    ("<address type='pci' slot='9'/>", "user"), ("<tune><sndbuf>5</sndbuf></tune>", "user"),
    ("<vlan><tag id='3'/></vlan>", "user"), ("<port isolated='yes'/>", "user"),
    ("<script path='/x'/>", "user"), ("<source bridge='br9'/>", "bridge"), ("", "ethernet"),
    ("<virtualport type='openvswitch'/>", "user"),
]  # fmt: skip

#: An update of a display, and of which documents.
DISPLAYS = [
    ("vnc", "passwd='second'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='second'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='second' passwdValidTo='2031-01-02T03:04:05'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='second' passwdValidTo='2001-01-02T03:04:05'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='second' passwdValidTo='nonsense'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='third' connected='keep'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='third' connected='fail'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='third' connected='disconnect'", "", 1),
    ("vnc", "listen='127.0.0.1'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='a'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' port='5999'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' port='-1'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' autoport='yes'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' autoport='no' port='5998'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' keymap='de'", "", 1),
    ("vnc", "passwd='y'", "<listen type='address' address='127.0.0.1'/>", 1),
    ("vnc", "passwd='z'", "<listen type='socket' socket='/x'/>", 1),
    ("vnc", "passwd='z'", "<listen type='none'/>", 1),
    ("vnc", "listen='127.0.0.1' passwd='x' websocket='5700'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='v' sharePolicy='force-shared'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='12345678901234567890'", "", 1),
    ("vnc", "listen='127.0.0.1' passwd='12345678901234567890'", "", 2),
    ("vnc", "listen='127.0.0.1' passwd='c' port='5997' autoport='no'", "", 2),
    ("vnc", "listen='127.0.0.1' passwd='b'", "", 3),
    ("vnc", "listen='127.0.0.1' passwd='d'", "", 0),
    ("vnc", "listen='127.0.0.1' passwd='e'", "", 4),
    ("vnc", "listen='127.0.0.1' passwd='f'", "", 8),
    ("spice", "passwd='x' autoport='yes'", "", 1),
    ("spice", "passwd='x' autoport='yes' listen='127.0.0.1'", "", 1),
    ("spice", "passwd='y' autoport='yes' listen='127.0.0.1' connected='disconnect'", "", 1),
    ("spice", "passwd='y' autoport='yes' listen='127.0.0.1' connected='fail'", "", 1),
    ("spice", "passwd='y' listen='127.0.0.1'", "", 1),
    ("spice", "passwd='y' autoport='yes' listen='127.0.0.1' keymap='de'", "", 1),
    ("spice", "passwd='y' tlsPort='5' port='6' listen='127.0.0.1'", "", 1),
    ("spice", "passwd='z' autoport='yes' listen='127.0.0.1'", "<mouse mode='client'/>", 1),
    ("spice", "autoport='yes' listen='127.0.0.1'", "", 1),
    ("spice", "autoport='yes' listen='127.0.0.1' passwd='123456789012345678901234567890'", "", 3),
    ("sdl", "", "", 1), ("vnc2", "", "", 1),
]  # fmt: skip


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.guest: Any = None
        self.before: list[list[str]] = [[], []]

    def step(self, name: str, action: Callable[..., Any], *args: Any) -> None:
        """Takes a step and tells what came of it."""
        try:
            answer = action(*args)
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        except (TypeError, OverflowError, LookupError) as error:
            answer = type(error).__name__
        told = [name, answer]
        for number in (0, 1):
            before, self.before[number] = self.before[number], self.document(2 * number)
            told.append([text for text in self.before[number] if text not in before])
        print(json.dumps(told))

    def document(self, flags: int) -> list[str]:
        """What the live or the persistent one says, without ports."""
        found = []
        for device in ET.fromstring(self.guest.XMLDesc(flags | 1)).find("devices") or ():
            if device.tag in ("interface", "graphics"):
                if device.get("autoport") == "yes":
                    device.attrib.pop("port", None)
                    device.attrib.pop("tlsPort", None)
                found.append("".join(ET.canonicalize(ET.tostring(device), strip_text=True)))
        return found


def cards(session: Session) -> None:
    """Network cards."""
    guest = session.guest
    text = "<interface type='{}'><mac address='{}'/><model type='{}'/>{}</interface>"
    for more, kind in CARDS:
        document = text.format(kind, "52:54:00:00:00:01", "virtio", more)
        session.step(f"card {kind} {more}", guest.updateDeviceFlags, document, LIVE)
    for address, model in (("52:54:00:00:00:01", "e1000"), ("52:54:00:00:00:09", "virtio")):
        document = text.format("user", address, model, "")
        session.step(f"card {address} {model}", guest.updateDeviceFlags, document, LIVE)
    second = text.format("user", "52:54:00:00:00:02", "e1000", "")
    for flags in (LIVE | CONFIG, CONFIG, LIVE):
        session.step(f"second card {flags}", guest.updateDeviceFlags, second, flags)
    limits = {"inbound.average": 10}
    for name in ("52:54:00:00:00:01", "none"):
        for flags in (0, LIVE, CONFIG, 8):
            session.step(f"limits {name} {flags}", guest.interfaceParameters, name, flags)
        for flags in (LIVE, CONFIG):
            session.step("set limits", guest.setInterfaceParameters, name, limits, flags)


def limits(session: Session, off: Any) -> None:
    """Limits of a card with a device on the host, in the document."""
    for number, values in enumerate([
        {"inbound.average": 1000, "inbound.peak": 2000, "inbound.burst": 500},
        {"outbound.peak": 7}, {"outbound.average": 7, "outbound.peak": 9}, {"inbound.floor": 5},
        {"inbound.average": 1, "inbound.floor": 5}, {"outbound.average": 0},
    ]):  # fmt: skip
        for name in ("plug0", "52:54:00:00:00:03"):
            session.step(f"set {number}", off.setInterfaceParameters, name, values, 0)
            session.step("get", off.interfaceParameters, name, CONFIG)
    session.step("live", off.setInterfaceParameters, "plug0", {"inbound.average": 1}, LIVE)


def displays(session: Session) -> None:
    """The display's password, and what else an update may say."""
    for kind, attributes, inside, flags in DISPLAYS:
        document = f"<graphics type='{kind}' {attributes}>{inside}</graphics>"
        name = f"display {kind} {attributes} {inside} {flags}"
        session.step(name, session.guest.updateDeviceFlags, document, flags)


def opened(session: Session) -> None:
    """Connections to the display that are handed in or out."""
    guest = session.guest
    for number, flags in ((0, 0), (0, 1), (1, 0), (0, 2)):
        ours, theirs = socket.socketpair()
        ours.settimeout(5)
        session.step(f"open {number} {flags}", guest.openGraphics, number, theirs.fileno(), flags)
        theirs.close()
        greeting = ours.recv(12).decode() if (number, flags) in ((0, 0), (0, 1)) else ""
        session.step("greeting", lambda greeting=greeting: greeting)

        def connect(number: int = number, flags: int = flags) -> str:
            fd = guest.openGraphicsFD(number, flags)
            with socket.socket(fileno=os.dup(fd)) as peer:
                os.close(fd)
                peer.settimeout(5)
                return peer.recv(12).decode() if number == 0 else "SPICE"

        session.step(f"open fd {number} {flags}", connect)


def pictures(session: Session) -> None:
    """What heads of which card show."""

    def taken(screen: int, flags: int) -> list[Any]:
        stream = session.conn.newStream(0)
        kind = session.guest.screenshot(stream, screen, flags)
        data = b""
        while part := stream.recv(1 << 16):
            data += part
        stream.finish()
        return [kind, data[:15].decode("latin-1"), len(data)]

    for screen, flags in ((0, 0), (1, 0), (2, 0), (3, 0), (0, 1)):
        session.step(f"picture {screen} {flags}", taken, screen, flags)


def guests(session: Session) -> None:
    """What the guest's own settings answer without an agent, and descriptions."""
    guest = session.guest
    session.step("password", guest.setUserPassword, "root", "x", 0)
    session.step("password", guest.setUserPassword, "root", "x", 4)
    session.step("time", guest.setTime, {"seconds": 1, "nseconds": 2}, 0)
    session.step("time", guest.setTime, None, libvirt.VIR_DOMAIN_TIME_SYNC)
    session.step("time", guest.getTime, 0)
    for kind, uri in ((0, None), (1, None), (2, "http://a/b"), (2, None), (3, None)):
        for flags in (LIVE, CONFIG, LIVE | CONFIG, 0):
            value = "<x/>" if kind == 2 else f"text {flags}"
            key = "k" if kind == 2 else None
            session.step(
                f"set {kind} {uri} {flags}", guest.setMetadata, kind, value, key, uri, flags
            )
            session.step(f"get {kind} {uri} {flags}", guest.metadata, kind, uri, flags)


def main(uri: str, _directory: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(libvirt.open(uri))
    guest = session.guest = session.conn.defineXML(GUEST)
    session.step("shut off", guest.openGraphics, 0, 0, 0)
    session.step("shut off", guest.setUserPassword, "root", "x", 0)
    session.step("shut off", guest.setTime, {"seconds": 1, "nseconds": 2}, 0)
    guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    for part in (cards, displays, opened, pictures, guests):
        part(session)
    guest.destroy()
    guest.undefine()
    session.guest = session.conn.defineXML(HIDDEN)
    limits(session, session.guest)
    session.guest.undefine()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
