# SPDX-License-Identifier: Apache-2.0
"""The host's network as bindings reach it: the one place that knows in which one they are."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from virloom.drivers.nwfilter.rules.loading import Loader
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.host.process import Completed, run
from virloom.host.programs import program_path

_PATIENCE = 30.0  # seconds


class FilterHost:
    """Gives the kernel rules, and knows links.

    Args:
        prefix: What the command lines of programs begin with, to run them elsewhere.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = list(prefix)
        self._loader = Loader(self._run)

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
        return await run([*self._prefix, program, *argv[1:]], input=text, timeout=_PATIENCE)

    @staticmethod
    def index_of(link: str) -> int | None:
        """The kernel's number of a link; None where there is no such link."""
        try:
            return socket.if_nametoindex(link)
        except OSError:
            return None
