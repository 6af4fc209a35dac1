# SPDX-License-Identifier: Apache-2.0
"""Defaults of ``<sysinfo>`` and ``<seclabel>``, and what other hypervisors alone have."""

from __future__ import annotations

from virloom.model.domain import Domain, OemStrings, Seclabel, SmbiosBlock, Sysinfo
from virloom.model.domain.perf import PERF_EVENTS
from virloom.model.domain.sysinfo import (
    BIOS_ENTRIES,
    BOARD_ENTRIES,
    CHASSIS_ENTRIES,
    SYSTEM_ENTRIES,
)
from virloom.xml.kinds import UUID


def fill_identity(dom: Domain) -> None:
    """SMBIOS entries, maps of users and events in their order."""
    for sysinfo in dom.sysinfos:
        _fill_sysinfo(sysinfo)
    dom.idmap.uids.sort(key=lambda ids: ids.start or 0)
    dom.idmap.gids.sort(key=lambda ids: ids.start or 0)
    dom.perf.events.sort(key=lambda event: PERF_EVENTS.index(event.name or "cmt"))
    dom.keywrap.ciphers.sort(key=lambda cipher: cipher.name or "")
    if dom.os.smbios.mode == "none":
        dom.os.smbios.mode = None
    drop_foreign(dom)


def fill_labels(dom: Domain) -> None:
    """Labels with their kinds, and QEMU's own elements."""
    dom.seclabels = [label for label in dom.seclabels if label.type is not None]
    for label in dom.seclabels:
        _fill_seclabel(label)
    for device in dom.qemu_override.devices:
        if device.frontend is not None and not device.frontend.properties:
            device.frontend = None


def _fill_sysinfo(sysinfo: Sysinfo) -> None:
    if sysinfo.type == "fwcfg":
        for item in sysinfo.entries:
            if item.file is not None:
                item.value = None
        sysinfo.bios = sysinfo.system = sysinfo.chassis = SmbiosBlock()
        sysinfo.base_boards = []
        sysinfo.oem_strings = OemStrings()
        return
    sysinfo.entries = []
    _sort_entries(sysinfo.bios, BIOS_ENTRIES)
    _sort_entries(sysinfo.system, SYSTEM_ENTRIES)
    _sort_entries(sysinfo.chassis, CHASSIS_ENTRIES)
    for board in sysinfo.base_boards:
        _sort_entries(board, BOARD_ENTRIES)
    sysinfo.base_boards = [board for board in sysinfo.base_boards if board.entries]
    for entry in sysinfo.system.entries:
        if entry.name == "uuid" and entry.value and UUID.parse is not None:
            entry.value = UUID.parse(entry.value)


def _sort_entries(block: SmbiosBlock, names: tuple[str, ...]) -> None:
    """The entries that there are, the first of each name, in the order of *names*."""
    first = {entry.name: entry for entry in reversed(block.entries) if entry.value}
    block.entries = [first[name] for name in names if name in first]


def _fill_seclabel(label: Seclabel) -> None:
    if label.model is None:
        # The host's first security model; without SELinux and AppArmor it is none.
        label.model = "none"
    if label.model == "none":
        label.type = "none"
    if label.type == "none":
        label.relabel = label.label = label.baselabel = None
    elif label.relabel is None:
        label.relabel = label.type == "dynamic"
    if label.type == "dynamic":
        label.label = None
    label.imagelabel = None


def drop_foreign(dom: Domain) -> None:
    """What only containers and other hypervisors have; libvirt's QEMU driver leaves it out."""
    os = dom.os
    os.init = os.initdir = os.inituser = os.initgroup = None
    os.initargs, os.initenvs = [], []
    dom.lxc_namespace, dom.xen_commandline, dom.bhyve_commandline = [], [], []
    dom.vmware_datacenterpath = []
