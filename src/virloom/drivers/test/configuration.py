# SPDX-License-Identifier: Apache-2.0
"""A host that a file describes: ``<node>`` with processors, domains, networks and the rest.

Each object stands in the file itself, or in a file of its own that ``file=`` names, relative to
the first one. Domains say by elements of libvirt's name space for this driver what state they are
in: ``runstate``, ``transient``, ``hasmanagedsave``, ``domainsnapshot`` and ``domaincheckpoint``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.network.completion import parse_network
from virloom.drivers.nodedev.device import parse_device
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.volumes import parse_volume
from virloom.drivers.test.configured_domain import add_domain, number
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.files import read_file
from virloom.drivers.test.host import HostFacts
from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed, XmlDetail, XmlError
from virloom.xml import Node, parse_node

#: What the elements of ``<cpu>`` say.
_NUMBERS = {
    "active": "cpus", "mhz": "mhz", "nodes": "nodes", "sockets": "sockets", "cores": "cores",
    "threads": "threads",
}  # fmt: skip
_MOST, _LARGEST = (1 << 31) - 1, (1 << 64) - 1

#: More than any description has.
_LIMIT = 1 << 26


def configured_driver(uri: str, path: Path) -> InMemoryDriver:
    """The host that a file describes.

    Raises:
        XmlError: A file cannot be read, or is no such description.
        VirloomError: An object contradicts itself, or another one.
    """
    root = _read(path)
    if root.tag != "node":
        raise XmlError(
            f"expecting root element of 'node', not '{root.tag}'", domain=ErrorDomain.XML
        )
    if any(node.tag == "auth" for node in root.elements()):
        raise AuthFailed(
            f"'{path}' wants users to authenticate, which is not supported here",
            domain=ErrorDomain.TEST,
        )
    driver = InMemoryDriver(uri, _host(root))
    for tag, add in _ADDERS.items():
        for node in root.elements():
            if node.tag == tag:
                add(driver, _itself(_within(root, node), path), path)
    return driver


def _read(path: Path) -> Node:
    try:
        text = read_file(str(path), _LIMIT)
    except OSError as exc:
        raise XmlError(f"failed to parse xml document '{path}'", domain=ErrorDomain.TEST) from exc
    try:
        return parse_node(text)
    except XmlDetail as exc:
        exc.domain = ErrorDomain.TEST
        raise


def _itself(node: Node, path: Path) -> Node:
    """The object, which may be in a file of its own."""
    name = node.attributes.get("file")
    return node if name is None else _read(path.parent / name)


def _host(root: Node) -> HostFacts:
    facts: dict[str, Any] = {}
    model = HostFacts().model
    for node in root.elements():
        if node.tag == "memory" and node.text:
            facts["memory"] = number(node, "node memory", _LARGEST)
        for part in node.elements() if node.tag == "cpu" else ():
            if part.tag == "model":
                model = part.text.strip()
            elif part.tag in _NUMBERS and part.text:
                facts[_NUMBERS[part.tag]] = number(part, f"node cpu {part.tag}", _MOST)
    host = HostFacts(model, **facts)
    if "cpus" not in facts:
        made = host.nodes * host.sockets * host.cores * host.threads
        host = host._replace(cpus=min(made, _MOST))
    return host


def _within(root: Node, node: Node) -> Node:
    """A domain with the name spaces that were declared around it."""
    if node.tag != "domain":
        return node
    copy = node.copy()
    spaces = {key: space for key, space in root.attributes.items() if key.startswith("xmlns:")}
    copy.attributes = spaces | copy.attributes
    return copy


def _add_domain(driver: InMemoryDriver, node: Node, path: Path) -> None:
    add_domain(driver, node, lambda inner: _itself(inner, path))


def _add_network(driver: InMemoryDriver, node: Node, path: Path) -> None:
    network = driver.networks.admit(parse_network(node.dump()), live=True)
    network.active = network.persistent = True


def _add_interface(driver: InMemoryDriver, node: Node, path: Path) -> None:
    driver.interfaces.add(parse_interface(node.dump()), active=True)


def _add_pool(driver: InMemoryDriver, node: Node, path: Path) -> None:
    volumes = [child for child in node.elements() if child.tag == "volume"]
    plain = node.copy()
    plain.children = [child for child in node.elements() if child.tag != "volume"]
    pool = driver.pools.admit(parse_pool(plain.dump()), live=True)
    pool.active = pool.persistent = True
    for volume in volumes:
        text = _itself(volume, path).dump()
        pool.add_volume(parse_volume(pool.model, text), own_path=True)


def _add_device(driver: InMemoryDriver, node: Node, path: Path) -> None:
    driver.devices.add(parse_device(node.dump()))


_ADDERS: dict[str, Callable[[InMemoryDriver, Node, Path], None]] = {
    "domain": _add_domain,
    "network": _add_network,
    "interface": _add_interface,
    "pool": _add_pool,
    "device": _add_device,
}
