# SPDX-License-Identifier: Apache-2.0
"""Which daemons of a host answer, as whom they run, and who may connect to them."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import virloom
from virloom.cli.findings.finding import Finding
from virloom.cli.findings.rights import closed_directory, group_name, obstacle, owner, who_may
from virloom.client.address import DAEMONS
from virloom.daemon.places import Places
from virloom.daemons import FAMILY
from virloom.errors import AccessDenied, AuthCancelled, AuthFailed, AuthUnavailable, VirloomError

_SCHEMES = {daemon: scheme for scheme, daemon in DAEMONS.items()}
_SUFFIXES = ("-sock", "-sock-ro", "-admin-sock")
_SECONDS = 5.0
_REFUSED = (AuthFailed, AuthCancelled, AuthUnavailable, AccessDenied)

_ASK_POLKIT = (
    "have polkit's rules allow 'org.libvirt.unix.manage', as Debian's do for the group 'libvirt'"
)

#: What begins the names of the sockets of virtproxyd and of libvirtd.
_SHARED = "libvirt"


class Peer(NamedTuple):
    """Who listens on a socket."""

    pid: int
    uid: int

    @property
    def program(self) -> str:
        """Its command, as far as it can be seen."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return "of another namespace"
        names = [os.path.basename(os.fsdecode(word)) for word in words[:2]]
        # A script is run by its interpreter, whose name says nothing.
        return names[-1] if names[0].startswith("python") and names[-1] else names[0]


async def find_daemons(places: Places, seconds: float = _SECONDS) -> list[Finding]:
    """The daemons whose sockets are in a directory, and those that should have some there.

    Args:
        places: Where the sockets are.
        seconds: What each of them gets to answer.
    """
    area = "session daemons" if places.session else "daemons"
    found = []
    for name in _expected(places.run):
        path = places.run / f"{name}-sock"
        found.append(await _daemon(area, name, path, seconds))
    return found


def find_sockets(places: Places) -> list[Finding]:
    """The sockets that are there: who may connect, and whether we may."""
    area = "session sockets" if places.session else "sockets"
    # The proxy is administered by its own name as well.
    names = [*_expected(places.run), "virtproxyd"]
    paths = [places.run / f"{name}{suffix}" for name in names for suffix in _SUFFIXES]
    return [_socket(area, path) for path in paths if os.path.exists(path)]


def _expected(directory: Path) -> list[str]:
    """What begins the names of sockets: of our family always, of others where they are."""
    family = [_SHARED if name == "virtproxyd" else name for name in FAMILY.values()]
    others = [name for name in DAEMONS.values() if name not in family]
    return [*family, *(name for name in others if os.path.exists(directory / f"{name}-sock"))]


async def _daemon(area: str, name: str, path: Path, seconds: float) -> Finding:
    shown = "libvirtd or virtproxyd" if name == _SHARED else name
    listens = _look(area, shown, name, path)
    if isinstance(listens, Finding):
        return listens
    process = f"process {listens.pid} ({listens.program}) of {owner(listens.uid)}"
    kind = "session" if area.startswith("session") else "system"
    scheme = _SCHEMES.get(name, "qemu")
    uri = f"{scheme}+unix:///{kind}?socket={quote(str(path))}"
    try:
        async with asyncio.timeout(seconds):
            return Finding(area, shown, True, f"answers as {await _version(uri)}, {process}")
    except TimeoutError:
        detail = f"{process} does not answer within {seconds:g} s"
        return Finding(area, shown, False, detail, "look at its log, or start it again")
    except _REFUSED as error:
        detail = f"{process} answers, and refuses '{owner(os.geteuid())}': {error.message}"
        return Finding(area, shown, False, detail, _ASK_POLKIT)
    except VirloomError as error:
        detail = f"{process} answers with an error: {error.message}"
        return Finding(area, shown, False, detail, "see what it says, and its log")


async def _version(uri: str) -> str:
    async with virloom.open(uri) as connection:
        version = await connection.lib_version()
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _look(area: str, shown: str, name: str, path: Path) -> Finding | Peer:
    """Who listens on a socket, or why nobody can be asked."""
    start = f"virloom daemons --only {_word_of(name)}, or start its unit"
    closed = closed_directory(path)
    if not closed and not path.exists():
        return Finding(area, shown, False, f"not running: there is no '{path}'", start)
    blocked = closed or obstacle(path)
    if blocked:
        return Finding(area, shown, False, f"not asked: {blocked}", _how_to_get_in(path))
    try:
        return _peer(path)
    except OSError as error:
        detail = f"does not run: '{path}' is left of one that did ({error.strerror})"
        return Finding(area, shown, False, detail, start)


def _word_of(name: str) -> str:
    words = {daemon: word for word, daemon in FAMILY.items()}
    return words.get("virtproxyd" if name == _SHARED else name, name)


def _peer(path: Path) -> Peer:
    """Who listens; raises OSError where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_SECONDS)
        probe.connect(str(path))
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack(
            "3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        return Peer(pid, uid)


def _socket(area: str, path: Path) -> Finding:
    status = path.stat()
    detail = f"mode {status.st_mode & 0o777:04o}, {who_may(status)} may connect"
    blocked = obstacle(path)
    if not blocked:
        return Finding(area, path.name, True, detail)
    return Finding(area, path.name, False, f"{detail}; we not: {blocked}", _how_to_get_in(path))


def _how_to_get_in(path: Path) -> str:
    """What would let this user connect."""
    try:
        status = path.stat()
    except OSError:
        return "ask root for rights on its directory"
    if status.st_mode & 0o020 and status.st_gid != 0:
        return f"join the group '{group_name(status.st_gid)}', and log in again"
    return "be root, or have 'unix_sock_group' and 'unix_sock_rw_perms' set in its configuration"
