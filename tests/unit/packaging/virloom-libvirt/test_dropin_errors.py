# SPDX-License-Identifier: Apache-2.0
"""Errors of the drop-in: the nine fields, the accessors, the handler, what goes to stderr."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomain, VirloomError, system_failure


@pytest.fixture
def errors(libvirt: ModuleType) -> Iterator[Any]:
    from libvirt import _errors

    yield _errors
    libvirt.registerErrorHandler(None, None)
    libvirt.virResetLastError()


def failed(errors: Any, error: VirloomError) -> Any:
    with pytest.raises(errors.libvirtError) as caught:
        errors.fail(error, "virDomainLookupByName")
    return caught.value


def test_the_fields_are_those_of_libvirt(libvirt: ModuleType, errors: Any) -> None:
    exc = failed(errors, NoDomain("no domain with matching name 'x'", domain=ErrorDomain.QEMU))
    assert str(exc) == "Domain not found: no domain with matching name 'x'"
    assert exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN
    assert exc.get_error_domain() == libvirt.VIR_FROM_QEMU
    assert exc.get_error_level() == libvirt.VIR_ERR_ERROR
    assert exc.get_error_message() == str(exc)
    assert exc.get_str1() == "Domain not found: %s"
    assert exc.get_str2() == "no domain with matching name 'x'"
    assert exc.get_str3() is None
    assert (exc.get_int1(), exc.get_int2()) == (-1, -1)


def test_errno_is_in_int1(errors: Any) -> None:
    exc = failed(errors, system_failure("cannot open 'x'", FileNotFoundError(2, "no")))
    assert exc.get_error_code() == 38
    assert exc.get_int1() == 2


def test_the_last_error_is_the_threads_own(libvirt: ModuleType, errors: Any) -> None:
    assert libvirt.virGetLastError() is None
    assert libvirt.virGetLastErrorMessage() == "no error"
    failed(errors, NoDomain("x"))
    other: list[Any] = []
    thread = threading.Thread(target=lambda: other.append(libvirt.virGetLastError()))
    thread.start()
    thread.join()
    assert other == [None]
    assert libvirt.virGetLastErrorCode() == 42
    libvirt.virResetLastError()
    assert libvirt.virGetLastErrorCode() == 0
    assert libvirt.virGetLastErrorDomain() == 0


def test_a_handler_gets_every_error_and_stderr_none(
    libvirt: ModuleType, errors: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []
    assert libvirt.registerErrorHandler(lambda ctx, error: seen.append((ctx, error)), "mine") == 1
    exc = failed(errors, NoDomain("x"))
    assert seen == [("mine", exc.err)]
    assert capsys.readouterr().err == ""


def test_without_a_handler_errors_are_told_on_stderr(
    errors: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(errors, NoDomain("x", domain=ErrorDomain.QEMU))
    assert capsys.readouterr().err == "libvirt: QEMU Driver error : Domain not found: x\n"


def test_an_error_without_any_error_of_libvirt(errors: Any) -> None:
    exc = errors.libvirtError("virEventAddHandle() failed")
    assert str(exc) == "virEventAddHandle() failed"
    assert exc.get_error_code() is None
    assert exc.get_int1() is None
