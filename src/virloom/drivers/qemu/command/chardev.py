# SPDX-License-Identifier: Apache-2.0
"""Character devices: what a port of the guest is connected to outside."""

from __future__ import annotations

import os.path
from collections.abc import Callable

from virloom.drivers.qemu.command.arguments import Arguments, keyval
from virloom.drivers.qemu.command.context import BuildContext, FileRequest
from virloom.drivers.qemu.command.credentials import tls_credentials
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationInvalid
from virloom.model.domain import Channel, Chardev, ChardevSource, Parallel, Smartcard

Pairs = list[tuple[str, object]]
Backend = Callable[[Arguments, BuildContext, Chardev, str], tuple[str, Pairs]]

#: The port that SPICE's agent in the guest opens.
_AGENT_PORT = "com.redhat.spice.0"


def chardev_files(device: Chardev, alias: str) -> list[FileRequest]:
    """What must be open beforehand: the output file, the device, the log."""
    requests: list[FileRequest] = []
    path = _source(device).path
    if device.type == "file" and path:
        requests.append(_written(f"{alias}.file", path, _source(device).append))
    elif device.type == "dev" and path:
        requests.append(FileRequest(f"{alias}.dev", path, "rw"))
    log = device.log
    if log.file:
        requests.append(_written(f"{alias}.log", log.file, log.append))
    return requests


def _written(key: str, path: str, append: bool | None) -> FileRequest:
    return FileRequest(key, path, "w", create=True, truncate=not append, log=True)


def add_chardev(
    args: Arguments, context: BuildContext, device: Chardev, alias: str, name: str
) -> None:
    """``-chardev`` with the id *name* for the device *alias*.

    Raises:
        ConfigUnsupported: A kind that is not supported, or an incomplete document.
        OperationInvalid: Standard input and output are not to be had here.
    """
    kind = device.type or "pty"
    if kind not in _BACKENDS:
        raise ConfigUnsupported(
            f"character device type '{kind}' of '{alias}' is not supported; known: "
            + ", ".join(sorted(_BACKENDS))
        )
    backend, pairs = _BACKENDS[kind](args, context, device, alias)
    log: Pairs = []
    if device.log.file:
        # Truncated, where that is wanted, when it was opened: QEMU always appends.
        log = [("logfile", args.fdset(f"{alias}.log")), ("logappend", True)]
        if context.standalone:
            append = device.log.append
            log[1:] = [] if append is None else [("logappend", append)]
    args.option("chardev", f"{backend},{keyval([('id', name), *pairs, *log])}")


def channel_path(channel: Channel, lib_dir: str) -> str:
    """Where a channel's socket is when the document names no place: in the guest's directory."""
    name = (
        channel.target.name
        or (channel.alias.name if channel.alias is not None else None)
        or "channel"
    )
    return os.path.join(lib_dir, name.replace("/", "_"))


def _source(device: Chardev, mode: str | None = None) -> ChardevSource:
    """The source of that mode, or the first; an empty one if there is none."""
    for source in device.sources:
        if mode is None or source.mode == mode:
            return source
    return ChardevSource()


def _plain(backend: str) -> Backend:
    """A back end that needs nothing more."""
    return lambda _args, _context, _device, _alias: (backend, [])


def _stdio(
    _args: Arguments, context: BuildContext, _device: Chardev, alias: str
) -> tuple[str, Pairs]:
    if not context.stdio:
        raise OperationInvalid(
            f"character device '{alias}' wants standard input and output, which only a guest "
            "in the foreground has",
            remedy="use type='pty', or virloom run",
        )
    return "stdio", []


def _file(args: Arguments, context: BuildContext, device: Chardev, alias: str) -> tuple[str, Pairs]:
    _need_path(device, alias)
    path = args.fdset(f"{alias}.file")
    if context.standalone:
        append = _source(device).append
        return "file", [("path", path), *([] if append is None else [("append", append)])]
    return "file", [("path", path), ("append", True)]


def _dev(args: Arguments, _context: BuildContext, device: Chardev, alias: str) -> tuple[str, Pairs]:
    _need_path(device, alias)
    backend = "parallel" if isinstance(device, Parallel) else "serial"
    return backend, [("path", args.fdset(f"{alias}.dev"))]


