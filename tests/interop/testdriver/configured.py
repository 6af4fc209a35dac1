# SPDX-License-Identifier: Apache-2.0
"""Hosts that files describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import libvirt
from steps import Steps

HOST = """\
<node>
  <cpu><mhz>6000</mhz><model>i986</model><active>50</active><nodes>4</nodes><sockets>3</sockets>
    <cores>5</cores><threads>2</threads></cpu>
  <memory>8192000</memory>
  <domain file="dom.xml"/>
  <domain type="test"
    xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><name>off</name>
    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d1</uuid>
    <memory>1024</memory>
    <os><type>hvm</type></os>
  <test:runstate>5</test:runstate></domain>
  <domain type="test"
    xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><name>paused</name>
    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d2</uuid>
    <memory>1024</memory>
    <os><type>hvm</type></os>
  <test:runstate>3</test:runstate><test:transient/></domain>
  <domain type="test"
    xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><name>saved</name>
    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d3</uuid>
    <memory>1024</memory>
    <os><type>hvm</type></os>
  <test:runstate>5</test:runstate><test:hasmanagedsave/>
  <test:domainsnapshot><name>s1</name><creationTime>1</creationTime>
    <state>shutoff</state><domain type="test"><name>saved</name>

    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d3</uuid>
    <memory>1024</memory><os><type>hvm</type></os></domain>
    <active>1</active></test:domainsnapshot>
  </domain>
  <network><name>n</name>
    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d4</uuid><bridge name="b"/></network>
  <interface type="ethernet" name="eth9"><mac address="52:54:00:00:00:09"/></interface>
  <pool type="dir"><name>p</name>
    <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d5</uuid>
    <target><path>/p</path></target>
  <volume><name>v</name><capacity>1000</capacity></volume></pool>
  <device><name>dev1</name>
    <capability type="system"><hardware><vendor>V</vendor>
    <uuid>11111111-2222-3333-4444-555555555556</uuid></hardware><firmware/></capability></device>
</node>
"""
SPACE = "http://libvirt.org/schemas/domain/test/1.0"
DOMAIN = """
<domain type="test"><name>fromfile</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d0</uuid>
<memory>1024</memory><os><type>hvm</type></os></domain>
"""
STATED = """
<node><domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0">
<name>off</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d6</uuid><memory>1024</memory>
<os><type>hvm</type></os>{}</domain></node>
"""
NETWORK = "<network><name>n</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789d{}</uuid></network>"

#: Descriptions, most of which are refused.
OTHERS = (
    "<node/>",
    "<node",
    "<domain/>",
    "<node><domain/></node>",
    '<node><domain file="none.xml"/></node>',
    "<node><cpu><mhz>x</mhz></cpu></node>",
    "<node><network/></node>",
    "<node><nonsense/></node>",
    "<node><memory>5</memory><cpu><model>m</model></cpu></node>",
    '<node><pool type="dir"><name>p</name><target><path>/p</path></target>'
    '<volume file="none"/></pool></node>',
    f"<node>{NETWORK.format(7)}{NETWORK.format(8)}</node>",
    STATED.format("<test:runstate>99</test:runstate>"),
    STATED.format("<test:runstate>5</test:runstate><test:transient/>"),
    STATED.format("<test:runstate>3</test:runstate><test:transient/>"),
    STATED.format("<test:hasmanagedsave/>"),
    STATED.format(f'<t:runstate xmlns:t="{SPACE}">5</t:runstate>'),
    f'<node xmlns:t="{SPACE}">'
    + DOMAIN.replace("</domain>", "<t:runstate>3</t:runstate></domain>")
    + "</node>",
)
NUMBERS = ("-1", "0", "5000000000", "9" * 20, "0x10", " 5 ", "5x", "", "010", "1.5", "8")
NUMBERED = (
    "<node><memory>{}</memory></node>",
    "<node><cpu><mhz>{}</mhz></cpu></node>",
    "<node><cpu><active>{}</active></cpu></node>",
    "<node><cpu><nodes>{}</nodes></cpu></node>",
    STATED.replace("{}", "<test:runstate>{}</test:runstate>"),
)


def session(s: Steps, conn: Any, directory: str) -> None:
    place = Path(directory)
    (place / "host.xml").write_text(HOST)
    (place / "dom.xml").write_text(DOMAIN)
    one = s("ConnectOpen", libvirt.open, f"test://{place}/host.xml")
    looks(s, one)
    other = libvirt.open(f"test://{place}/host.xml")
    other.lookupByName("off").create()
    s("DomainIsActive", one.lookupByName("off").isActive)
    s("ConnectListAllDomains", lambda: sorted(dom.name() for dom in conn.listAllDomains()))
    for number, text in enumerate(
        (*OTHERS, *(text.format(what) for text in NUMBERED for what in NUMBERS))
    ):
        (place / f"{number}.xml").write_text(text)
        made = s("ConnectOpen", libvirt.open, f"test://{place}/{number}.xml")
        if made is not None:
            looks(s, made)


def looks(s: Steps, conn: Any) -> None:
    for call in (conn.getInfo, conn.getFreeMemory, conn.getCapabilities):
        s("NodeGetInfo", call)
    for dom in sorted(conn.listAllDomains(), key=lambda dom: dom.name()):
        for call in (dom.name, dom.ID, dom.state, dom.isPersistent, dom.hasManagedSaveImage,
                     dom.autostart, dom.snapshotListNames, dom.hasCurrentSnapshot,
                     dom.XMLDesc):  # fmt: skip
            s("ConnectListAllDomains", call)
    for net in conn.listAllNetworks():
        for call in (net.isActive, net.isPersistent, net.autostart, net.XMLDesc):
            s("ConnectListAllNetworks", call)
    for iface in conn.listAllInterfaces():
        s("ConnectListAllInterfaces", iface.isActive)
    for pool in conn.listAllStoragePools():
        for call in (pool.isActive, pool.isPersistent, pool.autostart, pool.info, pool.XMLDesc):
            s("ConnectListAllStoragePools", call)
        for vol in pool.listAllVolumes():
            s("StoragePoolListAllVolumes", vol.XMLDesc)
    for dev in conn.listAllDevices():
        s("ConnectListAllNodeDevices", dev.XMLDesc)
