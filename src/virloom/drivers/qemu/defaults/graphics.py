# SPDX-License-Identifier: Apache-2.0
"""Defaults of displays: where they listen, and who chooses the port."""

from __future__ import annotations

from virloom.model.domain import Graphics, Listen


def fill_graphics(graphics: Graphics) -> None:
    """Completes one display."""
    if graphics.type == "vnc":
        _fill_vnc(graphics)
    elif graphics.type == "spice":
        _fill_spice(graphics)


def _fill_vnc(graphics: Graphics) -> None:
    graphics.listen = graphics.listen or None
    _fill_listens(graphics)
    if graphics.listens[0].type in ("socket", "none"):
        graphics.port = graphics.autoport = None
        return
    if graphics.port is None or graphics.port == -1:
        graphics.port, graphics.autoport = -1, True
    elif graphics.autoport is None:
        graphics.autoport = False


def _fill_spice(graphics: Graphics) -> None:
    graphics.listen = graphics.listen or None
    if graphics.default_mode == "any":
        graphics.default_mode = None
    graphics.channels[:] = [channel for channel in graphics.channels if channel.mode != "any"]
    portless = not (graphics.autoport or graphics.port or graphics.tls_port)
    if portless and not graphics.listens and graphics.listen is None:
        graphics.listens.append(Listen(type="none"))
    _fill_listens(graphics)
    if graphics.listens[0].type in ("socket", "none"):
        graphics.port = graphics.tls_port = graphics.autoport = None
    elif graphics.port == -1 and graphics.tls_port == -1:
        graphics.autoport = True
    if graphics.autoport:
        graphics.port = graphics.tls_port = None
    elif graphics.listens[0].type not in ("socket", "none"):
        graphics.autoport = False


def _fill_listens(graphics: Graphics) -> None:
    """What the first listener says is repeated in the attribute, and the reverse."""
    listens = graphics.listens
    if graphics.socket is not None and not listens:
        listens.append(Listen(type="socket", socket=graphics.socket))
    if not listens:
        listens.append(Listen(type="address", address=graphics.listen))
    first = listens[0]
    if first.type == "socket":
        # Of SPICE, which never had the attribute, only the listener tells.
        graphics.socket = first.socket if graphics.type == "vnc" else None
    elif first.type == "none":
        graphics.socket = None
    elif first.type == "address" and graphics.listen is None:
        graphics.listen = first.address
