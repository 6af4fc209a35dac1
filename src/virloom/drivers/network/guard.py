# SPDX-License-Identifier: Apache-2.0
"""Puts the rules of active networks back when somebody has flushed them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from virloom.drivers.network.activation import Activation
from virloom.drivers.network.firewall.watch import TableWatch
from virloom.drivers.network.network import VirtualNetwork
from virloom.errors import VirloomError

logger = logging.getLogger(__name__)


class RulesGuard:
    """Watches the tables of networks.

    Args:
        networks: All there are.
        activation: What gives them their rules.
    """

    def __init__(self, networks: Iterable[VirtualNetwork], activation: Activation) -> None:
        self._networks = networks
        self._activation = activation
        self._watch: TableWatch | None = None
        self._restoring: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begins to watch, unless it does; who may not simply does not."""
        if self._watch is not None:
            return
        try:
            with self._activation.host.entered():
                self._watch = TableWatch(self._lost)
        except OSError as exc:
            logger.info("rules that somebody flushes are not put back: %s", exc)

    def check(self) -> None:
        """Puts back what has gone unheard: iptables' own tables tell nobody of their losses."""
        self._lost(None)

    async def close(self) -> None:
        """Watches no more; what is being put back still is."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._restoring:
            await asyncio.wait(self._restoring)

    def _lost(self, tables: set[str] | None) -> None:
        for network in self._networks:
            if network.live is None:
                continue
            if tables is None or tables & self._activation.tables(network.live):
                task = asyncio.ensure_future(self._restore(network))
                self._restoring.add(task)
                task.add_done_callback(self._restoring.discard)

    async def _restore(self, network: VirtualNetwork) -> None:
        async with network.changing:
            if network.live is None:
                return
            try:
                await self._activation.restore_rules(network.live)
            except VirloomError as exc:
                logger.error("network '%s' has lost its rules: %s", network.name, exc)
