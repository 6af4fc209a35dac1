# SPDX-License-Identifier: Apache-2.0
"""Events on their way to subscribers: one registration per topic, a bounded queue per iterator."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, Protocol, Self, TypeVar

from virloom.client.link import Link
from virloom.client.value import Value
from virloom.errors import InvalidConn, VirloomError
from virloom.procedures.record import Procedure, Record, Void

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Events that wait for one subscriber before it is told of a gap.
QUEUE_SIZE = 1000

#: Events that came before the answer to their own registration; far more than can be.
_EARLY = 10_000


class EventGap(Value):
    """This many events were lost here: the subscriber took them slower than they came."""

    lost: int


class Topic(ABC):
    """What can be registered for; equal topics share one registration."""

    #: The area of the procedures that bring its events: each counts its callbacks by itself.
    area: str

    @abstractmethod
    def key(self) -> Hashable:
        """What makes two topics the same."""

    @abstractmethod
    async def register(self, link: Link) -> int:
        """Registers with the driver; returns the callback id."""

    @abstractmethod
    async def deregister(self, link: Link, callback_id: int) -> None:
        """Takes the registration back."""

    @abstractmethod
    def decode(self, message: Any) -> Any:
        """The event of a message."""


class Sink(Protocol):
    """Who gets the events of a topic."""

    def put(self, event: Any) -> None:
        """Takes an event without waiting."""

    def end(self, reason: VirloomError | None) -> None:
        """No more will come."""


class Queue:
    """A bounded queue from the connection's loop to one reader on any loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Any] = deque()
        self._lost = 0
        self._ended = False
        self._reason: VirloomError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lock = threading.Lock()

    def put(self, event: Any) -> None:
        """Takes an event; counts it as lost when the queue is full."""
        with self._lock:
            if self._ended:
                return
            if len(self._items) >= self._size:
                self._lost += 1
                return
            self._tell_gap()
            self._items.append(event)
            self._wake()

    def end(self, reason: VirloomError | None) -> None:
        """Ends the queue once what is in it has been read."""
        with self._lock:
            if not self._ended:
                self._ended, self._reason = True, reason
                self._wake()

    async def get(self) -> Any:
        """The next event or gap.

        Raises:
            StopAsyncIteration: It has ended, and all is read.
            VirloomError: The same, because of this.
        """
        while True:
            with self._lock:
                if not self._items:
                    self._tell_gap()
                if self._items:
                    return self._items.popleft()
                if self._ended:
                    raise self._reason or StopAsyncIteration
                if self._waiter is None or self._waiter.done():
                    self._waiter = asyncio.get_running_loop().create_future()
                waiter = self._waiter
            await asyncio.shield(waiter)

    def _tell_gap(self) -> None:
        if self._lost:
            self._items.append(EventGap(self._lost))
            self._lost = 0

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            _call_on(waiter.get_loop(), _resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    """Calls *function* on *loop*: now when this is it, else soon; not when it is closed."""
    if asyncio._get_running_loop() is loop:
        function(*args)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)


