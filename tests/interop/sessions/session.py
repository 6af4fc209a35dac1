# SPDX-License-Identifier: Apache-2.0
"""One session of python3-libvirt, or of our drop-in: each step's answer as a line of JSON.

``session.py URI READONLY-URI DIRECTORY``; the directory has ``guest.xml`` and ``transient.xml``.
"""

import json
import sys
import threading
import time

import libvirt
import libvirt_qemu

uri, readonly_uri, directory = sys.argv[1:]

libvirt.registerErrorHandler(lambda *_: None, None)
libvirt.virEventRegisterDefaultImpl()


def loop():
    while True:
        libvirt.virEventRunDefaultImpl()


threading.Thread(target=loop, daemon=True).start()


def plain(value):
    """What JSON can hold."""
    if isinstance(value, (libvirt.virDomain,)):
        return f"domain {value.name()} {'with' if value.ID() > 0 else 'without'} an id"
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    return value if isinstance(value, (int, float, str, type(None))) else type(value).__name__


def step(name, action, *, shape=False, masked=()):
    """Prints what *action* gives: a value, or the error's code, domain, level and int1."""
    try:
        value = plain(action())
        if shape:
            value = type(value).__name__
        for key in masked:
            if key in value:
                value[key] = "N"
    except libvirt.libvirtError as error:
        value = {
            "error": [
                error.get_error_code(), error.get_error_domain(), error.get_error_level(),
                error.get_int1(),
            ],
            "message": error.get_error_message(),
        }  # fmt: skip
    except Exception as error:  # what the binding itself refuses
        value = {"python": type(error).__name__}
    print(json.dumps([name, value]), flush=True)


def read(name):
    with open(f"{directory}/{name}.xml") as file:
        return file.read()


class Told:
    """Events by kind, in order."""

    def __init__(self):
        self.events = []
        self.news = threading.Condition()

    def callback(self, kind):
        def told(_conn, domain, *details):
            with self.news:
                self.events.append([kind, domain.name() if domain else None, plain(details[:-1])])
                self.news.notify_all()

        return told

    def await_(self, kind, name, details):
        """Waits for an event; then gives all that came since the last time."""
        with self.news:
            met = self.news.wait_for(
                lambda: any(
                    e[0] == kind and e[1] == name and e[2][: len(details)] == details
                    for e in self.events
                ),
                30,
            )
            events, self.events = self.events, []
        return {"met": met, "events": events}

    def forget(self):
        """What came of the steps before is not what the next ones wait for."""
        time.sleep(0.2)  # the last of it may be on its way to the loop
        with self.news:
            self.events = []


def connection(conn):
    step("type", conn.getType)
    step("version", conn.getVersion)
    step("lib version", conn.getLibVersion)
    step("hostname", conn.getHostname)
    step("max vcpus", lambda: conn.getMaxVcpus("qemu"))
    step("max vcpus of nothing", lambda: conn.getMaxVcpus("nosuch"))
    step("info", conn.getInfo)
    step("alive", conn.isAlive)
    step("secure", conn.isSecure)
    step("encrypted", conn.isEncrypted)
    step("cpu map", lambda: conn.getCPUMap(0))
    step("cpu stats", lambda: conn.getCPUStats(-1, 0), masked=("kernel", "user", "idle", "iowait"))
    step("memory stats", lambda: conn.getMemoryStats(-1, 0),
         masked=("total", "free", "buffers", "cached"))  # fmt: skip
    step("memory stats flag", lambda: conn.getMemoryStats(-1, 8))
    step("cells", lambda: conn.getCellsFreeMemory(0, 1), shape=True)
    step("cells out of range", lambda: conn.getCellsFreeMemory(9, 1))
    step("free memory", conn.getFreeMemory, shape=True)
    step("free pages", lambda: conn.getFreePages([4], 0, 1), shape=True)
    step("free pages of no size", lambda: conn.getFreePages([3], 0, 1))
    step("memory parameters", lambda: conn.getMemoryParameters(0), shape=True)
    step("security model", conn.getSecurityModel)
    step("sysinfo flag", lambda: conn.getSysinfo(1))
    step("sev", lambda: conn.getSEVInfo(0))
    step("keepalive", lambda: conn.setKeepAlive(5, 3))
    step("no keepalive", lambda: conn.setKeepAlive(-1, 0))
    step("domcapabilities of nothing", lambda: conn.getDomainCapabilities(virttype="nosuch"))
    step("compare nonsense", lambda: conn.compareCPU("<cpu", 0))
    step("networks", conn.numOfNetworks)
    step("list networks", conn.listAllNetworks)
    step("pools", conn.listAllStoragePools)
    step("secrets", conn.listAllSecrets)
    step("interfaces", conn.listAllInterfaces)
    step("devices", conn.listAllDevices)
    step("filters", conn.listAllNWFilters)
    step("network by name", lambda: conn.networkLookupByName("default"))
    step("pool by name", lambda: conn.storagePoolLookupByName("default"))
    step("save image", lambda: conn.saveImageGetXMLDesc("/nosuch"))
    step("restore", lambda: conn.restore("/nosuch"))


