# SPDX-License-Identifier: Apache-2.0
"""Network interfaces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, takewhile

from virloom.drivers.qemu.command.arguments import Props, keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.net import (
    TAPS,
    net_backend,
    net_device,
    netdev_id,
    uses_passt,
)
from virloom.model.domain import Interface

#: The descriptor of the first tap in a command line that nobody runs.
_FIRST_TAP = 4


def add_interfaces(assembly: Assembly) -> None:
    """Back end and card of every interface that is no device of the host's."""
    for number, interface in enumerate(assembly.dom.devices.interfaces):
        if is_function(interface):
            continue
        alias = alias_of(interface, "network interface")
        queues: int | None = None
        if assembly.context.standalone:
            # libvirt shows a tap of its own making for every kind of connection.
            tap = {"type": "tap", "fd": str(_FIRST_TAP + number), "id": netdev_id(interface)}
            assembly.args.netdev(tap)
        else:
            assembly.args.netdev(_backend(assembly, interface, alias))
            if interface.type in (*TAPS, "vhostuser"):
                queues = interface.driver.queues
        boot = assembly.boot.get(alias)
        device = net_device(interface, assembly.buses, boot=boot, queues=queues)
        assembly.args.device(device)


def _backend(assembly: Assembly, interface: Interface, alias: str) -> Props:
    if interface.type == "vhostuser":
        source = interface.source
        pairs: list[tuple[str, object]] = [("id", f"char{alias}"), ("path", source.path)]
        if source.mode == "server":
            pairs.append(("server", True))
        elif "reconnect" in source.__dict__:
            pairs.append(("reconnect", _seconds(interface)))
        assembly.args.option("chardev", f"socket,{keyval(pairs)}")
    if uses_passt(interface):
        return net_backend(interface, [assembly.args.descriptor(passt_key(alias))])
    taps = _descriptors(assembly, alias, tap_key)
    return net_backend(interface, taps, _descriptors(assembly, alias, vhost_key))


def passt_key(alias: str) -> str:
    """What the descriptor of an interface's connection to passt is known by."""
    return f"{alias}.passt"


def tap_key(alias: str, queue: int) -> str:
    """What the descriptor of a queue of an interface's tap is known by."""
    return f"{alias}.tap{queue}"


def vhost_key(alias: str, queue: int) -> str:
    """What the descriptor of the kernel's part of a queue is known by."""
    return f"{alias}.vhost{queue}"


def _descriptors(
    assembly: Assembly, alias: str, key_of: Callable[[str, int], str]
) -> list[int | str]:
    keys = (key_of(alias, queue) for queue in count())
    opened = takewhile(lambda key: key in assembly.context.files, keys)
    return [assembly.args.descriptor(key) for key in opened]


def _seconds(interface: Interface) -> int:
    reconnect = interface.source.reconnect
    return (reconnect.timeout or 0) if reconnect.enabled else 0