def _pipe(
    _args: Arguments, _context: BuildContext, device: Chardev, alias: str
) -> tuple[str, Pairs]:
    return "pipe", [("path", _need_path(device, alias))]


def _udp(
    _args: Arguments, _context: BuildContext, device: Chardev, _alias: str
) -> tuple[str, Pairs]:
    connect, bind = _source(device, "connect"), _source(device, "bind")
    return "udp", [
        ("host", connect.host or ""),
        ("port", connect.service),
        ("localaddr", bind.host or ""),
        ("localport", bind.service or 0),
    ]


def _tcp(args: Arguments, context: BuildContext, device: Chardev, alias: str) -> tuple[str, Pairs]:
    source = _source(device)
    pairs: Pairs = [("host", source.host), ("port", source.service)]
    if device.protocol.type == "telnet":
        pairs.append(("telnet", True))
    pairs += _listening(source)
    if source.tls:
        name = f"objchar{alias}_tls0"
        endpoint = "client" if source.mode == "connect" else "server"
        args.object(tls_credentials(context, name, endpoint=endpoint))
        pairs.append(("tls-creds", name))
    return "socket", pairs


def _unix(args: Arguments, context: BuildContext, device: Chardev, alias: str) -> tuple[str, Pairs]:
    source = _source(device)
    descriptor = context.sockets.get(alias)
    if descriptor is not None:
        return "socket", [("fd", descriptor), *_listening(source)]
    path = source.path
    if not path and isinstance(device, Channel):
        path = channel_path(device, context.lib_dir)
    if not path:
        raise ConfigUnsupported(f"character device '{alias}' of type 'unix' names no path")
    return "socket", [("path", path), *_listening(source)]


def _listening(source: ChardevSource) -> Pairs:
    """Listens without making the guest wait for a client, or connects."""
    if source.mode != "connect":
        return [("server", True), ("wait", False)]
    reconnect = source.reconnect
    if reconnect is None:
        return []
    return [("reconnect", (reconnect.timeout or 0) if reconnect.enabled else 0)]


def _spicevmc(
    _args: Arguments, _context: BuildContext, device: Chardev, _alias: str
) -> tuple[str, Pairs]:
    """SPICE's own channel of that use: the agent's for a channel of the guest."""
    name = "vdagent" if isinstance(device, Channel) else "usbredir"
    if isinstance(device, Smartcard):
        name = "smartcard"
    if isinstance(device, Channel) and device.target.name not in (None, _AGENT_PORT):
        raise ConfigUnsupported(
            f"channel '{device.target.name}' is not SPICE's agent, which is '{_AGENT_PORT}'",
            domain=ErrorDomain.QEMU,
        )
    return "spicevmc", [("name", name)]


def _named(backend: str) -> Backend:
    """A channel of a display, by the name that clients ask for."""
    return lambda _args, _context, device, _alias: (
        backend,
        [("name", _source(device).channel)],
    )


def _vdagent(
    _args: Arguments, _context: BuildContext, device: Chardev, _alias: str
) -> tuple[str, Pairs]:
    source = _source(device)
    mouse = source.mouse.mode
    return "qemu-vdagent", [
        ("name", "vdagent"),
        ("clipboard", source.clipboard.copypaste),
        ("mouse", None if mouse is None else mouse == "client"),
    ]


def _need_path(device: Chardev, alias: str) -> str:
    path = _source(device).path
    if not path:
        raise ConfigUnsupported(f"character device '{alias}' of type '{device.type}' names no path")
    return str(path)


_BACKENDS: dict[str, Backend] = {
    "null": _plain("null"),
    "vc": _plain("vc"),
    "pty": _plain("pty"),
    "stdio": _stdio,
    "file": _file,
    "dev": _dev,
    "pipe": _pipe,
    "udp": _udp,
    "tcp": _tcp,
    "unix": _unix,
    "spicevmc": _spicevmc,
    "spiceport": _named("spiceport"),
    "dbus": _named("dbus"),
    "qemu-vdagent": _vdagent,
}
