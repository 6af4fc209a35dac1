# SPDX-License-Identifier: Apache-2.0
"""``mdevctl``: the program that makes mediated devices, and keeps those that are defined.

Its options and its JSON are those of mdevctl(8) 1.2. A definition there::

    [{"0000:00:02.0": [{"UUID": {"mdev_type": "i915-GVTg_V5_4", "start": "manual",
                                 "attrs": [{"name": "value"}]}}]}]
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, SystemFailure
from virloom.model.nodedev import CapabilityType, IommuGroup, MdevAttribute, NodeCapability
from virloom.xml.kinds import UUID

logger = logging.getLogger(__name__)

PROGRAM = "mdevctl"
#: Where it keeps what is defined, a directory for each parent.
DIRECTORY = "/etc/mdevctl.d"
_DOMAIN = ErrorDomain.NODEDEV
#: Seconds that the kernel may take to make a device.
_PATIENCE = 60.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Names of types and attributes become names of files in the kernel's tree.
_NAME = re.compile(r"(?!\.\.?(/|$))[^/\0]+(/(?!\.\.?(/|$))[^/\0]+)*")


class Definition(NamedTuple):
    """A device that is defined, whether it is there or not.

    Attributes:
        parent: The kernel's name of what is divided.
        attributes: In the order in which they are written.
    """

    uuid: str
    parent: str
    type: str
    autostart: bool = False
    attributes: tuple[tuple[str, str], ...] = ()


def described(definition: Definition) -> NodeCapability:
    """``<capability type='mdev'>`` of a definition."""
    return NodeCapability(
        type="mdev",
        types=[CapabilityType(id=definition.type)],
        uuid=definition.uuid,
        parent_addr=definition.parent,
        iommu_group=IommuGroup(number=0),
        attributes=[MdevAttribute(name=name, value=text) for name, text in definition.attributes],
    )


def wanted(capability: NodeCapability) -> Definition:
    """What a document asks for, of no parent yet; its UUID is empty where mdevctl is to choose it.

    Raises:
        ConfigUnsupported: It has no type, or a name that would be another file.
        InternalError: Its UUID is none.
    """
    kind = capability.types[0].id if capability.types else None
    if not kind:
        raise ConfigUnsupported("a mediated device needs the id of its type", domain=_DOMAIN)
    attributes = tuple(
        (one.name, one.value) for one in capability.attributes if one.name and one.value
    )
    for name in (kind, *(name for name, _ in attributes)):
        if not _NAME.fullmatch(name):
            raise ConfigUnsupported(
                f"'{name}' is no name of a type or an attribute", domain=_DOMAIN
            )
    return Definition(_uuid_of(capability), "", kind, attributes=attributes)


def _uuid_of(capability: NodeCapability) -> str:
    """As a person may write it: with blanks, or without dashes."""
    given = capability.uuid or ""
    try:
        return UUID.parse(given) if given and UUID.parse is not None else given
    except ValueError as exc:
        raise InternalError(f"'{given}' is no UUID", domain=_DOMAIN) from exc


def as_json(definition: Definition) -> bytes:
    """What mdevctl reads of a device."""
    told: dict[str, Any] = {
        "mdev_type": definition.type,
        "start": "auto" if definition.autostart else "manual",
    }
    if definition.attributes:
        told["attrs"] = [{name: value} for name, value in definition.attributes]
    return json.dumps(told, separators=(",", ":")).encode()


def parse_list(text: bytes) -> list[Definition]:
    """The devices of ``mdevctl list --dumpjson``; what is none is passed over.

    Raises:
        ValueError: It is no JSON.
    """
    found = []
    for parents in _objects(json.loads(text or b"[]")):
        for parent, devices in parents.items():
            for device in _objects(devices):
                found += [_definition(uuid, parent, told) for uuid, told in device.items()]
    return [one for one in found if one is not None]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _definition(uuid: str, parent: str, told: Any) -> Definition | None:
    if not isinstance(told, dict) or not _UUID.fullmatch(uuid.lower()):
        return None
    attributes = tuple(
        (name, str(value)) for one in _objects(told.get("attrs")) for name, value in one.items()
    )
    return Definition(
        uuid.lower(), parent, str(told.get("mdev_type")), told.get("start") == "auto", attributes
    )


# -- asking it ---------------------------------------------------------------------------------


async def defined() -> list[Definition]:
    """All devices that are defined; none where there is no mdevctl.

    Raises:
        InternalError: It does not say.
    """
    try:
        answer = await _ask(
            "failed to query mdevs from mdevctl", ["list", "--dumpjson", "--defined"]
        )
        return parse_list(answer)
    except SystemFailure:
        return []
    except ValueError as exc:
        raise InternalError(
            f"mdevctl does not list what is defined: {exc}", domain=_DOMAIN
        ) from exc


async def define(definition: Definition) -> str:
    """Defines a device; its UUID.

    Raises:
        InternalError: mdevctl refuses, in its own words.
    """
    return await _make("define", "Unable to define mediated device", definition)


async def start_new(definition: Definition) -> str:
    """Makes a device that is not defined; its UUID.

    Raises:
        InternalError: mdevctl refuses.
    """
    return await _make("start", "Unable to start mediated device", definition)


async def _make(command: str, doing: str, definition: Definition) -> str:
    argv = [command, f"--parent={definition.parent}", "--jsonfile=/dev/stdin"]
    if definition.uuid:
        argv.append(f"--uuid={definition.uuid}")
    said = await _required(doing, argv, as_json(definition))
    return definition.uuid or said.decode(errors="replace").strip().lower()


async def start(uuid: str) -> None:
    """Makes a device that is defined.

    Raises:
        InternalError: mdevctl refuses.
    """
    await _required("Unable to create mediated device", ["start", f"--uuid={uuid}"])


async def stop(uuid: str) -> None:
    """Ends a device; its definition, if there is one, stays.

    Raises:
        InternalError: mdevctl refuses.
    """
    await _required("Unable to destroy mediated device", ["stop", f"--uuid={uuid}"])


async def undefine(uuid: str) -> None:
    """Forgets a definition; a device that is there stays.

    Raises:
        InternalError: mdevctl refuses.
    """
    await _required("Unable to undefine mediated device", ["undefine", f"--uuid={uuid}"])


async def set_autostart(uuid: str, wanted: bool) -> None:
    """Says whether a device is made when the host starts.

    Raises:
        InternalError: mdevctl refuses.
    """
    how = "--auto" if wanted else "--manual"
    await _required("Unable to set autostart on mediated device", ["modify", "--uuid", uuid, how])


async def modify(definition: Definition, *, live: bool, config: bool) -> None:
    """Changes a device that is there, and what is defined of it; mdevctl can since 1.3.

    Raises:
        InternalError: mdevctl refuses.
    """
    argv = ["modify", f"--parent={definition.parent}", "--jsonfile=/dev/stdin"]
    argv.append(f"--uuid={definition.uuid}")
    argv += ["--defined"] * config + ["--live"] * live
    await _required("Unable to modify mediated device", argv, as_json(definition))


async def _required(doing: str, argv: Sequence[str], told: bytes | None = None) -> bytes:
    try:
        return await _ask(doing, argv, told)
    except SystemFailure as exc:
        raise InternalError(
            f"{doing}: {exc.message}", domain=_DOMAIN, remedy="install mdevctl"
        ) from exc


async def _ask(doing: str, argv: Sequence[str], told: bytes | None = None) -> bytes:
    from virloom.host.process import run  # most hosts have no such devices

    done = await run([PROGRAM, *argv], input=told, timeout=_PATIENCE)
    logger.debug("%s %s: %s", PROGRAM, " ".join(argv), done.returncode)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"{doing}: {words}", domain=_DOMAIN)
    return done.stdout
