# SPDX-License-Identifier: Apache-2.0
"""open-iscsi's program: which targets a server has, and sessions with them."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.drivers.storage.chap import Login
from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationFailed, system_failure
from virloom.host.files import write_atomic

_DOMAIN = ErrorDomain.STORAGE
#: ``tcp: [1] 127.0.0.1:3260,1 iqn.2026-11.org.example:store (non-flash)``.
_SESSION = re.compile(r"\S+: \[(\d+)\] (\S+) (\S+)")
#: iscsiadm(8), "EXIT STATUS": no records, no sessions.
_NONE_FOUND = 21
#: Where records of targets are, by the age of open-iscsi.
_RECORDS = ("/etc/iscsi/nodes", "/var/lib/iscsi/nodes")
#: The interface that open-iscsi has from the beginning.
_INTERFACE = "default"
#: Seconds that a server may take.
_PATIENCE = 180.0


class Portal(NamedTuple):
    """A target and where it is reached.

    Attributes:
        address: ``HOST:PORT``.
        target: Its name.
    """

    address: str
    target: str


async def discover(host: StorageHost, address: str, interface: str | None) -> list[Portal]:
    """The targets of a server.

    Raises:
        InternalError: It cannot be asked, with iscsiadm's words.
    """
    words = ["--mode", "discovery", "--type", "sendtargets", "--portal", f"{address},1"]
    if interface is not None:
        words += ["--interface", interface]
    lines = (await _iscsiadm(host, [*words, "--op", "nonpersistent"])).splitlines()
    found = [line.split() for line in lines if len(line.split()) >= 2]
    return [Portal(portal.rpartition(",")[0], target) for portal, target, *_ in found]


async def session(host: StorageHost, target: str) -> int | None:
    """The number of the session with a target; None where there is none.

    Raises:
        InternalError: The sessions cannot be listed.
    """
    done = await host.run(["iscsiadm", "--mode", "session"], timeout=_PATIENCE)
    if done.returncode == _NONE_FOUND:
        return None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"iSCSI's sessions cannot be listed: {said}", domain=_DOMAIN)
    for line in done.stdout.decode(errors="replace").splitlines():
        found = _SESSION.match(line)
        if found is not None and found[3] == target:
            return int(found[1])
    return None


async def interface_of(host: StorageHost, initiator: str) -> str | None:
    """open-iscsi's interface by which we are *initiator*."""
    for line in (await _iscsiadm(host, ["--mode", "iface"])).splitlines():
        name, _, rest = line.partition(" ")
        if rest.split(",")[-1].strip() == initiator:
            return name
    return None


async def make_interface(host: StorageHost, initiator: str) -> str:
    """An interface by which we are *initiator*; the one that is there, if there is one."""
    known = await interface_of(host, initiator)
    if known is not None:
        return known
    name = f"libvirt-iface-{hashlib.sha256(initiator.encode()).hexdigest()[:8]}"
    words = ["--mode", "iface", "--interface", name]
    await _iscsiadm(host, [*words, "--op", "new"])
    update = ["--op", "update", "--name", "iface.initiatorname", "--value", initiator]
    await _iscsiadm(host, [*words, *update])
    return name


async def find_interface(host: StorageHost, initiator: str) -> str:
    """The interface by which we are *initiator*.

    Raises:
        OperationFailed: There is none.
    """
    known = await interface_of(host, initiator)
    if known is None:
        raise OperationFailed(
            f"no iSCSI interface defined for IQN {initiator}", domain=ErrorDomain.NONE
        )
    return known


async def log_in(
    host: StorageHost, portal: Portal, interface: str | None, login: Login | None
) -> None:
    """Begins a session; after an error nothing of it is there.

    Args:
        interface: None for open-iscsi's own, and only that: records that others have left of the
            target are not used beside it.

    Raises:
        InternalError: The target is not there, or does not let us in; with iscsiadm's words.
        SystemFailure: The password cannot be noted for it.
    """
    words = [*_node(portal), "--interface", interface or _INTERFACE]
    try:
        await _iscsiadm(host, [*words, "--op", "new"])
        if login is not None:
            for name, value in (("authmethod", "CHAP"), ("username", login.name)):
                update = ["--op", "update", "--name", f"node.session.auth.{name}"]
                await _iscsiadm(host, [*words, *update, "--value", value])
            where = (portal, interface or _INTERFACE)
            await asyncio.to_thread(_set_password, host, *where, login.password)
        await _iscsiadm(host, [*words, "--login"])
    except BaseException:
        await forget(host, portal)
        raise


async def log_out(host: StorageHost, portal: Portal) -> None:
    """Ends the session.

    Raises:
        InternalError: iscsiadm would not, with its words.
    """
    await _iscsiadm(host, [*_node(portal), "--logout"])


async def known(host: StorageHost, portal: Portal) -> bool:
    """Whether there is a record of how to log in."""
    done = await host.run(["iscsiadm", *_node(portal)], timeout=_PATIENCE)
    return done.returncode == 0


async def forget(host: StorageHost, portal: Portal) -> None:
    """Removes the record of how to log in, with the password that may be in it."""
    await host.run(["iscsiadm", *_node(portal), "--op", "delete"], timeout=_PATIENCE)


async def rescan(host: StorageHost, number: int) -> None:
    """Has the kernel look at the target's units again.

    Raises:
        InternalError: It would not.
    """
    await _iscsiadm(host, ["--mode", "session", "-r", str(number), "-R"])


def _node(portal: Portal) -> list[str]:
    return ["--mode", "node", "--portal", f"{portal.address},1", "--targetname", portal.target]


async def _iscsiadm(host: StorageHost, words: Sequence[str]) -> str:
    return await host.output(["iscsiadm", *words], timeout=_PATIENCE)


def _set_password(host: StorageHost, portal: Portal, interface: str, password: bytes) -> None:
    """Writes it to iscsiadm's own record: on its command line every user of the host could read it.

    The record is a file, or a directory with one for each interface (open-iscsi's ``idbm.c``).
    """
    line = b"node.session.auth.password = " + password
    if "/" in portal.target:
        raise InternalError(f"'{portal.target}' cannot be the name of a target", domain=_DOMAIN)
    if b"\n" in password or b"\0" in password or len(password) > 255:
        raise InternalError("the password cannot be one of iSCSI's", domain=_DOMAIN)
    server, _, port = portal.address.rpartition(":")
    for root in _RECORDS:
        path = host.path(root) / portal.target / f"{server.strip('[]')},{port},1"
        path = path / interface if path.is_dir() else path
        if path.is_file():
            _replace(path, line)
            return
    raise InternalError(f"no record of target '{portal.target}' is found", domain=_DOMAIN)


def _replace(path: Path, line: bytes) -> None:
    name = line.split(b" = ")[0] + b" = "
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise system_failure(f"cannot read '{path}'", exc, domain=_DOMAIN) from exc
    kept = [each for each in lines if not each.startswith(name)]
    last = kept.index(b"# END RECORD") if b"# END RECORD" in kept else len(kept)
    kept.insert(last, line)
    write_atomic(path, b"\n".join(kept) + b"\n")
