# SPDX-License-Identifier: Apache-2.0
"""Every domain event that QEMU can cause, by libvirt's binding: ``events.py URI DIRECTORY``.

The directory has what ``tests/interop/test_same_events.py`` puts there: the images, and the Linux
guest's document. Each step prints a line of JSON: its name, what came of it, and the events since
the last one.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.fakes import ports

#: Seconds that an event may take.
LIMIT = 20.0
#: Seconds after which the session ends and says where it was: it waits for ever for a silent guest.
OVERALL = 150.0
#: Seconds without any event after which a step has told all that came of it; what comes later is
#: told with the next one, and so the steps' events are compared as one row.
QUIET = 0.03

IDS = {
    value: name.removeprefix("VIR_DOMAIN_EVENT_ID_")
    for name, value in vars(libvirt).items()
    if name.startswith("VIR_DOMAIN_EVENT_ID_") and name != "VIR_DOMAIN_EVENT_ID_LAST"
}
_TYPES = ("DEFINED", "UNDEFINED", "STARTED", "SUSPENDED", "RESUMED", "STOPPED", "SHUTDOWN",
          "PMSUSPENDED", "CRASHED")  # fmt: skip
DETAILS = {
    kind: {
        value: name.removeprefix(f"VIR_DOMAIN_EVENT_{kind}_")
        for name, value in vars(libvirt).items()
        if name.startswith(f"VIR_DOMAIN_EVENT_{kind}_")
    }
    for kind in _TYPES
}

#: Parts of events that differ from run to run.
_VARIES = frozenset(
    {
        "data_processed",
        "downtime",
        "memory_bps",
        "memory_constant",
        "memory_iteration",
        "memory_normal",
        "memory_normal_bytes",
        "memory_processed",
        "service",
        "setup_time",
        "time_elapsed",
    }
)
#: Those that libvirt leaves out when they are nothing, as a short job's may be.
_PERHAPS = frozenset({"memory_bps"})

PORTS = """<domain type='qemu'><name>ports</name>
<uuid>{uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<clock offset='{clock}'/><on_crash>preserve</on_crash>
<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='yes'/></pm><devices>
<controller type='usb' model='qemu-xhci'/>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' error_policy='{error}'/>
<source file='{image}'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='{cd}' startupPolicy='optional'/>
<target dev='hdc' bus='ide'/></disk>
<serial type='pty'/><watchdog model='ib700' action='{watchdog}'/><panic model='isa'/>
<graphics type='vnc' port='{port}'/></devices></domain>"""

DISK = """<disk type='file' device='{}'><driver name='qemu' type='raw'/>
<source file='{}'/><target dev='{}' bus='{}'/></disk>"""


class Heard:
    """Events of all ids, in order."""

    def __init__(self, conn: Any) -> None:
        self._events: list[list[Any]] = []
        self._news = threading.Condition()
        for number, name in IDS.items():
            conn.domainEventRegisterAny(None, number, self._callback(name), None)

    def _callback(self, name: str) -> Callable[..., None]:
        def told(conn: Any, domain: Any, *details: Any) -> None:
            told = [name, *readable(name, details[:-1])]
            with self._news:
                self._events.append(told)
                self._news.notify_all()

        return told

    def until(self, *last: Any) -> list[list[Any]]:
        """What came, up to an event that begins so and whatever follows at once.

        The BIOS resets the machine as often as it likes: who waits for that is told once.
        """
        with self._news:
            met = not last or self._news.wait_for(
                lambda: any(e[: len(last)] == list(last) for e in self._events), LIMIT
            )
            known = -1
            while known < len(self._events):
                known = len(self._events)
                self._news.wait(QUIET)
            events, self._events = self._events, []
        told = [event for event in events if event != ["REBOOT"]]
        if not met:
            told.append(["MISSED", *last])
        elif last == ("REBOOT",):
            told.append(["REBOOT"])
        return told


def readable(name: str, details: tuple[Any, ...]) -> list[Any]:
    """An event's details, with names for the numbers of the life cycle."""
    if name == "RTC_CHANGE":
        return [round(details[0] / 86400)]
    if name != "LIFECYCLE":
        return [plain(detail) for detail in details]
    kind = _TYPES[details[0]]
    return [kind, DETAILS[kind].get(details[1], details[1])]


def plain(value: Any) -> Any:
    """What JSON can hold, without what differs from run to run."""
    if isinstance(value, dict):
        return {
            str(key): "N" if key in _VARIES
            else plain(each)
            for key, each in sorted(value.items())
            if key not in _PERHAPS
        }  # fmt: skip
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


class Session:
    """Steps on one connection."""

    def __init__(self, uri: str, directory: Path) -> None:
        self.conn = libvirt.open(uri)
        self.directory = directory
        self.heard = Heard(self.conn)
        self.uuid = str(uuid.uuid4())
        with socket.socket() as probe:  # others on this host look for one of VNC's own ports too
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])

    def step(self, name: str, action: Callable[[], Any], *last: Any) -> None:
        """Prints what *action* causes; *last* is the event that must come."""
        try:
            value = action()
            value = value if isinstance(value, (int, str, list)) else None
        except libvirt.libvirtError as error:
            value = {"error": [error.get_error_code(), error.get_error_domain()]}
            print(name, error, file=sys.stderr)
        events = self.heard.until(*last) if last else self.heard.until()
        text = json.dumps([name, value, events]).replace(str(self.directory), "@DIR@")
        print(text, flush=True)

    def ports_xml(self, image: str = "good.qcow2", **options: str) -> str:
        """The document of the guest that writes to ports."""
        options = {"clock": "utc", "error": "stop", "cd": str(self.directory / "cd.iso"),
                   "watchdog": "pause", "uuid": self.uuid,
            "port": self.port, **options}  # fmt: skip
        return PORTS.format(image=self.directory / image, **options)


