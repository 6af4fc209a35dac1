# SPDX-License-Identifier: Apache-2.0
"""What is refused: documents that contradict themselves or ask for what does not exist."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Domain, unmodelled


def validate(dom: Domain, caps: BinaryCaps) -> None:
    """Refuses a completed document that no QEMU could run.

    Raises:
        XmlError: It contradicts itself.
        ConfigUnsupported: It asks for what this QEMU does not have.
    """
    _targets(dom)


def _targets(dom: Domain) -> None:
    seen: set[str] = set()
    for disk in dom.devices.disks:
        name = disk.target.dev or ""
        if name in seen:
            raise XmlError(f"two disks have the target '{name}'", domain=ErrorDomain.DOMAIN)
        seen.add(name)


def validate_start(dom: Domain, caps: BinaryCaps) -> None:
    """Refuses to start what the document asks for and we do not know how to give.

    Raises:
        ConfigUnsupported: Names the elements.
    """
    paths = unmodelled(dom)
    if paths:
        raise ConfigUnsupported(
            f"cannot start domain '{dom.name}': not supported yet: {', '.join(paths)}",
            domain=ErrorDomain.QEMU,
        )
