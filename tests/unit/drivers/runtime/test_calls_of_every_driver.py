# SPDX-License-Identifier: Apache-2.0
"""What drivers have alike: arguments that are refused, typed parameters, the connection, events."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.runtime import arguments
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.drivers.runtime.features import FEATURES
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.parameters import Kinds
from virloom.endpoint.dispatch import Call, Dispatcher
from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, InternalError, InvalidArg, Rpc
from virloom.procedures import connect as c
from virloom.procedures import network as p
from virloom.procedures.record import VOID, Procedure, typed_value
from virloom.procedures.types import NonnullNetwork, TypedParam


def test_flags_that_nobody_knows() -> None:
    arguments.check_flags(3, 7, "networkCreate", ErrorDomain.NETWORK)
    with pytest.raises(InvalidArg) as caught:
        arguments.check_flags(0x1A, 2, "networkCreate", ErrorDomain.NETWORK)
    assert caught.value.message == "unsupported flags (0x18) in function networkCreate"
    assert (caught.value.domain, caught.value.int1) == (ErrorDomain.NETWORK, 0)


def test_both_at_once() -> None:
    arguments.check_exclusive(2)
    with pytest.raises(InvalidArg, match="mutually exclusive"):
        arguments.check_exclusive(3)


@pytest.mark.parametrize(("room", "why"), [(-1, "must be non-negative"), (9, "> SOME_MAX")])
def test_room_for_a_list(room: int, why: str) -> None:
    arguments.check_room("maxnames", 8, 8, "SOME_MAX")
    with pytest.raises(Rpc, match=f"maxnames {why}"):
        arguments.check_room("maxnames", room, 8, "SOME_MAX")


@pytest.mark.parametrize(("room", "why"), [(-1, "non-negative"), (17, "too large")])
def test_room_for_parameters(room: int, why: str) -> None:
    arguments.check_parameters(0, 16)
    with pytest.raises(InternalError, match=why):
        arguments.check_parameters(room, 16)


KINDS = Kinds({"weight": "uint", "name": "string"})


def param(name: str, kind: str, value: Any) -> TypedParam:
    return TypedParam(name, typed_value(kind, value))


def test_parameters_come_by_name_and_go_in_order() -> None:
    given = [param("name", "string", "x"), param("weight", "uint", 5)]
    values = KINDS.check(given)
    assert values == {"name": "x", "weight": 5}
    assert KINDS.answer(values, 0) == ([], 2)
    assert [one.field for one in KINDS.answer(values, 9).params] == ["weight", "name"]
    assert KINDS.answer(values, 1).nparams == 1


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ([param("size", "uint", 1)], ArgumentUnsupported, "'size' not supported"),
        ([param("weight", "int", 1)], InvalidArg, "'weight' is not of type 'uint'"),
        ([param("weight", "uint", 1)] * 2, InvalidArg, "'weight' occurs more than once"),
    ],
)
def test_parameters_that_are_refused(
    given: list[TypedParam], error: type[InvalidArg], why: str
) -> None:
    with pytest.raises(error, match=why):
        KINDS.check(given)


def asked(driver: object, procedure: Procedure[Any, Any], args: Any = VOID) -> Any:
    session = Session(Identity(), lambda procedure, message, encoded: None)
    return Dispatcher([driver]).start(Call(session, procedure), args)


def test_the_connection_of_an_area() -> None:
    driver = AreaConnection("network", "network:///system", ErrorDomain.NETWORK)
    assert asked(driver, c.CONNECT_GET_TYPE).type == "network"
    assert asked(driver, c.CONNECT_GET_URI).uri == "network:///system"
    assert asked(driver, c.CONNECT_GET_LIB_VERSION).lib_ver == 9_000_000
    assert asked(driver, c.CONNECT_IS_SECURE).secure == 1
    assert asked(driver, c.CONNECT_GET_HOSTNAME).hostname
    for number, has in ((min(FEATURES), 1), (9999, 0)):
        args = c.ConnectSupportsFeatureArgs(number)
        assert asked(driver, c.CONNECT_SUPPORTS_FEATURE, args).supported == has
    for procedure in (
        c.CONNECT_REGISTER_CLOSE_CALLBACK,
        c.CONNECT_UNREGISTER_CLOSE_CALLBACK,
        c.CONNECT_CLOSE,
    ):
        assert asked(driver, procedure) is VOID
    assert asked(driver, c.CONNECT_OPEN, c.ConnectOpenArgs("network:///system", 1)) is VOID
    with pytest.raises(InvalidArg, match="function networkConnectOpen"):
        asked(driver, c.CONNECT_OPEN, c.ConnectOpenArgs("network:///system", 8))


async def test_events_of_objects_go_to_who_wants_them() -> None:
    got: list[tuple[str, int]] = []

    def session(name: str) -> Session:
        return Session(Identity(), lambda _, message, __: got.append((name, message.callback_id)))

    def message(number: int) -> p.NetworkEventLifecycleMsg:
        return p.NetworkEventLifecycleMsg(number, NonnullNetwork("lan", bytes(16)), 2, 0)

    events: ObjectEvents[bytes] = ObjectEvents("network", frozenset({0}))
    one, other = session("one"), session("other")
    assert [events.register(one, 0, None), events.register(other, 0, b"b" * 16)] == [0, 1]
    events.emit(0, b"a" * 16, p.NETWORK_EVENT_LIFECYCLE, message)
    assert got == [("one", 0)]
    events.emit(0, b"b" * 16, p.NETWORK_EVENT_LIFECYCLE, message)
    assert got[1:] == [("one", 0), ("other", 1)]
    with pytest.raises(InternalError, match="network event callback 0 not registered"):
        events.deregister(other, 0)
    events.deregister(one, 0)
    await other.close()
    events.emit(0, b"b" * 16, p.NETWORK_EVENT_LIFECYCLE, message)
    assert len(got) == 3
    with pytest.raises(InternalError, match="unsupported network event ID 5"):
        events.register(one, 5, None)
