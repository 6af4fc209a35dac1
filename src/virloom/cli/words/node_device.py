# SPDX-License-Identifier: Apache-2.0
"""The host's own devices."""

from __future__ import annotations

from collections.abc import Awaitable

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Words, deed, maker, printer
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.listing import autostart_of, yes
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.tree import draw
from virloom.client.node_device import NodeDevice
from virloom.enums.nodedev import ConnectListAllNodeDeviceFlags as Which
from virloom.errors import VirloomError

maker(
    "nodedev-create",
    lambda connection, text, flags: connection.node_devices.create_xml(text, flags),
    lambda device: device.name,
    Words(
        "Make a virtual device by a document in a file.",
        "Node device {0} created from {1}",
        "Failed to create node device from {}",
    ),
)
maker(
    "nodedev-define",
    lambda connection, text, flags: connection.node_devices.define_xml(text, flags),
    lambda device: device.name,
    Words(
        "Define a virtual device by a document in a file, without making it.",
        "Node device '{0}' defined from '{1}'",
        "Failed to define node device from '{}'",
    ),
)
deed(
    "nodedev-destroy",
    finding.device_or_wwn,
    lambda device, arguments: device.destroy(),
    Words(
        "Take a virtual device away.",
        "Destroyed node device '{}'",
        "Failed to destroy node device '{}'",
    ),
)
deed(
    "nodedev-undefine",
    finding.device_or_wwn,
    lambda device, arguments: device.undefine(),
    Words(
        "Forget a virtual device's definition.",
        "Undefined node device '{}'",
        "Failed to undefine node device '{}'",
    ),
)
deed(
    "nodedev-start",
    finding.device,
    lambda device, arguments: device.create(),
    Words("Make a defined device.", "Device {} started", "Failed to start device {}"),
)
deed(
    "nodedev-detach",
    finding.device,
    lambda device, arguments: device.detach(arguments.get("driver", empty=True) or None),
    Words(
        "Take a device from the host's driver, for a guest.",
        "Device {} detached",
        "Failed to detach device {}",
    ),
)
deed(
    "nodedev-reattach",
    finding.device,
    lambda device, arguments: device.reattach(),
    Words(
        "Give a device back to the host's driver.",
        "Device {} re-attached",
        "Failed to re-attach device {}",
    ),
)
deed(
    "nodedev-reset",
    finding.device,
    lambda device, arguments: device.reset(),
    Words("Reset a device.", "Device {} reset", "Failed to reset device {}"),
)
printer(
    "nodedev-dumpxml",
    finding.device_or_wwn,
    lambda device, arguments: device.xml_desc(),
    "Print a device's document.",
)


@command("nodedev-autostart")
async def autostart(session: Session, arguments: Arguments) -> None:
    """Make a defined device with the host's start, or no longer."""
    device, name = await finding.device_or_wwn(session, arguments)
    on = "disable" not in arguments
    action = "mark" if on else "unmark"
    with failing(f"failed to {action} device {name} as autostarted"):
        await device.set_autostart(on)
    session.output.note(f"Device {name} {action}ed as autostarted")


@command("nodedev-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print what there is to know of a device."""
    device, _ = await finding.device_or_wwn(session, arguments)
    session.output.fields(
        [
            ("Name:", device.name),
            ("Parent:", await device.parent() or ""),
            ("Active:", await _or_yes(device.is_active())),
            ("Persistent:", await _or_yes(device.is_persistent())),
            ("Autostart:", await autostart_of(device)),
        ]
    )


async def _or_yes(asked: Awaitable[bool]) -> str:
    # A driver that cannot tell has devices that are there for good.
    try:
        return yes(await asked)
    except VirloomError:
        return "yes"


#: What ``--cap`` takes: the capabilities in documents → what is asked of the driver.
CAPABILITIES = {
    "system": Which.CAP_SYSTEM,
    "pci": Which.CAP_PCI_DEV,
    "usb_device": Which.CAP_USB_DEV,
    "usb": Which.CAP_USB_INTERFACE,
    "net": Which.CAP_NET,
    "scsi_host": Which.CAP_SCSI_HOST,
    "scsi_target": Which.CAP_SCSI_TARGET,
    "scsi": Which.CAP_SCSI,
    "storage": Which.CAP_STORAGE,
    "fc_host": Which.CAP_FC_HOST,
    "vports": Which.CAP_VPORTS,
    "scsi_generic": Which.CAP_SCSI_GENERIC,
    "drm": Which.CAP_DRM,
    "mdev_types": Which.CAP_MDEV_TYPES,
    "mdev": Which.CAP_MDEV,
    "ccw": Which.CAP_CCW_DEV,
    "css": Which.CAP_CSS_DEV,
    "vdpa": Which.CAP_VDPA,
    "ap_card": Which.CAP_AP_CARD,
    "ap_queue": Which.CAP_AP_QUEUE,
    "ap_matrix": Which.CAP_AP_MATRIX,
    "vpd": Which.CAP_VPD,
}


@command("nodedev-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the host's devices, those that are there unless told otherwise."""
    flags = _wanted(arguments)
    connection = await session.connection()
    with failing("Failed to list node devices"):
        found = await connection.node_devices.list(flags)
    found.sort(key=lambda device: device.name)
    if "tree" in arguments:
        session.output.text(draw({device.name: await _parent(device) for device in found}))
        return
    session.output.column("name", [device.name for device in found])


async def _parent(device: NodeDevice) -> str | None:
    # The root has none, nor has what hangs on something that is no device of ours.
    return None if device.name == "computer" else await device.parent()


def _wanted(arguments: Arguments) -> int:
    inactive, everything = "inactive" in arguments, "all" in arguments
    if inactive and everything:
        raise CommandFailed("Option --all is incompatible with --inactive")
    names = arguments.get("cap", empty=True)
    if "tree" in arguments and (names or inactive):
        raise CommandFailed("Option --tree is incompatible with --cap and --inactive")
    flags = 0
    for name in names.split(",") if names else ():
        if name not in CAPABILITIES:
            raise CommandFailed("Invalid capability type")
        flags |= CAPABILITIES[name]
    if inactive or everything:
        flags |= Which.INACTIVE
    if not inactive:
        flags |= Which.ACTIVE
    return flags
