# SPDX-License-Identifier: Apache-2.0
"""All steps between a parsed document and a definition: completed, checked, addressed."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.config import QemuConfig
from virloom.drivers.qemu.defaults import fill_defaults
from virloom.drivers.qemu.defaults.chardevs import place_console
from virloom.drivers.qemu.devices.address import assign_addresses
from virloom.drivers.qemu.devices.alias import forget_aliases
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.firmware import complete_loader
from virloom.drivers.qemu.validate import validate, validate_document
from virloom.model.domain import Domain


def prepare_definition(
    dom: Domain,
    caps: BinaryCaps,
    *,
    config: QemuConfig | None = None,
    directories: Directories | None = None,
) -> None:
    """Makes of a parsed document what ``dumpxml`` shows of a defined domain, in place.

    The result does not change when it is prepared again.

    Args:
        dom: The document; half completed when an error is raised.
        caps: Of its emulator.
        config: The driver's settings; None for libvirt's defaults.
        directories: Where the guest's own files go (firmware variables); None for a document
            that needs none.

    Raises:
        XmlError: The document contradicts itself.
        ConfigUnsupported: It asks for what this QEMU or this driver does not have.
        VirloomError: Others for which libvirt has a code of its own.
    """
    validate_document(dom)
    fill_definition(dom, caps, directories=directories)
    address_definition(dom, caps)
    validate(dom, caps)


def fill_definition(dom: Domain, caps: BinaryCaps, *, directories: Directories | None) -> None:
    """The second step of :func:`prepare_definition`: what the document leaves to us."""
    forget_aliases(dom)
    fill_defaults(dom, caps)
    complete_loader(dom, directories)


def address_definition(dom: Domain, caps: BinaryCaps) -> None:
    """The third step: where all devices are."""
    assign_addresses(dom, caps)
    place_console(dom)
