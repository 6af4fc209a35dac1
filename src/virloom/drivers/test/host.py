# SPDX-License-Identifier: Apache-2.0
"""The host that the test driver pretends to be."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """A NUMA cell: its memory in KiB, its usual pages by number and size in KiB, its processors."""

    memory: int
    pages: int
    page_size: int
    cpus: range


#: The cells of the host that everybody shares; one that a file describes has none.
CELLS = (
    Cell(2 * 1024 * 1024, 524288, 4, range(8)),
    Cell(4 * 1024 * 1024, 524288, 8, range(8, 16)),
)
HUGE_PAGES = (2048, 1048576)
"""Sizes of pages in KiB of which every cell has none."""


class HostFacts(NamedTuple):
    """What ``virNodeGetInfo`` tells, with memory in KiB; and the cells."""

    model: str = "i686"
    memory: int = 3 * 1024 * 1024
    cpus: int = 16
    mhz: int = 1400
    nodes: int = 2
    sockets: int = 2
    cores: int = 2
    threads: int = 2
    cells: tuple[Cell, ...] = ()


#: Nanoseconds; the same for all processors.
CPU_TIMES = {
    "user": 9797400000,
    "kernel": 34678723400000,
    "idle": 87264900000,
    "iowait": 763600000,
}

SYSINFO = """<sysinfo type='smbios'>
  <bios>
    <entry name='vendor'>LENOVO</entry>
    <entry name='version'>G4ETA1WW (2.61 )</entry>
    <entry name='date'>05/07/2014</entry>
    <entry name='release'>2.61</entry>
  </bios>
</sysinfo>
"""

SECURITY_MODEL = "testSecurity"
SECURITY_LABEL = "libvirt-test"
MAX_VCPUS = 32


def _topology(cells: tuple[Cell, ...]) -> str:
    return "".join(_cell(number, cell) for number, cell in enumerate(cells))


def _cell(number: int, cell: Cell) -> str:
    huge = "".join(f"          <pages unit='KiB' size='{size}'>0</pages>\n" for size in HUGE_PAGES)
    cpus = "".join(
        f"            <cpu id='{cpu}' socket_id='{number}' die_id='0' core_id='{core}'"
        f" siblings='{cpu}'/>\n"
        for core, cpu in enumerate(cell.cpus)
    )
    return (
        f"        <cell id='{number}'>\n"
        f"          <memory unit='KiB'>{cell.memory}</memory>\n"
        f"          <pages unit='KiB' size='{cell.page_size}'>{cell.pages}</pages>\n"
        f"{huge}"
        f"          <cpus num='{len(cell.cpus)}'>\n{cpus}          </cpus>\n"
        "        </cell>\n"
    )


def _guest(os_type: str) -> str:
    return f"""
  <guest>
    <os_type>{os_type}</os_type>
    <arch name='i686'>
      <wordsize>32</wordsize>
      <emulator>/usr/bin/test-hv</emulator>
      <domain type='test'/>
    </arch>
    <features>
      <pae/>
      <nonpae/>
    </features>
  </guest>
"""


def capabilities(cells: tuple[Cell, ...]) -> str:
    """The capabilities document; of what a host is, only its cells differ."""
    sizes = sorted({*(cell.page_size for cell in CELLS), *HUGE_PAGES})
    pages = "".join(f"      <pages unit='KiB' size='{size}'/>\n" for size in sizes)
    return (
        "<capabilities>\n\n  <host>\n    <cpu>\n      <arch>i686</arch>\n      <features>\n"
        f"        <pae/>\n        <nonpae/>\n      </features>\n{pages}    </cpu>\n"
        "    <power_management/>\n    <iommu support='no'/>\n    <topology>\n"
        f"      <cells num='{len(cells)}'>\n{_topology(cells)}      </cells>\n    </topology>\n"
        f"    <secmodel>\n      <model>{SECURITY_MODEL}</model>\n      <doi></doi>\n"
        f"    </secmodel>\n  </host>\n{_guest('hvm')}{_guest('xen')}\n</capabilities>\n"
    )
