# SPDX-License-Identifier: Apache-2.0
"""A session with ``import libvirt``, whichever that is: prints what each step gave, as JSON.

python dropin_session.py URI
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import libvirt

DOCUMENT = """
<domain type='qemu'>
  <name>dropin</name>
  <uuid>8a6d53a3-5f6b-4c3e-9b0e-0123456789ab</uuid>
  <metadata><m:x xmlns:m='urn:m'>1</m:x></metadata>
  <memory unit='MiB'>32</memory>
  <vcpu current='1'>2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <console type='pty'/>
    <video><model type='vga'/></video>
  </devices>
</domain>
"""


#: How many the session causes.
EVENTS = 18


class Session:
    """Steps and what came of them."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.rows: list[list[Any]] = []
        self.events: list[list[Any]] = []
        self.arrived = threading.Condition()

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Runs one step, and notes its result or its error."""
        try:
            result = work()
            shown = ["gave", self.shown(result)]
        except libvirt.libvirtError as exc:
            result = None
            shown = ["failed", exc.get_error_code(), type(exc).__name__, exc.err is not None]
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
            return ["bytes", value.hex()]
        if isinstance(value, (str, int, float, bool)) or value is None:
            return value
        return f"<{type(value).__name__} {value.name() if hasattr(value, 'name') else ''}>"

    def heard(self, kind: str) -> Callable[..., None]:
        """A callback that notes what it was called with."""

        def callback(conn: Any, dom: Any, *rest: Any) -> None:
            with self.arrived:
                row = [kind, conn is self.conn, self.shown(dom), *map(self.shown, rest)]
                self.events.append(row)
                self.arrived.notify_all()

        return callback

    def wait_for(self, number: int) -> int:
        """Waits until so many events have come."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.events) >= number, 20)
            return len(self.events)


def turn(stop: threading.Event) -> None:
    """The thread of the event loop."""
    while not stop.is_set():
        libvirt.virEventRunDefaultImpl()


def names_of(stats: Any) -> Any:
    """The names of statistics that every host has, of each domain."""
    return [(dom.name(), sorted(k for k in row if k.startswith("state."))) for dom, row in stats]


def stopped(session: Session) -> Any:
    """What can be done with a definition."""
    conn, step = session.conn, session.step
    step("no such name", lambda: conn.lookupByName("nobody"))
    step("no such uuid", lambda: conn.lookupByUUIDString("8a6d53a3-5f6b-4c3e-9b0e-00000000ffff"))
    step("not a uuid", lambda: conn.lookupByUUIDString("x"))
    step("no name", lambda: conn.lookupByName(None))
    step("a number for a name", lambda: conn.lookupByName(5))
    step("no document", lambda: conn.defineXML("<domain"))
    dom = step("define", lambda: conn.defineXML(DOCUMENT))
    step("by name", lambda: conn.lookupByName("dropin"))
    step("by uuid", lambda: conn.lookupByUUID(dom.UUID()))
    step("by uuid text", lambda: conn.lookupByUUIDString(dom.UUIDString()))
    for name in ("ID", "UUID", "UUIDString", "name", "OSType", "info", "isActive", "isPersistent",
                 "isUpdated", "autostart", "maxMemory", "hasManagedSaveImage", "state",
                 "hasCurrentSnapshot", "snapshotNum", "snapshotListNames", "XMLDesc",
                 "listAllSnapshots", "suspend", "shutdown", "destroy", "vcpusFlags",
                 "memoryStats", "jobInfo", "blockStatsFlags"):  # fmt: skip
        step(name, getattr(dom, name))
    step("unknown flags", lambda: dom.XMLDesc(1 << 20))
    step("autostart on", lambda: dom.setAutostart(1))
    step("autostart", dom.autostart)
    step("autostart off", lambda: dom.setAutostart(False))
    step("vcpus", lambda: dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG))
    step("vcpus max", lambda: dom.vcpusFlags(libvirt.VIR_DOMAIN_VCPU_MAXIMUM))
    step("title", lambda: dom.setMetadata(1, "A title", None, None, 2))
    step("title back", lambda: dom.metadata(1, None, 2))
    step("no description", lambda: dom.metadata(0, None, 2))
    step("element", lambda: dom.metadata(2, "urn:m", 2))
    step("set element", lambda: dom.setMetadata(2, "<y/>", "n", "urn:n", 2))
    step("element back", lambda: dom.metadata(2, "urn:n", 2))
    step("all", lambda: conn.listAllDomains(0))
    step("all active", lambda: conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE))
    for name in ("numOfDomains", "numOfDefinedDomains", "listDefinedDomains", "listDomainsID",
                 "isAlive", "isSecure", "isEncrypted", "getType", "getHostname",
                 "getVersion", "getCapabilities"):  # fmt: skip
        step(f"conn {name}", lambda name=name: type(getattr(conn, name)()).__name__)
    step("keepalive", lambda: conn.setKeepAlive(5, 3))
    return dom


