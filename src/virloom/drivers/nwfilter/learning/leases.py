# SPDX-License-Identifier: Apache-2.0
"""The leases of guests that have their addresses by DHCP, in libvirt's file for them.

A line is the moment of expiry (seconds since 1970, 4294967295 for never), the key of the guest's
card (``UUID-MAC``), the address, and the server's. The last line of a card and an address counts.
A lease outlives its binding: a guest that is restored goes on with the address that it had.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from virloom.errors import VirloomError
from virloom.host.files import write_atomic

logger = logging.getLogger(__name__)

NEVER = 0xFFFFFFFF
#: As many as a card may have at once: a hostile server could give it any number.
MOST = 32


class Leases:
    """The leases of all cards.

    Args:
        path: The file; it is read now.
        clock: Tells seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._cards: dict[str, dict[str, tuple[int, str]]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            expiry, card, address, server = line.split()
            IPv4Address(address), IPv4Address(server)
            self._note(card, address, int(expiry), server)
        except (ValueError, AddressValueError):
            logger.warning("'%s' has a line that is no lease: '%.80s'", self._path, line)

    def _note(self, card: str, address: str, expiry: int, server: str) -> bool:
        found = self._cards.setdefault(card, {})
        if address not in found and len(found) >= MOST:
            return False
        found[address] = (expiry, server)
        return True

    def of(self, card: str) -> list[str]:
        """The addresses that a card has now, in the order in which they came."""
        now = self._clock()
        return [
            address
            for address, (expiry, _) in self._cards.get(card, {}).items()
            if expiry == NEVER or expiry > now
        ]

    def next_end(self, card: str) -> float | None:
        """In how many seconds the first of its leases ends; None where none does."""
        now = self._clock()
        ends = [
            expiry - now
            for expiry, _ in self._cards.get(card, {}).values()
            if expiry != NEVER and expiry > now
        ]
        return min(ends, default=None)

    def give(self, card: str, address: str, seconds: int, server: str) -> bool:
        """Notes a lease, new or renewed; False where the card has too many."""
        self._forget_ended()
        expiry = NEVER if seconds == NEVER else min(int(self._clock()) + seconds, NEVER - 1)
        if not self._note(card, address, expiry, server):
            return False
        self._save()
        return True

    def end(self, card: str, address: str) -> bool:
        """Ends a lease before its time; False where there is none."""
        found = self._cards.get(card, {}).pop(address, None)
        if found is None:
            return False
        self._forget_ended()
        self._save()
        return True

    def _forget_ended(self) -> None:
        now = self._clock()
        for card, found in list(self._cards.items()):
            left = {a: one for a, one in found.items() if one[0] == NEVER or one[0] > now}
            if left:
                self._cards[card] = left
            else:
                del self._cards[card]

    def _save(self) -> None:
        """Without a file the leases still hold, for this process: that is logged."""
        lines = [
            f"{expiry} {card} {address} {server}\n"
            for card, found in self._cards.items()
            for address, (expiry, server) in found.items()
        ]
        try:
            write_atomic(self._path, "".join(lines).encode(), durable=False)
        except VirloomError as exc:
            logger.error("leases would be lost with this process: %s", exc)
