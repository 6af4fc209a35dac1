# SPDX-License-Identifier: Apache-2.0
"""Volumes of storage pools."""

from __future__ import annotations

from typing import Any

from steps import Steps

POOL = """
<pool type='{kind}'><name>{kind}</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456786ab</uuid>
<source><device path='/dev/sdx'/><host name='h'/>
<name>n</name></source><target><path>/pools/{kind}</path></target></pool>
"""
VOLUME = "<volume><name>{}</name>{}</volume>"
SIZE = "<capacity>1048576</capacity>"

MORE = (
    SIZE,
    SIZE + "<allocation>4096</allocation>",
    "<capacity unit='GiB'>1</capacity><allocation unit='MiB'>5</allocation>",
    "<capacity unit='TiB'>99</capacity>",
    "<allocation>5</allocation>",
    "<capacity>nonsense</capacity>",
    "<capacity>1000</capacity><allocation>2000</allocation>",
    SIZE + "<target><format type='qcow2'/></target>",
    SIZE + "<target><format type='nonsense'/></target>",
    SIZE + "<target><path>/elsewhere</path></target>",
    SIZE + "<key>k</key>",
    SIZE + "<target><permissions><mode>0600</mode><owner>1</owner><group>2</group>"
    "</permissions></target>",
    SIZE + "<target><permissions><mode>nonsense</mode></permissions></target>",
    SIZE + "<backingStore><path>/b</path><format type='raw'/></backingStore>",
    SIZE + "<backingStore><format type='raw'/></backingStore>",
    SIZE + "<target><compat>1.1</compat><nocow/><features><lazy_refcounts/></features></target>",
    SIZE + "<target><encryption format='luks'><secret type='passphrase' "
    "uuid='8a6d53a3-5f6b-4c3e-9b0e-0123456789ff'/></encryption></target>",
    SIZE + "<nonsense/>",
    SIZE + "<source><device path='/x'><extent start='0' end='5'/></device></source>",
)  # fmt: skip


def names(listed: Any, flags: int) -> list[str]:
    return sorted(one.name() for one in listed(flags))


def session(s: Steps, conn: Any, directory: str) -> None:
    numbers = [
        s("ConnectStoragePoolEventRegisterAny", conn.storagePoolEventRegisterAny, None, event,
          s.listen(f"pool {event}"), None)
        for event in (0, 1)
    ]  # fmt: skip
    pool = conn.storagePoolLookupByName("default-pool")
    for text in ("<volume/>", "<volume", "<pool/>", VOLUME.format("", SIZE), VOLUME.format("a/b",
                 SIZE)):  # fmt: skip
        s("StorageVolCreateXML", pool.createXML, text)
    for number, more in enumerate(MORE):
        vol = s("StorageVolCreateXML", pool.createXML, VOLUME.format(f"v{number}", more))
        if vol is not None:
            looks(s, vol)
            s("StoragePoolGetInfo", pool.info)
    life(s, conn, pool)
    s("not served", pool.listAllVolumes()[0].resize, 5)
    s("not served", pool.listAllVolumes()[0].wipe)
    clones(s, conn, pool)
    for kind in ("logical", "disk", "netfs", "rbd", "iscsi", "gluster", "fs", "mpath"):
        elsewhere(s, conn, kind)
    inactive(s, conn)
    s.heard("volumes")
    s("ConnectStoragePoolEventDeregisterAny", conn.storagePoolEventDeregisterAny, numbers[1])


def looks(s: Steps, vol: Any) -> None:
    s("StorageVolGetXMLDesc", vol.XMLDesc)
    s("StorageVolGetInfo", vol.info)
    s("StorageVolGetPath", vol.path)
    s("StorageVolGetKey", vol.key)
    s("not served", vol.infoFlags, 1)
    s("StoragePoolLookupByVolume", vol.storagePoolLookupByVolume)