def at_rest(conn, told):
    step("no such name", lambda: conn.lookupByName("nobody"))
    step("no such id", lambda: conn.lookupByID(4711))
    step("no such uuid", lambda: conn.lookupByUUIDString("00000000-0000-0000-0000-000000000001"))
    step("no uuid", lambda: conn.lookupByUUIDString("nonsense"))
    step("define nonsense", lambda: conn.defineXML("<domain>"))
    step("define nothing", lambda: conn.defineXML(""))
    step("define flags", lambda: conn.defineXMLFlags(read("guest"), 64))
    step("create nonsense", lambda: conn.createXML("nonsense", 0))
    step("create flags", lambda: conn.createXML(read("guest"), 1 << 20))
    step("define", lambda: conn.defineXML(read("guest")))
    step("told", lambda: told.await_("lifecycle", "one", [0]))
    dom = conn.lookupByName("one")
    step("define again", lambda: conn.defineXML(read("guest")))
    step("told again", lambda: told.await_("lifecycle", "one", [0]))
    for name in (
        "name", "ID", "UUIDString", "OSType", "info", "state", "isActive", "isPersistent",
        "isUpdated", "autostart", "maxMemory", "maxVcpus", "hasManagedSaveImage",
        "hasCurrentSnapshot", "snapshotNum", "listAllSnapshots", "listAllCheckpoints", "jobInfo",
        "jobStats", "controlInfo", "memoryStats", "diskErrors", "securityLabel",
        "securityLabelList", "schedulerType", "vcpus", "hostname", "getTime", "fsInfo",
    ):  # fmt: skip
        step(f"at rest: {name}", getattr(dom, name))
    step("state flag", lambda: dom.state(1))
    step("xml flag", lambda: dom.XMLDesc(1 << 12))
    step("vcpus", lambda: dom.vcpusFlags(0))
    step("vcpus, maximum, config", lambda: dom.vcpusFlags(2 | 4))
    step("vcpus, live", lambda: dom.vcpusFlags(1))
    step("block info", lambda: dom.blockInfo("vda")[0])
    step("block info of nothing", lambda: dom.blockInfo("vdz"))
    step("block stats", lambda: dom.blockStats("vda"))
    step("interface stats", lambda: dom.interfaceStats("vnet0"))
    step("suspend", dom.suspend)
    step("resume", dom.resume)
    step("shutdown", dom.shutdown)
    step("reboot", lambda: dom.reboot(0))
    step("reset", lambda: dom.reset(0))
    step("destroy", dom.destroy)
    step("screenshot", lambda: dom.screenshot(conn.newStream(), 0))
    step("send key", lambda: dom.sendKey(0, 0, [30], 1, 0))
    step("nmi", dom.injectNMI)
    step("monitor", lambda: libvirt_qemu.qemuMonitorCommand(dom, "info", 1))
    step("set autostart", lambda: dom.setAutostart(1))
    step("autostart", dom.autostart)
    step("set autostart off", lambda: dom.setAutostart(0))
    step("no metadata", lambda: dom.metadata(0, None, 2))
    step("set description", lambda: dom.setMetadata(0, "words", None, None, 2))
    step("description", lambda: dom.metadata(0, None, 2))
    step("set title of lines", lambda: dom.setMetadata(1, "a\nb", None, None, 2))
    step("metadata kind", lambda: dom.metadata(7, None, 0))
    step("metadata flags", lambda: dom.metadata(0, None, 16))
    step("set live memory", lambda: dom.setMemoryFlags(1024, 1))
    step("set no memory", lambda: dom.setMemory(0))
    step("undefine flags", lambda: dom.undefineFlags(1 << 9))
    return dom


