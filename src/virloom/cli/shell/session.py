# SPDX-License-Identifier: Apache-2.0
"""What the commands of one run share: the connection, where their output goes, the settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.output import Output, PlainOutput
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.connection import Connection


@dataclass
class Session:
    """The state of a run; the connection is opened when a command first needs it."""

    uri: str | None = None
    readonly: bool = False
    quiet: bool = False
    timing: bool = False
    interactive: bool = False
    escape: str = "^]"
    output: Output = field(default_factory=PlainOutput)
    leaving: bool = False
    """Whether ``quit`` was called."""
    without_blank_line: bool = False
    """Whether the command that runs is one of the few after which virsh leaves no blank line."""

    _connection: Connection | None = None

    async def connection(self) -> Connection:
        """The open connection.

        Raises:
            CommandFailed: There is none to be had.
        """
        if self._connection is None or self._connection.closed:
            await self.connect(self.uri, readonly=self.readonly)
        assert self._connection is not None
        return self._connection

    async def connect(self, uri: str | None, *, readonly: bool) -> None:
        """Opens *uri* in place of the connection there was, which stays when that fails."""
        from virloom.client.connection import connect

        try:
            opened = await connect(uri or None, readonly=readonly)
        except VirloomError as error:
            raise CommandFailed("failed to connect to the hypervisor") from error
        await self.close()
        self._connection = opened
        self.uri, self.readonly = uri, readonly

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    def complain(self, text: str) -> None:
        """An error, on the error output, after what was printed before."""
        sys.stdout.flush()
        sys.stderr.write(f"error: {text}\n")
        sys.stderr.flush()
