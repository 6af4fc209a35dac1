# SPDX-License-Identifier: Apache-2.0
"""Finds out the addresses of one port from what passes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from virloom.drivers.nwfilter.learning.leases import Leases
from virloom.drivers.nwfilter.learning.listener import Listener
from virloom.drivers.nwfilter.learning.packets import Kind, Message, message_of, sender_of, usable
from virloom.drivers.nwfilter.learning.sieve import frames_of_interest

logger = logging.getLogger(__name__)

#: A timer is looked at again after so many seconds: the clock may be set.
_LONGEST_WAIT = 600.0


class Learner:
    """Listens on a port until it is closed.

    With the mode ``any`` the first address that the guest shows, or is given, is its address;
    *found* gets it. With ``dhcp`` its addresses are those of its leases; *found* gets None when
    they have changed.

    Args:
        mode: ``any`` or ``dhcp``.
        link: The port.
        mac: The guest's MAC address.
        card: The key of its leases.
        leases: All leases.
        servers: Who gives leases; none are all servers.
        found: Told of addresses, on the running loop.

    Raises:
        SystemFailure: There is no such link, or this process may not listen.
    """

    def __init__(
        self,
        mode: str,
        link: str,
        mac: str,
        card: str,
        leases: Leases,
        servers: Collection[str],
        found: Callable[[str | None], None],
    ) -> None:
        self.mode = mode
        self._link = link
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._card = card
        self._leases = leases
        self._servers = frozenset(servers)
        self._found = found
        self._timer: asyncio.TimerHandle | None = None
        sieve = frames_of_interest(self._mac, any_frame=mode == "any")
        self._listener = Listener(link, sieve, self._frame)
        self._await_end()

    def close(self) -> None:
        """Stops; a second call does nothing."""
        self._listener.close()
        if self._timer is not None:
            self._timer.cancel()

    def _frame(self, frame: bytes, to_guest: bool) -> None:
        message = message_of(frame)
        if to_guest:
            if message is not None and self._is_trusted(message):
                self._given(message)
        elif self.mode == "any":
            address = sender_of(frame)
            if address is not None:
                self._show(address)
        elif message is not None:
            self._given_back(message)

    def _is_trusted(self, message: Message) -> bool:
        return (
            message.kind is Kind.ACK
            and message.hardware == self._mac
            and message.seconds is not None  # an answer to who only asks for settings has none
            and usable(message.given)
            and (not self._servers or message.sender in self._servers)
        )

    def _given(self, message: Message) -> None:
        if self.mode == "any":
            self._show(message.given)
            return
        before = self._leases.of(self._card)
        seconds = message.seconds or 0
        if not self._leases.give(self._card, message.given, seconds, message.server):
            logger.warning("link '%s' has too many leases: %s", self._link, message.given)
        self._await_end()
        self._tell_if_other_than(before)

    def _given_back(self, message: Message) -> None:
        before = self._leases.of(self._card)
        if message.kind is Kind.RELEASE:
            self._leases.end(self._card, message.client)
        elif message.kind is Kind.DECLINE:
            self._leases.end(self._card, message.requested)
        self._tell_if_other_than(before)

    def _tell_if_other_than(self, before: list[str]) -> None:
        now = self._leases.of(self._card)
        if now != before:
            logger.info("link '%s' has by DHCP: %s", self._link, ", ".join(now) or "no address")
            self._found(None)

    def _show(self, address: str) -> None:
        logger.info("link '%s' has the address %s", self._link, address)
        self._listener.close()
        self._found(address)

    def _await_end(self) -> None:
        """Sets the timer for the lease that ends first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = self._leases.next_end(self._card) if self.mode == "dhcp" else None
        if seconds is not None:
            known, loop = self._leases.of(self._card), asyncio.get_running_loop()
            # A moment later than that, for a clock that counts whole seconds.
            wait = min(seconds + 0.05, _LONGEST_WAIT)
            self._timer = loop.call_later(wait, self._look_again, known)

    def _look_again(self, before: list[str]) -> None:
        self._tell_if_other_than(before)
        self._await_end()
