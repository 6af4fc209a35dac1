# SPDX-License-Identifier: Apache-2.0
"""A domain of a file that describes a host, in the state that the file says."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.runtime.checkpoints import parse_checkpoint
from virloom.drivers.test.completion import complete, parse_domain
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.lifecycle import admit, start
from virloom.drivers.test.names import name_interfaces
from virloom.drivers.test.snapshots import check_redefinition, parse_snapshot
from virloom.enums.domain import DomainRunningReason, DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.xml import Node

SPACE = "http://libvirt.org/schemas/domain/test/1.0"

#: As many as the largest number has.
_DIGITS = 20

#: Gives the object that an element stands for, which may be in a file of its own.
Finder = Callable[[Node], Node]


def add_domain(driver: InMemoryDriver, node: Node, itself: Finder) -> None:
    """Adds the domain of an element.

    Raises:
        XmlError: It is to be in no state, or in one that it cannot be in.
        VirloomError: Its document contradicts itself.
    """
    own, told = _split(node)
    model = parse_domain(own.dump())
    name_interfaces(model)
    state = _state(told)
    transient = _first(told, "transient") is not None
    if transient and state == DomainState.SHUTOFF:
        raise XmlError("transient domain cannot have runstate 'shutoff'", domain=ErrorDomain.TEST)
    saved = _first(told, "hasmanagedsave") is not None
    if saved and state != DomainState.SHUTOFF:
        raise XmlError(
            "domain with managedsave data can only have runstate 'shutoff'",
            domain=ErrorDomain.TEST,
        )
    guest = admit(driver, model, to_run=True)
    guest.persistent = not transient
    guest.config = model if guest.persistent else None
    if state != DomainState.SHUTOFF:
        start(driver, guest, model, DomainRunningReason.UNKNOWN)
        guest.set_state(state, 0)
    guest.saved = saved
    for element in told:
        if element.tag == "domainsnapshot":
            _add_snapshot(guest, _renamed(itself(element), "domainsnapshot"))
        elif element.tag == "domaincheckpoint":
            _add_checkpoint(guest, _renamed(itself(element), "domaincheckpoint"))


def _split(node: Node) -> tuple[Node, list[Node]]:
    """The domain's own document, and what this driver's name space says of it."""
    prefixes = _prefixes(node)
    own, told = node.copy(), []
    own.children = []
    for child in node.elements():
        prefix, colon, name = child.tag.partition(":")
        if colon and prefix in prefixes | _prefixes(child):
            told.append(_renamed(child, name))
        else:
            own.children.append(child)
    for prefix in prefixes:
        del own.attributes[f"xmlns:{prefix}"]
    return own, told


def _prefixes(node: Node) -> set[str]:
    """Those that an element declares for this driver's name space."""
    return {
        name.removeprefix("xmlns:")
        for name, space in node.attributes.items()
        if name.startswith("xmlns:") and space == SPACE
    }


def _renamed(node: Node, tag: str) -> Node:
    copy = node.copy()
    copy.tag = tag
    return copy


def _first(told: list[Node], tag: str) -> Node | None:
    return next((node for node in told if node.tag == tag), None)


def _state(told: list[Node]) -> DomainState:
    node = _first(told, "runstate")
    if node is None or not node.text:
        return DomainState.RUNNING
    return DomainState(number(node, "runstate", max(DomainState)))


def number(node: Node, what: str, largest: int) -> int:
    """What an element says, by digits alone.

    Raises:
        XmlError: It is no number from 0 to *largest*.
    """
    text = node.text
    plain = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not plain or int(text) > largest:
        raise XmlError(
            f"invalid {what} value '{text[:40]}': 0 to {largest}", domain=ErrorDomain.TEST
        )
    return int(text)


def _add_snapshot(guest: Guest, node: Node) -> None:
    snapshot = parse_snapshot(node.dump(), validate=False)
    check_redefinition(guest, snapshot)
    if snapshot.active:
        guest.snapshots.current = snapshot.name
    snapshot.active = None
    guest.snapshots.replace(snapshot)


def _add_checkpoint(guest: Guest, node: Node) -> None:
    checkpoint = parse_checkpoint(node.dump())
    if checkpoint.domain is not None:
        complete(checkpoint.domain)
    guest.checkpoints.replace(checkpoint)
