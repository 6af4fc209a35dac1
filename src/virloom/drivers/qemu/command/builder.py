# SPDX-License-Identifier: Apache-2.0
"""The command line of one guest.

An ordered list of configurators, one per element of the document. The order is libvirt's where a
guest can see it: devices without an address of their own are numbered as they come.
"""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.command.afterwards import monitor_commands
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.attached import (
    add_iommus,
    add_redirdevs,
    add_shmems,
    add_smartcards,
    add_tpms,
    add_vsocks,
)
from virloom.drivers.qemu.command.audio import add_audios
from virloom.drivers.qemu.command.balloon import add_balloon
from virloom.drivers.qemu.command.boot import add_boot
from virloom.drivers.qemu.command.clock import add_clock
from virloom.drivers.qemu.command.context import BuildContext, CommandLine
from virloom.drivers.qemu.command.controllers import add_card_readers, add_controllers
from virloom.drivers.qemu.command.cpu import add_cpu
from virloom.drivers.qemu.command.disk import add_disks
from virloom.drivers.qemu.command.filesystem import add_filesystems
from virloom.drivers.qemu.command.firmware import add_firmware
from virloom.drivers.qemu.command.general import (
    add_bare_machine,
    add_confinement,
    add_identifiers,
    add_identity,
    add_lifecycle,
    add_monitor,
    add_power_management,
)
from virloom.drivers.qemu.command.graphics import add_graphics
from virloom.drivers.qemu.command.hostdev import add_hostdevs
from virloom.drivers.qemu.command.hub import add_hubs
from virloom.drivers.qemu.command.input import add_inputs
from virloom.drivers.qemu.command.iothreads import add_iothreads
from virloom.drivers.qemu.command.machine import add_board_globals, add_machine
from virloom.drivers.qemu.command.memory import add_memory
from virloom.drivers.qemu.command.memory_devices import add_memory_devices
from virloom.drivers.qemu.command.net import add_interfaces
from virloom.drivers.qemu.command.numa import add_numa
from virloom.drivers.qemu.command.panic import add_panics
from virloom.drivers.qemu.command.passthrough import add_deprecation, add_passthrough
from virloom.drivers.qemu.command.ports import (
    add_channels,
    add_consoles,
    add_parallels,
    add_serials,
)
from virloom.drivers.qemu.command.rng import add_rngs
from virloom.drivers.qemu.command.smp import add_processors
from virloom.drivers.qemu.command.sound import add_sounds
from virloom.drivers.qemu.command.sysinfo import add_firmware_entries, add_smbios
from virloom.drivers.qemu.command.unsupported import refuse_unsupported
from virloom.drivers.qemu.command.video import add_videos
from virloom.drivers.qemu.command.watchdog import add_watchdogs
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, SystemFailure, VirloomError
from virloom.model.domain import Domain

STEPS: tuple[Callable[[Assembly], None], ...] = (
    add_identity,
    add_deprecation,
    add_firmware,
    add_machine,
    add_cpu,
    add_memory,
    add_processors,
    add_iothreads,
    add_numa,
    add_smbios,
    add_identifiers,
    add_firmware_entries,
    add_bare_machine,
    add_monitor,
    add_clock,
    add_lifecycle,
    add_power_management,
    add_boot,
    add_board_globals,
    add_iommus,
    add_controllers,
    add_memory_devices,
    add_hubs,
    add_card_readers,
    add_disks,
    add_filesystems,
    add_interfaces,
    add_smartcards,
    add_serials,
    add_parallels,
    add_channels,
    add_consoles,
    add_tpms,
    add_inputs,
    add_audios,
    add_graphics,
    add_videos,
    add_sounds,
    add_watchdogs,
    add_redirdevs,
    add_hostdevs,
    add_balloon,
    add_rngs,
    add_panics,
    add_shmems,
    add_vsocks,
    add_confinement,
    add_passthrough,
)


def build(dom: Domain, caps: BinaryCaps, context: BuildContext) -> CommandLine:
    """Translates a complete domain into QEMU's command line; nothing is opened or changed.

    Args:
        dom: After defaults, addresses and aliases.
        caps: What the emulator can.
        context: Descriptors and other facts of this start.

    Raises:
        ConfigUnsupported: The document asks for what is not supported, which is named.
        OperationInvalid: It asks for what this start cannot give.
        InternalError: The domain is not complete, or the context lacks a descriptor.
    """
    try:
        refuse_unsupported(dom)
        assembly = Assembly(dom, caps, context)
        for step in STEPS:
            step(assembly)
    except VirloomError as error:
        # What the host's own part says against it has no domain, as in libvirt.
        if error.domain == ErrorDomain.NONE and not isinstance(error, SystemFailure | InvalidArg):
            error.domain = ErrorDomain.QEMU
        raise
    return CommandLine(
        argv=assembly.args.argv,
        nodes=assembly.nodes,
        fdsets=assembly.args.fdsets,
        next_node=assembly.next_node,
        next_fdset=assembly.args.next_fdset,
        environment=assembly.environment,
        passwords=assembly.passwords,
        commands=monitor_commands(dom),
        secrets=assembly.secrets,
    )
