# SPDX-License-Identifier: Apache-2.0
"""A guest's command line as libvirt shows it to people (``domxml-to-native qemu-argv``).

It differs from the one of a start where that hands things over that only exist then: files and
sockets have paths instead of descriptors, and every network interface is a tap.
"""

from __future__ import annotations

import time
from pathlib import Path

from virloom.drivers.qemu.block.chain import ImageLayer, told_layer
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.chardev import channel_path
from virloom.drivers.qemu.command.context import BuildContext
from virloom.drivers.qemu.command.disk import disk_alias
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.command.graphics import FIRST_PORT
from virloom.drivers.qemu.command.spice import ports_wanted
from virloom.model.domain import ChardevSource, Disk, Domain, Interface, InterfaceModel, Mac

#: What makes a shell read a word otherwise than it stands there.
_SHELL_CHARACTERS = frozenset("\r\t\n !\"#$&'()*;<>?[\\]^`{|}~")


def simplify_interfaces(dom: Domain) -> None:
    """Makes every interface one of a tap that somebody else sets up, as libvirt 9 does.

    Of the document's interface only MAC address and model are left; its address is to be
    assigned anew.
    """
    dom.devices.interfaces = [
        Interface(
            type="ethernet",
            mac=Mac(address=interface.mac.address),
            model=InterfaceModel(type=interface.model.type),
        )
        for interface in dom.devices.interfaces
    ]


def settle_ports(dom: Domain) -> None:
    """Gives displays whose ports are chosen at the start the ones that libvirt 9 shows."""
    for graphics in dom.devices.graphics:
        listen = graphics.listens[0] if graphics.listens else None
        if listen is not None and listen.type in ("socket", "none"):
            continue
        if graphics.type == "vnc" and (graphics.autoport or graphics.port in (None, -1)):
            graphics.port = FIRST_PORT
        elif graphics.type == "spice":
            plain, encrypted = ports_wanted(graphics)
            if plain:
                graphics.port = FIRST_PORT + 1
            if encrypted:
                graphics.tls_port = FIRST_PORT + 2


def name_channels(dom: Domain, directory: Path) -> None:
    """Gives channels that name no socket the one in *directory*."""
    for channel in dom.devices.channels:
        if channel.type != "unix" or channel.target.type != "virtio":
            continue
        source = channel.sources[0] if channel.sources else ChardevSource()
        if not source.path:
            source.mode = source.mode or "bind"
            source.path = channel_path(channel, str(directory))
            channel.sources = [source]


def native_command(
    dom: Domain,
    caps: BinaryCaps,
    directory: Path,
    environment: dict[str, str],
    *,
    certificates: Path,
    bus_socket: Path,
    seccomp: bool,
) -> str:
    """Variables and arguments as one line for a shell.

    Args:
        dom: The domain as a start would get it: completed, with addresses and aliases.
        caps: Of its emulator.
        directory: Where the guest's own sockets would be.
        environment: Variables of every guest.
        certificates: Where QEMU's certificates would be.
        bus_socket: Where the guest's own D-Bus would listen.
        seccomp: Whether QEMU confines itself.

    Raises:
        VirloomError: No command line can be made of the document.
    """
    chains = {disk_alias(disk): chain for disk in dom.devices.disks if (chain := told_chain(disk))}
    context = BuildContext(
        guest_name=dom.name,
        monitor_fd=-1,
        lib_dir=str(directory),
        files={request.key: request.path for request in plan_files(dom, chains)},
        chains=chains,
        seccomp=seccomp,
        stdio=True,
        now=time.time(),
        standalone=True,
        tls_dir=str(certificates),
        bus_address=f"unix:path={bus_socket}",
    )
    line = build(dom, caps, context)
    variables = environment | line.environment
    words = [f"{name}={quoted(value)}" for name, value in variables.items()]
    return " ".join([*words, *map(quoted, line.argv)])


def told_chain(disk: Disk) -> tuple[ImageLayer, ...]:
    """The images that the document itself names for a disk; none of them is looked at."""
    top = told_layer(disk.type, disk.source, disk.driver.type)
    if top is None:
        return ()
    layers = [top]
    store = disk.backing_store
    while store is not None:
        if store.type is not None:
            layer = told_layer(store.type, store.source, store.format.type)
            if layer is not None:
                layers.append(layer)
        store = store.backing_store
    return tuple(layers)


def quoted(word: str) -> str:
    """A word for a POSIX shell, in quotes only if it needs them."""
    if not word:
        return "''"
    if _SHELL_CHARACTERS.isdisjoint(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