class Serial:
    """The serial port of a guest."""

    def __init__(self, session: Session, domain: Any) -> None:
        self._stream = session.conn.newStream(0)
        domain.openConsole(None, self._stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        self._heard = b""

    def until(self, mark: bytes) -> bytes:
        """What the guest said up to *mark*."""
        while mark not in self._heard:
            more = self._stream.recv(4096)
            assert more, f"the console ended: {self._heard!r}"
            self._heard += more
        before, _, self._heard = self._heard.partition(mark)
        return before

    def tell(self, data: bytes) -> None:
        """Sends bytes to it."""
        while data:
            data = data[self._stream.send(data) :]

    def close(self) -> None:
        """Hangs up."""
        self._stream.abort()


def definitions(session: Session) -> None:
    """Documents come, change and go."""
    conn, step = session.conn, session.step
    step("define", lambda: conn.defineXML(session.ports_xml()) and 0, "LIFECYCLE", "DEFINED")
    step("define again", lambda: conn.defineXML(session.ports_xml()) and 0, "LIFECYCLE", "DEFINED")
    domain = conn.lookupByName("ports")
    step("rename", lambda: domain.rename("other"), "LIFECYCLE", "DEFINED")
    step("rename back", lambda: domain.rename("ports"), "LIFECYCLE", "DEFINED")
    step("title", lambda: domain.setMetadata(1, "words", None, None, 2), "METADATA_CHANGE")
    step("element", lambda: domain.setMetadata(2, "<a/>", "k", "urn:x", 2), "METADATA_CHANGE")
    step("element away", lambda: domain.setMetadata(2, None, "k", "urn:x", 2), "METADATA_CHANGE")


def by_ports(session: Session) -> None:
    """What a guest causes by writing to ports."""
    step, domain = session.step, session.conn.lookupByName("ports")
    paused = libvirt.VIR_DOMAIN_START_PAUSED
    step("start paused", lambda: domain.createWithFlags(paused), "LIFECYCLE", "SUSPENDED")
    serial = Serial(session, domain)
    step("resume", domain.resume, "LIFECYCLE", "RESUMED")
    step("suspend", domain.suspend, "LIFECYCLE", "SUSPENDED")
    step("resume again", domain.resume, "LIFECYCLE", "RESUMED")
    serial.until(b"R")

    def tell(*lines: tuple[int, int]) -> Callable[[], None]:
        return lambda: serial.tell(ports.told(*lines))

    # In days: the seconds that the boot has taken count.
    step("clock", tell(*ports.YEAR_NEXT), "RTC_CHANGE")
    step("watchdog", tell(ports.WATCHDOG), "LIFECYCLE", "SUSPENDED")
    step("watchdog's state", domain.state)
    step("after the watchdog", domain.resume, "LIFECYCLE", "RESUMED")
    displays(session, domain)
    media(session, domain)
    plugging(session, domain)
    step("sleep", tell(ports.SLEEP), "PMSUSPEND")
    step("asleep", domain.state)
    step("asleep already", lambda: domain.pMSuspendForDuration(0, 0, 0))
    step("wake up", lambda: domain.pMWakeup(0), "REBOOT")
    serial.until(b"R")
    step("awake already", lambda: domain.pMWakeup(0))
    step("sleep by nobody", lambda: domain.pMSuspendForDuration(0, 0, 0))
    step("sleep for a while", lambda: domain.pMSuspendForDuration(0, 5, 0))
    step("sleep of no kind", lambda: domain.pMSuspendForDuration(7, 0, 0))
    step("sleep with a flag", lambda: domain.pMSuspendForDuration(0, 0, 1))
    step("reset by the guest", tell(ports.RESET), "REBOOT")
    serial.until(b"R")
    step("reset by the host", lambda: domain.reset(0), "REBOOT")
    serial.until(b"R")
    heard: list[str] = []
    monitor = libvirt_qemu.qemuMonitorEventRegister(
        session.conn, domain, "RES.T", lambda _c, _d, name, *_: heard.append(name), None, 1
    )
    step("monitor's reset", lambda: domain.reset(0), "REBOOT")
    step("heard of the monitor", lambda: heard[:1])
    step("deaf", lambda: libvirt_qemu.qemuMonitorEventDeregister(session.conn, monitor))
    step("deaf again", lambda: libvirt_qemu.qemuMonitorEventDeregister(session.conn, monitor))
    serial.until(b"R")
    step("machine check", lambda: machine_check(domain), "MEMORY_FAILURE")
    serial.until(b"R")
    step("crash loaded", tell(ports.CRASH_LOADED), "LIFECYCLE", "CRASHED")
    step("after the load", domain.state)
    step("panic", tell(ports.PANICKED), "LIFECYCLE", "CRASHED")
    step("after the panic", domain.state)
    core = str(session.directory / "core")
    dump = libvirt.VIR_DUMP_CRASH
    step("dump of the dead", lambda: domain.coreDump(core, dump), "LIFECYCLE", "STOPPED")


def started(session: Session, domain: Any, name: str) -> Serial:
    """The guest's serial port, when it listens there.

    It runs only once somebody reads the port: QEMU drops what a guest says to nobody.
    """
    paused = libvirt.VIR_DOMAIN_START_PAUSED
    session.step(name, lambda: domain.createWithFlags(paused), "LIFECYCLE", "SUSPENDED")
    serial = Serial(session, domain)
    session.step(f"{name}: run", domain.resume, "LIFECYCLE", "RESUMED")
    serial.until(b"R")
    return serial


def by_disks(session: Session) -> None:
    """What a disk causes that has a bad cluster, and a medium that is not there."""
    step, conn = session.step, session.conn
    for policy in ("report", "stop"):
        with_bad_cluster(session, policy)
    domain = conn.lookupByName("ports")
    image = session.directory / "bad.qcow2"
    image.rename(session.directory / "away.qcow2")
    step("start without a disk", domain.create)
    step("undefine", domain.undefine, "LIFECYCLE", "UNDEFINED")


def with_bad_cluster(session: Session, policy: str) -> None:
    """A guest that cannot read a cluster, and goes on; or cannot write it, and stops."""
    step, nowhere = session.step, str(session.directory / "nowhere.iso")
    xml = session.ports_xml("bad.qcow2", error=policy, cd=nowhere, clock="variable")
    domain = session.conn.defineXML(xml)
    serial = started(session, domain, f"start without a medium, {policy}")
    if policy == "report":
        step("clock", lambda: serial.tell(ports.told(*ports.YEAR_NEXT)), "RTC_CHANGE")
        step("clock in the document", lambda: adjustment(domain))
        step("read", lambda: serial.tell(ports.told(ports.READ)), "IO_ERROR_REASON")
    else:
        step("write", lambda: serial.tell(ports.told(ports.WRITE)), "LIFECYCLE", "SUSPENDED")
    step(f"state, {policy}", domain.state)
    step(f"disk errors, {policy}", lambda: sorted(domain.diskErrors().items()))
    if policy == "report":
        step("hibernate", lambda: serial.tell(ports.told(ports.HIBERNATE)), "LIFECYCLE", "STOPPED")
        step("hibernates: state", domain.state)
    else:
        step("destroy", domain.destroy, "LIFECYCLE", "STOPPED")


def adjustment(domain: Any) -> int:
    """Days that the guest's clock is off, as the live document has it."""
    clock = ET.fromstring(domain.XMLDesc(0)).find("clock")
    assert clock is not None
    return round(int(clock.get("adjustment", "0")) / 86400)


def by_clients(session: Session) -> None:
    """What clients cause."""
    step, conn = session.step, session.conn
    domain = conn.defineXML(session.ports_xml(cd=""))
    serial = started(session, domain, "start to be saved")
    core, image = str(session.directory / "core"), str(session.directory / "image")
    ended, pause = ("LIFECYCLE", "STOPPED"), libvirt.VIR_DOMAIN_SAVE_PAUSED
    step("dump", lambda: domain.coreDump(core, 0), "LIFECYCLE", "RESUMED")
    step("dump live", lambda: domain.coreDump(core, libvirt.VIR_DUMP_LIVE), "LIFECYCLE", "RESUMED")
    step("dump and reset", lambda: domain.coreDump(core, libvirt.VIR_DUMP_RESET), "REBOOT")
    serial.until(b"R")
    step("channel", lambda: domain.openChannel(None, conn.newStream(), 0))
    step("save", lambda: domain.saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: image}), *ended)
    step("restore", lambda: conn.restoreFlags(image, None, pause), "LIFECYCLE", "SUSPENDED")
    step("resume the restored", domain.resume, "LIFECYCLE", "RESUMED")
    step("term", lambda: os.kill(process_of(session), signal.SIGTERM), *ended)
    step("undefine at the end", domain.undefine, "LIFECYCLE", "UNDEFINED")


