# SPDX-License-Identifier: Apache-2.0
"""What makes one daemon different from another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from virloom.daemon.config import DaemonConfig
from virloom.daemon.places import Places
from virloom.daemon.rights import Rights
from virloom.daemon.service import Service


class DaemonSpec(NamedTuple):
    """A daemon.

    Attributes:
        name: Of the program and its files (``NAME.conf``).
        description: For its unit files.
        open: Opens the driver.
        network: Whether it can be reached over the network.
        relays_all: Whether it passes everything on, and so needs no right of its own.
        sockets: What the names of its sockets begin with; None for its own name.
        config: What its configuration file may say.
        reads: Whether there is a socket for calls that change nothing.
        needs: Daemons that it uses where they are.
        lasting: Whether its descriptors outlive it: SIGUSR1 has it execute itself anew, and who
            watches it has copies for the process after a kill.
        rights: What it keeps of root's rights; None: all.
    """

    name: str
    description: str
    open: Callable[[Places], Awaitable[Service]]
    sockets: str | None = None
    network: bool = False
    config: type[DaemonConfig] = DaemonConfig
    reads: bool = True
    lasting: bool = False
    needs: tuple[str, ...] = ()
    relays_all: bool = False
    rights: Rights | None = None

    @property
    def is_relayed_to(self) -> bool:
        """Whether virtproxyd passes clients on to it: not to itself, nor to helpers of daemons."""
        return self.reads and not self.relays_all

    @property
    def socket(self) -> str:
        """The name of the socket for all calls."""
        return f"{self.sockets or self.name}-sock"

    @property
    def admin_sockets(self) -> tuple[str, ...]:
        """The names of the sockets for the daemon's own administration.

        The proxy has a second one: ``virt-admin -c virtproxyd:///system`` dials it by the
        daemon's name, and libvirt's own virtproxyd does not listen there.
        """
        first = f"{self.sockets or self.name}-admin-sock"
        return (first, f"{self.name}-admin-sock") if self.relays_all else (first,)

    @property
    def readonly_socket(self) -> str:
        """The name of the socket for calls that change nothing."""
        return f"{self.sockets or self.name}-sock-ro"
