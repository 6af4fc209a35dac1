# SPDX-License-Identifier: Apache-2.0
"""User networks by passt(1): a process for each card, which needs no right on the host.

It gets one end of a socket pair and QEMU the other. So there is no path, nobody else can connect,
and it ends when QEMU does, or when nobody comes to start QEMU.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.forwards import passt_ports
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationFailed
from virloom.host.process import run
from virloom.model.domain import Interface

_PROGRAM = "passt"
#: Seconds until it has its ports and goes to the background: it takes a tenth of one.
_PATIENCE = 20.0


async def start_passt(
    interface: Interface, environment: Mapping[str, str], opened: ExitStack
) -> int:
    """Starts the process of a card.

    Args:
        environment: Of the process; has the guest's marker.
        opened: Closes our copy of QEMU's end.

    Returns:
        QEMU's end of their connection.

    Raises:
        ConfigUnsupported: There is no such program, or a port that there is not.
        OperationFailed: It does not start: a port is taken, say. Its own words are told.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise ConfigUnsupported(
            f"<backend type='passt'/> needs '{_PROGRAM}'",
            domain=ErrorDomain.QEMU,
            remedy="install the package passt",
        )
    ours, its = socket.socketpair()
    opened.callback(ours.close)
    with its:
        argv = [program, *passt_arguments(interface, its.fileno())]
        done = await run(argv, env=environment, timeout=_PATIENCE, pass_fds=[its.fileno()])
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        raise OperationFailed(
            f"passt does not start for {alias_of(interface, 'interface')}: {_words(said)}",
            domain=ErrorDomain.QEMU,
        )
    return ours.fileno()


def passt_arguments(interface: Interface, fd: int) -> Iterator[str]:
    """The command line behind the program's name (``man 1 passt``).

    Raises:
        ConfigUnsupported: A range has ports that there are not.
    """
    yield from ("--fd", str(fd))
    if interface.source.dev:
        yield from ("--interface", interface.source.dev)
    if interface.backend.log_file:
        yield from ("--log-file", interface.backend.log_file)
    if interface.mtu.size:
        yield from ("--mtu", str(interface.mtu.size))
    for ip in interface.ips:
        yield from ("--address", ip.address or "")
        if ip.prefix and ip.family != "ipv6":
            yield from ("--netmask", str(ip.prefix))
    for forward in interface.port_forwards:
        yield from (f"--{forward.proto}-ports", passt_ports(forward))


def _words(said: str) -> str:
    """The last lines of what it says, without what it says of its own log."""
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if line and "syslog" not in line and "as root" not in line]
    return "; ".join(told[-2:]) or f"'{os.path.basename(_PROGRAM)}' gives no reason"
