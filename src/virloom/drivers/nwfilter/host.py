# SPDX-License-Identifier: Apache-2.0
"""The host's network as bindings reach it: the one place that knows in which one they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from virloom.drivers.nwfilter.rules.loading import Loader
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.host import links
from virloom.host.process import Completed, run
from virloom.host.programs import program_path

_PATIENCE = 30.0  # seconds


class FilterHost:
    """Gives the kernel rules, and knows links: of this process's own network."""

    def __init__(self) -> None:
        self._loader = Loader(self._run)

    def prefix(self) -> list[str]:
        """What the command lines of programs begin with that are to run in that network."""
        return []

    def entered(self) -> AbstractContextManager[None]:
        """What is opened while the block runs is of that network."""
        return nullcontext()

    async def load(self, transaction: Transaction) -> None:
        """Gives the kernel the rules of ports: all of them, or none where it raises.

        Raises:
            InternalError: A program does not take its part (libvirt's code), or is missing.
            OperationFailed: nft is not installed.
            OperationTimeout: It took too long; what it has done is then not known.
            SystemFailure: It cannot be started.
        """
        try:
            await self._loader.load(transaction)
        except FileNotFoundError as exc:
            raise OperationFailed(
                f"filters need {exc.filename}, which is not installed",
                domain=ErrorDomain.FIREWALL,
                remedy="install nftables",
            ) from exc

    async def _run(self, argv: Sequence[str], text: bytes) -> Completed:
        program = program_path(argv[0])
        if program is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        return await run([*self.prefix(), program, *argv[1:]], input=text, timeout=_PATIENCE)

    def index_of(self, link: str) -> int | None:
        """The kernel's number of a link; None where there is no such link."""
        try:
            return links.index_of(link)
        except OSError:
            return None
