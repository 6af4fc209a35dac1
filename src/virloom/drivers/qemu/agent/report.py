# SPDX-License-Identifier: Apache-2.0
"""What an agent tells of its guest, as the parameters of ``virDomainGetGuestInfo``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from virloom.drivers.qemu.agent.answers import items, number, text
from virloom.drivers.qemu.agent.disks import GuestDisk, file_systems, guest_disk
from virloom.drivers.qemu.agent.network import interfaces
from virloom.enums.domain import DomainGuestInfoTypes
from virloom.enums.network import IPAddrType
from virloom.model.domain import Domain

#: A name, the short name of its type, and a value.
Figure = tuple[str, str, int | str | bool]

_ULLONG = (1 << 64) - 1

#: The agent's name of what it knows of the system → libvirt's.
_SYSTEM = {
    "id": "id",
    "name": "name",
    "pretty-name": "pretty-name",
    "version": "version",
    "version-id": "version-id",
    "machine": "machine",
    "variant": "variant",
    "variant-id": "variant-id",
    "kernel-release": "kernel-release",
    "kernel-version": "kernel-version",
}


def users(model: Domain, answer: Any) -> Iterator[Figure]:
    """Who is logged in."""
    found = items(answer)
    yield "user.count", "uint", len(found)
    for place, user in enumerate(found):
        yield f"user.{place}.name", "string", text(user["user"])
        if "domain" in user:
            yield f"user.{place}.domain", "string", text(user["domain"])
        milliseconds = int(float(user["login-time"]) * 1000)
        yield f"user.{place}.login-time", "ullong", number(milliseconds, 0, _ULLONG)


def system(model: Domain, answer: Mapping[str, Any]) -> Iterator[Figure]:
    """The operating system."""
    for key, name in _SYSTEM.items():
        if key in answer:
            yield f"os.{name}", "string", text(answer[key])


def time_zone(model: Domain, answer: Mapping[str, Any]) -> Iterator[Figure]:
    """Where its clock is."""
    if "zone" in answer:
        yield "timezone.name", "string", text(answer["zone"])
    yield "timezone.offset", "int", number(answer["offset"], -(1 << 31), (1 << 31) - 1)


def host_name(model: Domain, answer: Mapping[str, Any]) -> Iterator[Figure]:
    """Its name."""
    yield "hostname", "string", text(answer["host-name"])


def mounted(model: Domain, answer: Any) -> Iterator[Figure]:
    """Its file systems; without any not even how many."""
    found = file_systems(model, answer)
    if found:
        yield "fs.count", "uint", len(found)
    for place, one in enumerate(found):
        prefix = f"fs.{place}"
        yield f"{prefix}.name", "string", one.name
        yield f"{prefix}.mountpoint", "string", one.mountpoint
        yield f"{prefix}.fstype", "string", one.kind
        for name, value in (("total-bytes", one.total), ("used-bytes", one.used)):
            if value is not None:
                yield f"{prefix}.{name}", "ullong", value
        yield f"{prefix}.disk.count", "uint", len(one.disks)
        for number_, disk in enumerate(one.disks):
            yield from _file_system_disk(f"{prefix}.disk.{number_}", disk)


def _file_system_disk(prefix: str, disk: GuestDisk) -> Iterator[Figure]:
    for name, value in (("alias", disk.name), ("serial", disk.serial), ("device", disk.device)):
        if value is not None:
            yield f"{prefix}.{name}", "string", value


def disks(model: Domain, answer: Any) -> Iterator[Figure]:
    """Its disks and their partitions."""
    found = items(answer)
    yield "disk.count", "uint", len(found)
    for place, item in enumerate(found):
        prefix = f"disk.{place}"
        yield f"{prefix}.name", "string", text(item["name"])
        if not isinstance(item["partition"], bool):
            raise TypeError("neither a disk nor a partition")
        yield f"{prefix}.partition", "boolean", item["partition"]
        yield from _dependencies(prefix, item.get("dependencies", []))
        if "address" in item:
            disk = guest_disk(model, item["address"])
            if disk.serial is not None:
                yield f"{prefix}.serial", "string", disk.serial
            if disk.name is not None:
                yield f"{prefix}.alias", "string", disk.name
        if "alias" in item:
            yield f"{prefix}.guest_alias", "string", text(item["alias"])


def _dependencies(prefix: str, names: Any) -> Iterator[Figure]:
    if not isinstance(names, list):
        raise TypeError("not a list")
    if names:
        yield f"{prefix}.dependency.count", "uint", len(names)
    for place, name in enumerate(names):
        yield f"{prefix}.dependency.{place}.name", "string", text(name)


def network(model: Domain, answer: Any) -> Iterator[Figure]:
    """Its interfaces and their addresses."""
    found = interfaces(answer)
    yield "if.count", "uint", len(found)
    for place, one in enumerate(found):
        prefix = f"if.{place}"
        yield f"{prefix}.name", "string", one.name
        if one.hwaddr is not None:
            yield f"{prefix}.hwaddr", "string", one.hwaddr
        yield f"{prefix}.addr.count", "uint", len(one.addrs)
        for number_, address in enumerate(one.addrs):
            kind = "ipv4" if address.type == IPAddrType.IPV4 else "ipv6"
            yield f"{prefix}.addr.{number_}.type", "string", kind
            yield f"{prefix}.addr.{number_}.addr", "string", address.addr
            yield f"{prefix}.addr.{number_}.prefix", "uint", address.prefix


#: Every kind of information: the agent's command for it, and what its answer becomes.
KINDS: dict[DomainGuestInfoTypes, tuple[str, Callable[[Domain, Any], Iterator[Figure]]]] = {
    DomainGuestInfoTypes.USERS: ("guest-get-users", users),
    DomainGuestInfoTypes.OS: ("guest-get-osinfo", system),
    DomainGuestInfoTypes.TIMEZONE: ("guest-get-timezone", time_zone),
    DomainGuestInfoTypes.HOSTNAME: ("guest-get-host-name", host_name),
    DomainGuestInfoTypes.FILESYSTEM: ("guest-get-fsinfo", mounted),
    DomainGuestInfoTypes.DISKS: ("guest-get-disks", disks),
    DomainGuestInfoTypes.INTERFACES: ("guest-network-get-interfaces", network),
}
