# SPDX-License-Identifier: Apache-2.0
"""What a transport is, for whoever speaks the protocol over one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple


class TransportClosed(ConnectionError):
    """The transport is closed; nothing can be sent any more."""


class PeerIdentity(NamedTuple):
    """Who is at the other end, as the kernel says; None for what it does not know.

    Process, user and group are those at the time of the connect (``SO_PEERCRED``).
    """

    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    address: str | None = None
    """``host:port`` of a TCP peer."""
    certificate: str | None = None
    """The distinguished name of its certificate."""


#: The bytes and the descriptors that came; the receiver owns the descriptors from then on.
OnData = Callable[[bytes, Sequence[int]], None]
#: The reason, or None where the peer, or we ourselves, closed in order. Called once.
OnClosed = Callable[[Exception | None], None]
#: The write buffer went over its bound (True), or has room again (False).
OnPressure = Callable[[bool], None]
#: Takes bytes that came, in a thread; they hold until it returns. Whether it takes more.
Take = Callable[[memoryview], bool]
#: Nothing is taken any more; the receiver owns the descriptors that came with the last bytes.
OnTaken = Callable[[Sequence[int]], None]
#: Makes the head of a message whose payload has so many bytes.
Head = Callable[[int], bytes]


class Transport(ABC):
    """A connected byte stream on an event loop.

    Reading begins with :meth:`start`. An exception of ``on_data`` closes the transport with that
    exception as the reason. Callbacks run in the loop; ``on_closed`` never from within a method
    of the transport that its owner called.
    """

    #: Bytes in the write buffer above which ``on_pressure(True)`` is called; with a quarter of it
    #: left, ``on_pressure(False)``.
    high_water = 1 << 20

    @abstractmethod
    def start(
        self, on_data: OnData, on_closed: OnClosed, on_pressure: OnPressure | None = None
    ) -> None:
        """Begins to read; once."""

    @abstractmethod
    def send(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        """Sends *data* at once or as soon as the peer takes it; then *fds*, each with a zero byte.

        The transport makes copies of the descriptors where they have to wait; ours stay open.

        Returns:
            Whether it is known that the kernel has all of it, and nothing waits; after False
            :attr:`deaf` and :attr:`unsent` tell more.

        Raises:
            TransportClosed: It is closed.
            OSError: There can be no copy of a descriptor; nothing is sent.
            ValueError: This kind of transport carries no descriptors.
        """

    async def send_file(
        self, head: Head, most: int, descriptor: int, offset: int, length: int
    ) -> None:
        """Sends a part of a file as the payload of messages, other messages between them.

        Returns when the kernel has all of it. When it is cancelled, the message that has begun is
        sent to its end, and no further one.

        Args:
            head: Makes the head of a message from the bytes of its payload.
            most: Bytes of payload that one carries at most.
            descriptor: May be closed when this returns, or was cancelled.

        Raises:
            TransportClosed: The connection is closed; not all was sent.
            OSError: The file cannot be read, or has become shorter; zeros ended what had begun.
            ValueError: This kind of transport sends no files.
        """
        raise ValueError("this connection carries no files")

    @property
    def carries_files(self) -> bool:
        """Whether :meth:`send_file` is there, and costs less than to read and to send."""
        return False

    def take_by_thread(self, take: Take, over: OnTaken) -> bool:
        """Leaves what comes to a thread, which gives it to *take* instead of ``on_data``.

        It begins with nothing, and does so until *take* wants no more, nothing comes for some
        milliseconds, or the connection ends; also where reading is paused. Then *over* is called
        in the loop, before anything else is read, and before ``on_closed``.

        Returns:
            Whether it does. It does not where this kind of transport has no such thread, or all
            of them are busy; neither is called then.
        """
        return False

    @abstractmethod
    def pause_reading(self) -> None:
        """Leaves what comes in the kernel; idempotent."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Undoes :meth:`pause_reading`; idempotent."""

    def hold(self, release: Callable[[], None]) -> bool:
        """Has *release* called once others that are read in the same turn have had theirs.

        Returns:
            Whether it will be; not where this one is read alone, and what is to be sent can go.
        """
        return False

    @property
    @abstractmethod
    def unsent(self) -> int:
        """Bytes in the write buffer."""

    @property
    @abstractmethod
    def carries_fds(self) -> bool:
        """Whether descriptors can be sent."""

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return False

    @property
    @abstractmethod
    def peer(self) -> PeerIdentity:
        """Who is at the other end."""

    @property
    def deaf(self) -> bool:
        """Whether the peer takes nothing any more; what it said before may still be read."""
        return False

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""

    @abstractmethod
    def close(self) -> None:
        """Sends what is in the buffer, then closes; idempotent. Nothing is read any more.

        A peer that does not take it holds this up for good: its owner sets a limit and aborts.
        """

    @abstractmethod
    def abort(self, error: Exception | None = None) -> None:
        """Closes at once, for the reason *error*; unsent bytes are lost. Idempotent."""
