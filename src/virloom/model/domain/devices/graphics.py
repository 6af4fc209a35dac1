# SPDX-License-Identifier: Apache-2.0
"""``<graphics>``: how the screen is seen from outside."""

from __future__ import annotations

from typing import Self

from virloom.errors import InternalError
from virloom.model.domain.base import DomainElement
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import INT, STRING, UINT, YES_NO, Kind, choice, option

# libvirt has another error for these numbers than for all others.
_PORT: Kind[int] = Kind(INT.parse, str, error=InternalError)


class Listen(Element):
    """``<listen type='address' address='127.0.0.1'/>``."""

    type: str | None = attribute(choice("none", "address", "network", "socket"))
    address: str | None = attribute(STRING)
    network: str | None = attribute(STRING)
    socket: str | None = attribute(STRING)


class GraphicsAudio(Element):
    """``<audio id='1'/>``: the audio backend that a VNC client hears."""

    id: int | None = attribute(UINT)


class Graphics(DomainElement):
    """``<graphics type='vnc' port='-1' autoport='yes'>``."""

    tag = "graphics"
    schema_path = "domain/devices/graphics"

    type: str | None = attribute(
        choice("sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus")
    )
    socket: str | None = attribute(STRING)
    display: str | None = attribute(STRING)
    xauth: str | None = attribute(STRING)
    fullscreen: bool | None = attribute(YES_NO)
    port: int | None = attribute(_PORT)
    tls_port: int | None = attribute(_PORT, "tlsPort")
    autoport: bool | None = attribute(YES_NO)
    websocket: int | None = attribute(INT)
    listen: str | None = attribute(STRING)
    keymap: str | None = attribute(STRING)
    share_policy: str | None = attribute(
        choice("allow-exclusive", "force-shared", "ignore"), "sharePolicy"
    )
    power_control: bool | None = attribute(YES_NO, "powerControl")
    passwd: str | None = attribute(STRING, secret=True)
    passwd_valid_to: str | None = attribute(STRING, "passwdValidTo", secret=True)
    connected: str | None = attribute(option("fail", "disconnect", "keep"), secret=True)
    listens: list[Listen] = children(Listen, "listen")
    audio: GraphicsAudio | None = child(GraphicsAudio)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without the port that this run got, where only the configuration is asked for."""
        if flags & FormatFlags.INACTIVE and self.autoport and self.type in ("vnc", "spice"):
            return self.beside(port=-1)
        return self
