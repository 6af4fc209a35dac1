# SPDX-License-Identifier: Apache-2.0
"""A client of virtlockd: it speaks the lock program, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.interop.log_client import Client
from virloom.errors import VirloomError
from virloom.procedures import lock as p
from virloom.procedures.record import Procedure, Record

SHARED, AUTOCREATE = 1, 2


class LockClient(Client):
    """One connection; it is nobody's until :meth:`register`."""

    def say(self, procedure: Procedure[Any, Any], args: Record) -> str:
        """The answer as text: ``ok``, or what is wrong."""
        result, fds = self.ask(procedure, args)
        assert not fds
        if isinstance(result, VirloomError):
            return f"{result.code} {result.domain} {result.message}"
        return "ok"

    def register(self, pid: int, name: str = "web", flags: int = 0, uuid: bytes = bytes(16)) -> str:
        owner = p.VirLockSpaceProtocolOwner(uuid, name, 1, pid)
        return self.say(p.REGISTER, p.VirLockSpaceProtocolRegisterArgs(owner, flags))

    def restrict(self, flags: int = 0) -> str:
        return self.say(p.RESTRICT, p.VirLockSpaceProtocolRestrictArgs(flags))

    def new(self, path: str, flags: int = 0) -> str:
        return self.say(p.NEW, p.VirLockSpaceProtocolNewArgs(path, flags))

    def space(self, path: str) -> str:
        return self.say(p.CREATE_LOCKSPACE, p.VirLockSpaceProtocolCreateLockSpaceArgs(path))

    def create(self, path: str, name: str, flags: int = 0) -> str:
        args = p.VirLockSpaceProtocolCreateResourceArgs(path, name, flags)
        return self.say(p.CREATE_RESOURCE, args)

    def delete(self, path: str, name: str, flags: int = 0) -> str:
        args = p.VirLockSpaceProtocolDeleteResourceArgs(path, name, flags)
        return self.say(p.DELETE_RESOURCE, args)

    def acquire(self, path: str, name: str, flags: int = 0) -> str:
        args = p.VirLockSpaceProtocolAcquireResourceArgs(path, name, flags)
        return self.say(p.ACQUIRE_RESOURCE, args)

    def release(self, path: str, name: str, flags: int = 0) -> str:
        args = p.VirLockSpaceProtocolReleaseResourceArgs(path, name, flags)
        return self.say(p.RELEASE_RESOURCE, args)


def owned(path: Path, pid: int | None = None) -> LockClient:
    """A connection for an owner, ourselves if nobody is named."""
    client = LockClient(path)
    assert client.register(os.getpid() if pid is None else pid) == "ok"
    return client
