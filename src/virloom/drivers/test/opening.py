# SPDX-License-Identifier: Apache-2.0
"""From a URI to a driver: the host that everybody shares, or one that a file describes."""

from __future__ import annotations

from pathlib import Path

from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.network.completion import parse_network
from virloom.drivers.nodedev.device import parse_device
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.test import builtin
from virloom.drivers.test.completion import parse_domain
from virloom.drivers.test.configuration import configured_driver
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.host import CELLS, HostFacts
from virloom.drivers.test.lifecycle import admit, start
from virloom.enums.domain import DomainRunningReason
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.uri import ConnectURI

_DEFAULT = "/default"


def is_shared(uri: ConnectURI) -> bool:
    """Whether all who open *uri* in a process see the same host."""
    return uri.path == _DEFAULT


def check_path(uri: ConnectURI) -> None:
    """Refuses a URI that names no host.

    Raises:
        InvalidArg: It has no path.
    """
    if uri.path in ("", "/"):
        raise InvalidArg(
            f"'{uri}' names no host",
            domain=ErrorDomain.TEST,
            remedy="test:///default, or a file: test:///path/to/host.xml",
        )


def open_driver(uri: ConnectURI) -> InMemoryDriver:
    """A driver with the objects that *uri* names.

    Raises:
        InvalidArg: It names none.
        XmlError: Its file cannot be read, or is no description of a host.
    """
    check_path(uri)
    if is_shared(uri):
        return default_driver(str(uri))
    return configured_driver(str(uri), Path(uri.path))


def default_driver(uri: str) -> InMemoryDriver:
    """The built-in host."""
    driver = InMemoryDriver(uri, HostFacts(cells=CELLS))
    model = parse_domain(builtin.DOMAIN)
    guest = admit(driver, model, to_run=True)
    guest.config = model
    guest.persistent = True
    start(driver, guest, model, DomainRunningReason.UNKNOWN)
    network = driver.networks.admit(parse_network(builtin.NETWORK), live=True)
    network.active = network.persistent = True
    pool = driver.pools.admit(parse_pool(builtin.POOL), live=True)
    pool.active = pool.persistent = True
    for text in builtin.DEVICES:
        driver.devices.add(parse_device(text))
    driver.interfaces.add(parse_interface(builtin.INTERFACE), active=True)
    return driver
