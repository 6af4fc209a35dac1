# SPDX-License-Identifier: Apache-2.0
"""What an agent tells becomes records, and nonsense becomes an error that names the command."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.qemu.agent import report
from virloom.drivers.qemu.agent.answers import number, reading, text
from virloom.drivers.qemu.agent.disks import file_systems
from virloom.drivers.qemu.agent.network import interfaces
from virloom.drivers.qemu.agent.processors import (
    GuestCpu,
    changes,
    check_choice,
    numbers_text,
    parse_numbers,
)
from virloom.errors import InternalError, InvalidArg, OperationUnsupported
from virloom.model.domain import Domain
from virloom.xml import parse_document

DOMAIN = """
<domain type='qemu'><name>g</name><devices>
<disk type='file'><target dev='vda' bus='virtio'/>
<address type='pci' domain='0' bus='0' slot='5' function='0'/></disk>
<disk type='file'><target dev='sda' bus='scsi'/>
<address type='drive' controller='1' bus='0' target='2' unit='3'/></disk>
<controller type='scsi' index='1'><address type='pci' domain='0' bus='1' slot='0' function='0'/>
</controller></devices></domain>
"""


def disk(bus: str, pci: tuple[int, int], target: int = 0, unit: int = 0) -> dict[str, Any]:
    """A disk's address as an agent tells it."""
    place = {"domain": 0, "bus": pci[0], "slot": pci[1], "function": 0}
    return {
        "bus-type": bus,
        "pci-controller": place,
        "bus": 0,
        "target": target,
        "unit": unit,
        "serial": "s1",
    }


def mount(*disks: dict[str, Any]) -> dict[str, Any]:
    """A file system as an agent tells it."""
    return {"name": "vda1", "mountpoint": "/", "type": "ext4", "disk": list(disks)}


def test_disks_are_found_by_their_addresses() -> None:
    model = parse_document(Domain, DOMAIN)
    told = mount(disk("virtio", (0, 5)), disk("scsi", (1, 0), 2, 3), disk("sata", (0, 9)))
    (found,) = file_systems(model, [told])
    assert (found.mountpoint, found.name, found.kind) == ("/", "vda1", "ext4")
    assert [one.name for one in found.disks] == ["vda", "sda", None]
    figures = {name: value for name, _, value in report.mounted(model, [told])}
    assert figures["fs.0.disk.1.alias"] == "sda"
    assert figures["fs.0.disk.0.serial"] == "s1"
    assert list(report.mounted(model, [])) == []


def test_users_and_disks() -> None:
    model = parse_document(Domain, DOMAIN)
    told = [{"user": "root", "login-time": 1.5}]
    assert list(report.users(model, told)) == [
        ("user.count", "uint", 1),
        ("user.0.name", "string", "root"),
        ("user.0.login-time", "ullong", 1500),
    ]
    partition = {"name": "/dev/vda1", "partition": True, "dependencies": ["/dev/vda"]}
    assert list(report.disks(model, [partition]))[2:] == [
        ("disk.0.partition", "boolean", True),
        ("disk.0.dependency.count", "uint", 1),
        ("disk.0.dependency.0.name", "string", "/dev/vda"),
    ]


def test_an_alias_belongs_to_its_interface() -> None:
    def address(kind: str, words: str) -> dict[str, Any]:
        return {"ip-address-type": kind, "ip-address": words, "prefix": 24}

    told = [
        {"name": "eth0", "hardware-address": "52:54:00:00:00:01"},
        {"name": "eth0:1", "ip-addresses": [address("ipv4", "192.0.2.1")]},
        {"name": "sit0", "ip-addresses": [address("ipv6", "2001:db8::1")]},
    ]
    first, second = interfaces(told)
    assert (first.name, first.hwaddr) == ("eth0", "52:54:00:00:00:01")
    assert [one.addr for one in first.addrs] == ["192.0.2.1"]
    assert (second.hwaddr, second.addrs[0].type) == (None, 1)


HOSTILE: list[Any] = [
    None,
    1,
    "x",
    [1],
    [{}],
    [{"name": 7}],
    [{"name": "a", "ip-addresses": {}}],
    [{"name": "a", "ip-addresses": [{"ip-address-type": []}]}],
    [{"name": "a", "hardware-address": []}],
    [{"name": "a"}] * 5000,
    [mount({})],
    [mount({"pci-controller": 5})],
    [mount(disk("virtio", (0, 5)) | {"unit": "1"})],
    [mount() | {"total-bytes": -1}],
    [{"user": "a", "login-time": float("inf")}],
    [{"user": "a", "login-time": -1}],
    {"offset": 1 << 40},
    {"host-name": None},
    {"host-name": {}},
    {"id": 3},
]


@pytest.mark.parametrize("told", HOSTILE)
def test_nonsense_is_an_error_or_nothing(told: Any) -> None:
    model = parse_document(Domain, DOMAIN)
    refused = 0
    for command, figures in report.KINDS.values():
        try:
            with reading(command):
                list(figures(model, told))
        except InternalError as error:
            assert command in error.message
            assert len(error.message) < 500
            refused += 1
    assert refused >= len(report.KINDS) - 2


def test_texts_and_numbers_fit_the_wire() -> None:
    assert text("a\0b\ud800") == "a\ufffdb?"
    for wrong in (True, 1 << 63, "1", 1.0, None):
        with pytest.raises(ValueError, match="not a number"):
            number(wrong)


CPUS = [GuestCpu(0, True, False), GuestCpu(1, True, True), GuestCpu(2, False, True)]


def test_which_processors_are_switched() -> None:
    assert changes(CPUS, 3) == ([2], True)
    assert changes(CPUS, 2) == ([], True)
    assert changes(CPUS, 1) == ([1], False)
    with pytest.raises(InvalidArg):
        changes(CPUS, 4)
    with pytest.raises(InternalError):
        changes(CPUS, 0)
    check_choice(CPUS, {1, 2}, online=False)
    with pytest.raises(InvalidArg, match="guest is missing vCPUs '7-8'"):
        check_choice(CPUS, {1, 7, 8}, online=True)
    with pytest.raises(OperationUnsupported, match="vCPU '0' is not offlinable"):
        check_choice(CPUS, {0}, online=False)


def test_sets_of_processors() -> None:
    assert parse_numbers("0-3,^2,5") == {0, 1, 3, 5}
    assert numbers_text({5, 0, 1, 3}) == "0-1,3,5"
    assert numbers_text([]) == ""
    for wrong in ("", "a", "1-", "3-1", "-1", "0-99999999"):
        with pytest.raises(InvalidArg, match="Failed to parse bitmap"):
            parse_numbers(wrong)
