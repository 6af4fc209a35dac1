# SPDX-License-Identifier: Apache-2.0
"""Displays for people: VNC, windows, and what other programs show (D-Bus, EGL)."""

from __future__ import annotations

import os.path
from collections.abc import Callable

from virloom.drivers.qemu.command.arguments import escape, keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.audio import audio_id
from virloom.drivers.qemu.command.spice import add_spice
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Graphics

#: VNC's display 0 is this TCP port.
FIRST_PORT = 5900


def add_graphics(assembly: Assembly) -> None:
    """Every display. Ports were chosen before and stand in the document.

    Raises:
        ConfigUnsupported: A kind that QEMU does not have, or a port that nobody chose.
    """
    for graphics in assembly.dom.devices.graphics:
        adder = _ADDERS.get(graphics.type or "")
        if adder is None:
            raise ConfigUnsupported(
                f"QEMU has no graphics of type '{graphics.type}'; it has {', '.join(_ADDERS)}"
            )
        adder(assembly, graphics)
        if graphics.keymap:
            assembly.args.option("k", graphics.keymap)


def _add_sdl(assembly: Assembly, graphics: Graphics) -> None:
    if graphics.xauth:
        assembly.environment["XAUTHORITY"] = graphics.xauth
    if graphics.display:
        assembly.environment["DISPLAY"] = graphics.display
    if graphics.fullscreen:
        assembly.args.option("full-screen")
    pairs: list[tuple[str, object]] = []
    if graphics.gl is not None:
        pairs.append(("gl", graphics.gl.enable))
    _display_option(assembly, "sdl", pairs)


def _add_headless(assembly: Assembly, graphics: Graphics) -> None:
    node = graphics.gl.rendernode if graphics.gl is not None else None
    _display_option(assembly, "egl-headless", [("rendernode", node)])


def _add_dbus(assembly: Assembly, graphics: Graphics) -> None:
    pairs: list[tuple[str, object]] = []
    if graphics.p2p:
        pairs.append(("p2p", True))
    else:
        pairs.append(("addr", graphics.address or assembly.context.bus_address))
    if graphics.gl is not None:
        pairs += [("gl", graphics.gl.enable), ("rendernode", graphics.gl.rendernode)]
    if graphics.audio is not None:
        pairs.append(("audiodev", audio_id(assembly.dom, graphics.audio.id)))
    _display_option(assembly, "dbus", pairs)


def _display_option(assembly: Assembly, kind: str, pairs: list[tuple[str, object]]) -> None:
    options = keyval(pairs)
    assembly.args.option("display", f"{kind},{options}" if options else kind)


def vnc_socket_path(graphics: Graphics, lib_dir: str) -> str | None:
    """The AF_UNIX socket of a display, ours if the document leaves it to us; None for TCP."""
    listen = graphics.listens[0] if graphics.listens else None
    if listen is not None and listen.type == "socket":
        return listen.socket or graphics.socket or os.path.join(lib_dir, "vnc.sock")
    return graphics.socket or None


def _add_vnc(assembly: Assembly, graphics: Graphics) -> None:
    listen = graphics.listens[0] if graphics.listens else None
    if listen is not None and listen.type == "none":
        display = "none"
    else:
        display = _display(assembly, graphics)
    pairs: list[tuple[str, object]] = []
    if graphics.websocket is not None and (graphics.websocket > 0 or assembly.context.standalone):
        pairs.append(("websocket", graphics.websocket))
    pairs.append(("share", graphics.share_policy))
    if graphics.passwd is not None:
        pairs.append(("password", True))
        assembly.passwords["vnc"] = graphics.passwd
    if graphics.power_control is not None:
        pairs.append(("power-control", graphics.power_control))
    pairs.append(("audiodev", audio_id(assembly.dom, _audio(graphics))))
    options = keyval(pairs)
    # QEMU would take a path with "=" in it for a key of its own.
    key = "vnc=" if display.startswith("unix:") else ""
    assembly.args.option("vnc", f"{key}{escape(display)}" + (f",{options}" if options else ""))


def _audio(graphics: Graphics) -> int | None:
    return graphics.audio.id if graphics.audio is not None else None


def _display(assembly: Assembly, graphics: Graphics) -> str:
    path = vnc_socket_path(graphics, assembly.context.lib_dir)
    if path is not None:
        return f"unix:{path}"
    port = graphics.port
    if port is None or port < FIRST_PORT:
        raise ConfigUnsupported(
            f"VNC port {port} cannot be used; ports begin at {FIRST_PORT}",
            remedy="use autoport='yes'",
        )
    listen = graphics.listens[0] if graphics.listens else None
    address = (listen.address if listen is not None else None) or graphics.listen or "127.0.0.1"
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port - FIRST_PORT}"


_ADDERS: dict[str, Callable[[Assembly, Graphics], None]] = {
    "vnc": _add_vnc,
    "spice": add_spice,
    "sdl": _add_sdl,
    "egl-headless": _add_headless,
    "dbus": _add_dbus,
}
