# SPDX-License-Identifier: Apache-2.0
"""Every area of a libvirtd by ``import libvirt``, whichever that is: what each step gave, as JSON.

python dropin_areas_session.py TEST-URI QEMU-URI DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import libvirt

NETWORK = """
<network><name>areas</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789ac</uuid>
<bridge name='vbr'/><ip address='10.9.8.1' netmask='255.255.255.0'/></network>
"""
POOL = """
<pool type='dir'><name>areas</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789ad</uuid>
<target><path>{}</path></target></pool>
"""
VOLUME = "<volume><name>{}</name><capacity>1048576</capacity><allocation>0</allocation></volume>"
SECRET = """
<secret ephemeral='no' private='no'><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789ae</uuid>
<usage type='iscsi'><target>areas</target></usage></secret>
"""
FILTER = """
<filter name='areas' chain='root'><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789af</uuid>
<rule action='drop' direction='in' priority='500'><tcp/></rule></filter>
"""
DOMAIN = """
<domain type='test'><name>areas</name><uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789b0</uuid>
<memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type>hvm</type></os></domain>
"""
SNAPSHOT = "<domainsnapshot><name>first</name></domainsnapshot>"
CHECKPOINT = "<domaincheckpoint><name>first</name></domaincheckpoint>"
UUID = "8a6d53a3-5f6b-4c3e-9b0e-0123456789ff"


class Session:
    """Steps and what came of them."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.events: list[Any] = []
        self.lock = threading.Condition()

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Runs one step, and notes its result, or all that its error says."""
        try:
            result = work()
            shown = ["gave", self.shown(result)]
        except libvirt.libvirtError as exc:
            result = None
            shown = ["failed", type(exc).__name__, str(exc), self.shown(exc.err)]
        except Exception as exc:
            result = None
            shown = ["raised", type(exc).__name__]
        self.rows.append([name, *shown])
        return result

    def shown(self, value: Any) -> Any:
        """A value with its types, as JSON has it."""
        if isinstance(value, dict):
            return {str(key): self.shown(item) for key, item in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *map(self.shown, value)]
        if isinstance(value, bytes):
            return ["bytes", value[:64].hex(), len(value)]
        if isinstance(value, (str, int, float, bool)) or value is None:
            return value
        return f"<{type(value).__name__} {value.name() if hasattr(value, 'name') else ''}>"

    def heard(self, kind: str) -> Callable[..., None]:
        """A callback that notes what it was called with, but the connection."""

        def callback(conn: Any, *rest: Any) -> None:
            with self.lock:
                self.events.append([kind, *map(self.shown, rest)])
                self.lock.notify_all()

        return callback

    def settle(self, number: int) -> None:
        """Waits until so many events have come: one that is late would be nobody's any more."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.events) >= number, 20), self.events

    def each(self, owner: Any, names: str) -> None:
        """The methods of *owner* that need no argument."""
        for name in names.split() if owner is not None else ():
            self.step(f"{type(owner).__name__}.{name}", getattr(owner, name))


def networks(s: Session, conn: Any) -> None:
    number = conn.networkEventRegisterAny(None, 0, s.heard("network"), "mine")
    s.step("net bad xml", lambda: conn.networkDefineXML("<network>"))
    s.step("net none", lambda: conn.networkLookupByName("none"))
    s.step("net none by uuid", lambda: conn.networkLookupByUUIDString(UUID))
    s.step("net no uuid", lambda: conn.networkLookupByUUIDString("none"))
    net = s.step("net define", lambda: conn.networkDefineXML(NETWORK))
    s.each(net, "name UUIDString isActive isPersistent autostart XMLDesc bridgeName create create")
    s.each(conn, "numOfNetworks numOfDefinedNetworks listNetworks listDefinedNetworks")
    s.each(conn, "listAllNetworks")
    s.step("net by uuid", lambda: conn.networkLookupByUUID(net.UUID()).name())
    s.step("net autostart", lambda: net.setAutostart(1))
    s.step("net update", lambda: net.update(2, 4, -1, "<host/>", 0))
    s.step("net update flags", lambda: net.update(2, 4, -1, "<host/>", 77))
    s.each(
        net, "isActive autostart DHCPLeases listAllPorts destroy destroy undefine undefine XMLDesc"
    )
    s.step("net port", lambda: net.portLookupByUUIDString(UUID))
    s.step("net create", lambda: conn.networkCreateXML(NETWORK).destroy())
    s.settle(7)
    s.step("net deregister", lambda: conn.networkEventDeregisterAny(number))
    s.step("net deregister again", lambda: conn.networkEventDeregisterAny(number))


