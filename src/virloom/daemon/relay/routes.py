# SPDX-License-Identifier: Apache-2.0
"""Which daemon serves what, and where its sockets are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from virloom.procedures.record import Area

#: libvirt's daemons of areas, and the schemes of their URIs.
AREAS: Mapping[Area, tuple[str, str]] = {
    "network": ("virtnetworkd", "network"),
    "storage": ("virtstoraged", "storage"),
    "secret": ("virtsecretd", "secret"),
    "nodedev": ("virtnodedevd", "nodedev"),
    "nwfilter": ("virtnwfilterd", "nwfilter"),
    "interface": ("virtinterfaced", "interface"),
}
#: Those of hypervisors, by the schemes of their URIs.
HYPERVISORS: Mapping[str, str] = {
    "qemu": "virtqemud",
    "lxc": "virtlxcd",
    "xen": "virtxend",
    "ch": "virtchd",
    "bhyve": "virtbhyved",
    "vbox": "virtvboxd",
    "vz": "virtvzd",
}


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


def to_area(area: Area, directory: Path, path: str) -> Route | None:
    """The way to the daemon of an area; None for what is no area of its own.

    Args:
        directory: Where the daemons have their sockets.
        path: ``/system`` or ``/session``.
    """
    if area not in AREAS:
        return None
    daemon, scheme = AREAS[area]
    return Route(daemon, directory, f"{scheme}://{path}")


def to_scheme(scheme: str, directory: Path, uri: str) -> Route | None:
    """The way to the daemon that opens URIs of a scheme; None where none does."""
    daemon = HYPERVISORS.get(scheme)
    if daemon is None:
        daemon = next((name for name, of_area in AREAS.values() if of_area == scheme), None)
    return None if daemon is None else Route(daemon, directory, uri)
