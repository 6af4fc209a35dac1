# SPDX-License-Identifier: Apache-2.0
"""A session about limits, by libvirt's binding: ``/usr/bin/python3 limits.py URI``.

Each step prints a line of JSON: its name and arguments, what came of it or the code and domain of
its error, the events since the last one, what the documents say, and the files of the control
groups that differ from before.
"""

from __future__ import annotations

import json
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt

NAME = "limited"
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<iothreads>1</iothreads>{more}<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><memballoon model='none'/></devices></domain>"""
NONE = 9007199254740991
LIVE, CONFIG = 1, 2

FILES = (
    "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpuset.mems", "cpuset.cpus",
    "memory.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.memsw.limit_in_bytes",
    "blkio.bfq.weight",
    "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device",
    "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
)  # fmt: skip

GETTERS = ("schedulerParametersFlags", "memoryParameters", "numaParameters", "blkioParameters")
SET_CPU, SET_MEMORY = "setSchedulerParametersFlags", "setMemoryParameters"
SET_NODES, SET_BLOCK = "setNumaParameters", "setBlkioParameters"
DISK = "/dev/loop0"

#: What is done to the domain's document while it does not run.
BEFORE = [
    *((name, (flags,)) for name in GETTERS for flags in (0, CONFIG, LIVE, 3, 8)),
    ("schedulerType", ()), ("schedulerParameters", ()),
    (SET_CPU, ({"vcpu_period": 999}, CONFIG)), (SET_CPU, ({"vcpu_period": 1000001}, CONFIG)),
    (SET_CPU, ({"iothread_quota": 999}, CONFIG)),
    (SET_CPU, ({"iothread_quota": 17592186044416}, CONFIG)),
    (SET_CPU, ({"global_quota": -5, "emulator_quota": 1000, "vcpu_quota": 0}, CONFIG)),
    (SET_CPU, ({"cpu_shares": 512, "vcpu_period": 20000}, 0)), (SET_CPU, ({"cpu_shares": 5}, LIVE)),
    ("schedulerParametersFlags", (CONFIG,)),
    (SET_CPU, ({"global_quota": 0, "emulator_quota": 0, "vcpu_period": 0}, CONFIG)),
    (SET_MEMORY, ({"hard_limit": 1000, "swap_hard_limit": 500}, CONFIG)),
    (SET_MEMORY, ({"hard_limit": 900000, "swap_hard_limit": 950000, "soft_limit": NONE}, CONFIG)),
    (SET_MEMORY, ({"swap_hard_limit": 1000}, CONFIG)), ("memoryParameters", (CONFIG,)),
    (SET_MEMORY, ({"hard_limit": NONE, "swap_hard_limit": NONE, "soft_limit": 70000}, CONFIG)),
    (SET_BLOCK, ({"device_weight": "/dev/nope,500", "weight": 700}, CONFIG)),
    (SET_BLOCK, ({"device_read_iops_sec": "/dev/x,10,/dev/y,0"}, CONFIG)),
    ("blkioParameters", (CONFIG,)),
    (SET_BLOCK, ({"device_weight": "/dev/nope"}, CONFIG)),
    (SET_BLOCK, ({"device_weight": "/dev/nope,x"}, CONFIG)),
    (SET_BLOCK, ({"device_weight": "/dev/nope,0", "device_read_iops_sec": "/dev/x,0"}, CONFIG)),
    (SET_BLOCK, ({"device_read_iops_sec": ""}, CONFIG)),
    (SET_BLOCK, ({"weight": 0}, CONFIG)), ("blkioParameters", (0,)),
    (SET_NODES, ({"numa_mode": 9}, CONFIG)), (SET_NODES, ({"numa_mode": -1}, CONFIG)),
    (SET_NODES, ({"numa_nodeset": "x"}, CONFIG)), (SET_NODES, ({"numa_nodeset": ""}, CONFIG)),
    (SET_NODES, ({"numa_nodeset": "0", "numa_mode": 2}, CONFIG)), ("numaParameters", (0,)),
    (SET_NODES, ({"numa_mode": 3}, CONFIG)),
    ("getCPUStats", (True,)), ("getCPUStats", (False,)),
]  # fmt: skip

#: What is done to the guest.
RUNNING = [
    *((name, (flags,)) for name in GETTERS for flags in (0, LIVE, CONFIG)),
    ("schedulerType", ()),
    (SET_CPU, ({"cpu_shares": 0}, LIVE)), (SET_CPU, ({"cpu_shares": 1}, LIVE)),
    (SET_CPU, ({"cpu_shares": 300000}, LIVE)), (SET_CPU, ({"cpu_shares": 512}, LIVE)),
    (SET_CPU, ({"cpu_shares": 2048, "vcpu_period": 50000, "vcpu_quota": 25000}, 0)),
    (SET_CPU, ({"global_period": 50000, "global_quota": 80000}, LIVE)),
    (SET_CPU, ({"emulator_period": 30000, "emulator_quota": 10000}, LIVE)),
    (SET_CPU, ({"iothread_period": 30000, "iothread_quota": 11000}, LIVE)),
    (SET_CPU, ({"global_quota": 20000}, LIVE)), (SET_CPU, ({"vcpu_quota": 0}, LIVE)),
    (SET_CPU, ({"vcpu_quota": -1}, LIVE)), ("schedulerParametersFlags", (LIVE,)),
    ("schedulerParametersFlags", (CONFIG,)),
    (SET_CPU, ({"vcpu_quota": 4000}, CONFIG)),
    (SET_MEMORY, ({"hard_limit": 800000, "swap_hard_limit": 700000}, LIVE)),
    (SET_MEMORY, ({"hard_limit": 800000, "soft_limit": 750000}, LIVE)),
    ("memoryParameters", (LIVE,)),
    (SET_MEMORY, ({"swap_hard_limit": 900000}, LIVE)),
    (SET_MEMORY, ({"swap_hard_limit": 700000}, LIVE)),
    (SET_MEMORY, ({"hard_limit": 950000}, LIVE)), (SET_MEMORY, ({"hard_limit": NONE}, LIVE)),
    (SET_MEMORY, ({"soft_limit": 0}, LIVE)), (SET_MEMORY, ({"hard_limit": 10}, LIVE)),
    ("memoryParameters", (LIVE,)), ("memoryParameters", (CONFIG,)),
    (SET_BLOCK, ({"weight": 5}, LIVE)), (SET_BLOCK, ({"weight": 500}, LIVE)),
    (SET_BLOCK, ({"weight": 1500}, LIVE)),
    (SET_BLOCK, ({"device_read_iops_sec": "/dev/nope,500"}, LIVE)),
    (SET_BLOCK, ({"device_read_iops_sec": "/tmp,500"}, LIVE)),
    (SET_BLOCK, ({"device_read_iops_sec": f"{DISK},500,/dev/loop1,200"}, LIVE)),
    (SET_BLOCK, ({"device_write_bytes_sec": f"{DISK},5000"}, LIVE)),
    (SET_BLOCK, ({"device_read_iops_sec": f"{DISK},0"}, LIVE)),
    ("blkioParameters", (LIVE,)),
    (SET_NODES, ({"numa_mode": 0}, LIVE)), (SET_NODES, ({"numa_mode": 3}, LIVE)),
    (SET_NODES, ({"numa_nodeset": "0"}, LIVE)), (SET_NODES, ({"numa_nodeset": "5"}, LIVE)),
    ("numaParameters", (LIVE,)),
]  # fmt: skip

#: Documents that guests start with, or do not.
STARTS = [
    "<cputune><shares>1</shares></cputune>",
    "<cputune><shares>700</shares><period>50000</period><quota>20000</quota>"
    "<global_period>50000</global_period><global_quota>90000</global_quota>"
    "<emulator_quota>30000</emulator_quota><iothread_quota>5000</iothread_quota></cputune>"
    f"<blkiotune><weight>300</weight><device><path>{DISK}</path><read_iops_sec>50</read_iops_sec>"
    "</device></blkiotune><memtune><soft_limit unit='KiB'>400000</soft_limit></memtune>"
    "<numatune><memory mode='strict' nodeset='0'/></numatune>",
    "<cputune><period>50000</period><quota>30000</quota><global_period>50000</global_period>"
    "<global_quota>20000</global_quota></cputune>",
    "<blkiotune><weight>1500</weight></blkiotune>",
    "<memtune><min_guarantee unit='KiB'>400000</min_guarantee></memtune>",
    "<numatune><memory mode='strict' nodeset='5'/></numatune>",
    "<resource><partition>/nope/x</partition></resource>",
    "<resource><partition>nope</partition></resource>",
]


class Session:
    """The domain, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.events: list[Any] = []
        self.files: dict[str, str] = {}
        self.pid: int | None = None
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE, self._tuned, None)

    def _tuned(self, conn: Any, dom: Any, params: Any, opaque: Any) -> None:
        self.events.append(params)

    def step(self, dom: Any, name: str, arguments: tuple[Any, ...]) -> None:
        """Does it, and tells what came of it."""
        try:
            result = getattr(dom, name)(*arguments)
        except libvirt.libvirtError as error:
            result = [error.get_error_code(), error.get_error_domain()]
        self.tell(name, arguments, result, dom)

    def tell(self, name: str, arguments: Any, result: Any, dom: Any) -> None:
        """Prints a step; figures are only told by name."""
        deadline = time.monotonic() + 5
        while True:
            libvirt.virEventRunDefaultImpl()
            if self.events or not self.told(name, arguments, result) or time.monotonic() > deadline:
                break
        if name == "getCPUStats" and isinstance(result[0], dict):
            result = sorted(result[0])
        print(json.dumps([name, arguments, result, self.events, documents(dom), self.changes()]))
        self.events = []

    def told(self, name: str, arguments: Any, result: Any) -> bool:
        """Whether a step is to be told by an event."""
        changed = name == SET_CPU and result == 0 and self.pid is not None
        return changed and arguments[1] != CONFIG and any(arguments[0].values())

    def changes(self) -> dict[str, str]:
        """What of the groups is not as it was."""
        now = dict(group_files(self.pid)) if self.pid else {}
        changed = {name: text for name, text in now.items() if self.files.get(name) != text}
        self.files = now
        return changed


