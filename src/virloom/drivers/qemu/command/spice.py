# SPDX-License-Identifier: Apache-2.0
"""SPICE displays."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.model.domain import Graphics

_MODES = {"secure": "tls-channel", "insecure": "plaintext-channel"}


def spice_socket_path(graphics: Graphics, lib_dir: str) -> str | None:
    """The AF_UNIX socket of a display, ours if the document leaves it to us; None for TCP."""
    listen = graphics.listens[0] if graphics.listens else None
    if listen is None or listen.type != "socket":
        return None
    return listen.socket or os.path.join(lib_dir, "spice.sock")


def ports_wanted(graphics: Graphics) -> tuple[bool, bool]:
    """Whether a plain port is to be chosen for a display, and one for TLS."""
    plain, encrypted = graphics.port == -1, graphics.tls_port == -1
    if graphics.autoport:
        modes = {graphics.default_mode or "any", *(channel.mode for channel in graphics.channels)}
        plain = plain or bool(modes & {"any", "insecure"})
        encrypted = encrypted or "secure" in modes
    return plain, encrypted


def add_spice(assembly: Assembly, graphics: Graphics) -> None:
    """``-spice`` with where it listens, what is encrypted and how it is compressed."""
    pairs = _listening(assembly, graphics)
    if graphics.mouse is not None:
        pairs.append(("agent-mouse", graphics.mouse.mode == "client"))
    if graphics.passwd is None:
        pairs.append(("disable-ticketing", True))
    else:
        assembly.passwords["spice"] = graphics.passwd
    if (graphics.tls_port or 0) > 0:
        pairs.append(("x509-dir", assembly.context.tls_dir))
    if graphics.default_mode in _MODES:
        pairs.append((_MODES[graphics.default_mode], "default"))
    for channel in graphics.channels:
        if channel.mode in _MODES:
            pairs.append((_MODES[channel.mode], channel.name))
    pairs += _compression(graphics)
    pairs += _behaviour(graphics)
    # A client follows the guest to another host without a break.
    pairs.append(("seamless-migration", True))
    path = spice_socket_path(graphics, assembly.context.lib_dir)
    prefix = "unix," if path is not None else ""
    assembly.args.option("spice", prefix + keyval(pairs))


def _listening(assembly: Assembly, graphics: Graphics) -> list[tuple[str, object]]:
    path = spice_socket_path(graphics, assembly.context.lib_dir)
    if path is not None:
        return [("addr", path)]
    listen = graphics.listens[0] if graphics.listens else None
    if listen is not None and listen.type == "none":
        # Nobody connects by themselves; clients are handed in through the monitor.
        return [("port", 0)]
    pairs: list[tuple[str, object]] = []
    if (graphics.port or 0) > 0 or not (graphics.tls_port or 0) > 0:
        pairs.append(("port", graphics.port or 0))
    if (graphics.tls_port or 0) > 0:
        pairs.append(("tls-port", graphics.tls_port))
    address = (listen.address if listen is not None else None) or graphics.listen or "127.0.0.1"
    return [*pairs, ("addr", address)]


def _compression(graphics: Graphics) -> list[tuple[str, object]]:
    elements = (
        ("image-compression", graphics.image),
        ("jpeg-wan-compression", graphics.jpeg),
        ("zlib-glz-wan-compression", graphics.zlib),
        ("playback-compression", graphics.playback),
    )
    return [(name, element.compression) for name, element in elements if element is not None]


def _behaviour(graphics: Graphics) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if graphics.streaming is not None:
        pairs.append(("streaming-video", graphics.streaming.mode))
    if graphics.clipboard is not None and graphics.clipboard.copypaste is False:
        pairs.append(("disable-copy-paste", True))
    if graphics.filetransfer is not None and graphics.filetransfer.enable is False:
        pairs.append(("disable-agent-file-xfer", True))
    if graphics.gl is not None and graphics.gl.enable:
        pairs += [("gl", True), ("rendernode", graphics.gl.rendernode)]
    return pairs
