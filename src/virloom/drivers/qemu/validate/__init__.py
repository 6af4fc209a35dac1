# SPDX-License-Identifier: Apache-2.0
"""What is refused: documents that contradict themselves or ask for what does not exist.

Three moments, as in libvirt 9: :func:`validate_document` before anything is filled in,
:func:`validate` once everything is, and :func:`validate_start` when the guest is to run. The
codes of the errors are libvirt's for the same mistake.
"""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Parts
from virloom.drivers.qemu.validate.addresses import check_addresses, check_given_addresses
from virloom.drivers.qemu.validate.attached import (
    check_attached,
    check_attached_start,
    check_given_attached,
)
from virloom.drivers.qemu.validate.boards import check_board
from virloom.drivers.qemu.validate.chardevs import check_chardevs, check_given_chardevs
from virloom.drivers.qemu.validate.controllers import (
    check_controllers,
    check_given_controllers,
    check_usb_start,
)
from virloom.drivers.qemu.validate.devices import (
    check_devices,
    check_given_devices,
    names_a_card,
)
from virloom.drivers.qemu.validate.disks import check_disks, check_given_disks
from virloom.drivers.qemu.validate.features import check_features, check_given_features
from virloom.drivers.qemu.validate.filesystems import (
    check_filesystems,
    check_given_filesystems,
)
from virloom.drivers.qemu.validate.graphics import (
    check_given_graphics,
    check_graphics,
    check_graphics_start,
)
from virloom.drivers.qemu.validate.guest import check_given_guest, check_guest
from virloom.drivers.qemu.validate.host import check_host_nodes
from virloom.drivers.qemu.validate.hostdevs import check_given_hostdevs, check_hostdevs
from virloom.drivers.qemu.validate.identity import check_given_identity, check_identity
from virloom.drivers.qemu.validate.inputs import check_given_inputs, check_inputs
from virloom.drivers.qemu.validate.memory import check_given_memory, check_memory
from virloom.drivers.qemu.validate.memory_devices import (
    check_given_memory_devices,
    check_memory_devices,
)
from virloom.drivers.qemu.validate.numa import check_given_numa
from virloom.drivers.qemu.validate.processor import (
    check_cpu,
    check_cpu_start,
    check_given_cpu,
    names_a_model,
)
from virloom.drivers.qemu.validate.qemu_namespace import check_given_qemu_namespace
from virloom.drivers.qemu.validate.resctrl import check_given_resctrl, check_resctrl
from virloom.drivers.qemu.validate.sound import check_given_sound, check_sound
from virloom.drivers.qemu.validate.threads import check_given_threads, check_threads
from virloom.drivers.qemu.validate.tuning import check_given_tuning
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, unmodelled

__all__ = ["needed_facts", "validate", "validate_document", "validate_start"]


def validate_document(dom: Domain) -> None:
    """Refuses a document, as it was parsed, whose gaps cannot be filled in.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    check_given_guest(dom)
    check_given_qemu_namespace(dom)
    validate_parts(dom)


def validate_parts(dom: Domain) -> None:
    """The part of it that libvirt does for every driver.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    check_given_addresses(dom)
    check_given_memory(dom)
    check_given_threads(dom)
    check_given_tuning(dom)
    check_given_resctrl(dom)
    check_given_features(dom)
    check_given_cpu(dom)
    check_given_numa(dom)
    check_given_identity(dom)
    check_given_disks(dom)
    check_given_controllers(dom)
    check_given_chardevs(dom)
    check_given_hostdevs(dom)
    check_given_attached(dom)
    check_given_memory_devices(dom)
    check_given_devices(dom)
    check_given_graphics(dom)
    check_given_sound(dom)
    check_given_inputs(dom)
    check_given_filesystems(dom)


def validate(dom: Domain, caps: BinaryCaps) -> None:
    """Refuses a completed document that this QEMU could not run.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    check_guest(dom, caps)
    check_board(dom, caps)
    check_memory(dom)
    check_threads(dom)
    check_resctrl(dom)
    check_features(dom)
    check_cpu(dom, caps)
    check_identity(dom)
    check_disks(dom)
    check_controllers(dom)
    check_chardevs(dom)
    check_addresses(dom)
    check_devices(dom)
    check_hostdevs(dom)
    check_attached(dom)
    check_memory_devices(dom)
    check_graphics(dom)
    check_sound(dom)
    check_inputs(dom)
    check_filesystems(dom)


def needed_facts(dom: Domain) -> Parts:
    """What :func:`validate_start` has to know of QEMU to name what exists; asks little of most.

    What it does not know it leaves to QEMU, which says less.
    """
    parts = Parts.BASE
    if names_a_model(dom):
        parts |= Parts.CPU_MODELS
    if names_a_card(dom):
        parts |= Parts.DEVICES
    return parts


def validate_start(dom: Domain, caps: BinaryCaps) -> None:
    """Refuses to start what a definition may hold and no guest can have.

    Raises:
        ConfigUnsupported: The document asks for what this QEMU does not have, or for elements
            that we do not know how to give; names them.
    """
    paths = unmodelled(dom)
    if paths:
        raise ConfigUnsupported(
            f"domain '{dom.name}' cannot start: nothing here serves {', '.join(paths)}",
            domain=ErrorDomain.QEMU,
        )
    check_host_nodes(dom)
    caps.machine(dom.os.type.machine or "")
    check_cpu_start(dom, caps)
    check_usb_start(dom)
    check_graphics_start(dom)
    check_attached_start(dom)
