# SPDX-License-Identifier: Apache-2.0
"""Character devices as the monitor has them, from what the command line would say.

QEMU reads ``-chardev`` only as ``key=value,…`` and ``chardev-add`` only as JSON of another shape
(qapi/char.json).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

Options = dict[str, str]


def chardev_arguments(value: str) -> tuple[dict[str, Any], int | None]:
    """The arguments of ``chardev-add``, and a descriptor that QEMU must have been given before.

    Raises:
        ConfigUnsupported: A kind that cannot be added to a QEMU that runs.
    """
    kind, options = _options(value)
    if kind not in _DATA:
        raise ConfigUnsupported(
            f"character device '{kind}' cannot be given to a QEMU that runs",
            domain=ErrorDomain.QEMU,
        )
    data = _DATA[kind](options)
    if "logfile" in options:
        data.update({"logfile": options["logfile"], "logappend": True})
    fd = int(options["fd"]) if "fd" in options else None
    backend = {"type": kind, "data": data}
    return {"id": options["id"], "backend": backend}, fd


def _options(value: str) -> tuple[str, Options]:
    """Takes ``kind,key=value,…`` apart, in which a doubled comma is a comma."""
    parts = value.replace(",,", "\0").split(",")
    pairs = (part.replace("\0", ",").partition("=") for part in parts[1:])
    return parts[0], {key: text for key, _, text in pairs}


def _is_on(options: Options, key: str) -> bool:
    return options.get(key) == "on"


def _nothing(_options: Options) -> dict[str, Any]:
    return {}


def _file(options: Options) -> dict[str, Any]:
    return {"out": options["path"], "append": _is_on(options, "append")}


def _path(options: Options) -> dict[str, Any]:
    return {"device": options["path"]}


def _inet(host: str, port: str) -> dict[str, Any]:
    return {"type": "inet", "data": {"host": host, "port": port}}


def _udp(options: Options) -> dict[str, Any]:
    made = {"remote": _inet(options.get("host", ""), options.get("port", ""))}
    if options.get("localport", "0") != "0" or options.get("localaddr"):
        made["local"] = _inet(options.get("localaddr", ""), options.get("localport", "0"))
    return made


def _socket(options: Options) -> dict[str, Any]:
    if "fd" in options:
        address: dict[str, Any] = {"type": "fd", "data": {"str": f"fd-{options['id']}"}}
    elif "path" in options:
        address = {"type": "unix", "data": {"path": options["path"]}}
    else:
        address = _inet(options.get("host", ""), options.get("port", ""))
    made: dict[str, Any] = {"addr": address, "server": _is_on(options, "server")}
    if made["server"]:
        made["wait"] = _is_on(options, "wait")
    if _is_on(options, "telnet"):
        made["telnet"] = True
    if "reconnect" in options:
        made["reconnect"] = int(options["reconnect"])
    if "tls-creds" in options:
        made["tls-creds"] = options["tls-creds"]
    return made


def _spicevmc(options: Options) -> dict[str, Any]:
    return {"type": options["name"]}


def _spiceport(options: Options) -> dict[str, Any]:
    return {"fqdn": options["name"]}


def _dbus(options: Options) -> dict[str, Any]:
    return {"name": options["name"]}


def _vdagent(options: Options) -> dict[str, Any]:
    keys = ("mouse", "clipboard")
    return {key: _is_on(options, key) for key in keys if key in options}


_DATA: dict[str, Callable[[Options], dict[str, Any]]] = {
    "null": _nothing,
    "vc": _nothing,
    "pty": _nothing,
    "file": _file,
    "serial": _path,
    "parallel": _path,
    "pipe": _path,
    "udp": _udp,
    "socket": _socket,
    "spicevmc": _spicevmc,
    "spiceport": _spiceport,
    "dbus": _dbus,
    "qemu-vdagent": _vdagent,
}
