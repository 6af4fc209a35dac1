# SPDX-License-Identifier: Apache-2.0
"""A driver with one sparse volume in memory, and a service for a daemon."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.stream import READ_SIZE, Hole, StreamEnd
from virloom.errors import OperationAborted, OperationFailed, VirloomError
from virloom.procedures import connect, storage
from virloom.procedures.record import Record

Part = bytes | Hole


class SparseStream(StreamEnd):
    """What a volume holds, or what comes for it."""

    def __init__(self, parts: Iterable[Part] = (), *, sparse: bool) -> None:
        self.parts: deque[Part] = deque(parts)
        self.written: list[Part] = []
        self.finished = False
        self.error: VirloomError | None = None
        self._sparse = sparse

    @property
    def sparse(self) -> bool:
        return self._sparse

    async def read(self, limit: int = READ_SIZE) -> bytes:
        part = self._take(limit, whole_holes=False)
        return bytes(part.length) if isinstance(part, Hole) else part

    async def read_sparse(self, limit: int = READ_SIZE) -> Part:
        return self._take(limit, whole_holes=True)

    def _take(self, limit: int, *, whole_holes: bool) -> Part:
        if self.error is not None:
            raise self.error
        if not self.parts:
            return b""
        head = self.parts.popleft()
        if isinstance(head, Hole):
            if not whole_holes and head.length > limit:
                self.parts.appendleft(Hole(head.length - limit))
                return Hole(limit)
            return head
        if len(head) > limit:
            self.parts.appendleft(head[limit:])
        return head[:limit]

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    async def write_hole(self, length: int) -> None:
        if not self._sparse:
            await super().write_hole(length)
        if length == 666:
            raise OperationFailed("no room for this hole")
        self.written.append(Hole(length))

    async def finish(self) -> None:
        self.finished = True

    def abort(self, reason: VirloomError | None = None) -> None:
        self.error = reason or OperationAborted("aborted")


class Volumes:
    """Handlers of the one volume there is."""

    def __init__(self, content: Iterable[Part] = ()) -> None:
        self.content = list(content)
        self.last: SparseStream | None = None

    @serves(connect.CONNECT_SUPPORTS_FEATURE)
    def feature(self, call: Call, args: Record) -> connect.ConnectSupportsFeatureRet:
        return connect.ConnectSupportsFeatureRet(1)

    @serves(storage.STORAGE_VOL_DOWNLOAD)
    def download(self, call: Call, args: storage.StorageVolDownloadArgs) -> None:
        self.last = SparseStream(self.content, sparse=call.sparse)
        call.attach_stream(self.last)

    @serves(storage.STORAGE_VOL_UPLOAD)
    def upload(self, call: Call, args: storage.StorageVolUploadArgs) -> None:
        self.last = SparseStream(sparse=call.sparse)
        call.attach_stream(self.last)


class FakeService(Service):
    """Any group of handlers, served."""

    programs = frozenset((0x20008086,))

    def __init__(self, *groups: Any) -> None:
        self._dispatcher = Dispatcher(groups)

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        return

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        return

    async def close(self) -> None:
        return
