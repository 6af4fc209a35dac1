# SPDX-License-Identifier: Apache-2.0
"""Talks with a tiny guest over its console."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

from virloom.errors import OperationFailed, OperationTimeout
from virloom.testing.guest import READY_PATTERN

BOOT_SECONDS = 60.0
"""An emulated guest boots in two seconds, and much later when the machine is busy."""

ANSWER_SECONDS = 30.0


class Console(Protocol):
    """What a dialogue needs of a console stream."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Sends all of *data*."""


class Dialogue:
    """What a guest says and is told, in turns.

    Attributes:
        transcript: Everything the guest said so far.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._read_up_to = 0
        self._asked = 0
        self.transcript = bytearray()

    async def expect(
        self, pattern: bytes | re.Pattern[bytes], seconds: float = ANSWER_SECONDS
    ) -> re.Match[bytes]:
        """Wait for *pattern* in what the guest says from here on; what follows stays unread.

        Raises:
            OperationTimeout: It did not come in time; the message ends with the last words.
            OperationFailed: The console ended before.
        """
        try:
            async with asyncio.timeout(seconds):
                while not (match := re.compile(pattern).search(self.transcript, self._read_up_to)):
                    await self._hear(pattern)
        except TimeoutError:
            raise OperationTimeout(self._failure(pattern, f"in {seconds:g} seconds")) from None
        self._read_up_to = match.end()
        return match

    async def ready(self, seconds: float = BOOT_SECONDS) -> str:
        """Wait until the guest reads lines; its boot id, which another boot would change."""
        match = await self.expect(READY_PATTERN, seconds)
        await self.expect(rb"\n# ")
        return match[1].decode()

    async def tell(self, line: str) -> None:
        """Have the guest run *line*, without waiting for anything."""
        await self._console.write(line.encode() + b"\n")

    async def ask(self, line: str, seconds: float = ANSWER_SECONDS) -> str:
        """What *line* prints in the guest."""
        self._asked += 1
        begin, end = f"{self._asked}-begin", f"{self._asked}-end"
        # Split by quotes, the marks are not found in the echo of the line itself.
        await self.tell(f"echo '<'{begin}'>'; {line}; echo '<'{end}'>'")
        pattern = rf"<{begin}>\r?\n(.*?)<{end}>".encode()
        match = await self.expect(re.compile(pattern, re.DOTALL), seconds)
        return match[1].decode(errors="replace").replace("\r\n", "\n")

    async def _hear(self, pattern: bytes | re.Pattern[bytes]) -> None:
        data = await self._console.read()
        if not data:
            raise OperationFailed(self._failure(pattern, "before the console ended"))
        self.transcript += data

    def _failure(self, pattern: bytes | re.Pattern[bytes], when: str) -> str:
        text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
        last = bytes(self.transcript[-300:]).decode(errors="replace")
        return f"the guest did not say {text!r} {when}; its last words: {last!r}"