def documents(dom: Any) -> list[str]:
    """What the live and the persistent document say of limits."""
    found = []
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        try:
            root = ET.fromstring(dom.XMLDesc(flags))
        except libvirt.libvirtError:
            continue
        for tag in ("blkiotune", "memtune", "cputune", "numatune", "resource"):
            found += [ET.tostring(e, encoding="unicode") for e in root.iter(tag)]
    return ["".join(text.split()) for text in found]


def process_of(name: str) -> int | None:
    """The QEMU of the guest."""
    for place in Path("/proc").iterdir():
        try:
            named = place.name.isdigit() and f"guest={name}," in (place / "cmdline").read_text()
            if named and (place / "comm").read_text().startswith("qemu"):
                return int(place.name)
        except OSError:
            continue
    return None


def group_files(pid: int) -> Iterator[tuple[str, str]]:
    """The files of the groups of a guest and of its threads, by name below the guest's group."""
    groups = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controller, group = line.split(":")
        groups[controller] = group.removesuffix("/emulator")
    for controller in ("cpu", "cpuset", "memory", "blkio"):
        top = Path(f"/sys/fs/cgroup/{controller}{groups[controller]}")
        assert top.name.endswith(".libvirt-qemu"), top
        for directory in [top, *sorted(path for path in top.iterdir() if path.is_dir())]:
            for name in FILES:
                file = directory / name
                if file.exists():
                    yield str(file.relative_to(top)), file.read_text().strip()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        comm = (thread / "comm").read_text().split("/")[0].strip()
        for line in (thread / "cgroup").read_text().splitlines():
            _, controller, group = line.split(":")
            if comm.startswith(("CPU", "IO iothread")) and controller in ("cpu", "cpuset"):
                yield f"{comm} {controller}", group.rpartition("/")[2]


def main() -> None:
    """Entry point."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    # Something to wake up for: the loop waits for events otherwise.
    libvirt.virEventAddTimeout(5, lambda *_: None, None)
    session = Session(libvirt.open(sys.argv[1]))
    dom = session.conn.defineXML(GUEST.format(name=NAME, more=""))
    for name, arguments in BEFORE:
        session.step(dom, name, arguments)
    dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    time.sleep(0.2)  # ours moves threads that no limit tells apart in its own time
    session.pid = process_of(NAME)
    for name, arguments in RUNNING:
        session.step(dom, name, arguments)
    dom.destroy()
    session.pid = None
    session.tell("destroy", [], None, dom)
    for more in STARTS:
        started(session, more)
    dom.undefine()


def started(session: Session, more: str) -> None:
    """A guest of that document, if it starts."""
    document = GUEST.format(name="started", more=more)
    try:
        dom = session.conn.createXML(document, libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError as error:
        print(json.dumps([more, error.get_error_code(), error.get_error_domain()]))
        return
    time.sleep(0.2)
    pid = process_of("started")
    assert pid is not None
    print(json.dumps([more, documents(dom), dict(group_files(pid))]))
    dom.destroy()


main()
