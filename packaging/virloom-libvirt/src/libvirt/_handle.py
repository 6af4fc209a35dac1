# SPDX-License-Identifier: Apache-2.0
"""An open connection under its Python objects, which keep it open together."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from virloom.errors import NoSupport, VirloomError
from virloom.sync.portal import portal

if TYPE_CHECKING:
    from libvirt._subscriptions import Subscriptions
    from virloom.client.connection import Connection
    from virloom.endpoint.stream import StreamEnd
    from virloom.procedures.record import Procedure

T = TypeVar("T")


class Handle:
    """One connection: closed when the last object that uses it is gone, as libvirt's is."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.portal = portal()
        self.subscriptions: Subscriptions | None = None
        self._users = 0
        self._lock = threading.RLock()  # a destructor can run inside hold() of the same thread

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot pickle an open connection of libvirt, nor what belongs to it")

    def hold(self) -> None:
        """Counts a user in."""
        with self._lock:
            self._users += 1

    def drop(self, *, wait: bool) -> int:
        """Counts a user out, and closes for the last one; how many are left."""
        with self._lock:
            self._users -= 1
            left = self._users
        if left == 0:
            self._close(wait=wait)
        return left

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs *work* on the loop of the client."""
        return self.portal.run(work)

    def soon(self, action: Callable[[], object]) -> None:
        """Has the loop of the client call *action*, without waiting: for destructors.

        They run in any thread, the client's own among them.
        """
        if sys.is_finalizing():
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all that runs on it
            self.portal._loop.call_soon_threadsafe(action)

    def call(self, procedure: Procedure[Any, Any], args: Any) -> Any:
        """Calls a procedure and waits for its result.

        Raises:
            VirloomError: What the driver answered.
        """
        return self.portal.call(self.connection._link, procedure, args)

    def call_with_fds(
        self, procedure: Procedure[Any, Any], args: Any, fds: Sequence[int]
    ) -> tuple[Any, list[int]]:
        """The same with copies of *fds*; the caller closes those that come back."""
        work = self.connection._link.call_with_fds(procedure, args, fds)
        result, got = self.portal.run(work)
        return result, got.release()

    def open_stream(self, procedure: Procedure[Any, Any], args: Any) -> tuple[Any, StreamEnd]:
        """The same for a procedure with a stream."""
        return self.portal.run(self.connection._link.open_stream(procedure, args))

    def set_keepalive(self, interval: int, count: int) -> int:
        """0 when it is done, 1 when the other side does not know of it.

        Raises:
            NoSupport: There is no other side.
        """
        endpoint = self.connection._link.endpoint
        change = getattr(endpoint, "set_keepalive", None)
        if change is None:
            raise NoSupport("virConnectSetKeepAlive")
        return 0 if self.portal.run(change(interval, count)) else 1

    def _close(self, *, wait: bool) -> None:
        if self.subscriptions is not None:
            self.subscriptions.close()
        if wait:
            self.run(self.connection.close())
        elif not sys.is_finalizing():
            # From a destructor: any thread, the client's own among them, so nobody may wait.
            work = self.connection.close()
            try:
                asyncio.run_coroutine_threadsafe(work, self.portal._loop)
            except RuntimeError:  # the loop has ended: so has everything that runs on it
                work.close()


def opened(uri: str | None, *, readonly: bool) -> Handle:
    """Opens a connection.

    Raises:
        VirloomError: As :func:`virloom.open`.
    """
    from virloom.client.connection import connect

    return Handle(portal().run(connect(uri, readonly=readonly)))


def closed_already(error: VirloomError) -> bool:
    """Whether a call failed because its connection has been closed."""
    return error.code == 6
