# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes."""

from __future__ import annotations

from typing import Any

from steps import Steps

UUID = "8a6d53a3-5f6b-4c3e-9b0e-0123456787{:02x}"
POOL = "<pool type='{kind}'><name>{name}</name><uuid>{uuid}</uuid>{more}</pool>"
TARGET = "<target><path>/pools/one</path></target>"
VOLUME = "<volume><name>{}</name><capacity>{}</capacity>{}</volume>"

#: Kinds and what is said of them.
KINDS = (
    ("dir", "<target><path>/a</path><permissions><mode>0755</mode><owner>1</owner>"
            "<group>2</group><label>x</label></permissions></target>"),
    ("dir", ""),
    ("dir", "<target><path>relative</path></target>"),
    ("dir", "<target><path>/a//b/</path></target>"),
    ("fs", "<source><device path='/dev/sdx1'/></source>" + TARGET),
    ("fs", "<source><device path='/dev/sdx1'/><format type='ext4'/></source>" + TARGET),
    ("fs", "<source><device path='/dev/sdx1'/><format type='none'/></source>" + TARGET),
    ("fs", TARGET),
    ("netfs", "<source><host name='h'/><dir path='/e'/></source>" + TARGET),
    ("netfs", "<source><host name='h'/><dir path='/e'/><format type='nfs'/>"
              "<protocol ver='4.1'/></source>" + TARGET),
    ("netfs", "<source><dir path='/e'/></source>" + TARGET),
    ("logical", "<source><name>vg</name><device path='/dev/sdx'/></source>"),
    ("logical", "<source><device path='/dev/sdx'/></source>"),
    ("disk", "<source><device path='/dev/sdx'/><format type='gpt'/></source>" + TARGET),
    ("disk", "<source><device path='/dev/sdx'/></source>" + TARGET),
    ("iscsi", "<source><host name='h'/><device path='iqn.2000-01.a:b'/>"
              "<auth type='chap' username='u'><secret usage='s'/></auth></source>" + TARGET),
    ("iscsi", "<source><device path='iqn.2000-01.a:b'/></source>" + TARGET),
    ("iscsi-direct", "<source><host name='h'/><device path='iqn.2000-01.a:b'/>"
                     "<initiator><iqn name='iqn.2000-01.a:c'/></initiator></source>"),
    ("scsi", "<source><adapter type='scsi_host' name='scsi_host1'/></source>" + TARGET),
    ("scsi", "<source><adapter name='host1'/></source>" + TARGET),
    ("scsi", "<source><adapter type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>"
             "</source>" + TARGET),
    ("scsi", "<source/>" + TARGET),
    ("mpath", TARGET),
    ("rbd", "<source><host name='h' port='6789'/><name>p</name></source>"),
    ("rbd", "<source><name>p</name></source>"),
    ("gluster", "<source><host name='h'/><name>v</name><dir path='/'/></source>"),
    ("zfs", "<source><name>z</name></source>"),
    ("vstorage", "<source><name>v</name></source>" + TARGET),
    ("sheepdog", "<source><host name='h'/><name>s</name></source>"),
    ("none", TARGET),
    ("dir", TARGET + "<features><cow state='no'/></features>"),
    ("dir", TARGET + "<refresh><volume allocation='capacity'/></refresh>"),
    ("dir", TARGET + "<nonsense/>"),
    ("dir", TARGET + "<capacity>5</capacity><allocation>3</allocation>"),
)  # fmt: skip


def document(name: str, number: int, kind: str = "dir", more: str = TARGET) -> str:
    return POOL.format(kind=kind, name=name, uuid=UUID.format(number), more=more)


def names(listed: Any, flags: int) -> list[str]:
    return sorted(one.name() for one in listed(flags))


def lists(s: Steps, conn: Any) -> None:
    s("ConnectNumOfStoragePools", conn.numOfStoragePools)
    s("ConnectListStoragePools", lambda: sorted(conn.listStoragePools()))
    s("ConnectNumOfDefinedStoragePools", conn.numOfDefinedStoragePools)
    s("ConnectListDefinedStoragePools", lambda: sorted(conn.listDefinedStoragePools()))
    for flags in (*(1 << bit for bit in range(22)), 0, 3, 65):
        s("ConnectListAllStoragePools", names, conn.listAllStoragePools, flags)


def looks(s: Steps, pool: Any) -> None:
    s("StoragePoolIsActive", pool.isActive)
    s("StoragePoolIsPersistent", pool.isPersistent)
    s("StoragePoolGetAutostart", pool.autostart)
    s("StoragePoolGetInfo", pool.info)
    s("StoragePoolGetXMLDesc", pool.XMLDesc)
    s("StoragePoolGetXMLDesc", pool.XMLDesc, 1)
    s("StoragePoolNumOfVolumes", pool.numOfVolumes)
    s("StoragePoolListVolumes", lambda: sorted(pool.listVolumes()))
    s("StoragePoolListAllVolumes", names, pool.listAllVolumes, 0)


