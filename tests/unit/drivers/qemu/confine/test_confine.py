# SPDX-License-Identifier: Apache-2.0
"""What a document asks for: devices, owners, limits, rules."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.confine.devices import wanted_devices
from virloom.drivers.qemu.confine.hugepages import HugeMount, choose, mounts_in, sizes_wanted
from virloom.drivers.qemu.confine.labels import guest_rules
from virloom.drivers.qemu.confine.limits import limits_of, locked_memory, memory_policy
from virloom.drivers.qemu.confine.owners import OwnedFile, owned_files
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Domain
from virloom.security.apparmor import Rule
from virloom.xml import parse_document

MIB = 1 << 20


def guest(devices: str = "", rest: str = "", memory: int = 64) -> Domain:
    """A document with aliases for its disks and ports."""
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>g</name><memory unit='MiB'>{memory}</memory>{rest}"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{devices}</devices></domain>",
    )


def disk(alias: str, inside: str = "", path: str = "/dev/sda", label: str = "") -> str:
    """A disk of a block device."""
    return (
        f"<disk type='block' device='disk'><source dev='{path}'>{label}</source>"
        f"<target dev='vda'/>{inside}<alias name='{alias}'/></disk>"
    )


def layers(*paths: str) -> tuple[ImageLayer, ...]:
    return tuple(ImageLayer(path, "raw", True, "block") for path in paths)


def test_devices_of_a_document() -> None:
    devices = (
        disk("d0")
        + disk("d1", path="/srv/file")
        + (
            "<serial type='dev'><source path='/dev/ttyS0'/><alias name='s'/></serial>"
            "<input type='evdev'><source dev='/dev/input/event3'/></input>"
            "<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>"
            "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='12'/></source>"
            "</hostdev>"
            "<tpm><backend type='passthrough'><device path='/dev/tpm1'/></backend></tpm>"
        )
    )
    chains = {"d0": layers("/dev/sda", "/dev/base"), "d1": layers("/srv/file")}
    found = wanted_devices(guest(devices), chains)
    assert [device.path for device in found if device.given] == [
        "/dev/sda", "/dev/base", "/dev/bus/usb/001/012", "/dev/ttyS0", "/dev/tpm1",
        "/dev/input/event3",
    ]  # fmt: skip
    assert [device.path for device in found if not device.given] == ["/dev/hwrng"]


@pytest.mark.parametrize(
    ("inside", "label", "found"),
    [
        ("", "", [OwnedFile("/dev/sda", "d0")]),
        ("<readonly/>", "", []),
        ("<shareable/>", "", []),
        ("", "<seclabel model='dac' relabel='no'/>", []),
        ("", "<seclabel model='selinux' relabel='no'/>", [OwnedFile("/dev/sda", "d0")]),
        (
            "",
            "<seclabel model='dac' relabel='yes'><label>a:b</label></seclabel>",
            [OwnedFile("/dev/sda", "d0", "a:b")],
        ),
    ],
)
def test_owners_of_a_disk(inside: str, label: str, found: list[OwnedFile]) -> None:
    chains = {"d0": layers("/dev/sda", "/dev/base")}
    assert owned_files(guest(disk("d0", inside, label=label)), chains) == found


def test_a_guest_that_relabels_nothing() -> None:
    label = "<seclabel type='static' model='dac' relabel='no'><label>a:b</label></seclabel>"
    document = guest(disk("d0"), label)
    assert owned_files(document, {"d0": layers("/dev/sda")}) == []
    assert owned_files(document, {"d0": layers("/dev/sda")}, model="selinux") != []


def test_limits_of_qemu_conf() -> None:
    assert limits_of(QemuConfig(), guest()) == {"CORE": (0, 0)}
    config = QemuConfig({"max_core": "unlimited", "max_files": 100, "max_processes": 7})
    assert limits_of(config, guest()) == {
        "CORE": (-1, -1), "NOFILE": (101, 101), "NPROC": (7, 7),
    }  # fmt: skip


def test_memory_that_may_be_locked() -> None:
    card = (
        "<hostdev mode='subsystem' type='pci'><source>"
        "<address domain='0' bus='1' slot='0' function='0'/></source></hostdev>"
    )
    assert locked_memory(guest()) is None
    assert locked_memory(guest(card)) == (64 + 1024) * MIB
    assert locked_memory(guest(card * 2)) == (64 + 1024) * MIB
    assert locked_memory(guest(card * 2 + "<iommu model='intel'/>")) == (128 + 1024) * MIB
    locked = "<memoryBacking><locked/></memoryBacking>"
    assert locked_memory(guest(rest=locked)) == 9007199254740991
    hard = "<memtune><hard_limit unit='MiB'>900</hard_limit></memtune>"
    assert locked_memory(guest(card, locked + hard)) == 900 * MIB


@pytest.mark.parametrize(
    ("mode", "nodes", "policy"),
    [
        ("strict", "0-1", (2, [0, 1])),
        ("preferred", "1", (1, [1])),
        ("interleave", "0,1", (3, [0, 1])),
        ("restrictive", "0", None),
    ],
)
def test_where_memory_comes_from(
    mode: str, nodes: str, policy: tuple[int, list[int]] | None
) -> None:
    tune = f"<numatune><memory mode='{mode}' nodeset='{nodes}'/></numatune>"
    assert memory_policy(guest(rest=tune), [0, 1]) == policy
    in_group = memory_policy(guest(rest=tune), [0, 1], grouped=True)
    assert in_group == (None if mode == "strict" else policy)


def test_nodes_that_cannot_be() -> None:
    tune = "<numatune><memory mode='{}' nodeset='0-1'/></numatune>"
    with pytest.raises(ConfigUnsupported, match="node 1"):
        memory_policy(guest(rest=tune.format("strict")), [0])
    with pytest.raises(ConfigUnsupported, match="2 NUMA nodes"):
        memory_policy(guest(rest=tune.format("preferred")), [0, 1])
    assert memory_policy(guest(), [0]) is None


def test_rules_of_a_profile() -> None:
    chains = {"d0": layers("/no/top", "/no/base")}
    rules = list(guest_rules(guest(disk("d0", path="/no/top")), chains, "/lib/dir"))
    assert Rule("/no/top", "rwk") in rules
    assert Rule("/no/base", "rk") in rules
    assert Rule("/lib/dir", "rwk", below=True) in rules
    assert not any(rule.path == "/no/base" and "w" in rule.access for rule in rules)


MOUNTS = """\
proc /proc proc rw 0 0
hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0
none /again hugetlbfs rw,pagesize=2M 0 0
none /big hugetlbfs rw,relatime,pagesize=1024M 0 0
"""


def test_the_hosts_huge_pages() -> None:
    usual, big = HugeMount("/dev/hugepages", 2048), HugeMount("/big", 1 << 20)
    mounts = mounts_in(MOUNTS)
    assert mounts == [usual, big]
    assert choose("g", {0, 1 << 20}, mounts, 2048) == {0: usual, 1 << 20: big}
    assert choose("g", set(), [], 0) == {}
    with pytest.raises(InternalError, match="64 KiB"):
        choose("g", {64}, mounts, 2048)
    with pytest.raises(InternalError, match="no hugetlbfs is mounted"):
        choose("g", {0}, [], 2048)


@pytest.mark.parametrize(
    ("inside", "sizes"),
    [
        ("", set()),
        ("<hugepages/>", {0}),
        ("<hugepages/><source type='memfd'/>", set()),
        ("<hugepages><page size='4'/></hugepages>", set()),
        ("<hugepages><page size='1' unit='GiB'/></hugepages>", {1 << 20}),
    ],
)
def test_pages_that_need_a_mount(inside: str, sizes: set[int]) -> None:
    assert sizes_wanted(guest(rest=f"<memoryBacking>{inside}</memoryBacking>")) == sizes
