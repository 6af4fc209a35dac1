# SPDX-License-Identifier: Apache-2.0
"""Asks polkit whether a local user may use the daemon, by its own program ``pkcheck``.

One process for each connection of somebody who is not root, about ten milliseconds; no D-Bus in
a daemon that stays (``docs/design/0005-dependencies.rst``).
"""

from __future__ import annotations

import os

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    AuthCancelled,
    AuthFailed,
    AuthUnavailable,
    InternalError,
    OperationTimeout,
    VirloomError,
)
from virloom.host.process import Completed, run
from virloom.transport.base import PeerIdentity

#: libvirt's actions, for the sockets for all calls and for those that change nothing.
MANAGE, MONITOR = "org.libvirt.unix.manage", "org.libvirt.unix.monitor"

#: Seconds that a person has to type a password.
PATIENCE = 300.0

_SYSTEM_BUS = "/run/dbus/system_bus_socket"


class Polkit:
    """The authority, reached by *program*."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def authorize(self, peer: PeerIdentity, started: int | None, action: str) -> None:
        """Returns if *peer* may do *action*; its user may be asked for a password.

        Args:
            started: When its process did (:func:`~virloom.host.identity.start_time`), so that
                another one with its pid is not taken for it.

        Raises:
            AuthFailed: Policy denies it, or the process is not known.
            AuthUnavailable: Somebody would have to be asked, and nobody can be.
            AuthCancelled: Somebody was asked, and did not want to.
            InternalError: polkit does not answer.
        """
        if not peer.pid or peer.uid is None or started is None:
            raise AuthFailed("the client's process is not known", domain=ErrorDomain.POLKIT)
        subject = f"{peer.pid},{started},{peer.uid}"
        argv = [self._program, "--action-id", action, "--process", subject, "-u"]
        try:
            done = await run(argv, timeout=PATIENCE, limit=65536)
        except OperationTimeout as exc:
            raise AuthCancelled("nobody answered in time", domain=ErrorDomain.POLKIT) from exc
        error = refusal(done, action)
        if error is not None:
            raise error


def refusal(done: Completed, action: str) -> VirloomError | None:
    """What the end of ``pkcheck`` means (its exit codes: pkcheck(1)); None: authorized."""
    match done.returncode:
        case 0:
            return None
        case 1:
            return AuthFailed("access denied by policy", domain=ErrorDomain.POLKIT)
        case 2:
            return AuthUnavailable(
                f"no polkit agent available to authenticate action '{action}'",
                domain=ErrorDomain.POLKIT,
            )
        case 3:
            return AuthCancelled("user cancelled authentication process", domain=ErrorDomain.POLKIT)
        case code:
            words = done.stderr.decode(errors="replace").strip() or f"pkcheck ended with {code}"
            return InternalError(words, domain=ErrorDomain.POLKIT)


def find_polkit() -> Polkit | None:
    """The authority, if its program is installed."""
    for directory in ("/usr/bin", "/bin", "/usr/local/bin"):
        program = f"{directory}/pkcheck"
        if os.access(program, os.X_OK):
            return Polkit(program)
    return None


def has_system_bus() -> bool:
    """Whether there is a bus on which polkit can be."""
    return bool(os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")) or os.path.exists(_SYSTEM_BUS)
