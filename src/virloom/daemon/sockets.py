# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: made here, or handed over by systemd."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from virloom.daemon.authentication import Authentication
from virloom.daemon.config import DaemonConfig
from virloom.daemon.handover import Handed
from virloom.daemon.proxy_user import ProxyUser
from virloom.daemon.spec import DaemonSpec
from virloom.errors import system_failure
from virloom.transport.unix import listen_unix


class Listening(NamedTuple):
    """A socket that clients connect to."""

    socket: socket.socket
    readonly: bool
    path: Path | None
    """What to remove at the end; None where systemd keeps it."""
    admin: bool = False
    """It is for administration."""


def activated(
    spec: DaemonSpec, handed: Sequence[Handed], directory: Path
) -> tuple[list[Listening], dict[str, int]]:
    """Listening sockets that were handed over, told apart by their paths; and what else was.

    Those that bear the name of their own path are from an earlier process, and ours to remove.
    """
    found, others = [], {}
    for name, fd in handed:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            others[name] = fd
            continue
        listening = socket.socket(fileno=fd)
        listening.setblocking(False)
        own_name = os.path.basename(str(listening.getsockname()))
        path = directory / own_name if name == own_name else None
        readonly, admin = own_name == spec.readonly_socket, own_name in spec.admin_sockets
        found.append(Listening(listening, readonly, path, admin))
    return found, others


def own(
    spec: DaemonSpec,
    config: DaemonConfig,
    authentication: Authentication,
    directory: Path,
    proxy: ProxyUser | None = None,
) -> list[Listening]:
    """The daemon's own sockets in *directory*, with owner and modes as configured.

    The caller is the only daemon of this kind here.

    Args:
        proxy: Who is to connect besides; where no group is configured, the sockets are its
            group's.

    Raises:
        SystemFailure: One cannot be made.
    """
    made = []
    proxy = proxy if spec.is_relayed_to else None
    group = config.unix_sock_group or (proxy.gid if proxy is not None else None)
    writers = config.mode_for_writers(
        authenticated=authentication.write is not None,
        grouped=proxy is not None and not config.unix_sock_group,
    )
    wanted = [
        (spec.socket, writers, False),
        (spec.readonly_socket, config.unix_sock_ro_perms, True),
        *((name, config.unix_sock_admin_perms, False) for name in spec.admin_sockets),
    ]
    for name, perms, readonly in wanted:
        if readonly and not spec.reads:
            continue
        path = directory / name
        try:
            listening = listen_unix(str(path), 0o600)
            admin = name in spec.admin_sockets
            made.append(Listening(listening, readonly, path, admin))
            if group is not None and not admin:
                _give_to(path, group)
            path.chmod(int(perms, 8))
        except (OSError, LookupError) as exc:
            release(made)
            cause = exc if isinstance(exc, OSError) else OSError(22, str(exc))
            raise system_failure(f"cannot listen on '{path}'", cause) from exc
    return made


def _give_to(path: Path, group: str | int) -> None:
    import grp

    os.chown(path, -1, grp.getgrnam(group).gr_gid if isinstance(group, str) else group)


def release(sockets: list[Listening]) -> None:
    """Closes sockets, and removes the files of our own ones, where that is still allowed."""
    for entry in sockets:
        entry.socket.close()
        if entry.path is not None:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                entry.path.unlink()
