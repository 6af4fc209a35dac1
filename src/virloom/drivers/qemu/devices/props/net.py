# SPDX-License-Identifier: Apache-2.0
"""The device that a guest sees for a network interface, and the back end behind it."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface


def netdev_id(interface: Interface) -> str:
    """QEMU's id of the back end."""
    return f"host{alias_of(interface, 'network interface')}"


def net_backend(interface: Interface) -> Props:
    """Properties of the back end.

    Raises:
        ConfigUnsupported: Any kind of connection but QEMU's own user-mode network.
    """
    if interface.type != "user":
        raise ConfigUnsupported(
            f"network interface type '{interface.type}' is not supported yet; known: user"
        )
    props: Props = {"type": "user"}
    for ip in interface.ips:
        if ip.family == "ipv6":
            props["ipv6-prefix"] = ip.address
            if ip.prefix:
                props["ipv6-prefixlen"] = ip.prefix
        else:
            props["net"] = f"{ip.address}/{ip.prefix}" if ip.prefix else ip.address
    props["id"] = netdev_id(interface)
    return props


def net_device(interface: Interface, buses: Buses, *, boot: int | None) -> Props:
    """Properties of the network card of *interface*."""
    alias = alias_of(interface, "network interface")
    model = interface.model.type or "rtl8139"
    props: Props = {"driver": model}
    if model.startswith("virtio"):
        props["driver"] = virtio_driver("virtio-net", model, interface.address)
        props.update(_virtio(interface))
    props["netdev"] = netdev_id(interface)
    props["id"] = alias
    props["mac"] = interface.mac.address
    if boot is not None:
        props["bootindex"] = boot
    props.update(buses.place(interface.address, alias))
    rom = interface.rom
    if rom.file:
        raise ConfigUnsupported(f"option ROM file of '{alias}' is not supported yet")
    if rom.enabled is False:
        props["romfile"] = ""
    elif rom.bar is not None:
        props["rombar"] = int(rom.bar)
    return props


def _virtio(interface: Interface) -> Props:
    driver = interface.driver
    props = virtio_options(driver)
    if driver.txmode not in (None, "default"):
        props["tx"] = "bh" if driver.txmode == "iothread" else driver.txmode
    pairs = (("ioeventfd", driver.ioeventfd), ("event_idx", driver.event_idx))
    props.update({key: value for key, value in pairs if value is not None})
    sizes = (("rx_queue_size", driver.rx_queue_size), ("tx_queue_size", driver.tx_queue_size))
    props.update({key: value for key, value in sizes if value})
    return props
