# SPDX-License-Identifier: Apache-2.0
"""Who is calling."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import NamedTuple


class Identity(NamedTuple):
    """The caller as a driver sees it beside every call's arguments.

    A field that the transport cannot tell is None: a TCP client has no uid, a local one no
    TLS name. ``readonly`` connections may only call what the read-only table allows. A ``trusted``
    caller is a driver of another daemon of ours, or of this process, that asks on its own behalf.
    """

    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    sasl_user: str | None = None
    tls_name: str | None = None
    readonly: bool = False
    trusted: bool = False

    @classmethod
    def of_this_process(cls, *, readonly: bool = False, trusted: bool = False) -> Identity:
        """The identity of an application that runs a driver in its own process.

        Args:
            trusted: It is the driver itself that asks.
        """
        uid, gid, pid = os.geteuid(), os.getegid(), os.getpid()
        return cls(uid=uid, gid=gid, pid=pid, readonly=readonly, trusted=trusted)


#: Whom the call is served for that is being served; a task that it starts goes on for the same.
CALLER: ContextVar[Identity | None] = ContextVar("CALLER", default=None)


def caller_text() -> str:
    """Who asked for what is being done, for a person; empty where nobody did."""
    caller = CALLER.get()
    if caller is None:
        return ""
    known = {
        "uid": caller.uid,
        "pid": caller.pid,
        "SASL user": caller.sasl_user,
        "certificate": caller.tls_name,
    }
    words = [f"{name} {value}" for name, value in known.items() if value is not None]
    return ", for " + (", ".join(words) or "somebody unknown")
