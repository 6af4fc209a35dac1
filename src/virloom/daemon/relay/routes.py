# SPDX-License-Identifier: Apache-2.0
"""Which daemon serves what, and where its sockets are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from virloom.procedures.record import Area, Procedure

#: The areas with a daemon of their own; it is called after its area, and so are its URIs.
AREAS: tuple[Area, ...] = ("network", "storage", "secret", "nodedev", "nwfilter", "interface")
#: The schemes of hypervisors, whose daemons are called after them.
HYPERVISORS = ("qemu", "lxc", "xen", "ch", "bhyve", "vbox", "vz")


#: Calls of an area that the hypervisor serves: it knows which guest has a device.
_OF_HYPERVISORS = frozenset(
    f"NODE_DEVICE_{name}" for name in ("DETTACH", "DETACH_FLAGS", "RE_ATTACH", "RESET")
)


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


def route_of(routes: Mapping[Area, Route], procedure: Procedure[Any, Any]) -> Route | None:
    """The way of a call to the daemon of its area; None: the daemon that the URI names serves it.

    Args:
        routes: As :func:`area_routes` makes them.
    """
    return None if procedure.name in _OF_HYPERVISORS else routes.get(procedure.area)


def to_scheme(scheme: str, directory: Path, uri: str) -> Route | None:
    """The way to the daemon that opens URIs of a scheme; None where none does."""
    if scheme not in HYPERVISORS and scheme not in AREAS:
        return None
    return Route(f"virt{scheme}d", directory, uri)
