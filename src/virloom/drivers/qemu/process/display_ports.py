# SPDX-License-Identifier: Apache-2.0
"""The addresses and ports that a start chooses for displays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.spice import ports_wanted
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, Graphics

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Kinds of displays that listen on ports.
_DISPLAYS = ("vnc", "spice")


class PortChoice:
    """What one start has chosen, until QEMU listens there.

    Args:
        driver: Knows which ports there are.
    """

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver
        self._reserved: list[int] = []

    def choose(self, model: Domain) -> None:
        """Gives displays the addresses and the ports that the document leaves to us.

        Raises:
            ConfigUnsupported: SPICE is to be encrypted, and has no certificate.
            VirloomError: No port is free.
        """
        for graphics in model.devices.graphics:
            listen = graphics.listens[0] if graphics.listens else None
            if graphics.type not in _DISPLAYS or (listen is not None and listen.type != "address"):
                continue
            config = self._driver.config
            usual = config.vnc_listen if graphics.type == "vnc" else config.spice_listen
            address = (listen.address if listen is not None else None) or graphics.listen or usual
            graphics.listen = address
            if listen is not None:
                listen.address = address
            self._choose_port(model, graphics, address)

    def release(self) -> None:
        """Lets others have them: QEMU listens there by now, or never will."""
        for port in self._reserved:
            self._driver.display_ports.release(port)

    def _choose_port(self, model: Domain, graphics: Graphics, address: str) -> None:
        if graphics.type == "vnc":
            if graphics.autoport or graphics.port in (None, -1):
                graphics.autoport = True
                graphics.port = self._reserve(address)
            return
        plain, encrypted = ports_wanted(graphics)
        if plain:
            graphics.port = self._reserve(address)
        if encrypted:
            if not self._driver.config.spice_tls:
                raise ConfigUnsupported(
                    f"domain '{model.name}' needs a TLS port of SPICE, and spice_tls is "
                    "not set in qemu.conf",
                    domain=ErrorDomain.QEMU,
                )
            graphics.tls_port = self._reserve(address)

    def _reserve(self, address: str) -> int:
        port = self._driver.display_ports.reserve(address)
        self._reserved.append(port)
        return port
