# SPDX-License-Identifier: Apache-2.0
"""The phases of a migration: their order, what each is given, and how a failure ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.dispatcher import FakeDriver, document, endpoint_of
from virloom.client.connection import Connection
from virloom.client.migration import params_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainMigrateFlags as Flags
from virloom.errors import ArgumentUnsupported, InvalidArg, OperationFailed, VirloomError
from virloom.procedures import connect as c
from virloom.procedures import domain as p
from virloom.procedures.types import TypedParam
from virloom.uri import ConnectURI


def plain(params: list[TypedParam]) -> dict[str, Any]:
    return {one.field: one.value.value for one in params}


class Host(FakeDriver):
    """One that takes part in migrations, and tells what it was asked."""

    def __init__(self, log: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self.log = log
        self.fails = ""

    def _step(self, name: str, *told: Any) -> None:
        self.log.append((name, *told))
        if self.fails == name:
            raise OperationFailed(f"{name} fails")

    @serves(c.CONNECT_SUPPORTS_FEATURE)
    def feature(
        self, call: Call, args: c.ConnectSupportsFeatureArgs
    ) -> c.ConnectSupportsFeatureRet:
        return c.ConnectSupportsFeatureRet(1)

    @serves(p.DOMAIN_MIGRATE_BEGIN3_PARAMS)
    def begin(
        self, call: Call, args: p.DomainMigrateBegin3ParamsArgs
    ) -> p.DomainMigrateBegin3ParamsRet:
        self._step("begin", plain(args.params), args.flags)
        return p.DomainMigrateBegin3ParamsRet(b"1", "<sent/>")

    @serves(p.DOMAIN_MIGRATE_PREPARE3_PARAMS)
    def prepare(
        self, call: Call, args: p.DomainMigratePrepare3ParamsArgs
    ) -> p.DomainMigratePrepare3ParamsRet:
        self._step("prepare", plain(args.params), args.cookie_in, args.flags)
        return p.DomainMigratePrepare3ParamsRet(b"2", "tcp:there:49152")

    @serves(p.DOMAIN_MIGRATE_PERFORM3_PARAMS)
    def perform(
        self, call: Call, args: p.DomainMigratePerform3ParamsArgs
    ) -> p.DomainMigratePerform3ParamsRet:
        self._step("perform", plain(args.params), args.cookie_in, args.flags, args.dconnuri)
        return p.DomainMigratePerform3ParamsRet(b"3")

    @serves(p.DOMAIN_MIGRATE_FINISH3_PARAMS)
    def finish(
        self, call: Call, args: p.DomainMigrateFinish3ParamsArgs
    ) -> p.DomainMigrateFinish3ParamsRet:
        self._step("finish", args.cookie_in, args.flags, args.cancelled)
        return p.DomainMigrateFinish3ParamsRet(self.guests["one"].wire, b"4")

    @serves(p.DOMAIN_MIGRATE_CONFIRM3_PARAMS)
    def confirm(self, call: Call, args: p.DomainMigrateConfirm3ParamsArgs) -> None:
        self._step("confirm", args.cookie_in, args.flags, args.cancelled)


class Pair:
    """Two hosts with one log, and connections to them."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.here, self.there = Host(self.log), Host(self.log)

    async def connect(self) -> None:
        uri = ConnectURI.parse("qemu:///embed")
        self.source = Connection(endpoint_of(self.here), uri)
        self.destination = Connection(endpoint_of(self.there), uri)
        self.dom = await self.source.define_xml(document("one"))
        await self.dom.create()
        await self.destination.define_xml(document("one"))

    @property
    def steps(self) -> list[str]:
        return [step[0] for step in self.log]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    await made.connect()
    yield made
    await made.source.close()
    await made.destination.close()


async def test_the_phases(pair: Pair) -> None:
    flags = Flags.LIVE | Flags.AUTO_CONVERGE
    moved = await pair.dom.migrate(pair.destination, {"bandwidth": 5}, flags)
    assert moved == await pair.destination.lookup_by_name("one")
    guarded = flags | Flags.CHANGE_PROTECTION
    sent = {"bandwidth": 5, "destination_xml": "<sent/>"}
    named = sent | {"destination_name": "one", "migrate_uri": "tcp:there:49152"}
    assert pair.log == [
        ("begin", {"bandwidth": 5}, guarded),
        ("prepare", sent, b"1", Flags.LIVE),
        ("perform", named, b"2", guarded, None),
        ("finish", b"3", Flags.LIVE, 0),
        ("confirm", b"4", guarded, 0),
    ]


async def test_a_paused_guest_stays_so(pair: Pair) -> None:
    await pair.dom.suspend()
    await pair.dom.migrate(pair.destination)
    assert [step[-2] & Flags.PAUSED for step in pair.log if step[0] == "finish"] == [Flags.PAUSED]


async def test_an_offline_migration_sends_nothing(pair: Pair) -> None:
    await pair.dom.migrate(pair.destination, flags=Flags.OFFLINE | Flags.PERSIST_DEST)
    assert pair.steps == ["begin", "prepare", "finish", "confirm"]


@pytest.mark.parametrize(
    ("host", "step", "after"),
    [
        ("here", "begin", []),
        ("there", "prepare", [("confirm", b"", 1)]),
        ("here", "perform", [("finish", b"", 1), ("confirm", b"4", 1)]),
        ("there", "finish", [("confirm", b"3", 1)]),
    ],
)
async def test_a_failure_ends_it_on_both_sides(
    pair: Pair, host: str, step: str, after: list[tuple[str, bytes, int]]
) -> None:
    getattr(pair, host).fails = step
    with pytest.raises(OperationFailed, match=f"{step} fails"):
        await pair.dom.migrate(pair.destination)
    told = pair.log[pair.steps.index(step) + 1 :]
    assert [(name, cookie, cancelled) for name, cookie, _, cancelled in told] == after


async def test_peer_to_peer(pair: Pair) -> None:
    await pair.dom.migrate(pair.destination, {"bandwidth": 1}, Flags.PEER2PEER)
    assert pair.log == [("perform", {"bandwidth": 1}, b"", Flags.PEER2PEER, "qemu:///embed")]
    with pytest.raises(ArgumentUnsupported):
        await pair.dom.migrate_to_uri("qemu+tcp://there/system")
    with pytest.raises(InvalidArg):
        await pair.dom.migrate_to_uri(None, flags=Flags.PEER2PEER)


@pytest.mark.parametrize("flags", [Flags.TUNNELLED, Flags.NON_SHARED_DISK | Flags.NON_SHARED_INC])
async def test_flags_that_contradict_each_other(pair: Pair, flags: Flags) -> None:
    with pytest.raises(InvalidArg):
        await pair.dom.migrate(pair.destination, flags=flags)
    assert pair.log == []


def test_parameters_have_libvirt_s_types() -> None:
    sent = params_of({"bandwidth": 7, "disks_port": 1, "migrate_disks": ["vda", "vdb"]})
    assert [(one.field, one.value.type, one.value.value) for one in sent] == [
        ("bandwidth", 4, 7),
        ("disks_port", 1, 1),
        ("migrate_disks", 7, "vda"),
        ("migrate_disks", 7, "vdb"),
    ]
    with pytest.raises(VirloomError):
        params_of({"bandwidth": "fast"})
