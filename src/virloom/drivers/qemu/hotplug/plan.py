# SPDX-License-Identifier: Apache-2.0
"""What has to be open for a device that is plugged in, and what the monitor has to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.afterwards import monitor_commands
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.attached import (
    add_redirdevs,
    add_shmems,
    add_vsocks,
    attached_files,
)
from virloom.drivers.qemu.command.context import BuildContext, FileRequest
from virloom.drivers.qemu.command.controllers import add_controllers
from virloom.drivers.qemu.command.disk import add_disks, disk_files
from virloom.drivers.qemu.command.filesystem import add_filesystems
from virloom.drivers.qemu.command.hostdev import add_hostdevs, hostdev_files
from virloom.drivers.qemu.command.input import add_inputs
from virloom.drivers.qemu.command.memory_devices import add_memory_devices, memory_files
from virloom.drivers.qemu.command.net import add_interfaces
from virloom.drivers.qemu.command.passthrough import overrides
from virloom.drivers.qemu.command.ports import (
    add_channels,
    add_consoles,
    add_parallels,
    add_serials,
    port_files,
)
from virloom.drivers.qemu.command.rng import add_rngs, rng_files
from virloom.drivers.qemu.command.watchdog import add_watchdogs
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.steps import LiveArguments
from virloom.model.domain import Devices, Domain


def _add_card(assembly: Assembly) -> None:
    add_interfaces(assembly)
    add_hostdevs(assembly)  # what a card is that is one of the host's


#: Who describes a device of each kind.
CONFIGURATORS: Mapping[str, Callable[[Assembly], None]] = {
    "disk": add_disks,
    "interface": _add_card,
    "controller": add_controllers,
    "serial": add_serials,
    "parallel": add_parallels,
    "channel": add_channels,
    "console": add_consoles,
    "rng": add_rngs,
    "watchdog": add_watchdogs,
    "memory": add_memory_devices,
    "vsock": add_vsocks,
    "input": add_inputs,
    "shmem": add_shmems,
    "redirdev": add_redirdevs,
    "hostdev": add_hostdevs,
    "filesystem": add_filesystems,
}


def alone(whole: Domain, device: Fragment) -> Domain:
    """The guest as if it had no device but this one, and the controllers that it may sit on."""
    devices = Devices(redirfilters=whole.devices.redirfilters)
    devices.emulator = whole.devices.emulator
    if device.tag != "controller":
        devices.controllers = whole.devices.controllers
    setattr(devices, device.field, [device.device])
    return whole.beside(devices=devices)


def files_of(dom: Domain, chains: Mapping[str, tuple[ImageLayer, ...]]) -> list[FileRequest]:
    """What the devices of *dom* need open."""
    return [
        *disk_files(dom, chains),
        *port_files(dom),
        *rng_files(dom),
        *memory_files(dom),
        *attached_files(dom),
        *hostdev_files(dom),
    ]


def assemble(
    whole: Domain,
    device: Fragment,
    caps: BinaryCaps,
    context: BuildContext,
    numbers: Mapping[str, Any],
) -> tuple[Assembly, LiveArguments]:
    """Describes the device.

    Args:
        whole: The guest with the device in it, which has alias and address.
        numbers: The first free numbers of images and of descriptor sets, by the names that they
            have in the guest's record.

    Raises:
        ConfigUnsupported: What cannot be given to a QEMU that runs.
    """
    assembly = Assembly(whole, caps, context)
    args = LiveArguments(context.files, overrides(whole), int(numbers.get("next_fdset", 0)))
    assembly.args = args
    assembly.dom = alone(whole, device)
    assembly.next_node = int(numbers.get("next_node", 1))
    CONFIGURATORS[device.tag](assembly)
    for command, arguments in monitor_commands(assembly.dom):
        args.command(command, arguments)
    args.give_secrets(assembly.secrets)
    return assembly, args
