# SPDX-License-Identifier: Apache-2.0
"""Devices of the host."""

from __future__ import annotations

from typing import Any

from steps import Steps

ADAPTER = """
<device><parent>{parent}</parent><capability type='scsi_host'>
<capability type='fc_host'>{names}</capability></capability></device>
"""
NAMES = "<wwnn>{}</wwnn><wwpn>{}</wwpn>"


def lists(s: Steps, conn: Any) -> None:
    for kind in (None, "system", "scsi_host", "fc_host", "vports", "pci", "none"):
        s("NodeNumOfDevices", conn.numOfDevices, kind)
        s("NodeListDevices", lambda kind=kind: sorted(conn.listDevices(kind)))
    s("NodeNumOfDevices", conn.numOfDevices, None, 1)
    s("NodeListDevices", conn.listDevices, None, 1)
    for flags in (*(1 << bit for bit in range(22)), 0, 1 << 28, 1 << 29, 1 << 30, 1 << 31, 33):
        s("ConnectListAllNodeDevices",
          lambda flags=flags: sorted(one.name() for one in conn.listAllDevices(flags)))  # fmt: skip


def session(s: Steps, conn: Any, directory: str) -> None:
    numbers = [
        s("ConnectNodeDeviceEventRegisterAny", conn.nodeDeviceEventRegisterAny, None, event,
          s.listen(f"device {event}"), None)
        for event in (0, 1)
    ]  # fmt: skip
    lists(s, conn)
    s("NodeDeviceLookupByName", conn.nodeDeviceLookupByName, "none")
    for name in ("computer", "scsi_host1", "scsi_host2", "scsi_host11"):
        dev = s("NodeDeviceLookupByName", conn.nodeDeviceLookupByName, name)
        s("NodeDeviceGetParent", dev.parent)
        s("NodeDeviceNumOfCaps", dev.numOfCaps)
        s("NodeDeviceListCaps", dev.listCaps)
        for flags in (0, 1):
            s("NodeDeviceGetXMLDesc", dev.XMLDesc, flags)
        for call in (dev.isActive, dev.isPersistent, dev.autostart, dev.undefine, dev.create,
                     dev.reset, dev.dettach, dev.reAttach):  # fmt: skip
            s("not served", call)
    s("NodeDeviceDestroy", conn.nodeDeviceLookupByName("computer").destroy)
    adapters(s, conn)
    s("not served", conn.nodeDeviceDefineXML, "<device/>")
    s("not served", conn.nodeDeviceLookupSCSIHostByWWN, "2000000012341234", "1000000012341234")
    s.heard("devices")
    s("ConnectNodeDeviceEventDeregisterAny", conn.nodeDeviceEventDeregisterAny, numbers[0])
    s("ConnectNodeDeviceEventDeregisterAny", conn.nodeDeviceEventDeregisterAny, numbers[0])


def adapters(s: Steps, conn: Any) -> None:
    names = NAMES.format("20000000c9831b4b", "10000000c9831b4b")
    for text in (
        "<device/>", "<device", "<network/>", ADAPTER.format(parent="none", names=names),
        ADAPTER.format(parent="computer", names=names),
        ADAPTER.format(parent="scsi_host1", names=""),
        ADAPTER.format(parent="scsi_host1", names=NAMES.format("x", "y")),
        "<device><capability type='none'/></device>",
        "<device><capability type='scsi_host'/></device>",
        "<device><parent>computer</parent><capability type='scsi_host'/></device>",
        ADAPTER.format(parent="scsi_host1", names=names),
        ADAPTER.format(parent="scsi_host1", names=names),
        ADAPTER.format(parent="scsi_host2", names=NAMES.format("20000000c9831b4c",
                                                               "10000000c9831b4c")),
        ADAPTER.format(parent="scsi_host11", names=NAMES.format("20000000c9831b4d",
                                                                "10000000c9831b4d")),
        ADAPTER.replace("<parent>{parent}</parent>", "").format(
            names=NAMES.format("20000000c9831b4e", "10000000c9831b4e")),
        ADAPTER.replace("<parent>{parent}</parent>", "<parent wwnn='2000000012341234' "
                        "wwpn='1000000012341234'/>").format(
            names=NAMES.format("20000000c9831b4f", "10000000c9831b4f")),
    ):  # fmt: skip
        dev = s("NodeDeviceCreateXML", conn.nodeDeviceCreateXML, text)
        if dev is not None:
            s("NodeDeviceGetXMLDesc", dev.XMLDesc)
            s("NodeDeviceGetParent", conn.nodeDeviceLookupByName(dev.name()).parent)
            s("NodeDeviceListCaps", dev.listCaps)
    s("NodeDeviceCreateXML", conn.nodeDeviceCreateXML, "<device><none/></device>", 1)
    s("NodeDeviceCreateXML", conn.nodeDeviceCreateXML, "<device/>", 2)
    lists(s, conn)
    dev = conn.nodeDeviceLookupByName("scsi_host12")
    s("NodeDeviceDestroy", dev.destroy)
    s("NodeDeviceDestroy", dev.destroy)
    s("NodeDeviceGetXMLDesc", dev.XMLDesc)
    s("NodeDeviceDestroy", conn.nodeDeviceLookupByName("scsi_host1").destroy)
    s("NodeDeviceDestroy", conn.nodeDeviceLookupByName("scsi_host11").destroy)
    lists(s, conn)
