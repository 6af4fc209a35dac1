# SPDX-License-Identifier: Apache-2.0
"""The kernel carries packets of virtio cards by itself (vhost-net), where it can."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack

from virloom.drivers.qemu.command.net import vhost_key
from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.nics.taps import is_virtio, queues_of
from virloom.drivers.qemu.process.resources import alias_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface

_DEVICE = "/dev/vhost-net"


def open_accelerators(
    interfaces: Iterable[Interface], opened: ExitStack, *, kvm: bool
) -> dict[str, int]:
    """Opens the kernel's part of each card that it can be had for, once for each queue.

    As in libvirt an emulated guest has none, nor one whose card asks for ``qemu``.

    Args:
        opened: Closes our copies.
        kvm: The guest's processors are the host's.

    Returns:
        The descriptors, by the keys of the command line.

    Raises:
        ConfigUnsupported: A card asks for it, and there is none.
    """
    files: dict[str, int] = {}
    for interface in interfaces:
        name = interface.driver.name
        if not kvm or interface.type not in TAPS or name == "qemu" or not is_virtio(interface):
            continue
        for number in range(queues_of(interface)):
            try:
                fd = os.open(interface.backend.vhost or _DEVICE, os.O_RDWR | os.O_CLOEXEC)
            except OSError as exc:
                if name == "vhost":
                    raise ConfigUnsupported(
                        f"vhost-net is asked for by {alias_of(interface)}, and '{exc.filename}' "
                        f"cannot be had: {exc.strerror}",
                        domain=ErrorDomain.QEMU,
                    ) from exc
                break
            opened.callback(os.close, fd)
            files[vhost_key(alias_of(interface), number)] = fd
    return files
