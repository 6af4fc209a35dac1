# SPDX-License-Identifier: Apache-2.0
"""Sees to it that active networks keep what they have: rules, links, and their dnsmasq.

What has gone is put back at once; what cannot be put back, or goes again soon, is tried again
after pauses that become longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from virloom.drivers.network.activation import Activation
from virloom.drivers.network.announcements import LINKS, TABLES, Announcements, Group
from virloom.drivers.network.network import VirtualNetwork
from virloom.errors import VirloomError
from virloom.host.pidfd import PidFd

logger = logging.getLogger(__name__)

#: Seconds that a dnsmasq has to live for the next one to be started at once when it ends.
_LIVES = 10.0
#: The shortest and the longest pause, in seconds.
_FIRST, _LAST = 1.0, 60.0


class _Attention:
    """What is known of one network.

    Attributes:
        held: Its dnsmasq.
        since: When that was seen first, in the loop's time.
        pause: Seconds before the last attempt.
        later: The next attempt.
    """

    def __init__(self) -> None:
        self.held: PidFd | None = None
        self.since = 0.0
        self.pause = 0.0
        self.later: asyncio.TimerHandle | None = None

    def longer(self) -> float:
        """The next pause."""
        self.pause = min(max(_FIRST, 2 * self.pause), _LAST)
        return self.pause

    def close(self) -> None:
        """Lets go."""
        if self.held is not None:
            self.held.close()
            self.held = None
        if self.later is not None:
            self.later.cancel()
            self.later = None


class NetworkGuard:
    """Watches the active networks.

    Args:
        networks: All there are.
        activation: What they are on this host.
        mend: Puts back what a network has lost; says whether it has all again.
    """

    def __init__(
        self,
        networks: Iterable[VirtualNetwork],
        activation: Activation,
        mend: Callable[[VirtualNetwork], Awaitable[bool]],
    ) -> None:
        self._networks = networks
        self._activation = activation
        self._mend = mend
        self._heard: list[Announcements] = []
        self._attention: dict[VirtualNetwork, _Attention] = {}
        self._mending: dict[VirtualNetwork, asyncio.Task[None]] = {}
        self._again: set[VirtualNetwork] = set()
        self._closed = False

    def open(self) -> None:
        """Begins to listen, unless it does; who may not simply does not."""
        if self._heard:
            return
        self._listen(TABLES, self._lost_tables)
        self._listen(LINKS, self._lost_links)

    def _listen(self, group: Group, lost: Callable[[set[str | int] | None], None]) -> None:
        try:
            with self._activation.host.entered():
                self._heard.append(Announcements(group, lost))
        except OSError as exc:
            logger.info("what somebody takes from networks is not put back at once: %s", exc)

    def attend(self, network: VirtualNetwork) -> None:
        """Watches the dnsmasq that the network has now."""
        attention = self._attention.setdefault(network, _Attention())
        process = self._activation.server(network.live) if network.live is not None else None
        if attention.held is not None:
            if process == attention.held.identity:
                return
            attention.held.close()
            attention.held = None
        if process is None:
            return
        attention.since = asyncio.get_running_loop().time()
        try:
            attention.held = PidFd.open(process)
        except ProcessLookupError:
            self._ended(network)
            return
        attention.held.on_exit(lambda: self._ended(network))

    def forget(self, network: VirtualNetwork) -> None:
        """The network is not active any more."""
        attention = self._attention.pop(network, None)
        if attention is not None:
            attention.close()

    def check(self) -> None:
        """Puts back what has gone unheard: iptables' own tables tell nobody of their losses."""
        for network in self._networks:
            self._look(network)

    async def close(self) -> None:
        """Watches no more; what is being put back still is."""
        self._closed = True
        for heard in self._heard:
            heard.close()
        self._heard.clear()
        for network in list(self._attention):
            self.forget(network)
        if self._mending:
            await asyncio.wait(self._mending.values())

    # -- what is heard -------------------------------------------------------------------------

    def _lost_tables(self, names: set[str | int] | None) -> None:
        for network in self._networks:
            live = network.live
            if live is not None and (names is None or names & self._activation.tables(live)):
                self._look(network)

    def _lost_links(self, indices: set[str | int] | None) -> None:
        for network in self._networks:
            if indices is None or network.bridge in indices:
                self._look(network)

    def _ended(self, network: VirtualNetwork) -> None:
        """Its dnsmasq has; also when it is stopped, or another takes its place."""
        attention = self._attention.get(network)
        if attention is None:
            return
        if attention.held is not None:
            attention.held.close()
            attention.held = None
        if asyncio.get_running_loop().time() - attention.since >= _LIVES:
            attention.pause = 0.0
            self._look(network)
        else:
            self._look_later(network)

    # -- what is done --------------------------------------------------------------------------

    def _look_later(self, network: VirtualNetwork) -> None:
        attention = self._attention.get(network)
        if attention is not None and attention.later is None and not self._closed:
            loop = asyncio.get_running_loop()
            attention.later = loop.call_later(attention.longer(), self._look, network)

    def _look(self, network: VirtualNetwork) -> None:
        attention = self._attention.get(network)
        if attention is not None and attention.later is not None:
            attention.later.cancel()
            attention.later = None
        if network.live is None or self._closed:
            return
        if network in self._mending:  # which may have looked already at what has gone now
            self._again.add(network)
            return
        self._mending[network] = asyncio.ensure_future(self._run(network))

    async def _run(self, network: VirtualNetwork) -> None:
        try:
            whole = await self._mend(network)
        except VirloomError as exc:
            logger.error("network '%s' may have lost something: %s", network.name, exc)
            whole = False
        finally:
            del self._mending[network]
        if network in self._again:
            self._again.discard(network)
            self._look(network)
        elif not whole:
            self._look_later(network)
