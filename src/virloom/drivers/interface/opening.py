# SPDX-License-Identifier: Apache-2.0
"""The interface driver of a host, opened: who configures there, and what a kill has left."""

from __future__ import annotations

from pathlib import Path

from virloom.drivers.interface.changing import InterfaceChanges
from virloom.drivers.interface.configurators.detection import find_configurator
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.links import Links


async def open_interfaces(prefix: Path, run: Path, uri: str) -> InterfaceDriver:
    """The driver that changes the host's interfaces too.

    Args:
        prefix: What system paths are below.
        run: The daemons' directory of the boot, e.g. ``/run/libvirt``.
        uri: What clients are told.
    """
    links = Links()
    own = run / "interface"
    changes = InterfaceChanges(
        links, find_configurator(prefix, own), own, prefix / "var/lib/libvirt/interface"
    )
    changes.begin_recovery()
    return InterfaceDriver(links, uri, changes)