def pools(s: Session, conn: Any) -> None:
    numbers = [
        conn.storagePoolEventRegisterAny(None, event, s.heard(f"pool {event}"), "mine")
        for event in (0, 1)
    ]
    s.step("pool none", lambda: conn.storagePoolLookupByName("none"))
    s.step("pool bad", lambda: conn.storagePoolDefineXML("<pool type='none'/>"))
    pool = s.step("pool define", lambda: conn.storagePoolDefineXML(POOL.format("/areas")))
    s.each(pool, "name UUIDString info isActive isPersistent autostart XMLDesc build create create")
    s.each(pool, "refresh info listVolumes numOfVolumes")
    s.each(conn, "numOfStoragePools numOfDefinedStoragePools listStoragePools")
    s.each(conn, "listDefinedStoragePools listAllStoragePools getStoragePoolCapabilities")
    s.step("vol bad", lambda: pool.createXML("<volume/>"))
    vol = s.step("vol create", lambda: pool.createXML(VOLUME.format("one")))
    s.step("vol again", lambda: pool.createXML(VOLUME.format("one")))
    s.step("vol clone", lambda: pool.createXMLFrom(VOLUME.format("two"), vol).name())
    s.each(vol, "name key path info XMLDesc storagePoolLookupByVolume")
    s.step("vol info flags", lambda: vol.infoFlags(1))
    s.step("vol resize", lambda: vol.resize(1))
    s.step("vol wipe", lambda: vol.wipe())
    s.step("vol none", lambda: pool.storageVolLookupByName("none"))
    s.step("vol by path", lambda: conn.storageVolLookupByPath("/areas/one").name())
    s.step("vol by key", lambda: conn.storageVolLookupByKey("none"))
    s.step("vol download", lambda: vol.download(conn.newStream(), 0, 0))
    s.each(pool, "listVolumes listAllVolumes")
    s.step("vol delete", lambda: [one.delete() for one in pool.listAllVolumes()])
    s.each(vol, "delete XMLDesc")
    s.each(pool, "destroy destroy delete undefine undefine info")
    s.step("pool find", lambda: conn.findStoragePoolSources("logical", None))
    s.settle(14)
    s.step("pool deregister", lambda: [conn.storagePoolEventDeregisterAny(n) for n in numbers])


def devices(s: Session, conn: Any) -> None:
    number = conn.nodeDeviceEventRegisterAny(None, 0, s.heard("device"), "mine")
    s.step("dev list", lambda: sorted(conn.listDevices(None)))
    s.step("dev number", lambda: conn.numOfDevices(None))
    s.step("dev none", lambda: conn.nodeDeviceLookupByName("none"))
    dev = s.step("dev", lambda: conn.nodeDeviceLookupByName("computer"))
    s.each(dev, "name parent numOfCaps listCaps XMLDesc isActive isPersistent autostart")
    s.each(dev, "dettach reAttach reset destroy undefine")
    s.step("dev create", lambda: conn.nodeDeviceCreateXML("<device/>"))
    s.step("dev deregister", lambda: conn.nodeDeviceEventDeregisterAny(number))
    s.each(conn, "listInterfaces numOfInterfaces listDefinedInterfaces listAllInterfaces")
    s.step("iface none", lambda: conn.interfaceLookupByName("none"))
    s.step("iface no mac", lambda: conn.interfaceLookupByMACString("none"))
    iface = s.step("iface", lambda: conn.interfaceLookupByName("eth1"))
    s.each(iface, "name MACString isActive XMLDesc create destroy create undefine")
    s.step("iface define", lambda: conn.interfaceDefineXML("<interface/>"))
    s.each(conn, "changeBegin changeBegin changeRollback changeCommit")
    s.each(conn, "listSecrets numOfSecrets listAllSecrets listNWFilters listAllNWFilters")