class _Channel:
    """One topic's registration and its sinks. Lives on the connection's loop only."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.sinks: dict[int, Sink] = {}
        self.registered: asyncio.Task[None] | None = None
        self.callback_id: int | None = None

    def deliver(self, message: Record) -> None:
        """Passes an event to every sink."""
        event = self.topic.decode(message)
        for sink in list(self.sinks.values()):
            sink.put(event)


class EventHub:
    """All event registrations of a connection.

    Everything here runs on the loop that opened the connection; :meth:`subscribe` and
    :meth:`unsubscribe` may be awaited on any.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._channels: dict[Hashable, _Channel] = {}
        self._by_callback: dict[tuple[str, int], _Channel] = {}
        self._early: deque[tuple[tuple[str, int], Record]] = deque(maxlen=_EARLY)
        self._registering = 0
        self._tasks: set[asyncio.Task[None]] = set()
        link.endpoint.on_event = self._arrived

    async def subscribe(self, topics: list[Topic], sink: Sink, *, partly: bool = False) -> None:
        """Registers for all *topics*, as far as not done already; *sink* gets their events.

        Args:
            partly: What the driver refuses is left out, unless that is everything.

        Raises:
            VirloomError: A registration failed; none is kept.
        """
        await self._on_loop(lambda: self._subscribe(topics, sink, partly=partly))

    async def unsubscribe(self, topics: list[Topic], sink: Sink) -> None:
        """The reverse; returns once the driver knows."""
        await self._on_loop(lambda: self._unsubscribe(topics, sink))

    def forget(self, topics: list[Topic], sink: Sink) -> None:
        """Like :meth:`unsubscribe` without waiting; from any thread."""
        _call_on(self._loop, self._drop_all, topics, sink)

    def end(self, reason: VirloomError | None) -> None:
        """The connection is closed: every sink hears it. From any thread."""
        if self._loop.is_running():
            _call_on(self._loop, self._end, reason)
        else:
            self._end(reason)

    async def settle(self) -> None:
        """Waits for registrations under way; they fail soon once the connection is closed."""
        if self._loop.is_running():
            await self._on_loop(self._settle)

    def _end(self, reason: VirloomError | None) -> None:
        channels = list(self._channels.values())
        self._channels.clear()
        self._by_callback.clear()
        for channel in channels:
            for sink in channel.sinks.values():
                sink.end(reason)
            channel.sinks.clear()

    async def _settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _on_loop(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if asyncio.get_running_loop() is self._loop:
            await work()
        elif not self._loop.is_running():
            raise InvalidConn("the event loop that opened the connection has ended")
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))

    async def _subscribe(self, topics: list[Topic], sink: Sink, *, partly: bool) -> None:
        if self._link.closed:
            raise InvalidConn("events: the connection is closed")
        waits = [self._join(topic, sink) for topic in topics]
        refused = 0
        try:
            for wait in waits:
                try:
                    await asyncio.shield(wait)
                except VirloomError:
                    refused += 1
                    if not partly or refused == len(waits) or self._link.closed:
                        raise
        except BaseException:
            self._drop_all(topics, sink)
            raise

    async def _unsubscribe(self, topics: list[Topic], sink: Sink) -> None:
        leaving = self._drop_all(topics, sink)
        if leaving:
            await asyncio.wait(leaving)

    def _join(self, topic: Topic, sink: Sink) -> asyncio.Task[None]:
        channel = self._channels.get(topic.key())
        if channel is None:
            channel = self._channels[topic.key()] = _Channel(topic)
            self._registering += 1
            channel.registered = self._start(self._register(channel))
        channel.sinks[id(sink)] = sink
        assert channel.registered is not None
        return channel.registered

    async def _register(self, channel: _Channel) -> None:
        try:
            callback_id = await channel.topic.register(self._link)
            channel.callback_id = callback_id
            self._by_callback[channel.topic.area, callback_id] = channel
        except BaseException:
            if self._channels.get(channel.topic.key()) is channel:
                del self._channels[channel.topic.key()]
            raise
        finally:
            self._registering -= 1
            self._deliver_early()

    def _deliver_early(self) -> None:
        """Events can overtake the answer to their registration; those waited here."""
        early = list(self._early)
        self._early.clear()
        for key, message in early:
            channel = self._by_callback.get(key)
            if channel is not None:
                channel.deliver(message)
            elif self._registering:
                self._early.append((key, message))

    def _drop_all(self, topics: list[Topic], sink: Sink) -> list[asyncio.Task[None]]:
        """Takes *sink* off the topics; what ends the registrations of those left alone."""
        leaving = []
        for topic in topics:
            channel = self._channels.get(topic.key())
            if channel is None or channel.sinks.pop(id(sink), None) is None or channel.sinks:
                continue
            # A newcomer gets a registration of its own from here on.
            del self._channels[topic.key()]
            leaving.append(self._start(self._deregister(channel)))
        return leaving

    async def _deregister(self, channel: _Channel) -> None:
        assert channel.registered is not None
        await asyncio.wait([channel.registered])
        if channel.callback_id is None:
            return
        self._by_callback.pop((channel.topic.area, channel.callback_id), None)
        if self._link.closed:
            return
        try:
            await channel.topic.deregister(self._link, channel.callback_id)
        except VirloomError as exc:
            logger.debug("cannot deregister from %r: %s", channel.topic.key(), exc)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever awaits it; a cancelled subscriber does not

    def _arrived(self, procedure: Procedure[Any, Void], message: Any) -> None:
        callback_id = getattr(message, "callback_id", None)
        if callback_id is None:
            logger.debug("an event without a callback id: %s", procedure.name)
            return
        key = (procedure.area, callback_id)
        channel = self._by_callback.get(key)
        if channel is not None:
            channel.deliver(message)
        elif self._registering:
            self._early.append((key, message))


class EventStream(Generic[T]):
    """Events as an async iterator, from the moment it is entered (or first iterated).

    ``async with conn.events(...) as events:`` registers at once, so that nothing is missed between
    then and the first look; a plain ``async for`` registers with its first step. A slow reader
    gets an :class:`EventGap` where events were lost. When the connection is closed the iteration
    ends, after an error with that error.
    """

    def __init__(
        self, hub: EventHub, topics: list[Topic], size: int = QUEUE_SIZE, *, partly: bool = False
    ) -> None:
        self._hub = hub
        self._partly = partly
        self._topics = topics
        self._queue = Queue(size)
        self._begun = False
        self._closed = False

    async def start(self) -> None:
        """Registers; does nothing the second time.

        Raises:
            InvalidConn: The connection is closed.
            VirloomError: The driver does not take the registration.
        """
        if self._begun or self._closed:
            return
        self._begun = True
        try:
            await self._hub.subscribe(self._topics, self._queue, partly=self._partly)
        except BaseException:
            self._begun = False
            raise

    async def close(self) -> None:
        """Ends the iteration and the registration; idempotent."""
        self._closed = True
        self._queue.end(None)
        if self._begun:
            self._begun = False
            await self._hub.unsubscribe(self._topics, self._queue)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T | EventGap:
        await self.start()
        item: T | EventGap = await self._queue.get()
        return item

    def __del__(self) -> None:
        if self._begun:  # left without close, by ``break`` for instance
            self._hub.forget(self._topics, self._queue)


class Callback:
    """A sink that calls a function on the connection's loop; what it raises is logged."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self._function = function

    def put(self, event: Any) -> None:
        """Calls the function."""
        try:
            self._function(event)
        except Exception:
            logger.exception("an event callback failed: %r", self._function)

    def end(self, reason: VirloomError | None) -> None:
        """Nothing: the owner of the connection hears of its end."""
