# SPDX-License-Identifier: Apache-2.0
"""Where a thread waits for a reply that the event loop's thread receives."""

from __future__ import annotations

import threading

from virloom.rpc.messages import Reply


class ThreadWaiter:
    """Stands where a future does, and wakes its thread directly: no task, no further turn.

    One thread waits; the loop's thread fills it, once.
    """

    def __init__(self) -> None:
        self.serial: int | None = None
        self._reply: Reply | None = None
        self._error: BaseException | None = None
        self._filled = threading.Lock()
        self._filled.acquire()

    def wait(self) -> Reply:
        """The reply.

        Raises:
            BaseException: What :meth:`set_exception` was given, or a signal's handler raises.
        """
        self._filled.acquire()
        return self.result()

    def done(self) -> bool:
        """Whether it is filled."""
        return self._reply is not None or self._error is not None

    def cancelled(self) -> bool:
        """Never: who stops waiting says so to the endpoint."""
        return False

    def set_result(self, reply: Reply) -> None:
        """Fills it with a reply."""
        self._reply = reply
        self._filled.release()

    def set_exception(self, error: BaseException) -> None:
        """Fills it with why there is none."""
        self._error = error
        self._filled.release()

    def exception(self) -> BaseException | None:
        """Why there is none."""
        return self._error

    def result(self) -> Reply:
        """What it is filled with."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame, and would hold all in a cycle
        assert self._reply is not None
        return self._reply