def domains(s: Session, conn: Any) -> None:
    numbers = [
        conn.domainEventRegisterAny(None, event, s.heard(f"domain {event}"), "mine")
        for event in (0, 1, 13, 23)
    ]
    s.each(conn, "getType getVersion getLibVersion getURI getHostname isAlive isEncrypted isSecure")
    s.each(conn, "getInfo getFreeMemory getCPUMap getSecurityModel getSysinfo getMemoryParameters")
    s.each(conn, "listDomainsID numOfDomains listDefinedDomains numOfDefinedDomains")
    s.step("max vcpus", lambda: conn.getMaxVcpus("test"))
    s.step("cells", lambda: conn.getCellsFreeMemory(0, 2))
    s.step("cpu stats", lambda: sorted(conn.getCPUStats(-1)))
    s.step("memory stats", lambda: conn.getMemoryStats(-1))
    s.step("dom bad", lambda: conn.defineXML("<domain/>"))
    s.step("dom none", lambda: conn.lookupByName("none"))
    s.step("dom no id", lambda: conn.lookupByID(77))
    dom = s.step("dom define", lambda: conn.defineXML(DOMAIN))
    s.each(dom, "name ID UUIDString OSType info state isActive isPersistent isUpdated autostart")
    s.each(dom, "maxMemory maxVcpus hasManagedSaveImage hasCurrentSnapshot create create info ID")
    s.each(dom, "suspend state resume vcpus vcpusFlags memoryStats jobInfo jobStats controlInfo")
    s.each(dom, "schedulerType schedulerParameters memoryParameters blkioParameters numaParameters")
    s.each(dom, "emulatorPinInfo vcpuPinInfo perfEvents fsInfo hostname guestVcpus ioThreadInfo")
    s.each(dom, "diskErrors messages securityLabel getTime launchSecurityInfo guestInfo")
    s.step("dom cpu stats", lambda: dom.getCPUStats(True))
    s.step("dom vcpus", lambda: dom.setVcpus(1))
    s.step("dom many vcpus", lambda: dom.setVcpus(99))
    s.step("dom memory", lambda: dom.setMemory(32768))
    s.step("dom pin", lambda: dom.pinVcpu(0, (True, False)))
    s.step("dom title", lambda: dom.setMetadata(1, "A title", None, None, 0))
    s.step("dom get title", lambda: dom.metadata(1, None, 0))
    s.step("dom no meta", lambda: dom.metadata(2, "urn:none", 0))
    s.step("dom iface", lambda: dom.interfaceParameters("none"))
    s.step("dom addresses", lambda: dom.interfaceAddresses(0))
    s.step("dom block", lambda: dom.blockStats("vda"))
    s.step("dom block info", lambda: dom.blockInfo("vda"))
    s.step("dom tune", lambda: dom.blockIoTune("vda"))
    s.step("dom attach", lambda: dom.attachDevice("<disk/>"))
    s.step("dom attach none", lambda: dom.attachDevice(None))
    s.step("dom key", lambda: dom.sendKey(0, 0, [1, 2], 2))
    s.step("dom agent", lambda: dom.setUserPassword("a", "b"))
    s.step("dom migrate", lambda: dom.migrateToURI("test:///default", 0))
    s.step("dom p2p", lambda: dom.migrateToURI3("test:///default", {}, 2))
    s.step("dom params", lambda: dom.setSchedulerParameters({"weight": 5}))
    s.step("dom wrong params", lambda: dom.setSchedulerParameters({"none": 5}))
    s.step("dom stats", lambda: [one[1] for one in conn.domainListGetStats([dom])])
    snap = s.step("snap", lambda: dom.snapshotCreateXML(SNAPSHOT))
    s.each(snap, "getName isCurrent hasMetadata getParent numChildren listChildrenNames")
    s.each(dom, "snapshotNum snapshotListNames listAllSnapshots snapshotCurrent")
    s.step("snap none", lambda: dom.snapshotLookupByName("none"))
    s.each(snap, "delete delete")
    check = s.step("check", lambda: dom.checkpointCreateXML(CHECKPOINT))
    s.each(check, "getName getParent listAllChildren delete")
    s.each(dom, "listAllCheckpoints backupGetXMLDesc abortJob managedSave reboot shutdown state")
    s.each(dom, "destroy undefine undefine XMLDesc")
    s.step("dom undefine", lambda: dom.undefineFlags(1))
    s.settle(21)
    s.step("dom deregister", lambda: [conn.domainEventDeregisterAny(n) for n in numbers])
    s.step("dom deregister again", lambda: conn.domainEventDeregisterAny(numbers[0]))
    others(s, conn)


def others(s: Session, conn: Any) -> None:
    """What a connection has beside objects."""
    s.step("native", lambda: conn.domainXMLToNative("qemu-argv", DOMAIN))
    s.step("baseline", lambda: conn.baselineCPU(["<cpu/>"]))
    s.step("compare", lambda: conn.compareCPU("<cpu/>"))
    s.step("stats of none", lambda: conn.domainListGetStats([]))
    s.step("identity", lambda: conn.setIdentity({"none": 1}))
    s.step("suspend", lambda: conn.suspendForDuration(9, 1))


