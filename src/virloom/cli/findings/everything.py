# SPDX-License-Identifier: Apache-2.0
"""All that ``virloom doctor`` looks at, in its order."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from virloom.cli.findings import guests
from virloom.cli.findings.daemons import find_daemons, find_sockets
from virloom.cli.findings.finding import Finding
from virloom.cli.findings.firewall import find_firewall
from virloom.cli.findings.host import Host
from virloom.cli.findings.host_rows import controller_rows
from virloom.daemon.places import Places

#: Directories of the host's daemons; they make them, and so none need be there.
_KEPT = ("etc/libvirt", "run/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt")


async def all_findings(root: Path = Path("/")) -> list[Finding]:
    """What this host has for guests, and how its daemons are.

    Args:
        root: What the paths of the daemons are below.
    """
    emulators = await guests.find_emulators()
    host = Host()
    return [
        *emulators,
        *await guests.find_accelerators(),
        guests.find_user(),
        *guests.find_directories(),
        *find_kept(root),
        *find_devices(host),
        *await _find_daemons(root),
        *await find_firewall(host),
        *guests.find_helpers(),
        *guests.find_firmware(),
        *guests.find_demo(),
    ]


async def _find_daemons(root: Path) -> list[Finding]:
    places = [Places.system(root)]
    if root == Path("/") and os.geteuid() != 0:
        places.append(Places.of_user())
    found = [find_version()]
    for one in places:
        found += [*await find_daemons(one), *find_sockets(one)]
    return found


def find_version() -> Finding:
    """What is asked with."""
    try:
        own = version("virloom")
    except PackageNotFoundError:  # run from its sources
        own = "from its sources"
    return Finding("daemons", "virloom", True, f"{own}, on Python {platform.python_version()}")


def find_kept(root: Path) -> list[Finding]:
    """Where daemons keep what they are told; they are root's to make."""
    found = []
    for name in _KEPT:
        path = root / name
        if not os.path.isdir(path):
            continue
        usable = os.access(path, os.R_OK | os.X_OK)
        detail = str(path) if usable else f"'{path}' is closed to this user"
        remedy = "" if usable else "no need to, but its daemons' files cannot be looked at"
        found.append(Finding("directories", name, usable, detail, remedy))
    return found


def find_devices(host: Host) -> list[Finding]:
    """What the kernel has for guests, as ``virt-host-validate`` asks it."""
    found = []
    for path, module, purpose in (
        ("/dev/net/tun", "tun", "interfaces of guests"),
        ("/dev/vhost-net", "vhost_net", "faster interfaces"),
    ):
        there = host.exists(path)
        remedy = "" if there else f"modprobe {module}"
        found.append(Finding("kernel", path, there, purpose, remedy))
    return [*found, _controllers(host)]


def _controllers(host: Host) -> Finding:
    rows = controller_rows(host, "QEMU", required=False)
    missing = [row.name.split("'")[1] for row in rows if not row.found]
    remedy = rows[0].remedy if rows else "mount control groups at /sys/fs/cgroup"
    if missing or not rows:
        detail = f"without {', '.join(missing)}" if rows else "none"
        return Finding("kernel", "cgroups", False, f"{detail}: limits on guests", remedy)
    return Finding("kernel", "cgroups", True, "limits on guests")
