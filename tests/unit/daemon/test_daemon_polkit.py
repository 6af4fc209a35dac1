# SPDX-License-Identifier: Apache-2.0
"""A client that has to be let in: what it may call before, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakes.sparse import FakeService, Volumes
from virloom.daemon.claimed import claimed_identity
from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.daemon.polkit import MANAGE, MONITOR, Polkit, refusal
from virloom.errors import (
    AccessDenied,
    ArgumentUnsupported,
    AuthCancelled,
    AuthFailed,
    AuthUnavailable,
    InternalError,
    InvalidArg,
    VirloomError,
)
from virloom.host.process import Completed
from virloom.procedures import connect, find
from virloom.procedures.record import VOID, TypedParamValue
from virloom.procedures.types import TypedParam
from virloom.rpc.connection import ClientConnection
from virloom.transport.base import PeerIdentity
from virloom.transport.memory import memory_pair


class FakePolkit(Polkit):
    """An authority that decides when it is told what."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self.verdict: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.given_up = False

    async def authorize(self, peer: PeerIdentity, started: int | None, action: str) -> None:
        self.asked.append(action)
        self.begun.set()
        try:
            await self.verdict
        except asyncio.CancelledError:
            self.given_up = True
            raise


class Visitor:
    """The other end of a client."""

    def __init__(self, polkit: Polkit, uid: int = 1000, *, readonly: bool = False) -> None:
        near, self.far = memory_pair(second_sees=PeerIdentity(1, uid, uid))
        self.near = near
        self.protocol = ClientConnection(find)
        self.came: asyncio.Queue[Any] = asyncio.Queue()
        self.client = Client(
            FakeService(Volumes()),
            self.far,
            Limits(),
            readonly=readonly,
            changed=lambda client: None,
            polkit=polkit,
        )
        near.start(self._data, lambda error: None)

    def _data(self, data: bytes, fds: Sequence[int]) -> None:
        for message in self.protocol.receive(data, fds):
            self.came.put_nowait(message.result)  # type: ignore[attr-defined] # replies only

    def send(self, procedure: Any, args: Any = VOID) -> None:
        self.near.send(self.protocol.call(procedure, args)[1])

    async def ask(self, procedure: Any, args: Any = VOID) -> Any:
        self.send(procedure, args)
        async with asyncio.timeout(5):
            return await self.came.get()

    async def leave(self) -> None:
        self.near.abort()
        async with asyncio.timeout(5):
            await self.client.gone


OPENING = connect.ConnectOpenArgs("fake:///", 0)


@pytest.mark.parametrize(("readonly", "action"), [(False, MANAGE), (True, MONITOR)])
async def test_a_user_is_let_in(readonly: bool, action: str) -> None:
    polkit = FakePolkit()
    visitor = Visitor(polkit, readonly=readonly)
    assert (await visitor.ask(connect.AUTH_LIST)).types == [2]
    required = await visitor.ask(connect.CONNECT_OPEN, OPENING)
    assert (required.code, required.message) == (39, "authentication required")
    polkit.verdict.set_result(None)
    assert (await visitor.ask(connect.AUTH_POLKIT)).complete == 1
    assert polkit.asked == [action]
    assert await visitor.ask(connect.CONNECT_OPEN, OPENING) == VOID
    again = await visitor.ask(connect.AUTH_POLKIT)
    assert isinstance(again, AuthFailed)
    await visitor.leave()


async def test_root_is_not_asked_about() -> None:
    visitor = Visitor(FakePolkit(), uid=0)
    assert (await visitor.ask(connect.AUTH_LIST)).types == [0]
    assert isinstance(await visitor.ask(connect.AUTH_POLKIT), AuthFailed)
    await visitor.leave()


async def test_a_refused_user_stays_outside() -> None:
    polkit = FakePolkit()
    visitor = Visitor(polkit)
    polkit.verdict.set_exception(AuthFailed("access denied by policy"))
    assert isinstance(await visitor.ask(connect.AUTH_POLKIT), AuthFailed)
    assert (await visitor.ask(connect.CONNECT_OPEN, OPENING)).message == "authentication required"
    assert not visitor.client.authenticated
    await visitor.leave()


async def test_one_question_at_a_time_and_none_for_who_went() -> None:
    polkit = FakePolkit()
    visitor = Visitor(polkit)
    visitor.send(connect.AUTH_POLKIT)
    await polkit.begun.wait()
    assert isinstance(await visitor.ask(connect.AUTH_POLKIT), AuthFailed)
    await visitor.leave()
    assert polkit.given_up
    assert polkit.asked == [MANAGE]


async def test_sasl_is_answered_in_libvirts_words() -> None:
    visitor = Visitor(FakePolkit())
    error = await visitor.ask(connect.AUTH_SASL_INIT)
    assert (error.code, int(error.domain)) == (45, 7)
    assert error.message == "authentication failed: authentication failed"
    await visitor.leave()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (1, AuthFailed, "access denied by policy"),
        (2, AuthUnavailable, f"no polkit agent available to authenticate action '{MANAGE}'"),
        (3, AuthCancelled, "user cancelled authentication process"),
        (127, InternalError, "no bus"),
        (None, InternalError, "no bus"),
    ],
)
def test_what_the_end_of_pkcheck_means(
    code: int | None, kind: type[VirloomError], said: str
) -> None:
    error = refusal(Completed((), code, b"", b"no bus\n"), MANAGE)
    assert type(error) is kind
    assert said in error.message
    assert int(error.domain) == 60
    assert refusal(Completed((), 0, b"", b""), MANAGE) is None


async def test_an_unknown_process_is_nobody() -> None:
    polkit = Polkit("/nonexistent")
    for peer, started in ((PeerIdentity(None, 5, 5), 1), (PeerIdentity(5, 5, 5), None)):
        with pytest.raises(AuthFailed):
            await polkit.authorize(peer, started, MANAGE)


ROOT = PeerIdentity(1, 0, 0)


def claim(*parameters: tuple[str, int, Any]) -> list[TypedParam]:
    return [TypedParam(name, TypedParamValue(kind, value)) for name, kind, value in parameters]


def test_root_speaks_for_others() -> None:
    given = claim(
        ("unix-user-id", 4, 7), ("unix-group-id", 4, 8), ("process-id", 3, 9),
        ("sasl-user-name", 7, "ada"), ("user-name", 7, "ada"),
    )  # fmt: skip
    stated = claimed_identity(ROOT, given, readonly=True)
    assert (stated.uid, stated.gid, stated.pid, stated.sasl_user) == (7, 8, 9, "ada")
    assert stated.readonly


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ([("shoe-size", 4, 46)], ArgumentUnsupported),
        ([("unix-user-id", 1, 5)], InvalidArg),
        ([("unix-user-id", 4, 5)] * 2, InvalidArg),
    ],
)
def test_a_claim_that_makes_no_sense(
    parameters: list[tuple[str, int, Any]], kind: type[VirloomError]
) -> None:
    with pytest.raises(kind):
        claimed_identity(ROOT, claim(*parameters), readonly=False)


@pytest.mark.parametrize("uid", [None, 12345])
def test_nobody_else_does(uid: int | None) -> None:
    with pytest.raises(AccessDenied):
        claimed_identity(PeerIdentity(1, uid, uid), [], readonly=False)
