# SPDX-License-Identifier: Apache-2.0
"""Sockets on the event loop, UNIX ones with descriptors and the peer's identity.

asyncio's own transports have no ``SCM_RIGHTS``, so this one reads and writes the socket itself,
by ``add_reader`` and ``add_writer``. What can be sent at once is sent without a turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from virloom.host.fdpass import OwnedFds, recv_fds, send_fds
from virloom.rpc.packet import MAX_FDS, close_fds
from virloom.transport import taking
from virloom.transport.base import (
    Head,
    OnClosed,
    OnData,
    OnPressure,
    OnTaken,
    PeerIdentity,
    Take,
    Transport,
    TransportClosed,
)
from virloom.transport.files import FileSending, threads
from virloom.transport.readers import Readers

logger = logging.getLogger(__name__)

#: What one read asks for: libvirt's first buffer is as long, and a pool block of the allocator.
READ_SIZE = 65536
#: What it asks for at most, of a peer that fills what was asked for.
_LONGEST_READ = 1 << 18
#: What the kernel is to keep of a peer that takes less than is sent, where it allows as much.
_SEND_BUFFER = 1 << 20
#: Reads of one socket before others get their turn.
_READS_A_TURN = 4

#: A plain number: an enum costs.
_NOSIGNAL = int(socket.MSG_NOSIGNAL)

_CREDENTIALS = struct.Struct("iii")  # struct ucred: pid, uid, gid (unix(7))

_SUN_PATH = 107  # bytes of a path in a socket address, without its NUL (unix(7))
#: Seconds to wait where a server's queue of connections is full.
_PATIENCE = 30

#: Errors of accept(2) that concern one peer, which left already or is not let in.
_PASSING = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO)
#: Seconds to leave a listening socket alone after others, as when descriptors are short.
_RESPITE = 0.5


class SocketTransport(Transport):
    """A transport over a connected stream socket, which it owns.

    Args:
        readers: Those with which it is read; None for one that is by itself.
    """

    def __init__(
        self, connection: socket.socket, peer: PeerIdentity, readers: Readers | None = None
    ) -> None:
        connection.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._readers = readers
        if readers is None:
            self._add_reader: Callable[[int, Callable[[], None]], object] = self._loop.add_reader
            self._remove_reader: Callable[[int], object] = self._loop.remove_reader
        else:
            self._add_reader, self._remove_reader = readers.add, readers.remove
        self._socket = connection
        self._fd = connection.fileno()
        self._passes_fds = connection.family == socket.AF_UNIX
        self._peer = peer
        self._on_data: OnData | None = None
        self._on_closed: OnClosed | None = None
        self._on_pressure: OnPressure | None = None
        self._queue: deque[tuple[memoryview, list[int]] | FileSending] = deque()
        self._unsent = 0
        self._moving: FileSending | None = None  # the socket is a thread's to send
        self._taking: taking.Taking | None = None  # ... and to receive
        self._awaiting_room = False
        self._pressed = False
        self._read_size = READ_SIZE
        self._widened = False
        self._reading = False
        self._paused = False
        self._closing = False
        self._deaf = False
        self._gone = False
        self._reason: Exception | None = None

    def start(
        self, on_data: OnData, on_closed: OnClosed, on_pressure: OnPressure | None = None
    ) -> None:
        self._on_data, self._on_closed, self._on_pressure = on_data, on_closed, on_pressure
        self._update_reader()

    def _update_reader(self) -> None:
        wanted = self._on_data is not None and not (self._paused or self._closing or self._taking)
        if wanted and not self._reading:
            self._add_reader(self._fd, self._readable)
        elif self._reading and not wanted:
            self._remove_reader(self._fd)
        self._reading = wanted

    def _readable(self) -> None:
        for _ in range(_READS_A_TURN):
            try:
                if self._passes_fds:
                    data, fds = recv_fds(self._socket, self._read_size, MAX_FDS)
                else:
                    data, fds = self._socket.recv(self._read_size), []
            except BlockingIOError:
                return
            except OSError as exc:
                # A reset is how a peer leaves that had not read all; the same to us as an end.
                self.abort(None if exc.errno == errno.ECONNRESET else exc)
                return
            if not data:
                close_fds(fds)
                self.abort()
                return
            assert self._on_data is not None
            try:
                self._on_data(data, fds)
            except Exception as exc:  # the owner cannot go on: as the contract says
                self.abort(exc)
            if len(data) < self._read_size:
                if len(data) < READ_SIZE < self._read_size:
                    self._read_size //= 2
                return
            self._read_size = min(2 * self._read_size, _LONGEST_READ)
            if not self._reading:
                return

    def take_by_thread(self, take: Take, over: OnTaken) -> bool:
        if self._on_data is None or self._closing or self._taking or not taking.place():
            return False
        self._taking = begun = taking.Taking(self._socket, take, over)
        self._update_reader()
        self._loop.run_in_executor(taking.threads(), begun.move).add_done_callback(self._taken)
        return True

    def _taken(self, moved: asyncio.Future[None]) -> None:
        """The thread leaves what comes to us again."""
        begun, self._taking = self._taking, None
        assert begun is not None
        error = moved.exception() or begun.error
        try:
            begun.over(begun.fds)
        except Exception as exc:  # as for on_data
            error = exc
        if self._gone:
            self._close_socket()
        elif isinstance(error, ConnectionResetError):
            self.abort()
        elif error is not None:
            self.abort(error if isinstance(error, Exception) else None)
        else:
            self._update_reader()

    def send(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        if self._closing:
            raise TransportClosed("the connection is closed")
        if fds and not self._passes_fds:
            raise ValueError("descriptors travel over UNIX sockets only")
        if not self._queue and not fds:
            try:
                sent = self._socket.send(data, _NOSIGNAL)
            except BlockingIOError:
                sent = 0
            except OSError:
                # What the peer sent before it left is still to be read; the end comes after it.
                self._deaf = True
                return False
            if sent == len(data):
                return True
            data = data[sent:]
            if not self._widened:
                self._widen()
        self._enqueue(data, fds)
        return False

    def _widen(self) -> None:
        """Has the kernel keep more: each turn of a peer that reads much is then a longer one."""
        self._widened = True
        with contextlib.suppress(OSError):  # then it goes on with what it has
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def _enqueue(self, data: bytes, fds: Sequence[int]) -> None:
        was_empty = not self._queue
        with OwnedFds.copies(fds) as copies:  # first: a message must not go without them
            if data:
                self._queue.append((memoryview(data), []))
            # libvirt has a byte of its own for each, in a message of its own.
            self._queue.extend((memoryview(b"\0"), [fd]) for fd in copies.release())
        self._unsent += len(data) + len(fds)
        if was_empty:
            self._go_on()
        elif self._moving is not None:
            self._moving.hurried = True
        if self._unsent > self.high_water and not self._pressed:
            self._pressed = True
            if self._on_pressure is not None:
                self._on_pressure(True)

    def _go_on(self) -> None:
        """Sends what can go, and waits for room where something is left."""
        self._flush()
        self._await_room(bool(self._queue) and self._moving is None)

    def _await_room(self, wanted: bool) -> None:
        if wanted and not self._awaiting_room:
            self._loop.add_writer(self._fd, self._writable)
        elif self._awaiting_room and not wanted:
            self._loop.remove_writer(self._fd)
        self._awaiting_room = wanted

    def _flush(self) -> None:
        """Sends what the socket takes, up to a file, which is a thread's to send."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, FileSending):
                if not head.over:
                    self._move(head)
                    return
                self._queue.popleft()
                head.close()
                continue
            view, fds = head
            try:
                sent = (
                    send_fds(self._socket, b"\0", fds)
                    if fds
                    else self._socket.send(view, socket.MSG_NOSIGNAL)
                )
            except BlockingIOError:
                return
            except OSError:
                self._deaf = True
                self._drop_queue()  # the reader will meet the end, after what is still there
                return
            self._unsent -= sent
            if sent < len(view):
                self._queue[0] = (view[sent:], [])
                continue
            self._queue.popleft()
            close_fds(fds)

    async def send_file(
        self, head: Head, most: int, descriptor: int, offset: int, length: int
    ) -> None:
        if self._closing:
            raise TransportClosed("the connection is closed")
        if not self._widened:
            self._widen()
        sending = FileSending(self._socket, head, most, descriptor, offset, length)
        self._queue.append(sending)
        if len(self._queue) == 1:
            self._go_on()
        elif self._moving is not None:
            self._moving.hurried = True
        try:
            await sending.done
        finally:
            sending.give_up()

    def _move(self, sending: FileSending) -> None:
        """Lets a thread send from a file."""
        if self._moving is None:
            self._moving = sending
            sending.hurried = len(self._queue) > 1
            self._loop.run_in_executor(threads(), sending.move).add_done_callback(self._moved)

    def _moved(self, moved: asyncio.Future[None]) -> None:
        """The thread leaves the socket to us again."""
        sending, self._moving = self._moving, None
        assert sending is not None
        error = moved.exception()
        if self._gone:
            self._close_socket()
        elif error is None and not sending.between_messages:  # the peer takes nothing for now
            self._await_room(True)
        elif error is None:
            if not sending.over:
                self._queue.rotate(-1)  # the others' turn
            self._writable()
        elif isinstance(error, OSError):
            self._deaf = True
            self._drop_queue()
            self._writable()
        else:
            self.abort(error if isinstance(error, Exception) else None)

    def _writable(self) -> None:
        self._go_on()
        if not self._queue and self._closing:
            self._end(None)
            return
        if self._pressed and self._unsent <= self.high_water // 4:
            self._pressed = False
            if self._on_pressure is not None:
                self._on_pressure(False)

    def _drop_queue(self) -> None:
        for item in self._queue:
            if isinstance(item, FileSending):
                item.close()
            else:
                close_fds(item[1])
        self._queue.clear()
        self._unsent = 0

    def hold(self, release: Callable[[], None]) -> bool:
        return self._readers is not None and self._readers.hold(release)

    def pause_reading(self) -> None:
        self._paused = True
        self._update_reader()

    def resume_reading(self) -> None:
        self._paused = False
        self._update_reader()

    @property
    def unsent(self) -> int:
        return self._unsent

    @property
    def carries_fds(self) -> bool:
        return self._passes_fds

    @property
    def carries_files(self) -> bool:
        return True

    @property
    def peer(self) -> PeerIdentity:
        return self._peer

    @property
    def deaf(self) -> bool:
        return self._deaf

    @property
    def closed(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._update_reader()
        for item in self._queue:
            if isinstance(item, FileSending):
                item.give_up()
        if self._taking is not None:
            self._taking.hurried = True
        if not self._queue:
            self._end(None)

    def abort(self, error: Exception | None = None) -> None:
        self._closing = True
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        self._reason = error
        self._update_reader()
        self._await_room(False)
        if self._moving is not None:
            self._moving.give_up()
        if self._taking is not None:
            self._taking.hurried = True
        if self._threaded:
            with contextlib.suppress(OSError):  # a peer that has gone already
                self._socket.shutdown(socket.SHUT_RDWR)  # ends the wait of the thread
        self._close_socket()

    @property
    def _threaded(self) -> bool:
        """Whether a thread has the socket."""
        return self._moving is not None or self._taking is not None

    def _close_socket(self) -> None:
        """At the end; the last thread that has it brings us here again."""
        if self._threaded:
            return
        self._drop_queue()
        self._socket.close()
        if self._on_closed is not None:
            self._loop.call_soon(self._on_closed, self._reason)


def unix_peer(connection: socket.socket) -> PeerIdentity:
    """Who connected, or who listens, by ``SO_PEERCRED``; the pid is 0 beyond our namespace."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return PeerIdentity(pid or None, uid, gid)


@contextlib.contextmanager
def _short(path: str) -> Iterator[str]:
    """A path to the same place that fits a socket address."""
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield path
        return
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)


async def connect_unix(path: str) -> SocketTransport:
    """Connects to a listening UNIX socket; the path may be longer than a socket address.

    Raises:
        OSError: As connect(2) gives it: nothing there, nobody listens, not allowed; or
            BlockingIOError where its queue was full for half a minute.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        with _short(path) as short:
            try:
                connection.connect(short)
            except BlockingIOError:
                # The queue is full, and no event tells of room: only a blocking connect waits.
                await asyncio.get_running_loop().run_in_executor(
                    None, _connect_patiently, connection, short
                )
        return SocketTransport(connection, unix_peer(connection))
    except BaseException:
        connection.close()
        raise


def _connect_patiently(connection: socket.socket, path: str) -> None:
    connection.setblocking(True)
    patience = struct.pack("ll", _PATIENCE, 0)  # struct timeval
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    connection.connect(path)


def listen_unix(path: str, mode: int = 0o600, backlog: int = 128) -> socket.socket:
    """A listening UNIX socket at *path*, in place of a dead one that lies there.

    The caller holds the lock that makes it the only one to serve here.

    Raises:
        OSError: As unlink(2), bind(2) or chmod(2) give it.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as short:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(short)
            listening.bind(short)
            os.chmod(short, mode)
        listening.listen(backlog)  # only now: nobody gets in before the mode is right
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


class Server:
    """Accepts connections on a listening socket; see :func:`serve`."""

    def __init__(
        self,
        listening: socket.socket,
        on_accept: Callable[[SocketTransport], None],
        readers: Readers | None,
    ) -> None:
        listening.setblocking(False)
        self._readers = readers
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._on_accept = on_accept
        self._paused = False
        self._respite: asyncio.TimerHandle | None = None
        self._loop.add_reader(listening.fileno(), self._acceptable)

    @property
    def socket(self) -> socket.socket:
        """The listening socket."""
        return self._listening

    def pause(self) -> None:
        """Leaves new connections in the kernel's queue, as at a limit of clients; idempotent."""
        self._paused = True
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())

    def resume(self) -> None:
        """Undoes :meth:`pause`."""
        self._paused = False
        if self._listening.fileno() >= 0:
            self._loop.add_reader(self._listening.fileno(), self._acceptable)

    def close(self, *, close_socket: bool = True) -> None:
        """Accepts no more; idempotent. The socket's file stays."""
        self.pause()
        if self._respite is not None:
            self._respite.cancel()
        if close_socket:
            self._listening.close()

    def _acceptable(self) -> None:
        try:
            connection, address = self._listening.accept()
        except BlockingIOError:
            return
        except OSError as exc:
            if exc.errno not in _PASSING:
                logger.warning("cannot accept connections for now: %s", exc.strerror)
                self._loop.remove_reader(self._listening.fileno())
                self._respite = self._loop.call_later(_RESPITE, self._after_respite)
            return
        try:
            peer = _peer_of(connection, address)
            transport = SocketTransport(connection, peer, self._readers)
        except OSError:  # it left already
            connection.close()
            return
        self._on_accept(transport)

    def _after_respite(self) -> None:
        if not self._paused:
            self.resume()


def _peer_of(connection: socket.socket, address: object) -> PeerIdentity:
    if connection.family == socket.AF_UNIX:
        return unix_peer(connection)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return PeerIdentity(address=format_address(address))


def format_address(address: object) -> str:
    """``host:port`` of an IPv4 or IPv6 socket address."""
    if not isinstance(address, tuple):
        return str(address)
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(
    listening: socket.socket,
    on_accept: Callable[[SocketTransport], None],
    readers: Readers | None = None,
) -> Server:
    """Hands every new connection of a UNIX or TCP socket to *on_accept*, which starts it.

    Args:
        readers: With which the connections are read.
    """
    return Server(listening, on_accept, readers)