def life(s: Steps, conn: Any, pool: Any) -> None:
    vol = s("StorageVolLookupByName", pool.storageVolLookupByName, "v0")
    s("StorageVolLookupByName", pool.storageVolLookupByName, "none")
    s("StorageVolLookupByPath", conn.storageVolLookupByPath, "/default-pool/v0")
    s("StorageVolLookupByPath", conn.storageVolLookupByPath, "/default-pool//v0")
    s("StorageVolLookupByPath", conn.storageVolLookupByPath, "/none")
    s("StorageVolLookupByKey", conn.storageVolLookupByKey, "/default-pool/v0")
    s("StorageVolLookupByKey", conn.storageVolLookupByKey, "none")
    s("StorageVolGetXMLDesc", vol.XMLDesc, 1)
    s("StorageVolCreateXML", pool.createXML, VOLUME.format("v0", SIZE))
    s("StorageVolCreateXML", pool.createXML, VOLUME.format("flags", SIZE), 1)
    s("StorageVolCreateXML", pool.createXML, VOLUME.format("flags", SIZE + "<nonsense/>"), 4)
    s("StorageVolCreateXML", pool.createXML, VOLUME.format("flags", SIZE), 64)
    s("StoragePoolNumOfVolumes", pool.numOfVolumes)
    s("StoragePoolListVolumes", lambda: sorted(pool.listVolumes()))
    s("StoragePoolListAllVolumes", names, pool.listAllVolumes, 0)
    s("StoragePoolListAllVolumes", names, pool.listAllVolumes, 1)
    s("StoragePoolRefresh", pool.refresh)
    s("StoragePoolNumOfVolumes", pool.numOfVolumes)
    s("StorageVolDelete", vol.delete, 1)
    s("StorageVolDelete", vol.delete, 4)
    s("StorageVolDelete", vol.delete)
    s("StorageVolDelete", vol.delete)
    s("StorageVolGetInfo", vol.info)
    s("StorageVolGetXMLDesc", vol.XMLDesc)
    s("StorageVolGetPath", vol.path)
    s("StoragePoolGetInfo", pool.info)


def clones(s: Steps, conn: Any, pool: Any) -> None:
    vol = pool.createXML(VOLUME.format("origin", SIZE), 0)
    bigger = "<capacity>2097152</capacity>"
    smaller = "<capacity>4096</capacity><allocation>4096</allocation>"
    for name, more in (("c1", SIZE), ("c2", bigger), ("c3", smaller), ("c1", SIZE), ("c4", "")):
        made = s("StorageVolCreateXMLFrom", pool.createXMLFrom, VOLUME.format(name, more), vol)
        if made is not None:
            looks(s, made)
    huge = "<capacity unit='TiB'>99</capacity><allocation unit='TiB'>99</allocation>"
    s("StorageVolCreateXMLFrom", pool.createXMLFrom, VOLUME.format("huge", huge), vol)
    s("StorageVolCreateXMLFrom", pool.createXMLFrom, VOLUME.format("c5", SIZE), vol, 1)
    s("StorageVolCreateXMLFrom", pool.createXMLFrom, VOLUME.format("c6", SIZE), vol, 64)
    vol.delete()
    s("StorageVolCreateXMLFrom", pool.createXMLFrom, VOLUME.format("c7", SIZE), vol)


def elsewhere(s: Steps, conn: Any, kind: str) -> None:
    pool = s("StoragePoolCreateXML", conn.storagePoolCreateXML,
             POOL.format(kind=kind))  # fmt: skip
    if pool is None:
        return
    for number, more in enumerate(MORE[:9]):
        vol = s("StorageVolCreateXML", pool.createXML, VOLUME.format(f"v{number}", more))
        if vol is not None:
            looks(s, vol)
    s("StoragePoolDestroy", pool.destroy)


def inactive(s: Steps, conn: Any) -> None:
    pool = conn.storagePoolDefineXML(
        "<pool type='dir'><name>off</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456786aa</uuid>"
        "<target><path>/off</path></target></pool>"
    )
    s("StorageVolCreateXML", pool.createXML, VOLUME.format("v", SIZE))
    s("StorageVolLookupByName", pool.storageVolLookupByName, "v")
    s("StoragePoolListAllVolumes", pool.listAllVolumes)
    s("StoragePoolNumOfVolumes", pool.numOfVolumes)
    s("StoragePoolListVolumes", pool.listVolumes)
    pool.create()
    vol = pool.createXML(VOLUME.format("v", SIZE))
    pool.destroy()
    s("StorageVolGetInfo", vol.info)
    s("StorageVolGetXMLDesc", vol.XMLDesc)
    s("StorageVolGetPath", vol.path)
    s("StorageVolDelete", vol.delete)
    s("StorageVolLookupByPath", conn.storageVolLookupByPath, "/off/v")
    s("StorageVolLookupByKey", conn.storageVolLookupByKey, "/off/v")
    s("StoragePoolLookupByVolume", vol.storagePoolLookupByVolume)
    pool.create()
    s("StoragePoolListVolumes", pool.listVolumes)
    s("StoragePoolGetInfo", pool.info)
