# SPDX-License-Identifier: Apache-2.0
"""``<graphics>``: how the screen is seen from outside."""

from __future__ import annotations

from typing import Self

from virloom.errors import InternalError
from virloom.model.domain.base import DomainElement
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import INT, ON_OFF, STRING, UINT, YES_NO, Kind, choice, option

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


class SpiceChannel(Element):
    """``<channel name='main' mode='secure'/>``: which channels are encrypted."""

    name: str | None = attribute(
        choice(
            "main",
            "display",
            "inputs",
            "cursor",
            "playback",
            "record",
            "smartcard",
            "usbredir",
        )
    )
    mode: str | None = attribute(choice("any", "secure", "insecure"))


class ImageCompression(Element):
    """``<image compression='auto_glz'/>``."""

    compression: str | None = attribute(choice("auto_glz", "auto_lz", "quic", "glz", "lz", "off"))


class LossyCompression(Element):
    """``<jpeg compression='auto'/>`` and ``<zlib …/>``, for slow connections."""

    compression: str | None = attribute(choice("auto", "never", "always"))


class SoundCompression(Element):
    """``<playback compression='on'/>``."""

    compression: bool | None = attribute(ON_OFF)


class Streaming(Element):
    """``<streaming mode='filter'/>``: whether moving parts are sent as video."""

    mode: str | None = attribute(choice("filter", "all", "off"))


class Clipboard(Element):
    """``<clipboard copypaste='no'/>``."""

    copypaste: bool | None = attribute(YES_NO)


class PointerMode(Element):
    """``<mouse mode='client'/>``: who draws the pointer."""

    mode: str | None = attribute(choice("server", "client"))


class FileTransfer(Element):
    """``<filetransfer enable='no'/>``."""

    enable: bool | None = attribute(YES_NO)


class Gl(Element):
    """``<gl enable='yes' rendernode='/dev/dri/renderD128'/>``: drawing by the host's GPU."""

    enable: bool | None = attribute(YES_NO)
    rendernode: str | None = attribute(STRING)


class Graphics(DomainElement):
    """``<graphics type='vnc' port='-1' autoport='yes'>``."""

    tag = "graphics"
    schema_path = "domain/devices/graphics"

    type: str | None = attribute(
        choice("sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus")
    )
    p2p: bool | None = attribute(YES_NO)
    address: str | None = attribute(STRING)
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
    replace_user: bool | None = attribute(YES_NO, "replaceUser")
    multi_user: bool | None = attribute(YES_NO, "multiUser")
    default_mode: str | None = attribute(choice("any", "secure", "insecure"), "defaultMode")
    share_policy: str | None = attribute(
        choice("allow-exclusive", "force-shared", "ignore"), "sharePolicy"
    )
    power_control: bool | None = attribute(YES_NO, "powerControl")
    passwd: str | None = attribute(STRING, secret=True)
    passwd_valid_to: str | None = attribute(STRING, "passwdValidTo", secret=True)
    connected: str | None = attribute(option("fail", "disconnect", "keep"), secret=True)
    listens: list[Listen] = children(Listen, "listen")
    channels: list[SpiceChannel] = children(SpiceChannel, "channel")
    image: ImageCompression | None = child(ImageCompression)
    jpeg: LossyCompression | None = child(LossyCompression)
    zlib: LossyCompression | None = child(LossyCompression)
    playback: SoundCompression | None = child(SoundCompression)
    streaming: Streaming | None = child(Streaming)
    mouse: PointerMode | None = child(PointerMode)
    clipboard: Clipboard | None = child(Clipboard)
    filetransfer: FileTransfer | None = child(FileTransfer)
    gl: Gl | None = child(Gl)
    audio: GraphicsAudio | None = child(GraphicsAudio)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without the port that this run got, where only the configuration is asked for."""
        if flags & FormatFlags.INACTIVE and self.autoport:
            if self.type == "vnc":
                return self.beside(port=-1)
            if self.type == "spice":
                return self.beside(port=None, tls_port=None)
        return self
