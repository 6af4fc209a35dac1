# SPDX-License-Identifier: Apache-2.0
"""A client of virtlogd: it speaks the log program, and nothing else."""

from __future__ import annotations

import array
import os
import socket
from pathlib import Path
from typing import Any

from tests.interop.conftest import STEP
from virloom.errors import VirloomError
from virloom.procedures import find
from virloom.procedures import log as p
from virloom.procedures.record import Procedure, Record
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Reply

GUEST = p.VirLogManagerProtocolDomain(bytes(16), "web")
Position = p.VirLogManagerProtocolLogFilePosition


class Client:
    """Speaks the log program, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(STEP)
        directory = os.open(path.parent, os.O_PATH)
        self._socket.connect(f"/proc/self/fd/{directory}/{path.name}")  # however long it is
        os.close(directory)
        self._connection = ClientConnection(find)

    def ask(self, procedure: Procedure[Any, Any], args: Record) -> tuple[Any, list[int]]:
        """The result, or the error, and the descriptors that came with it."""
        _, data = self._connection.call(procedure, args)
        self._socket.sendall(data)
        fds = array.array("i")
        while True:
            data, messages, _, _ = self._socket.recvmsg(1 << 16, 1024)
            assert data, "the daemon has hung up"
            for _, _, payload in messages:
                fds.frombytes(payload)
            for message in self._connection.receive(data, list(fds)):
                assert isinstance(message, Reply)
                return message.result, list(message.fds)

    def open(self, path: str, flags: int = 0) -> tuple[Any, list[int]]:
        args = p.VirLogManagerProtocolDomainOpenLogFileArgs("qemu", GUEST, path, flags)
        return self.ask(p.DOMAIN_OPEN_LOG_FILE, args)

    def append(self, path: str, text: str, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainAppendLogFileArgs("qemu", GUEST, path, text, flags)
        return self.ask(p.DOMAIN_APPEND_LOG_FILE, args)[0]

    def position(self, path: str, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainGetLogFilePositionArgs(path, flags)
        return self.ask(p.DOMAIN_GET_LOG_FILE_POSITION, args)[0]

    def read(self, path: str, start: Position, length: int, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainReadLogFileArgs(path, start, length, flags)
        return self.ask(p.DOMAIN_READ_LOG_FILE, args)[0]

    def close(self) -> None:
        self._socket.close()


def told(result: Any) -> str:
    """An answer without what is different each time."""
    if isinstance(result, VirloomError):
        return f"{result.code} {result.message} {result.int1}"
    if hasattr(result, "pos"):
        return f"at {result.pos.offset}"
    return str(getattr(result, "data", getattr(result, "ret", None)))
