# SPDX-License-Identifier: Apache-2.0
"""Where the daemon of a URI listens: libvirt's rules for sockets, modes and ports."""

from __future__ import annotations

import os

from virloom.errors import InvalidArg, OperationInvalid
from virloom.host.session_run import session_run
from virloom.uri import ConnectURI

#: The daemon that serves one kind of driver alone; the others are with ``libvirtd`` only.
DAEMONS = {
    "bhyve": "virtbhyved",
    "ch": "virtchd",
    "interface": "virtinterfaced",
    "lxc": "virtlxcd",
    "network": "virtnetworkd",
    "nodedev": "virtnodedevd",
    "nwfilter": "virtnwfilterd",
    "qemu": "virtqemud",
    "secret": "virtsecretd",
    "storage": "virtstoraged",
    "vbox": "virtvboxd",
    "vz": "virtvzd",
    "xen": "virtxend",
}

#: Drivers that libvirt's library has in itself; every other scheme is a daemon's, known or not.
IN_PROCESS = frozenset({"test"})

#: A driver in the program's own process.
_EMBED = "/embed"

#: What a daemon of the whole host, and one of a user, call their connection.
_SYSTEM, _SESSION = "/system", "/session"

_SYSTEM_SOCKETS = "/run/libvirt"

#: Ports where the URI names none.
PORTS = {"tcp": 16509, "tls": 16514}


def is_served_by_daemon(uri: ConnectURI) -> bool:
    """Whether a daemon is asked for, here or on another host."""
    return uri.is_remote or not (uri.scheme in IN_PROCESS or uri.path == _EMBED)


def is_in_process(uri: ConnectURI) -> bool:
    """Whether the driver is one that runs in the caller's process."""
    if uri.is_remote:
        return False
    return uri.scheme in IN_PROCESS or (uri.scheme == "qemu" and uri.path == _EMBED)


def transport_of(uri: ConnectURI) -> str:
    """How the daemon is reached; a host alone means TLS."""
    return uri.transport or ("tls" if uri.host is not None else "unix")


def port_of(uri: ConnectURI) -> int:
    """The TCP port of its daemon."""
    return uri.port if uri.port is not None else PORTS[transport_of(uri)]


def unix_socket(uri: ConnectURI, *, readonly: bool) -> str:
    """The path of the daemon's socket.

    ``socket=`` says it itself. Else ``mode=direct`` is the driver's own daemon, ``mode=legacy`` is
    libvirtd, and without either it is the former where its socket is there. One on another host
    (ssh) cannot be looked for, and is libvirtd's then.

    Raises:
        InvalidArg: The mode is none, or the driver has no daemon of its own.
        OperationInvalid: A session of another host, whose directory nobody knows here.
    """
    if path := uri.params.get("socket"):
        return path
    session = uri.path == _SESSION
    if session and uri.host is not None:
        raise OperationInvalid(
            f"'{uri}': the socket of another host's session is not known",
            remedy="give it as 'socket=', or let that host have virt-ssh-helper",
        )
    directory = session_run() if session else _SYSTEM_SOCKETS
    suffix = "-sock-ro" if readonly and not session else "-sock"
    legacy = f"{directory}/libvirt{suffix}"
    daemon = DAEMONS.get(uri.scheme)
    direct = f"{directory}/{daemon}{suffix}" if daemon else None
    mode = uri.params.get("mode", "auto")
    if mode == "direct":
        if direct is None:
            raise InvalidArg(f"'{uri}': the driver '{uri.scheme}' has no daemon of its own")
        return direct
    if mode == "auto":
        here = direct is not None and uri.host is None
        return direct if here and direct and os.path.exists(direct) else legacy
    if mode != "legacy":
        raise InvalidArg(f"'{uri}': the mode '{mode}' is not one of auto, direct, legacy")
    return legacy


def starts_on_demand(uri: ConnectURI, uid: int | None = None) -> bool:
    """Whether the daemon of *uri* is one that its client starts.

    That is a user's session on this host, unless ``LIBVIRT_AUTOSTART=0`` says otherwise; root has
    no session of its own.
    """
    here = uri.host is None and uri.transport in (None, "unix") and "socket" not in uri.params
    wanted = os.environ.get("LIBVIRT_AUTOSTART") != "0"
    return here and wanted and uri.path == _SESSION and (os.geteuid() if uid is None else uid) > 0


def session_programs(uri: ConnectURI) -> list[str]:
    """The names of the daemons that could serve *uri* to one user, the one to prefer first."""
    daemon = DAEMONS.get(uri.scheme)
    mode = uri.params.get("mode", "auto")
    own = [daemon] if daemon and mode != "legacy" else []
    return [*own, *(["libvirtd"] if mode != "direct" else [])]


def flag(uri: ConnectURI, name: str) -> bool:
    """A parameter that is a number used as yes (not 0) or no.

    Raises:
        InvalidArg: It is no number.
    """
    text = uri.params.get(name, "0")
    try:
        return int(text) != 0
    except ValueError as exc:
        raise InvalidArg(f"'{uri}': {name} must be a number, not '{text}'") from exc
