# SPDX-License-Identifier: Apache-2.0
"""What a document leaves out, filled in as libvirt 9's QEMU driver does.

The result is what ``dumpxml`` shows and what every later start of the guest uses, so that a
guest's hardware does not change when the defaults of a later version do.
"""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.defaults.attached import add_card_readers, fill_attached, place_scsi
from virloom.drivers.qemu.defaults.chardevs import fill_chardevs, number_ports, pair_console
from virloom.drivers.qemu.defaults.controllers import (
    add_basic_controllers,
    add_implied_controllers,
    fill_controllers,
)
from virloom.drivers.qemu.defaults.cpu import fill_cpu
from virloom.drivers.qemu.defaults.devices import add_basic_devices, fill_devices
from virloom.drivers.qemu.defaults.disk_sources import fill_variables
from virloom.drivers.qemu.defaults.disks import fill_disks, sort_disks
from virloom.drivers.qemu.defaults.features import fill_features, fill_interrupts
from virloom.drivers.qemu.defaults.filesystems import fill_filesystems
from virloom.drivers.qemu.defaults.guest import fill_boot, fill_guest, fill_machine
from virloom.drivers.qemu.defaults.identity import fill_identity, fill_labels
from virloom.drivers.qemu.defaults.interfaces import fill_interfaces
from virloom.drivers.qemu.defaults.numa import fill_numa
from virloom.drivers.qemu.defaults.threads import fill_iothreads, fill_vcpus
from virloom.drivers.qemu.defaults.tuning import fill_tuning
from virloom.model.domain import Domain

__all__ = ["fill_defaults"]


def fill_defaults(dom: Domain, caps: BinaryCaps) -> None:
    """Completes everything but addresses, in place.

    Args:
        dom: The parsed document.
        caps: Of the QEMU that will run it.

    Raises:
        ConfigUnsupported: The machine or a device does not exist.
        XmlError: The document contradicts itself.
    """
    fill_machine(dom, caps)
    fill_numa(dom)
    fill_guest(dom)
    fill_vcpus(dom)
    fill_iothreads(dom)
    fill_tuning(dom)
    fill_features(dom.features)
    fill_interrupts(dom)
    fill_identity(dom)
    fill_labels(dom)
    sort_disks(dom)
    fill_boot(dom)
    if any(hostdev.type == "scsi" for hostdev in dom.devices.hostdevs):
        fill_disks(dom)
        place_scsi(dom)
    add_basic_controllers(dom, caps)
    add_basic_devices(dom)
    fill_cpu(dom, caps)
    fill_disks(dom)
    fill_variables(dom.os.nvram)
    fill_controllers(dom, caps)
    fill_filesystems(dom)
    fill_interfaces(dom, caps)
    number_ports(dom)
    pair_console(dom)
    fill_chardevs(dom)
    fill_devices(dom, caps)
    fill_attached(dom)
    add_implied_controllers(dom)
    add_card_readers(dom)
    fill_controllers(dom, caps)
