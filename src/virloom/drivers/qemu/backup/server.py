# SPDX-License-Identifier: Apache-2.0
"""The NBD server of a backup that is pulled, with its certificates."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from virloom.drivers.qemu.backup.state import RunningBackup, hold_file, keep, let_file
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.monitor.commands.backup import (
    block_export_add,
    export_id,
    nbd_server_start,
    query_exports,
)
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError
from virloom.host.files import Directory

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: As libvirt's QEMU makes it: its group may connect.
_SOCKET_MODE = 0o775
#: Clients that may wait to be let in.
_BACKLOG = 16
#: QEMU's name of the socket that it is given.
_LISTENER = "virloom-backup"

#: QEMU's name of the certificates.
_TLS = "objlibvirt_backup_tls0"


async def start_server(driver: QemuDriver, running: RunningGuest, backup: RunningBackup) -> None:
    """Has QEMU listen; nothing can be read yet.

    Raises:
        InternalError: It cannot listen there, or there are no certificates.
    """
    server = backup.model.server
    assert server is not None
    credentials = None
    if server.tls:
        backup.tls = True
        keep(running, backup)
        await running.execute("object-add", certificates(driver))
        credentials = _TLS
    address: dict[str, object]
    if server.socket is None:
        address = {"type": "inet", "data": {"host": server.name, "port": server.port}}
    else:
        hold_file(running, server.socket)
        running.save()
        address = await _lend_socket(running, server.socket)
    try:
        await nbd_server_start(running, address, credentials)
    except VirloomError:
        if server.socket is not None:
            await take_back(running, [("closefd", {"fdname": _LISTENER})])
        raise
    reached("backup-listening")


async def _lend_socket(running: RunningGuest, path: str) -> dict[str, object]:
    """Listens on a path, which QEMU may not be allowed to reach, and hands QEMU the socket.

    Raises:
        SystemFailure: It cannot be bound.
        InternalError: Something else is there.
    """
    directory, name = os.path.split(path)
    if _is_other(path):
        raise InternalError(f"'{path}' is there, and is no socket", domain=ErrorDomain.QEMU)
    with (
        Directory(directory or "/") as opened,
        opened.listen_unix(name, _SOCKET_MODE, _BACKLOG) as listener,
    ):
        monitor = running.require_monitor()
        await monitor.execute("getfd", {"fdname": _LISTENER}, fds=[listener.fileno()])
    return {"type": "fd", "data": {"str": _LISTENER}}


def _is_other(path: str) -> bool:
    """Whether something is there that is no socket, and is not to be replaced by one."""
    try:
        return not stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def certificates(driver: QemuDriver) -> dict[str, object]:
    """QEMU's object of the certificates that ``qemu.conf`` names.

    Clients have to show one of their own, unless it says otherwise.
    """
    config, usual = driver.config, driver.directories.certificates
    own = usual.parent / "libvirt-backup"
    directory = config.backup_tls_x509_cert_dir or config.default_tls_x509_cert_dir
    if not directory:
        directory = str(own if own.is_dir() else usual)
    verify = config.backup_tls_x509_verify
    if verify is None:
        verify = config.default_tls_x509_verify
    return {
        "qom-type": "tls-creds-x509",
        "id": _TLS,
        "dir": directory,
        "endpoint": "server",
        "verify-peer": verify is not False,
    }


async def show_images(running: RunningGuest, backup: RunningBackup) -> None:
    """Lets clients read what is backed up; what they can read already stays.

    Raises:
        InternalError: QEMU refuses.
    """
    present = await query_exports(running)
    for part in backup.parts:
        if export_id(part.node) in present:
            continue
        disk = backup.disk(part)
        bitmap = disk.export_bitmap if disk.incremental else None
        await block_export_add(running, part.node, disk.export_name or part.target, bitmap)
    reached("backup-exported")


async def stop_server(running: RunningGuest, backup: RunningBackup) -> None:
    """Hangs up on every client, and listens no longer; it may be done twice."""
    server = backup.model.server
    if server is None:
        return
    commands: list[tuple[str, dict[str, object]]] = [("nbd-server-stop", {})]
    if backup.tls:
        commands.append(("object-del", {"id": _TLS}))
    await take_back(running, commands)
    if server.socket is not None:
        try:
            os.unlink(server.socket)
        except FileNotFoundError:
            pass  # QEMU has removed it
        except OSError as exc:
            raise InternalError(f"cannot remove '{server.socket}': {exc}") from exc
        let_file(running, server.socket)