def running(conn, dom, told):
    step("start flags", lambda: dom.createWithFlags(1 << 10))
    told.forget()
    step("start paused", lambda: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED))
    step("told of the start", lambda: told.await_("lifecycle", "one", [3]))
    step("state", dom.state)
    step("go on", dom.resume)
    step("told of going on", lambda: told.await_("lifecycle", "one", [4]))
    step("running: has an ID", lambda: dom.ID() > 0)
    for name in (
        "state", "isActive", "isPersistent", "isUpdated", "maxMemory", "maxVcpus", "jobInfo",
        "jobStats", "controlInfo", "diskErrors", "securityLabel", "securityLabelList",
    ):  # fmt: skip
        step(f"running: {name}", getattr(dom, name))
    step("memory stats", lambda: sorted(dom.memoryStats()))
    step("stats", lambda: sorted(dom.getCPUStats(True)[0]))
    step("all stats", lambda: [sorted(s) for _, s in conn.getAllDomainStats()])
    step("stats of nothing", lambda: conn.getAllDomainStats(1 << 20))
    step("vcpus", lambda: [len(dom.vcpus()[0]), dom.vcpus()[1]])
    step("block stats", lambda: dom.blockStats("vda"), shape=True)
    step("block stats flags", lambda: sorted(dom.blockStatsFlags("vda")))
    step("start twice", dom.create)
    step("suspend", dom.suspend)
    step("told of the pause", lambda: told.await_("lifecycle", "one", [3]))
    step("suspend twice", dom.suspend)
    step("resume", dom.resume)
    step("told of the end of it", lambda: told.await_("lifecycle", "one", [4]))
    step("set metadata", lambda: dom.setMetadata(2, "<a/>", "p", "urn:x", 3))
    step("told of metadata", lambda: told.await_("metadata", "one", [2, "urn:x"]))
    step("metadata", lambda: dom.metadata(2, "urn:x", 1))
    step("set memory", lambda: dom.setMemoryFlags(20 * 1024, 1))
    step("too much memory", lambda: dom.setMemoryFlags(20 * 1024 * 1024, 1))
    step("set maximum memory", lambda: dom.setMaxMemory(20 * 1024))
    step("monitor", lambda: libvirt_qemu.qemuMonitorCommand(dom, "info status", 1))
    step("monitor flags", lambda: libvirt_qemu.qemuMonitorCommand(dom, "info status", 8))
    step("agent", lambda: libvirt_qemu.qemuAgentCommand(dom, "{}", 5, 0))
    step("console", lambda: dom.openConsole("nosuch", conn.newStream(), 0))
    step("screenshot", lambda: screenshot(conn, dom))
    step("key", lambda: dom.sendKey(0, 0, [30], 1, 0))
    step("no key", lambda: dom.sendKey(0, 0, [], 0, 0))
    step("keycode set", lambda: dom.sendKey(99, 0, [30], 1, 0))
    step("rename", lambda: dom.rename("other", 0))
    step("undefine", dom.undefine)
    step("told of it", lambda: told.await_("lifecycle", "one", [1]))
    step("is persistent", dom.isPersistent)
    step("autostart of a transient one", lambda: dom.setAutostart(1))
    step("destroy", dom.destroy)
    step("told of the end", lambda: told.await_("lifecycle", "one", [5]))
    step("what has gone", dom.state)


def screenshot(conn, dom):
    stream, parts = conn.newStream(), []
    mime = dom.screenshot(stream, 0)
    stream.recvAll(lambda _stream, data, _opaque: parts.append(data), None)
    stream.finish()
    return [mime, b"".join(parts)[:4].hex()]


def readonly(name):
    conn = libvirt.openReadOnly(readonly_uri)
    step("read only: list", lambda: [d.name() for d in conn.listAllDomains()])
    dom = conn.lookupByName(name)
    for method in ("state", "create", "destroy", "suspend", "undefine", "shutdown", "XMLDesc"):
        step(f"read only: {method}", getattr(dom, method), shape=method == "XMLDesc")
    step("read only: secure xml", lambda: dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
    step("read only: define", lambda: conn.defineXML(read("guest")))
    step("read only: monitor", lambda: libvirt_qemu.qemuMonitorCommand(dom, "info", 1))
    conn.close()


def main():
    told = Told()
    conn = libvirt.open(uri)
    connection(conn)
    ids = {"lifecycle": 0, "reboot": 1, "metadata": 23}
    for kind, number in ids.items():
        conn.domainEventRegisterAny(None, number, told.callback(kind), None)
    step("no such event", lambda: conn.domainEventRegisterAny(None, 999, told.callback("x"), None))
    step("no such callback", lambda: conn.domainEventDeregisterAny(4711))
    dom = at_rest(conn, told)
    readonly("one")
    running(conn, dom, told)
    step("transient", lambda: conn.createXML(read("transient"), 1 | 2))
    step("told of it, too", lambda: told.await_("lifecycle", "passing", [3]))
    step("close", conn.close)
    step("closed", conn.getHostname)


main()