def running(session: Session, dom: Any) -> None:
    """What can be done with a guest, paused first."""
    conn, step = session.conn, session.step
    step("start", lambda: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED))
    step("has an id", lambda: dom.ID() > 0)
    step("paused", dom.state)
    step("by id", lambda: conn.lookupByID(dom.ID()))
    step("start again", dom.create)
    step("resume", dom.resume)
    step("running", dom.state)
    step("suspend", dom.suspend)
    step("suspended", dom.state)
    step("info", lambda: dom.info()[:4])
    step("control", lambda: dom.controlInfo()[:2])
    step("max vcpus", dom.maxVcpus)
    step("vcpus now", lambda: dom.vcpusFlags(1))
    step("vcpus", lambda: [type(part).__name__ for part in dom.vcpus()])
    step("cpu total", lambda: sorted(dom.getCPUStats(True)[0]))
    step("no time", dom.setTime)
    step("balloon", lambda: "actual" in dom.memoryStats())
    step("stats", lambda: names_of(conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)))
    step("some stats", lambda: names_of(conn.domainListGetStats([dom], 1)))
    stream = conn.newStream()
    step("screenshot", lambda: dom.screenshot(stream, 0))
    step("image", lambda: whole(stream)[:2])
    step("finish", stream.finish)
    step("recv of nothing", lambda: conn.newStream().recv(10))
    step("reset", dom.reset)
    step("undefine", dom.undefine)
    step("transient", dom.isPersistent)
    step("destroy", dom.destroy)
    step("gone", dom.info)
    step("destroy again", dom.destroy)


def whole(stream: Any) -> bytes:
    """All that a stream has."""
    parts: list[bytes] = []

    def take(stream: Any, data: bytes, opaque: Any) -> int:
        parts.append(data)
        return len(data)

    stream.recvAll(take, None)
    return b"".join(parts)


def main() -> None:
    """Runs the session, and prints its rows."""
    libvirt.registerErrorHandler(lambda ctx, error: ctx.append(error[0]), codes := [])
    libvirt.virEventRegisterDefaultImpl()
    stop = threading.Event()
    thread = threading.Thread(target=turn, args=(stop,), daemon=True)
    thread.start()
    conn = libvirt.open(sys.argv[1])
    session = Session(conn)
    ids = [
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                    session.heard("lifecycle"), "opaque"),
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                                    session.heard("metadata"), None),
    ]  # fmt: skip
    session.rows.append(["ids", *ids])
    legacy = session.heard("legacy")
    session.step("register", lambda: conn.domainEventRegister(legacy, 7))
    dom = stopped(session)
    running(session, dom)
    session.step("events", lambda: session.wait_for(EVENTS))
    session.step("deregister", lambda: conn.domainEventDeregisterAny(ids[0]))
    session.step("deregister the legacy one", lambda: conn.domainEventDeregister(legacy))
    session.rows.append(["codes", *codes])
    del dom
    by_kind = {kind: [e for e in session.events if e[0] == kind] for kind in
               ("lifecycle", "legacy", "metadata")}  # fmt: skip
    print(json.dumps({"rows": session.rows, "events": by_kind}))
    stop.set()


main()
