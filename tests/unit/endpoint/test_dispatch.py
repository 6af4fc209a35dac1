# SPDX-License-Identifier: Apache-2.0
"""From a procedure to its handler."""

from __future__ import annotations

import inspect
import logging

import pytest

from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.identity import Identity
from virloom.endpoint.session import Session
from virloom.endpoint.stream import BytesStream
from virloom.errors import InternalError, NoDomain, NoSupport, OperationAborted
from virloom.procedures import connect, domain
from virloom.procedures.record import VOID, Procedure, Record, Void


class Host:
    """Handlers of the connect area."""

    @serves(connect.CONNECT_GET_LIB_VERSION)
    def lib_version(self, call: Call, args: Void) -> connect.ConnectGetLibVersionRet:
        return connect.ConnectGetLibVersionRet(lib_ver=9000000)

    @serves(connect.CONNECT_GET_HOSTNAME)
    async def hostname(self, call: Call, args: Void) -> connect.ConnectGetHostnameRet:
        return connect.ConnectGetHostnameRet(hostname="here")

    @serves(connect.CONNECT_GET_URI)
    def broken(self, call: Call, args: Void) -> connect.ConnectGetUriRet:
        raise KeyError("gone")

    @serves(connect.CONNECT_GET_TYPE)
    async def broken_later(self, call: Call, args: Void) -> connect.ConnectGetTypeRet:
        raise KeyError("gone later")

    @serves(connect.CONNECT_GET_CAPABILITIES)
    def refuses(self, call: Call, args: Void) -> connect.ConnectGetCapabilitiesRet:
        raise NoDomain("none such")

    @serves(connect.CONNECT_CLOSE)
    def says_nothing(self, call: Call, args: Void) -> None:
        return None


class Doubles:
    """Serves what Host serves already."""

    @serves(connect.CONNECT_GET_LIB_VERSION)
    def lib_version(self, call: Call, args: Void) -> connect.ConnectGetLibVersionRet:
        return connect.ConnectGetLibVersionRet(lib_ver=1)


def _call(procedure: Procedure[Void, Record]) -> Call:
    return Call(Session(Identity(), lambda *_: None), procedure)


def test_plain_handler_answers_at_once() -> None:
    result = Dispatcher([Host()]).start(_call(connect.CONNECT_GET_LIB_VERSION), VOID)
    assert result == connect.ConnectGetLibVersionRet(lib_ver=9000000)


async def test_waiting_handler_gives_something_to_await() -> None:
    result = Dispatcher([Host()]).start(_call(connect.CONNECT_GET_HOSTNAME), VOID)
    assert inspect.isawaitable(result)
    assert await result == connect.ConnectGetHostnameRet(hostname="here")


def test_handler_without_result_answers_void() -> None:
    assert Dispatcher([Host()]).start(_call(connect.CONNECT_CLOSE), VOID) is VOID


def test_what_nobody_serves_is_no_support() -> None:
    with pytest.raises(NoSupport, match="DOMAIN_GET_STATE"):
        Dispatcher([Host()]).start(_call(domain.DOMAIN_GET_STATE), VOID)


def test_virloom_errors_pass_unchanged() -> None:
    with pytest.raises(NoDomain, match="none such"):
        Dispatcher([Host()]).start(_call(connect.CONNECT_GET_CAPABILITIES), VOID)


def test_any_other_error_is_internal_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(InternalError, match="CONNECT_GET_URI: KeyError: 'gone'") as caught,
    ):
        Dispatcher([Host()]).start(_call(connect.CONNECT_GET_URI), VOID)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "CONNECT_GET_URI" in caplog.text


async def test_so_is_one_after_a_wait() -> None:
    result = Dispatcher([Host()]).start(_call(connect.CONNECT_GET_TYPE), VOID)
    assert inspect.isawaitable(result)
    with pytest.raises(InternalError, match="gone later"):
        await result


def test_two_handlers_for_one_procedure_are_refused() -> None:
    with pytest.raises(ValueError, match="two handlers"):
        Dispatcher([Host(), Doubles()])


def test_served_lists_the_numbers() -> None:
    served = Dispatcher([Host()]).served()
    number = connect.CONNECT_GET_LIB_VERSION.number
    assert (connect.CONNECT_GET_LIB_VERSION.program, number) in served
    assert len(served) == 6


async def test_stream_is_refused_where_the_procedure_has_none() -> None:
    call = _call(connect.CONNECT_CLOSE)
    stream = BytesStream(b"picture")
    with pytest.raises(InternalError, match="CONNECT_CLOSE"):
        call.attach_stream(stream)
    with pytest.raises(OperationAborted):
        await stream.read()


async def test_second_stream_is_refused_and_ended() -> None:
    call = _call(domain.DOMAIN_SCREENSHOT)
    first, second = BytesStream(b"one"), BytesStream(b"two")
    call.attach_stream(first)
    with pytest.raises(InternalError):
        call.attach_stream(second)
    with pytest.raises(OperationAborted):
        await second.read()
    assert await first.read() == b"one"
