# SPDX-License-Identifier: Apache-2.0
"""The memory balloon."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.model.domain import Memballoon


def balloon_device(balloon: Memballoon, buses: Buses) -> Props | None:
    """Properties of the balloon; None when the document wants none."""
    if balloon.model in (None, "none"):
        return None
    alias = alias_of(balloon, "memory balloon")
    props: Props = {
        "driver": virtio_driver("virtio-balloon", balloon.model, balloon.address),
        **virtio_options(balloon.driver),
        "id": alias,
    }
    pairs = (
        ("deflate-on-oom", balloon.autodeflate),
        ("free-page-reporting", balloon.free_page_reporting),
    )
    props.update({key: value for key, value in pairs if value is not None})
    props.update(buses.place(balloon, alias))
    return props
