# SPDX-License-Identifier: Apache-2.0
"""Which URI is meant: the environment, ``libvirt.conf``, its aliases, or what runs here."""

from __future__ import annotations

import os
import re
from pathlib import Path

from virloom.client.address import session_programs, starts_on_demand, unix_socket
from virloom.drivers.runtime.settings import Setting, read_settings
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax, InternalError, InvalidArg
from virloom.uri import ConnectURI

#: What an alias may be made of (the head of /etc/libvirt/libvirt.conf says so).
_ALIAS = re.compile(r"[A-Za-z0-9_.-]+")

#: Drivers whose daemon is looked for where no URI is given.
_PROBED = ("qemu", "xen", "lxc", "vbox", "vz", "bhyve", "ch")


def settings_file(uid: int) -> Path:
    """``libvirt.conf`` of the host for root, else of the user."""
    if uid == 0:
        return Path("/etc/libvirt/libvirt.conf")
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "libvirt" / "libvirt.conf"


def choose(
    uri: str | ConnectURI | None, file: Path | None = None, uid: int | None = None
) -> ConnectURI:
    """The URI to open.

    Args:
        uri: A URI, an alias, or None for ``LIBVIRT_DEFAULT_URI``, else ``uri_default`` of
            *file*, else the QEMU driver of this host whose daemon is there.
        file: ``libvirt.conf``; by default libvirt's place for it.
        uid: Whose daemon to look for: root's is that of the host. By default one's own.

    Raises:
        InvalidArg: The URI is malformed, or there is none.
        ConfSyntax: *file* is malformed.
    """
    if isinstance(uri, ConnectURI):
        return uri
    uid = os.geteuid() if uid is None else uid
    place = file or settings_file(uid)
    if uri is None:
        uri = os.environ.get("LIBVIRT_DEFAULT_URI") or _text(place, "uri_default")
        return ConnectURI.parse(uri) if uri else _of_this_host(uid)
    if _ALIAS.fullmatch(uri):
        return ConnectURI.parse(_aliases(place).get(uri, uri))
    return ConnectURI.parse(uri)


def _text(place: Path, key: str) -> str | None:
    value = read_settings(place).get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(place, key, "a text", value)
    return value


def _aliases(place: Path) -> dict[str, str]:
    entries = read_settings(place).get("uri_aliases", [])
    if not isinstance(entries, list):
        raise _wrong(place, "uri_aliases", "a list of 'NAME=URI'", entries)
    found: dict[str, str] = {}
    for entry in entries:
        name, sign, text = str(entry).partition("=")
        if not sign or not _ALIAS.fullmatch(name):
            raise _wrong(place, "uri_aliases", "a list of 'NAME=URI'", entry)
        found.setdefault(name, text)
    return found


def _wrong(place: Path, key: str, wanted: str, value: Setting) -> ConfSyntax:
    return ConfSyntax(f"{place}: {key} must be {wanted}, not {value!r}", domain=ErrorDomain.CONF)


def _of_this_host(uid: int) -> ConnectURI:
    """The first driver whose daemon is there, or would be started; QEMU's before all others."""
    path = "/system" if uid == 0 else "/session"
    for scheme in _PROBED:
        uri = ConnectURI(scheme, path=path)
        own = ConnectURI(scheme, path=path, params={"mode": "direct"})
        if os.path.exists(unix_socket(own, readonly=False)):
            return uri
    uri = ConnectURI("qemu", path=path)
    if os.path.exists(unix_socket(uri, readonly=False)) or _can_be_started(uri, uid):
        return uri
    raise InvalidArg(
        f"no connection URI was given, and no daemon serves '{uri}'",
        remedy="give one, such as 'qemu:///embed?root=DIR', or set LIBVIRT_DEFAULT_URI",
    )


def _can_be_started(uri: ConnectURI, uid: int) -> bool:
    if not starts_on_demand(uri, uid):
        return False
    from virloom.client.session_daemon import find_program

    try:
        find_program(session_programs(uri))
    except InternalError:
        return False
    return True
