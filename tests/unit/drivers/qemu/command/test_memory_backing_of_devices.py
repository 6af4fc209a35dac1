# SPDX-License-Identifier: Apache-2.0
"""What stands behind memory devices, by what the guest's memory is backed with (as libvirt 9)."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.devices.props.address import Buses
from virloom.drivers.qemu.devices.props.memory import memory_device, memory_object
from virloom.model.domain import Domain
from virloom.xml import parse_document

KEPT = "<source><path>/kept</path></source>"
SHARED = "<access mode='shared'/>"
MEMFD = "<source type='memfd'/>"
NOW = "<allocation mode='immediate' threads='3'/>"
IN_FILE = {"qom-type": "memory-backend-file", "mem-path": "/ram/m0"}
IN_KEPT = {"qom-type": "memory-backend-file", "mem-path": "/kept"}
IN_MEMFD = {"qom-type": "memory-backend-memfd"}
AT_ONCE = {"prealloc": True, "prealloc-threads": 3}


@pytest.mark.parametrize(
    ("model", "source", "backing", "expected"),
    [
        ("dimm", "", "", {"qom-type": "memory-backend-ram"}),
        ("dimm", "", SHARED, {**IN_FILE, "share": True}),
        ("dimm", "", MEMFD + SHARED + NOW, {**IN_MEMFD, "share": True, **AT_ONCE}),
        ("dimm", "", "<source type='file'/><discard/>", {**IN_FILE, "discard-data": True}),
        ("virtio-mem", "", MEMFD + NOW, {**IN_MEMFD, "reserve": False}),
        ("nvdimm", KEPT, MEMFD + SHARED, {**IN_KEPT, "share": True, "prealloc": True}),
        ("virtio-pmem", KEPT, "<discard/>" + SHARED, {**IN_KEPT, "share": True}),
    ],
)
def test_a_device_s_memory_is_backed_like_the_guest_s(
    model: str, source: str, backing: str, expected: dict[str, object]
) -> None:
    dom = guest(model, source, backing)
    props = memory_object(dom.devices.memories[0], dom.memory_backing, "/ram")
    assert props == {**expected, "id": "memm0", "size": 64 << 20}


def test_virtio_mem_allocates_by_itself() -> None:
    for backing, allocates in (("", False), (NOW, True)):
        dom = guest("virtio-mem", "", backing)
        device = memory_device(dom.devices.memories[0], dom.memory_backing, Buses(dom))
        assert device.get("prealloc", False) is allocates


def guest(model: str, source: str, backing: str) -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>a</name><os><type>hvm</type></os>"
        f"<memoryBacking>{backing}</memoryBacking><devices><memory model='{model}'>{source}"
        "<target><size unit='MiB'>64</size></target><alias name='m0'/></memory></devices></domain>",
    )
