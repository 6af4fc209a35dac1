# SPDX-License-Identifier: Apache-2.0
"""Where dnsmasq's files of a network are: libvirt's places, which other programs read too."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from virloom.drivers.network.directories import NetworkDirectories


class DnsmasqFiles(NamedTuple):
    """The files of one network.

    Attributes:
        configuration: What dnsmasq is told when it starts.
        hosts: Machines with an address of their own; it is read again on SIGHUP.
        names: Names of machines, in the form of ``/etc/hosts``; likewise.
        pid: Of the process.
        script: The program that it runs for each lease.
    """

    configuration: Path
    hosts: Path
    names: Path
    pid: Path
    script: Path

    @classmethod
    def of(cls, name: str, directories: NetworkDirectories) -> DnsmasqFiles:
        """Those of the network *name*."""
        base = directories.dnsmasq
        return cls(
            configuration=base / f"{name}.conf",
            hosts=base / f"{name}.hostsfile",
            names=base / f"{name}.addnhosts",
            pid=directories.run / f"{name}.pid",
            script=directories.run / f"{name}.leases",
        )


def leases_file(bridge: str, directories: NetworkDirectories) -> Path:
    """Where the leases of the network with that bridge are: libvirt's ``virbr0.status``."""
    return directories.dnsmasq / f"{bridge}.status"
