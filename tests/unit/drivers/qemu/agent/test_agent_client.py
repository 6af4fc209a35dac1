# SPDX-License-Identifier: Apache-2.0
"""A conversation over a real socket, with agents that are good, slow, dead and hostile."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from virloom.drivers.qemu.agent.client import Agent, AgentError, Limits
from virloom.errors import AgentUnresponsive

SOON = Limits(5, 5)
SHORT = Limits(0.2, 0.2)

Answer = Callable[[dict[str, Any]], bytes]


def good(message: dict[str, Any]) -> bytes:
    """Answers as an agent does."""
    if message["execute"] == "guest-sync-delimited":
        return b"\xff" + json.dumps({"return": message["arguments"]["id"]}).encode() + b"\n"
    if message["execute"] == "guest-ping":
        return b'{"return": {}}\n'
    error = {"class": "CommandNotFound", "desc": f"{message['execute']} has not been found"}
    return json.dumps({"error": error}).encode() + b"\n"


def then(answer: bytes) -> Answer:
    """Synchronizes, and answers everything else with *answer*."""
    return lambda message: good(message) if "sync" in message["execute"] else answer


@asynccontextmanager
async def agent(answer: Answer, early: bytes = b"") -> AsyncIterator[tuple[Agent, Any]]:
    """An agent, and the guest's end of its port."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    writer.write(early)

    async def serve() -> None:
        while line := await reader.readline():
            writer.write(answer(json.loads(line.lstrip(b"\xff"))))

    serving = asyncio.create_task(serve())
    conversation = Agent(ours, "g")
    try:
        yield conversation, writer
    finally:
        conversation.close()
        serving.cancel()
        await asyncio.wait([serving])
        writer.close()


async def test_commands_are_answered() -> None:
    async with agent(good, b'{"return": "stale"}\n') as (conversation, _):
        for _ in range(3):
            assert await conversation.execute("guest-ping", None, SOON) == {}
        with pytest.raises(AgentError, match="guest-dance has not been found") as caught:
            await conversation.execute("guest-dance", {"tune": 1}, SOON)
        assert caught.value.unsupported
        assert await conversation.execute("guest-ping", None, SOON) == {}


async def test_a_dead_agent_is_not_available() -> None:
    async with agent(lambda _: b"") as (conversation, _):
        with pytest.raises(AgentUnresponsive, match="not available for now"):
            await conversation.execute("guest-ping", None, SHORT)
        assert not conversation.closed


async def test_a_late_answer_is_not_the_next_ones() -> None:
    answers = iter([b"", b'{"return": "second"}\n'])

    def slow(message: dict[str, Any]) -> bytes:
        return good(message) if "sync" in message["execute"] else next(answers)

    async with agent(slow) as (conversation, guest):
        with pytest.raises(AgentUnresponsive, match=r"respond to command within '0\.2'"):
            await conversation.execute("first", None, SHORT)
        guest.write(b'{"return": "first"}\n')
        assert await conversation.execute("second", None, SOON) == "second"


async def test_one_that_goes_has_disappeared() -> None:
    async with agent(then(b"")) as (conversation, guest):
        asyncio.get_running_loop().call_later(0.1, guest.close)
        with pytest.raises(AgentUnresponsive, match="disappeared"):
            await conversation.execute("guest-ping", None, SOON)
        assert conversation.closed


async def test_hanging_up_ends_the_wait() -> None:
    async with agent(then(b"")) as (conversation, _):
        asyncio.get_running_loop().call_later(0.1, conversation.close)
        with pytest.raises(AgentUnresponsive, match="disappeared"):
            await conversation.execute("guest-ping", None, Limits(5, None))


@pytest.mark.parametrize("answer", [b"nonsense\n", b"{}\n", b"x" * (11 << 20) + b"\n"])
async def test_what_is_no_agent_is_cut_off(answer: bytes) -> None:
    async with agent(then(answer)) as (conversation, _):
        with pytest.raises(AgentUnresponsive, match="is cut off because the guest sent"):
            await conversation.execute("guest-ping", None, SOON)
        assert conversation.closed


async def test_a_flood_leaves_the_loop_to_others() -> None:
    async with agent(lambda _: b"z" * (20 << 20)) as (conversation, _):
        rounds = 0

        async def others() -> None:
            nonlocal rounds
            while not conversation.closed:
                rounds += 1
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.001)

        beside = asyncio.create_task(others())
        with pytest.raises(AgentUnresponsive, match="more than anybody asked for"):
            await conversation.execute("guest-ping", None, SOON)
        await beside
        assert rounds > 2


@pytest.mark.parametrize("error", ['{"error": 1}', '{"error": {"class": [], "desc": {}}}'])
async def test_an_error_of_any_form_is_an_error(error: str) -> None:
    async with agent(then(error.encode() + b"\n")) as (conversation, _):
        with pytest.raises(AgentError, match="unknown QEMU command error"):
            await conversation.execute("guest-ping", None, SOON)


async def test_a_guest_that_ends_answers_by_it() -> None:
    async with agent(then(b"")) as (conversation, _):
        asyncio.get_running_loop().call_later(0.1, conversation.notice_end)
        await conversation.execute_to_end("guest-shutdown", {"mode": "powerdown"}, 5)
        asyncio.get_running_loop().call_later(0.1, conversation.close)
        await conversation.execute_to_end("guest-shutdown", {"mode": "powerdown"}, 5)


async def test_one_that_does_not_end_is_late() -> None:
    for answer in (b"", b'{"return": {}}\n'):
        async with agent(then(answer)) as (conversation, _):
            with pytest.raises(AgentUnresponsive, match=r"respond to command within '0\.2'"):
                await conversation.execute_to_end("guest-shutdown", {"mode": "reboot"}, 0.2)


async def test_one_that_refuses_to_end_says_so() -> None:
    async with agent(good) as (conversation, _):
        with pytest.raises(AgentError, match="guest-shutdown has not been found"):
            await conversation.execute_to_end("guest-shutdown", {"mode": "reboot"}, 5)
