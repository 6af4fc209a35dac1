# SPDX-License-Identifier: Apache-2.0
"""Random number generators."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.model.domain import Rng


def rng_object_id(alias: str) -> str:
    """QEMU's id of the source behind the generator *alias*."""
    return f"obj{alias}"


def rng_device(rng: Rng, buses: Buses) -> Props:
    """Properties of the virtio generator."""
    alias = alias_of(rng, "random number generator")
    props: Props = {
        "driver": virtio_driver("virtio-rng", rng.model, rng.address),
        **virtio_options(rng.driver),
        "rng": rng_object_id(alias),
        "id": alias,
    }
    if rng.rate.bytes:
        # QEMU's own period is 65536 ms; libvirt's document means one second.
        props["max-bytes"] = rng.rate.bytes
        props["period"] = rng.rate.period or 1000
    props.update(buses.place(rng, alias))
    return props