def process_of(session: Session) -> int:
    """The guest's QEMU."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_text()
        except OSError:
            continue
        if "qemu-system" in words and session.uuid in words:
            return int(place.name)
    raise LookupError("no process")


def machine_check(domain: Any) -> str:
    """Has QEMU inject a machine check: an uncorrected error in bank 1."""
    words = "mce 0 1 0xb400000000000000 0x4 0x1000 0xc"
    return str(libvirt_qemu.qemuMonitorCommand(domain, words, 1))


def displays(session: Session, domain: Any) -> None:
    """A viewer comes, passes, and goes."""
    graphics = ET.fromstring(domain.XMLDesc(0)).find("devices/graphics")
    assert graphics is not None
    viewer = socket.create_connection(("127.0.0.1", int(graphics.get("port", "0"))))

    def pass_() -> None:
        viewer.recv(12)
        viewer.sendall(b"RFB 003.008\n")
        viewer.recv(2)
        viewer.sendall(b"\x01")  # no authentication
        viewer.recv(4)
        viewer.sendall(b"\x01")  # shared

    session.step("viewer", lambda: None, "GRAPHICS", 0)
    session.step("viewer passes", pass_, "GRAPHICS", 1)
    session.step("viewer goes", viewer.close, "GRAPHICS", 2)


def media(session: Session, domain: Any) -> None:
    """The medium of the CD drive."""
    step, iso = session.step, session.directory / "cd.iso"
    empty = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"
    step("eject", lambda: domain.updateDeviceFlags(empty, 1), "TRAY_CHANGE")
    full = DISK.format("cdrom", iso, "hdc", "ide")
    step("insert", lambda: domain.updateDeviceFlags(full, 1), "TRAY_CHANGE")


def plugging(session: Session, domain: Any) -> None:
    """What goes without a word of the guest."""
    stick = DISK.format("disk", session.directory / "stick.raw", "sda", "usb")
    session.step("attach", lambda: domain.attachDevice(stick), "DEVICE_ADDED")
    session.step("detach", lambda: domain.detachDevice(stick), "DEVICE_REMOVED")


def main() -> None:
    """All of it."""
    faulthandler.dump_traceback_later(OVERALL, exit=True)
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    session = Session(sys.argv[1], Path(sys.argv[2]))
    definitions(session)
    by_ports(session)
    by_disks(session)
    by_clients(session)


if __name__ == "__main__":
    main()
