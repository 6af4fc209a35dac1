# SPDX-License-Identifier: Apache-2.0
"""Whether two documents give a guest the same hardware: what a guest that goes on must find again.

A restored or migrated guest, and one whose device is changed live, keeps what it has once seen.
Whatever a document says is the guest's to see, but for what :data:`_OF_THE_HOST` lists: names,
limits, back ends and life cycle. The list is by libvirt 9's answers to restores with changed
documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain
from virloom.xml.element import Element
from virloom.xml.fields import Field, Role

#: Paths, without numbers, at and below which the documents may differ.
_OF_THE_HOST = re.compile(
    r"domain/(@id|title|description|metadata"
    r"|blkiotune|memtune|cputune|numatune|resource|memoryBacking|iothreads|iothreadids"
    r"|defaultiothread|throttlegroups|seclabel|perf|pm|commandline|override|deprecation"
    r"|bootloader|bootloader_args|on_\w+|vcpu/@(placement|cpuset)"
    r"|clock/@\w+"
    r"|os/(@firmware|firmware|loader|nvram|kernel|initrd|cmdline|dtb|boot|bootmenu|bios/@\w+"
    r"|init\w*)"
    r"|cpu/@(check|match)|cpu/model/@fallback"
    r"|devices/(emulator|graphics|audio|lease)"
    r"|devices/[\w-]+/(alias|source|backend|log|protocol|boot|rate|stats"
    r"|driver/@(cache|io|error_policy|rerror_policy|copy_on_read|detect_zeroes|discard|iothread"
    r"|type|name|txmode|metadata_cache)|driver/metadata_cache)"
    r"|devices/disk/(@type|@snapshot|@rawio|@sgio|backingStore|mirror|iotune|auth|encryption"
    r"|shareable|transient|blockio|privateData|throttlefilters|target/@tray)"
    r"|devices/interface/(@type|@managed|target|script|downscript|bandwidth|vlan|virtualport"
    r"|filterref|link|tune|guest|ip|route|portForward|port|coalesce|backenddomain)"
    r"|devices/(serial|parallel|console|channel|smartcard|redirdev)/(@type|@tty|target/@state)"
    r"|devices/hostdev/(@managed|teaming|ip|route)"
    r"|devices/(filesystem)/(@type|@accessmode|readonly|space_hard_limit|space_soft_limit"
    r"|binary)"
    r"|devices/watchdog/@action"
    r"|devices/sound/audio|devices/video/driver"
    r"|devices/redirfilter)(/.*)?"
)
#: Whose error it is, by the part of the document.
_SPEAKERS = {"domain/cpu": ErrorDomain.CPU, "domain/sysinfo": ErrorDomain.SYSINFO}


def check_stable(source: Domain, target: Domain) -> None:
    """Refuses a document whose guest would find other hardware than it has.

    Args:
        source: What the guest has, with addresses.
        target: What it is to have, with defaults and addresses.

    Raises:
        ConfigUnsupported: With the first path at which they differ, and both values.
    """
    before, after = dict(_visible(source)), dict(_visible(target))
    for path in [*before, *(path for path in after if path not in before)]:
        has, asked = before.get(path), after.get(path)
        if has != asked:
            where = "/".join(re.sub(r"\[\d+\]", "", path).split("/")[:2])
            raise ConfigUnsupported(
                f"target domain's {path} {_shown(asked)} does not match the source's {_shown(has)}",
                domain=_SPEAKERS.get(where, ErrorDomain.DOMAIN),
            )


def _shown(value: str | None) -> str:
    return "(absent)" if value is None else f"'{value}'"


def _visible(dom: Domain) -> Iterator[tuple[str, str]]:
    for path, value in _below(dom, "domain"):
        if _OF_THE_HOST.fullmatch(re.sub(r"\[\d+\]", "", path)) is None:
            yield path, value


def _below(element: Element, path: str) -> Iterator[tuple[str, str]]:
    """Every value of a tree by its path; an element that is merely there counts as well."""
    yield path, ""
    values = element.__dict__
    for field in element._fields.values():
        value = values.get(field.python)
        if value is not None and value is not False and value != []:
            yield from _field(element, field, value, path)
    for name in _TOLD_BESIDE.get(type(element).__name__, ()):
        if values.get(name) is not None:
            yield f"{path}/@{name}", str(values[name])


#: What a class keeps beside its declared fields, which its own hooks read and write.
_TOLD_BESIDE = {"NumaCell": ("memory",), "RedirUsbdev": ("version",)}


def _field(element: Element, field: Field, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if field.role is Role.ATTRIBUTE:
        yield f"{path}/@{field.name}", str(value)
    elif field.role is Role.CONTENT:
        yield f"{path}/text()", str(value)
    elif field.role is Role.LEAF:
        yield f"{path}/{field.name}", str(value)
        for name, (beside, _) in (field.beside or {}).items():
            if element.__dict__.get(beside) is not None:
                yield f"{path}/{field.name}/@{name}", str(element.__dict__[beside])
    elif field.role is Role.FLAG:
        yield f"{path}/{field.name}", ""
    elif field.role in (Role.CHILD, Role.GROUP):
        yield from _part(value, field, f"{path}/{field.name}")
    elif field.role is Role.LEAVES:
        for number, text in enumerate(value, 1):
            yield f"{path}/{field.name}[{number}]", str(text)
    elif field.role is Role.CHILDREN:
        for number, item in enumerate(value, 1):
            yield from _below(item, f"{path}/{field.name}[{number}]")


def _part(value: Element, field: Field, path: str) -> Iterator[tuple[str, str]]:
    found = list(_below(value, path))
    # A group that holds nothing is as good as none.
    yield from found[1:] if field.role is Role.GROUP else found
