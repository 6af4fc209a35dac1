# SPDX-License-Identifier: Apache-2.0
"""What a relay knows of the calls that it passed on, when the daemon behind it goes away."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.daemon.relay.ledger import Ledger, registers
from virloom.errors import InternalError
from virloom.procedures import connect, domain, secret
from virloom.procedures.record import Procedure
from virloom.rpc.packet import Framer, Header, MessageStatus, MessageType, pack

CALL, REPLY, STREAM = int(MessageType.CALL), int(MessageType.REPLY), int(MessageType.STREAM)
OK, ERROR, CONTINUE = 0, int(MessageStatus.ERROR), int(MessageStatus.CONTINUE)
REGISTER = secret.CONNECT_SECRET_EVENT_REGISTER_ANY
DEREGISTER = secret.CONNECT_SECRET_EVENT_DEREGISTER_ANY


def header(
    procedure: Procedure[Any, Any], serial: int, kind: int = CALL, status: int = OK
) -> Header:
    return Header(procedure.program, 1, procedure.number, kind, serial, status)


def answered(ledger: Ledger, procedure: Procedure[Any, Any], serial: int, status: int = OK) -> bool:
    ledger.expect(header(procedure, serial), procedure)
    return ledger.note(header(procedure, serial, REPLY, status))


def ends(ledger: Ledger) -> list[tuple[int, int, int]]:
    _, output = ledger.close(InternalError("gone"))
    packets = Framer().feed(output)
    return [(one.header.serial, one.header.type, one.header.status) for one in packets]


def test_registrations_are_counted_by_their_answers() -> None:
    ledger = Ledger()
    for serial in (1, 2):
        answered(ledger, REGISTER, serial)
    answered(ledger, REGISTER, 3, ERROR)
    assert ledger.registrations == 2
    for serial in (4, 5):
        answered(ledger, DEREGISTER, serial)
    assert ledger.registrations == 0


@pytest.mark.parametrize(
    ("procedure", "change"),
    [
        (domain.CONNECT_DOMAIN_EVENT_REGISTER, 1),
        (domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, 1),
        (domain.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, -1),
        (connect.CONNECT_REGISTER_CLOSE_CALLBACK, 1),
        (connect.CONNECT_UNREGISTER_CLOSE_CALLBACK, -1),
        (connect.CONNECT_GET_HOSTNAME, 0),
        (domain.DOMAIN_DEFINE_XML, 0),
    ],
)
def test_what_registers(procedure: Procedure[Any, Any], change: int) -> None:
    assert registers(procedure) == change


def test_all_that_waits_is_ended_once() -> None:
    ledger = Ledger()
    ledger.ask(pack(header(connect.CONNECT_GET_HOSTNAME, 1)))
    ledger.expect(header(domain.DOMAIN_DEFINE_XML, 2), domain.DOMAIN_DEFINE_XML)
    assert not answered(ledger, domain.DOMAIN_SCREENSHOT, 3)
    assert not answered(ledger, domain.DOMAIN_DEFINE_XML, 4)
    assert ends(ledger) == [(1, REPLY, ERROR), (2, REPLY, ERROR), (3, STREAM, ERROR)]
    assert ends(ledger) == []


def test_a_plain_answer_is_one_that_is_expected_and_alone() -> None:
    ledger = Ledger()
    ledger.ask(pack(header(connect.CONNECT_GET_HOSTNAME, 1)))
    reply = pack(header(connect.CONNECT_GET_HOSTNAME, 1, REPLY), b"host")
    for data in (b"", reply[:-1], reply + reply, pack(header(connect.CONNECT_GET_HOSTNAME, 1))):
        assert not ledger.is_plain_answer(data)
    assert ledger.is_plain_answer(reply)
    assert not ledger.is_plain_answer(reply)


def test_an_answer_among_others_is_an_answer() -> None:
    ledger = Ledger()
    ledger.ask(pack(header(connect.CONNECT_GET_HOSTNAME, 1)))
    assert not ledger.note(header(connect.CONNECT_GET_HOSTNAME, 1, REPLY))
    assert ends(ledger) == []


def test_a_stream_is_over_by_its_end_or_a_refusal() -> None:
    ledger = Ledger()
    assert answered(ledger, domain.DOMAIN_SCREENSHOT, 1, ERROR)
    answered(ledger, domain.DOMAIN_SCREENSHOT, 2)
    assert ledger.knows(2)
    assert not ledger.note(header(domain.DOMAIN_SCREENSHOT, 2, STREAM, CONTINUE))
    assert ledger.note(header(domain.DOMAIN_SCREENSHOT, 2, STREAM))
    assert not ledger.knows(2)
