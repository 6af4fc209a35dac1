# SPDX-License-Identifier: Apache-2.0
"""Taps on the host's bridges for ordinary users: qemu-bridge-helper makes them.

It has the right to make one, by its file's mode, and hands it over a socket if
``/etc/qemu/bridge.conf`` allows the user that bridge. It chooses the name, and one queue.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.net import tap_key
from virloom.drivers.qemu.nics.taps import doing, is_virtio
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationUnsupported, VirloomError, system_failure
from virloom.host import taps
from virloom.host.fdpass import recv_fds
from virloom.host.process import run
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Seconds that it may take.
_PATIENCE = 10.0


def is_helped(driver: QemuDriver, interface: Interface) -> bool:
    """Whether the helper has to make the card's tap."""
    may = driver.dac.privileged or driver.space is not None  # where it may do so itself
    bridged = interface.type in ("network", "bridge") and not is_on_openvswitch(interface)
    return bridged and not may


async def open_helped(
    driver: QemuDriver, interface: Interface, opened: ExitStack, *, limited: bool
) -> dict[str, int]:
    """Has the card's tap made on its bridge, and notes its name in the interface.

    Args:
        opened: Closes our copy.
        limited: Its document, or its network, limits its traffic.

    Returns:
        The descriptor, by its key of the command line.

    Raises:
        SystemFailure: There is no helper, or the user may not have that bridge; its own words are
            told. The tap cannot have the MTU that is asked for.
        OperationUnsupported: The card is limited, for which the user has no right.
    """
    if limited:
        raise OperationUnsupported(
            "Network bandwidth tuning is not available in session mode", domain=ErrorDomain.NONE
        )
    fd = await _ask(driver.config.bridge_helper, interface)
    opened.callback(os.close, fd)
    with doing("cannot ask for the name of the tap"):
        interface.target.dev = taps.name_of(fd)
    interface.driver.queues = None
    if interface.mtu.size:
        with doing(f"Cannot set interface MTU on '{interface.target.dev}'"):
            taps.set_mtu(interface.target.dev, interface.mtu.size)
    return {tap_key(alias_of(interface), 0): fd}


async def _ask(helper: str, interface: Interface) -> int:
    """The tap."""
    ours, its = socket.socketpair()
    with ours, its:
        argv = [helper, f"--br={interface.source.bridge}", f"--fd={its.fileno()}"]
        if is_virtio(interface):
            argv.insert(1, "--use-vnet")
        try:
            done = await run(argv, timeout=_PATIENCE, pass_fds=[its.fileno()])
            said = done.stderr.decode(errors="replace").strip()
        except VirloomError as exc:
            said = exc.message
        ours.setblocking(False)
        try:
            _, fds = recv_fds(ours, 1, 1)
        except OSError as exc:
            raise system_failure(
                f"{helper}: gives no tap on bridge '{interface.source.bridge}': {said}",
                exc,
                domain=ErrorDomain.QEMU,
            ) from exc
        if not fds:
            raise system_failure(
                f"{helper}: gives no tap on bridge '{interface.source.bridge}': {said}",
                OSError(0, "no descriptor came"),
                domain=ErrorDomain.QEMU,
            )
    return fds[0]