def session(s: Steps, conn: Any, directory: str) -> None:
    numbers = [
        s("ConnectStoragePoolEventRegisterAny", conn.storagePoolEventRegisterAny, None, event,
          s.listen(f"pool {event}"), None)
        for event in (0, 1)
    ]  # fmt: skip
    lists(s, conn)
    default = s("StoragePoolLookupByName", conn.storagePoolLookupByName, "default-pool")
    looks(s, default)
    s("StoragePoolLookupByUUID", conn.storagePoolLookupByUUIDString, default.UUIDString())
    s("StoragePoolLookupByUUID", conn.storagePoolLookupByUUIDString, UUID.format(255))
    s("StoragePoolLookupByName", conn.storagePoolLookupByName, "none")
    definitions(s, conn)
    life(s, conn)
    kinds(s, conn)
    sources(s, conn)
    s("not served", conn.storagePoolLookupByTargetPath, "/default-pool")
    s.heard("pools")
    s("ConnectStoragePoolEventDeregisterAny", conn.storagePoolEventDeregisterAny, numbers[0])
    s("ConnectStoragePoolEventDeregisterAny", conn.storagePoolEventDeregisterAny, numbers[0])


def definitions(s: Steps, conn: Any) -> None:
    for text in ("<pool/>", "<pool", "<domain/>", "<pool type='dir'/>", document("", 1),
                 document("a/b", 1)):  # fmt: skip
        s("StoragePoolDefineXML", conn.storagePoolDefineXML, text)
        s("StoragePoolCreateXML", conn.storagePoolCreateXML, text)
    pool = s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("one", 1))
    looks(s, pool)
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("one", 2))
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("two", 1))
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("one", 1))
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("three", 3))
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("x", 4, more="<none/>"), 1)
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("x", 4), 2)
    lists(s, conn)


def life(s: Steps, conn: Any) -> None:
    pool = conn.storagePoolLookupByName("one")
    for call in ("refresh", "destroy", "build", "delete"):
        s(f"StoragePool{call.capitalize()}", getattr(pool, call))
        s(f"StoragePool{call.capitalize()}", *(
            [pool.refresh, 1] if call == "refresh" else [pool.isActive] if call == "destroy"
            else [getattr(pool, call), 64]))  # fmt: skip
    s("StoragePoolCreate", pool.create, 64)
    s("StoragePoolCreate", pool.create)
    s("StoragePoolCreate", pool.create)
    looks(s, pool)
    for call in ("refresh", "build", "delete", "undefine"):
        s(f"StoragePool{call.capitalize()}", getattr(pool, call))
    s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("one", 1, more=TARGET * 2))
    s("StoragePoolSetAutostart", pool.setAutostart, 1)
    looks(s, pool)
    lists(s, conn)
    s("StoragePoolDestroy", pool.destroy)
    s("StoragePoolDestroy", pool.destroy)
    looks(s, pool)
    s("StoragePoolUndefine", pool.undefine)
    s("StoragePoolUndefine", pool.undefine)
    looks(s, pool)
    for flags in (0, 1, 2, 4, 64):
        other = s("StoragePoolCreateXML", conn.storagePoolCreateXML, document("passing", 10), flags)
        if other is not None:
            looks(s, other)
            s("StoragePoolSetAutostart", other.setAutostart, 1)
            s("StoragePoolCreateXML", conn.storagePoolCreateXML, document("passing", 10))
            s("StoragePoolUndefine", other.undefine)
            s("StoragePoolDefineXML", conn.storagePoolDefineXML, document("passing", 10))
            s("StoragePoolDestroy", other.destroy)
            s("StoragePoolUndefine", other.undefine)


def kinds(s: Steps, conn: Any) -> None:
    for number, (kind, more) in enumerate(KINDS):
        text = document(f"kind{number}", 20 + number, kind, more)
        pool = s("StoragePoolDefineXML", conn.storagePoolDefineXML, text)
        if pool is not None:
            s("StoragePoolGetXMLDesc", pool.XMLDesc)
            s("StoragePoolBuild", pool.build)
            s("StoragePoolCreate", pool.create)
            s("StoragePoolGetXMLDesc", pool.XMLDesc)
            for flags in range(6, 22):
                s("ConnectListAllStoragePools", names, conn.listAllStoragePools, 1 << flags)
            s("StoragePoolDestroy", pool.destroy)
            s("StoragePoolUndefine", pool.undefine)


def sources(s: Steps, conn: Any) -> None:
    for kind, text in (
        ("logical", None), ("netfs", "<source><host name='h'/></source>"), ("netfs", None),
        ("netfs", "<source"), ("iscsi", None), ("dir", None),
        ("none", None),
    ):  # fmt: skip
        s("ConnectFindStoragePoolSources", conn.findStoragePoolSources, kind, text)
    s("ConnectFindStoragePoolSources", conn.findStoragePoolSources, "logical", None, 1)
