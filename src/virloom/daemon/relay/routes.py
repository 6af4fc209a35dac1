# SPDX-License-Identifier: Apache-2.0
"""Which daemon serves what, and where its sockets are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from virloom.procedures.record import Area

#: The areas with a daemon of their own; it is called after its area, and so are its URIs.
AREAS: tuple[Area, ...] = ("network", "storage", "secret", "nodedev", "nwfilter", "interface")
#: The schemes of hypervisors, whose daemons are called after them.
HYPERVISORS = ("qemu", "lxc", "xen", "ch", "bhyve", "vbox", "vz")


class Route(NamedTuple):
    """A daemon, and what is opened there.

    Attributes:
        daemon: Its name.
        directory: Where its sockets are.
        uri: What is opened, such as ``secret:///system``.
    """

    daemon: str
    directory: Path
    uri: str

    def socket(self, *, readonly: bool) -> Path:
        """The socket for a client: one that may only read gets the one for that."""
        return self.directory / f"{self.daemon}-sock{'-ro' if readonly else ''}"


def area_routes(directory: Path, path: str) -> Mapping[Area, Route]:
    """The ways to the daemons of all areas.

    Args:
        directory: Where the daemons have their sockets.
        path: ``/system`` or ``/session``.
    """
    return {area: Route(f"virt{area}d", directory, f"{area}://{path}") for area in AREAS}


def to_scheme(scheme: str, directory: Path, uri: str) -> Route | None:
    """The way to the daemon that opens URIs of a scheme; None where none does."""
    if scheme not in HYPERVISORS and scheme not in AREAS:
        return None
    return Route(f"virt{scheme}d", directory, uri)
