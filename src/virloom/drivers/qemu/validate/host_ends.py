# SPDX-License-Identifier: Apache-2.0
"""Checks of the host's end of a network card that is about to be connected.

A definition may have all of it: what a switch can do, a card of a virtual network only knows when
it has its port.
"""

from __future__ import annotations

from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.validate.switch_ports import check_connected_port
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, OperationFailed
from virloom.model.domain import Interface


def check_host_end(interface: Interface) -> None:
    """What the host cannot do for the card as it is connected.

    Raises:
        ConfigUnsupported: Its switch or its kind of link has not what is asked for.
        InternalError: It brings its own device and does not say which (libvirt's code for it).
        OperationFailed: It is a device of the host's, and its link should be down.
    """
    check_connected_port(interface)
    if is_function(interface):
        _check_function(interface)
    kind = interface.type
    if interface.script.path and kind != "ethernet":
        raise ConfigUnsupported(
            f"scripts are not supported on interfaces of type {kind}", domain=ErrorDomain.QEMU
        )
    if interface.backend.tap and kind not in TAPS:
        raise ConfigUnsupported(
            f"interface {interface.mac.address}: an interface of type '{kind}' has no tap, "
            "and <backend tap=…> names its device",
            domain=ErrorDomain.QEMU,
        )
    unmanaged = kind == "ethernet" and interface.target.managed is False
    if unmanaged and interface.target.dev is None:
        raise InternalError(
            "<target managed='no'> does not say which device is meant", domain=ErrorDomain.QEMU
        )


def _check_function(interface: Interface) -> None:
    """What only a link of the host's has."""
    if interface.bandwidth is not None:
        raise ConfigUnsupported(
            f"interface {interface.mac.address}: an interface of type 'hostdev' has no bandwidth "
            "settings: its frames pass the host by",
            domain=ErrorDomain.DOMAIN,
        )
    if interface.link.state == "down":
        raise OperationFailed(
            f"interface {interface.mac.address}: the link of an interface of type 'hostdev' cannot "
            "be set down by QEMU",
            domain=ErrorDomain.QEMU,
        )