def real(s: Session, conn: Any, directory: str) -> None:
    """What only the hypervisor's own connection has."""
    place = f"{directory}/areas-pool"
    os.makedirs(place, exist_ok=True)
    pool = s.step("files", lambda: conn.storagePoolCreateXML(POOL.format(place)))
    vol = s.step("file", lambda: pool.createXML(VOLUME.format("data")))
    streams(s, conn, vol)
    s.each(vol, "info path")
    s.step("file delete", vol.delete)
    s.step("files destroy", pool.destroy)
    numbers = [
        conn.secretEventRegisterAny(None, event, s.heard(f"secret {event}"), "mine")
        for event in (0, 1)
    ]
    secret = s.step("secret", lambda: conn.secretDefineXML(SECRET))
    s.each(secret, "UUIDString usageType usageID XMLDesc value")
    s.step("secret set", lambda: secret.setValue(b"\0key\xff"))
    s.each(secret, "value")
    s.step("secret usage", lambda: conn.secretLookupByUsage(3, "areas").UUIDString())
    s.each(conn, "listSecrets numOfSecrets listAllSecrets")
    s.each(secret, "undefine undefine value")
    s.settle(24)
    s.step("secret deregister", lambda: [conn.secretEventDeregisterAny(n) for n in numbers])
    flt = s.step("filter", lambda: conn.nwfilterDefineXML(FILTER))
    s.each(flt, "name UUIDString XMLDesc")
    s.step("filter none", lambda: conn.nwfilterLookupByName("none"))
    s.step("filter bad", lambda: conn.nwfilterDefineXML("<filter/>"))
    s.each(conn, "listNWFilters numOfNWFilters listAllNWFilterBindings")
    s.step("binding none", lambda: conn.nwfilterBindingLookupByPortDev("none"))
    s.each(flt, "undefine undefine")
    s.step("keepalive", lambda: conn.setKeepAlive(5, 3))


def streams(s: Session, conn: Any, vol: Any) -> None:
    """Bytes and holes of a volume."""
    content = b"0123456789abcdef" * 4096
    stream = conn.newStream()
    s.step("stream unattached", lambda: stream.recv(1))
    s.step("upload", lambda: vol.upload(stream, 0, 0))
    s.step("no hole", lambda: stream.sendHole(65536))
    s.step("send", lambda: stream.send(content))
    s.step("finish", stream.finish)
    s.step("finish again", stream.finish)
    stream = conn.newStream()
    s.step("sparse upload", lambda: vol.upload(stream, 262144, 0, 1))
    s.step("hole", lambda: stream.sendHole(65536))
    s.step("data", lambda: stream.send(content))
    s.step("sparse finish", stream.finish)
    stream = conn.newStream()
    got: list[Any] = []
    s.step("sparse download", lambda: vol.download(stream, 0, 0, 1))
    s.step(
        "receive all",
        lambda: stream.sparseRecvAll(
            lambda stream, data, opaque: got.append(len(data)),
            lambda stream, length, opaque: got.append(-length),
            None,
        ),
    )
    s.step("download finish", stream.finish)
    s.step("what came", lambda: [sum(n for n in got if n > 0), [n for n in got if n < 0]])
    stream = conn.newStream()
    s.step("plain download", lambda: vol.download(stream, 0, 65540))
    s.step("no hole there", lambda: stream.recvHole())
    whole = bytearray()
    s.step("receive", lambda: stream.recvAll(lambda _, data, opaque: opaque.extend(data), whole))
    s.step("whole", lambda: bytes(whole[-70:]))
    s.step("abort", stream.abort)
    stream = conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
    s.step("nonblocking", lambda: vol.download(stream, 0, 16))
    s.step("nonblocking abort", stream.abort)


def loop() -> None:
    """Turns the event loop for good."""
    while True:
        libvirt.virEventRunDefaultImpl()


def main() -> None:
    """The session."""
    test_uri, qemu_uri, directory = sys.argv[1:]
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=loop, daemon=True).start()
    s = Session()
    conn = libvirt.open(test_uri)
    for area in (networks, pools, devices, domains):
        area(s, conn)
    s.step("close", conn.close)
    s.step("after", conn.getHostname)
    conn = libvirt.open(qemu_uri)
    real(s, conn, directory)
    s.step("open none", lambda: libvirt.open("none:///x"))
    s.step("readonly", lambda: libvirt.openReadOnly(qemu_uri).nwfilterDefineXML(FILTER))
    s.step("version", libvirt.getVersion)
    json.dump({"rows": s.rows, "events": sorted(s.events, key=str)}, sys.stdout)
    sys.stdout.flush()
    os._exit(0)


main()
