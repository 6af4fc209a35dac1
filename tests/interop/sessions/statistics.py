# SPDX-License-Identifier: Apache-2.0
"""Figures of a guest in each of its states, by libvirt's binding: ``statistics.py URI DIRECTORY``.

The directory has ``overlay.qcow2`` on ``base.qcow2``. Each step prints a line of JSON: its name,
and what was told, or the error. Values that differ from run to run are ``N``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import libvirt

GUEST = """<domain type='qemu'><name>figures</name><memory unit='MiB'>64</memory>
<vcpu current='2'>3</vcpu><iothreads>2</iothreads>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' iothread='1'/>
<source file='{0}/overlay.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='{0}/plain.raw'/><target dev='sda' bus='sata'/></disk>
<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<serial type='null'/>
<memballoon model='virtio'><stats period='1'/></memballoon></devices></domain>"""

GROUPS = {
    name.removeprefix("VIR_DOMAIN_STATS_"): value
    for name, value in vars(libvirt).items()
    if name.startswith("VIR_DOMAIN_STATS_") and isinstance(value, int)
}
BACKING = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING
NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
ENFORCE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS

#: Keys whose values are of the moment.
_MOMENT = re.compile(
    r"cpu\..*|vcpu\.\d+\.(time|wait|delay)|balloon\.(rss|last-update)"
    r"|.*\.(times|allocation|physical)"
    r"|block\.\d+\.(rd|wr|fl)\..*|(rss|last_update|(rd|wr|flush)_.*)|iothread\.\d+\.thread_id"
)


def shown(value: Any, directory: str) -> Any:
    """What is told, without what is of the moment."""
    if isinstance(value, dict):
        return {
            key: "N" if _MOMENT.fullmatch(key) else shown(each, directory)
            for key, each in sorted(value.items())
        }
    if isinstance(value, (list, tuple)):
        return [shown(each, directory) for each in value]
    return value.replace(directory, "@DIR@") if isinstance(value, str) else value


class Session:
    """Steps on one connection."""

    def __init__(self, uri: str, directory: str) -> None:
        self.conn = libvirt.open(uri)
        self._directory = directory
        self.domain = self.conn.defineXML(GUEST.format(directory))

    def step(self, name: str, action: Callable[[], Any]) -> None:
        """Prints what *action* gives."""
        try:
            value = shown(action(), self._directory)
        except libvirt.libvirtError as error:
            value = {"error": [error.get_error_code(), error.get_error_domain()]}
        print(json.dumps([name.replace(self._directory, "@DIR@"), value]), flush=True)

    def stats(self, groups: int, flags: int = 0) -> Any:
        """The bulk statistics of the guest."""
        found = self.conn.domainListGetStats([self.domain], groups, flags)
        return found[0][1] if found else None

    def all_groups(self, state: str) -> None:
        """Each group alone, and all of them."""
        for name, group in GROUPS.items():
            self.step(f"{state}: {name}", lambda group=group: self.stats(group, ENFORCE))
        self.step(f"{state}: all", lambda: self.stats(0))
        self.step(f"{state}: chains", lambda: self.stats(GROUPS["BLOCK"], BACKING))
        self.step(f"{state}: no wait", lambda: self.stats(0, NOWAIT))
        self.step(f"{state}: unknown", lambda: self.stats(1 << 20))
        self.step(f"{state}: unknown, enforced", lambda: self.stats(1 << 20, ENFORCE))
        self.step(f"{state}: flag", lambda: self.stats(0, 1 << 12))

    def disks(self, state: str) -> None:
        """Single calls about disks, interfaces and memory."""
        for disk in ("vda", "sda", "sdb", "sdz", "", f"{self._directory}/plain.raw"):
            self.step(f"{state}: info of {disk}", lambda disk=disk: self.info(disk))
            self.step(f"{state}: stats of {disk}", lambda disk=disk: self.kinds(disk))
            self.step(f"{state}: figures of {disk}", lambda disk=disk: self.figures(disk))
        self.step(f"{state}: flag", lambda: self.domain.blockStatsFlags("vda", 8))
        self.step(f"{state}: info flag", lambda: self.domain.blockInfo("vda", 1))
        self.step(f"{state}: memory", self.domain.memoryStats)
        self.step(f"{state}: interface", lambda: self.domain.interfaceStats("52:54:00:00:00:01"))
        self.step(f"{state}: processors", lambda: len(self.domain.vcpus()[0]))

    def info(self, disk: str) -> Any:
        """Capacity, and whether the others are told."""
        capacity, allocation, physical = self.domain.blockInfo(disk)
        return [capacity, allocation > 0, physical]

    def kinds(self, disk: str) -> Any:
        """The last of the old counters: errors."""
        return self.domain.blockStats(disk)[4]

    def figures(self, disk: str) -> Any:
        """The names of the counters."""
        return sorted(self.domain.blockStatsFlags(disk))


def main() -> None:
    """At rest, paused, and running."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    session = Session(sys.argv[1], sys.argv[2])
    for state in ("at rest", "paused", "running"):
        if state == "paused":
            session.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        elif state == "running":
            session.domain.resume()
        session.all_groups(state)
        session.disks(state)
    session.domain.destroy()
    session.domain.undefine()


if __name__ == "__main__":
    main()
