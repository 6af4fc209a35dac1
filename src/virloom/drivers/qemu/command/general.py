# SPDX-License-Identifier: Apache-2.0
"""What every guest has: its name, its monitor, its confinement."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.boards import is_x86
from virloom.errors import InternalError


def add_identity(assembly: Assembly) -> None:
    """Name of the process; the guest waits for the monitor's word to run."""
    name = keyval((("guest", assembly.context.guest_name), ("debug-threads", True)))
    assembly.args.option("name", name)
    assembly.args.option("S")
    if assembly.context.incoming:
        assembly.args.option("incoming", "defer")
    if assembly.context.standalone:
        key = os.path.join(assembly.context.lib_dir, "master-key.aes")
        assembly.args.object(
            {"qom-type": "secret", "id": "masterKey0", "format": "raw", "file": key}
        )


def add_identifiers(assembly: Assembly) -> None:
    """The machine's identity as firmware tells it to the guest, and its generation.

    Raises:
        InternalError: The document asks for a generation and holds no value yet.
    """
    dom, args = assembly.dom, assembly.args
    if dom.uuid:
        args.option("uuid", dom.uuid)
    if dom.genid is not None:
        if not dom.genid.value:
            raise InternalError(f"domain '{dom.name}' has a <genid> without a value")
        args.device({"driver": "vmgenid", "guid": dom.genid.value, "id": "vmgenid0"})


def add_bare_machine(assembly: Assembly) -> None:
    """No device and no configuration file that the document does not name."""
    args = assembly.args
    if not assembly.dom.devices.graphics:
        args.option("display", "none")
    args.option("no-user-config")
    args.option("nodefaults")


def add_monitor(assembly: Assembly) -> None:
    """The control socket: a listener that we made, so that it can be connected to again."""
    args = assembly.args
    place: tuple[str, object] = ("fd", assembly.context.monitor_fd)
    if assembly.context.standalone:
        place = ("path", os.path.join(assembly.context.lib_dir, "monitor.sock"))
    pairs = (("id", "charmonitor"), place, ("server", True), ("wait", False))
    args.option("chardev", f"socket,{keyval(pairs)}")
    args.option("mon", "chardev=charmonitor,id=monitor,mode=control")


def has_acpi_option(assembly: Assembly) -> bool:
    """Whether ACPI is switched by an option of its own, which QEMU 9 took away."""
    return assembly.caps.version < (9, 0, 0) and not assembly.microvm and has_acpi(assembly)


def has_acpi(assembly: Assembly) -> bool:
    """Whether the machine's firmware has ACPI tables that can be left out."""
    dom = assembly.dom
    return is_x86(dom) or dom.os.type.arch == "aarch64"


def add_lifecycle(assembly: Assembly) -> None:
    """What QEMU does when the guest powers off or reboots; the driver decides the rest.

    QEMU stays after a power-off, so that its last state can be read and a restart be quick.
    """
    args, dom = assembly.args, assembly.dom
    args.option("no-shutdown")
    if dom.on_reboot == "destroy" and not assembly.context.standalone:
        args.option("action", "reboot=shutdown")
    if not dom.features.acpi and has_acpi_option(assembly):
        args.option("no-acpi")


def add_power_management(assembly: Assembly) -> None:
    """Sleep states that the firmware offers."""
    pm = assembly.dom.pm
    if assembly.microvm:
        return
    owner = "ICH9-LPC" if assembly.q35 else "PIIX4_PM"
    for state, enabled in (("s3", pm.suspend_to_mem), ("s4", pm.suspend_to_disk)):
        if enabled.enabled is not None:
            disabled = int(not enabled.enabled)
            assembly.args.option("global", f"{owner}.disable_{state}={disabled}")


def add_confinement(assembly: Assembly) -> None:
    """QEMU's own system call filter, and time stamps in its messages."""
    if assembly.context.seccomp:
        assembly.args.option(
            "sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
        )
    else:
        assembly.args.option("sandbox", "off")
    assembly.args.option("msg", "timestamp=on")
