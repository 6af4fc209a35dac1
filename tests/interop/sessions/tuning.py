# SPDX-License-Identifier: Apache-2.0
"""A session about a domain's threads and memory, by libvirt's binding: ``tuning.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
events since the last one, and what the live and the persistent document say of it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import libvirt

GUEST = """<domain type='qemu'><name>tuned</name><memory unit='MiB'>64</memory>
<vcpu current='2'>4</vcpu>@<os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><acpi/></features><devices><controller type='usb' model='none'/>
<memballoon model='virtio'/></devices></domain>"""

SINGLE = """<vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>
<vcpu id='1' enabled='no' hotpluggable='yes'/>
<vcpu id='2' enabled='yes' hotpluggable='yes' order='3'/>
<vcpu id='3' enabled='yes' hotpluggable='yes' order='2'/></vcpus>"""
CELLS = """<cpu><topology sockets='2' cores='2' threads='1'/><numa>
<cell id='0' cpus='0-1' memory='32' unit='MiB'/><cell id='1' cpus='2-3' memory='32' unit='MiB'/>
</numa></cpu><cputune><vcpupin vcpu='3' cpuset='1'/><vcpusched vcpus='1-3' scheduler='batch'/>
</cputune>"""

_SHOWN = ("memory", "currentMemory", "vcpu", "vcpus", "iothreads", "iothreadids", "cputune",
          "perf", "memballoon")  # fmt: skip
_EVENTS = ("LIFECYCLE", "TUNABLE", "DEVICE_REMOVED", "DEVICE_ADDED", "DEVICE_REMOVAL_FAILED",
           "BALLOON_CHANGE", "PMSUSPEND", "PMWAKEUP")  # fmt: skip

YES, NO = True, False


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any, directory: Path) -> None:
        self.conn = conn
        self.directory = directory
        self.events: list[Any] = []
        for name in _EVENTS:
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        self.guest: Any = None
        self.number = 0

    def step(self, action: Callable[..., Any], *args: Any) -> None:
        """Takes a step and tells what came of it."""
        del self.events[:]
        try:
            answer = action(*args)
        except libvirt.libvirtError as error:
            answer = ["error", error.get_error_code(), error.get_error_domain()]
        self.hear(0.002)  # what was told before the answer
        self.number += 1
        name = f"{self.number} {getattr(action, '__name__', 'step')}{args}"
        print(json.dumps([name, answer, self.events, *self.shown()], default=str))

    def hear(self, seconds: float) -> None:
        """Takes in what events there are."""
        end = time.monotonic() + seconds
        while time.monotonic() <= end:
            libvirt.virEventRunDefaultImpl()

    def shown(self) -> list[list[str]]:
        """What the live and the persistent document say of threads and memory."""
        flags = [libvirt.VIR_DOMAIN_XML_INACTIVE]
        if self.guest is None:
            return []
        if self.guest.isActive():
            flags.insert(0, 0)
        return [said(self.guest.XMLDesc(flag)) for flag in flags]

    def begin(
        self,
        body: str = "",
        change: tuple[str, str] = ("", ""),
        start: bool = True,
        memory: str = "<memory unit='MiB'>64</memory>",
    ) -> None:
        """Defines the guest with *body* in it, and starts it paused."""
        self.end()
        document = GUEST.replace("@", body).replace("<memory unit='MiB'>64</memory>", memory)
        self.guest = self.conn.defineXML(document.replace(*change) if change[0] else document)
        if start:
            self.guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        self.hear(0.1)

    def end(self) -> None:
        """No guest is left."""
        if self.guest is not None:
            if self.guest.isActive():
                self.guest.destroy()
            self.guest.undefine()
        self.guest = None


def said(document: str) -> list[str]:
    """The elements about threads and memory, as text."""
    found = []
    for tag in _SHOWN:
        match = re.search(rf"\n  (<{tag}[ >].*?</{tag}>|<{tag}(?: [^>]*)?/>)", document, re.DOTALL)
        if match:
            found.append(re.sub(r"\s*\n\s*", "", match[1]))
    return found


def vcpus(session: Session) -> None:
    """How many vCPUs, in the document and live."""
    step = session.step
    session.begin(start=False)
    guest = session.guest
    for count, flags in ((0, 0), (3, 0), (3, 1), (3, 3), (5, 2), (5, 6), (3, 6), (6, 6), (3, 2),
                         (3, 4), (3, 18), (2, 8), (2, 10), (2, 12), (2, 32), (2, 22), (1, 24),
                         (2, 5), (1, 2), (2, 18)):  # fmt: skip
        step(guest.setVcpusFlags, count, flags)
    step(guest.setVcpus, 2)
    for numbers, state, flags in (("1", 1, 0), ("1", 0, 0), ("0", 0, 0), ("0", 1, 0), ("9", 1, 0),
                                  ("x", 1, 0), ("", 1, 0), ("2-3", 1, 0), ("1", 2, 0),
                                  ("1", 1, 1), ("1", 1, 3), ("1", 1, 4)):  # fmt: skip
        step(guest.setVcpu, numbers, state, flags)
    session.begin()
    guest = session.guest
    for count, flags in ((3, 0), (3, 1), (4, 1), (5, 1), (3, 1), (4, 5), (4, 7), (2, 19), (1, 1),
                         (3, 2), (3, 18), (3, 8), (5, 3), (0, 1)):  # fmt: skip
        step(guest.setVcpusFlags, count, flags)
    step(guest.setVcpus, 4)
    step(lambda: [vcpu[0] for vcpu in guest.vcpus()[0]])
    for numbers, state, flags in (("1", 0, 1), ("0", 0, 1), ("3", 1, 1), ("2-3", 0, 1),
                                  ("2", 0, 1), ("9", 1, 1), ("2", 0, 2), ("3", 1, 3)):  # fmt: skip
        step(guest.setVcpu, numbers, state, flags)


def single_vcpus(session: Session) -> None:
    """vCPUs that the document tells apart, with a topology, and with pins."""
    step = session.step
    session.begin(SINGLE, ("<vcpu ", "<vcpu cpuset='1' "))
    guest = session.guest
    step(guest.vcpuPinInfo, 0)
    step(guest.emulatorPinInfo, 0)
    step(lambda: [vcpu[0] for vcpu in guest.vcpus()[0]])
    step(guest.setVcpu, "1", 1, 3)
    step(lambda: guest.vcpus()[1])
    for count, flags in ((2, 2), (3, 2), (4, 18), (2, 6), (5, 6), (5, 7)):
        step(guest.setVcpusFlags, count, flags)
    step(guest.setVcpu, "0,1", 0, 2)
    session.begin(CELLS)
    guest = session.guest
    for count, flags in ((5, 6), (2, 6), (3, 3)):
        step(guest.setVcpusFlags, count, flags)
    step(guest.setVcpu, "3", 1, 1)
    step(lambda: [vcpu[0] for vcpu in guest.vcpus()[0]])
    step(lambda: guest.vcpus()[1])
    session.begin(CELLS[CELLS.index("<cputune") :], (" current='2'", ""), start=False)
    step(session.guest.setVcpusFlags, 2, 2)
    step(session.guest.setVcpusFlags, 2, 6)


def pins(session: Session) -> None:
    """Where threads run."""
    step = session.step
    guest = session.guest
    for flags in range(5):
        step(guest.vcpuPinInfo, flags)
        step(guest.emulatorPinInfo, flags)
    far = (NO, YES, *[NO] * 8)
    for pin in ((0, (YES, NO), 0), (0, (YES, NO), 3), (1, (NO, YES), 2), (0, (YES, YES), 1),
                (0, (YES, YES), 2), (3, (YES, NO), 3), (4, (YES, NO), 1), (4, (YES, NO), 2),
                (0, (NO, NO), 1), (0, (NO, NO, YES), 1), (0, (NO, NO, YES), 2),
                (0, (YES, NO, YES), 1), (1, far, 3), (0, (YES, NO), 8)):  # fmt: skip
        step(guest.pinVcpuFlags, *pin)
    step(guest.pinVcpu, 0, (YES, YES))
    step(guest.vcpuPinInfo, 0)
    step(guest.vcpuPinInfo, 2)
    step(guest.setVcpusFlags, 4, 1)
    step(lambda: guest.vcpus()[1])
    for pin in (((YES, NO), 0), ((YES, NO), 3), ((NO, NO), 1), ((NO, NO, YES), 1),
                ((NO, NO, YES), 2), ((NO, YES), 1), ((YES, YES), 2), ((NO, YES), 16)):  # fmt: skip
        step(guest.pinEmulator, *pin)
    step(guest.emulatorPinInfo, 0)
    step(guest.emulatorPinInfo, 2)
    for pin in ((1, (YES, NO), 0), (1, (YES, NO), 3), (1, (NO, NO), 1), (1, (NO, NO, YES), 1),
                (2, (YES, NO), 1), (2, (YES, NO), 2), (0, (YES, NO), 1), (1, (YES, YES), 1),
                (1, (YES, YES), 2), (1, (NO, NO, YES), 2), (1, (NO, YES), 8)):  # fmt: skip
        step(guest.pinIOThread, *pin)
    step(guest.ioThreadInfo, 0)


def pins_at_rest(session: Session) -> None:
    """The same in the document of a domain that does not run."""
    step = session.step
    session.begin("<iothreads>1</iothreads>", start=False)
    guest = session.guest
    for action, args in ((guest.pinVcpu, (0, (YES, NO))), (guest.pinVcpuFlags, (0, (YES, NO), 0)),
                         (guest.pinEmulator, ((YES, NO), 0)), (guest.pinEmulator, ((YES, NO), 1)),
                         (guest.pinIOThread, (1, (YES, NO), 0)),
                         (guest.pinIOThread, (1, (YES, NO), 1)),
                         (guest.vcpuPinInfo, (0,)), (guest.vcpuPinInfo, (1,))):  # fmt: skip
        step(action, *args)


def iothreads(session: Session) -> None:
    """Threads for input and output come, change and go."""
    step = session.step
    guest = session.guest
    for flags in range(5):
        step(guest.ioThreadInfo, flags)
    for add in ((3, 0), (3, 1), (2, 3), (0, 1), (1, 1), (7, 2), (7, 2), (5, 8)):
        step(guest.addIOThread, *add)
    step(guest.ioThreadInfo, 0)
    step(guest.ioThreadInfo, 2)
    poll, low, high = "poll_max_ns", "thread_pool_min", "thread_pool_max"
    changes: Sequence[Any] = (
        (1, {poll: 1000}, 0), (1, {poll: 1000, "poll_grow": 2, "poll_shrink": 3}, 1),
        (1, {poll: 1000}, 2), (1, {poll: 1000}, 3), (9, {poll: 1000}, 1), (9, {low: 1}, 2),
        (1, {"bogus": 1}, 1), (1, {low: 1}, 1), (1, {high: 4}, 3), (1, {low: 8}, 1),
        (1, {low: 8}, 2), (1, {high: 0}, 1), (1, {low: 0}, 1), (1, {low: 2, high: 3}, 3),
        (1, {low: 5, high: 6}, 3), (1, {poll: 1 << 33}, 1), (1, {"poll_grow": 1 << 31}, 1),
        (0, {"poll_grow": 1}, 1), (1, {}, 1), (1, {high: -1}, 1), (1, {low: -1}, 3),
        (1, {low: -2}, 2), (1, {high: -2}, 2), (1, {low: -1, high: -1}, 2), (1, {low: 1}, 8),
    )  # fmt: skip
    for change in changes:
        step(guest.setIOThreadParams, *change)
    group = libvirt.VIR_DOMAIN_STATS_IOTHREAD
    step(lambda: session.conn.domainListGetStats([guest], group)[0][1])
    for gone in ((3, 0), (3, 1), (2, 3), (1, 1), (1, 2), (9, 1), (9, 2), (7, 2), (0, 1), (1, 8)):
        step(guest.delIOThread, *gone)


def iothreads_at_rest(session: Session) -> None:
    """The same in the document of a domain that does not run."""
    step, low, high = session.step, "thread_pool_min", "thread_pool_max"
    schedules = "<cputune><iothreadpin iothread='2' cpuset='0'/><iothreadsched iothreads='1-2' "
    schedules += "scheduler='batch'/></cputune><iothreads>3</iothreads>"
    session.begin(schedules, start=False)
    step(session.guest.delIOThread, 2, 2)
    step(session.guest.delIOThread, 1, 2)
    image = session.directory / "tuned.raw"
    image.write_bytes(bytes(1 << 20))
    image.chmod(0o666)
    disk = "<disk type='file'><driver name='qemu' type='raw' iothread='1'/>"
    disk += f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices>"
    session.begin("<iothreads>1</iothreads>", ("</devices>", disk), start=False)
    guest = session.guest
    for action, args in ((guest.ioThreadInfo, (0,)), (guest.ioThreadInfo, (1,)),
                         (guest.delIOThread, (1, 0)), (guest.addIOThread, (4, 0)),
                         (guest.addIOThread, (4, 1)),
                         (guest.setIOThreadParams, (1, {"poll_grow": 2}, 0)),
                         (guest.setIOThreadParams, (1, {high: 2}, 0)),
                         (guest.setIOThreadParams, (1, {low: 0}, 1))):  # fmt: skip
        step(action, *args)


def threads(session: Session) -> None:
    """All that is done with one guest."""
    session.begin("<iothreads>1</iothreads>")
    for part in (pins, iothreads, counted, measured, memory):
        part(session)


def counted(session: Session) -> None:
    """Events of the processor."""
    step, guest = session.step, session.guest
    for flags in (0, 1, 2, 3, 4, 8):
        step(guest.perfEvents, flags)
    for values, flags in (({"cmt": YES}, 0), ({"cpu_cycles": YES}, 2),
                          ({"cmt": YES, "mbmt": YES}, 2), ({"cmt": NO}, 2), ({"cpu_clock": YES}, 1),
                          ({"mbml": YES}, 1),
                          ({"cpu_clock": NO, "context_switches": YES}, 0)):  # fmt: skip
        step(guest.setPerfEvents, values, flags)
    step(guest.perfEvents, 1)
    step(guest.perfEvents, 2)
    group = libvirt.VIR_DOMAIN_STATS_PERF
    step(lambda: sorted(session.conn.domainListGetStats([guest], group)[0][1]))


def measured(session: Session) -> None:
    """How fast memory changes; confidential guests, of which there are none; sleep."""
    step, guest = session.step, session.guest
    for seconds, flags in ((0, 0), (1, 0), (61, 0), (-1, 0), (1, 1), (1, 2), (1, 3), (1, 4)):
        step(guest.startDirtyRateCalc, seconds, flags)
    group = libvirt.VIR_DOMAIN_STATS_DIRTYRATE
    stats = session.conn.domainListGetStats([guest], group)[0][1]
    step(lambda: [stats["dirtyrate.calc_period"], stats["dirtyrate.calc_mode"]])
    step(guest.launchSecurityInfo, 0)
    step(guest.setLaunchSecurityState, {"sev-secret-header": "x", "sev-secret": "y"}, 0)
    for target, duration, flags in ((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (3, 5, 0),
                                    (0, 5, 0), (0, 0, 1)):  # fmt: skip
        step(guest.pMSuspendForDuration, target, duration, flags)
    step(guest.pMWakeup, 0)
    step(guest.pMWakeup, 1)


def memory(session: Session) -> None:
    """How much memory there is, and how often the guest tells of it."""
    step, guest = session.step, session.guest
    for size in (32768, 0, 99999999):
        step(guest.setMemory, size)
    for size, flags in ((32768, 0), (32768, 1), (32768, 2), (32768, 3), (32768, 4), (32768, 5),
                        (32768, 6), (131072, 6), (131072, 2), (0, 2), (262144, 1), (65536, 8),
                        (262144, 3), (65536, 1), (0, 6), (99999999, 2), (40000, 2)):  # fmt: skip
        step(guest.setMemoryFlags, size, flags)
    step(guest.setMaxMemory, 65536)
    step(guest.setMaxMemory, 0)
    for period, flags in ((2, 0), (2, 1), (2, 2), (0, 3), (-1, 0), (2, 4)):
        step(guest.setMemoryStatsPeriod, period, flags)


def at_rest(session: Session) -> None:
    """The same in the document of a domain that does not run."""
    step = session.step
    session.begin(start=False)
    guest = session.guest
    for size in (65536, 32768):
        step(guest.setMaxMemory, size)
    for size, flags in ((65536, 0), (16384, 0), (65536, 4), (16384, 1), (65536, 6), (65536, 5)):
        step(guest.setMemoryFlags, size, flags)
    step(guest.setMemory, 100)
    for period, flags in ((2, 0), (2, 1), (0, 2)):
        step(guest.setMemoryStatsPeriod, period, flags)
    for flags in (0, 1, 2):
        step(guest.perfEvents, flags)
    step(guest.setPerfEvents, {"cpu_cycles": YES}, 0)
    step(guest.pMSuspendForDuration, 0, 0, 0)
    step(guest.pMWakeup, 0)
    step(guest.startDirtyRateCalc, 1, 0)
    step(guest.launchSecurityInfo, 0)
    step(guest.setLaunchSecurityState, {"sev-secret-header": "x", "sev-secret": "y"}, 0)


def flexible(session: Session) -> None:
    """Memory that a guest takes as it is asked to; a paused one takes none."""
    step, flexed = (
        session.step,
        (
            "<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node>"
            "<block unit='MiB'>2</block><requested unit='MiB'>@</requested></target>"
        ),
    )
    most = "<maxMemory slots='4' unit='MiB'>1024</maxMemory><memory unit='MiB'>320</memory>"
    cell = "<cpu><numa><cell id='0' cpus='0-3' memory='64' unit='MiB'/></numa></cpu>"
    device = flexed.replace("@", "64") + "</memory></devices>"
    session.begin(cell, ("</devices>", device), memory=most)
    guest = session.guest
    for size in (65536, 65537, 327680):
        for flags in (1, 2):
            step(guest.setMemoryFlags, size, flags)
    step(guest.setMemoryFlags, 131072, 6)
    found = re.search(r"<memory model.*?(<address.*?/>)", guest.XMLDesc(), re.DOTALL)
    place = found[1] if found else ""
    name = "<alias name='virtiomem0'/>"
    for requested, rest, flags in (("128", name, 1), ("128", name + place, 1), ("1", place, 1),
                                   ("512", place, 1), ("64", "", 1), ("48", "", 2),
                                   ("48", place, 2)):  # fmt: skip
        text = f"{flexed}{rest}</memory>".replace("@", requested)
        step(guest.updateDeviceFlags, text, flags)
    changed = f"{flexed}{name}{place}</memory>".replace("@", "32")
    for now, then in (("<block unit='MiB'>2", "<block unit='MiB'>4"), ("<node>0", "<node>1"),
                      ("virtio-mem'", "dimm'"), ("256</size>", "512</size>")):  # fmt: skip
        step(guest.updateDeviceFlags, changed.replace(now, then), 1)


def without_balloon(session: Session) -> None:
    """Memory of a guest that cannot give any back."""
    session.begin("", ("<memballoon model='virtio'/>", "<memballoon model='none'/>"))
    session.step(session.guest.setMemory, 32768)
    for flags in (1, 2, 3):
        session.step(session.guest.setMemoryFlags, 32768, flags)
        session.step(session.guest.setMemoryStatsPeriod, 2, flags)


def host(session: Session) -> None:
    """What of the host is changed: nothing, but that it could be."""
    step, conn = session.step, session.conn
    for pages, first, count, flags in (({2048: 0}, 0, 1, 0), ({4: 1}, 0, 1, 0),
                                       ({2048: 1}, 5, 1, 0), ({12: 1}, 0, 1, 0),
                                       ({12: 1}, -1, 1, 0), ({2048: 0}, -1, 1, 0),
                                       ({2048: 0}, 0, 0, 0), ({2048: 0}, 0, 1, 2),
                                       ({2048: 0}, 0, 9, 0)):  # fmt: skip
        step(conn.allocPages, pages, first, count, flags)
    now = conn.getMemoryParameters(0)
    for name in ("shm_pages_to_scan", "shm_sleep_millisecs", "shm_merge_across_nodes"):
        step(conn.setMemoryParameters, {name: now[name]}, 0)
    step(conn.setMemoryParameters, {"shm_merge_across_nodes": 2}, 0)
    step(conn.setMemoryParameters, {"shm_pages_shared": 1}, 0)
    step(conn.suspendForDuration, 3, 60, 0)
    step(conn.suspendForDuration, 0, 60, 1)
    step(conn.suspendForDuration, 0, 1, 0)  # too short where the host could


PARTS = {
    part.__name__: part
    for part in (
        vcpus, single_vcpus, threads, pins_at_rest, iothreads_at_rest, at_rest, without_balloon,
        flexible, host,
    )
}  # fmt: skip


def main(uri: str, directory: str, *parts: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(1, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(libvirt.open(uri), Path(directory))
    for name, part in PARTS.items():
        if name in (parts or PARTS):
            part(session)
            session.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
