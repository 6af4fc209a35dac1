# SPDX-License-Identifier: Apache-2.0
"""A dialogue with a guest that is only its side of the talk."""

from __future__ import annotations

import asyncio

import pytest

from virloom.errors import OperationFailed, OperationTimeout
from virloom.testing.dialogue import Dialogue


class FakeGuest:
    """Says what it is given, piece by piece, and records what it is told."""

    def __init__(self, *pieces: bytes, silent: bool = False) -> None:
        self.pieces = list(pieces)
        self.silent = silent
        self.told = b""

    async def read(self) -> bytes:
        if not self.pieces and self.silent:
            await asyncio.Event().wait()
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data: bytes) -> None:
        self.told += data


BOOT_ID = "ad6df57c-483d-4526-94bc-88e38a9a243f"


async def test_ready_tells_the_boot_id() -> None:
    guest = FakeGuest(b"noise\r\nVIRLOOM-GUEST-RE", f"ADY boot-id={BOOT_ID}\r\n# ".encode())
    assert await Dialogue(guest).ready() == BOOT_ID


async def test_the_echo_is_no_answer() -> None:
    guest = FakeGuest()
    dialogue = Dialogue(guest)
    asking = asyncio.create_task(dialogue.ask("uname"))
    guest.pieces = [
        b"echo '<'1-begin'>'; uname; echo '<'1-end'>'\r\n",
        b"<1-begin>\r\nLinux\r\n<1-end>\r\n# ",
    ]
    assert await asking == "Linux\n"
    assert guest.told == b"echo '<'1-begin'>'; uname; echo '<'1-end'>'\n"


async def test_the_same_words_are_not_found_twice() -> None:
    dialogue = Dialogue(FakeGuest(b"once "))
    await dialogue.expect(b"once")
    with pytest.raises(OperationFailed, match=r"before the console ended.*once "):
        await dialogue.expect(b"once")


async def test_silence_has_an_end() -> None:
    with pytest.raises(OperationTimeout, match=r"did not say b'x' in 0\.01 seconds"):
        await Dialogue(FakeGuest(silent=True)).expect(b"x", 0.01)
