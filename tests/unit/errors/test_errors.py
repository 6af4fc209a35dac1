# SPDX-License-Identifier: Apache-2.0
"""Errors: libvirt's codes and words, and the way back from a code to a class."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from virloom import errors
from virloom.enums.error import ErrorDomain, ErrorLevel, ErrorNumber

DATA = Path(__file__).resolve().parents[3] / "data" / "protocol"
MESSAGES: dict[str, Any] = json.loads((DATA / "error-messages.json").read_text())["messages"]

CODES = [number for number in ErrorNumber if number.name.startswith("ERR_") and number != 0]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_every_code_has_a_class(number: ErrorNumber) -> None:
    cls = errors.error_from_code(number)
    assert cls is not errors.UnknownError
    assert cls.code == number
    assert issubclass(cls, errors.VirloomError)


def test_classes_are_distinct() -> None:
    classes = [errors.error_from_code(number) for number in CODES]
    assert len(set(classes)) == len(classes)


def test_message_is_the_codes_words_and_the_detail() -> None:
    error = errors.NoDomain("no domain with matching name 'web'", domain=ErrorDomain.QEMU)
    assert error.message == "Domain not found: no domain with matching name 'web'"
    assert str(error) == error.message
    assert (error.code, error.domain, error.level) == (42, ErrorDomain.QEMU, ErrorLevel.ERROR)


def test_message_without_detail() -> None:
    assert errors.NoDomain().message == "Domain not found"


def test_remedy_is_part_of_what_the_reader_sees() -> None:
    error = errors.OperationInvalid("domain is not running", remedy="start it first")
    assert error.message.endswith("domain is not running (start it first)")
    assert error.remedy == "start it first"


def test_detail_with_braces_is_taken_literally() -> None:
    assert errors.InternalError("got {'a': 1}").message == "internal error: got {'a': 1}"


def test_system_failure_carries_errno_and_its_words() -> None:
    cause = OSError(errno.ENOSPC, "ignored")
    error = errors.system_failure("cannot write '/x/status.json'", cause)
    assert error.code == ErrorNumber.ERR_SYSTEM_ERROR
    assert error.int1 == errno.ENOSPC
    assert error.message == "cannot write '/x/status.json': No space left on device"


def test_system_failure_without_errno() -> None:
    error = errors.system_failure("cannot read", OSError("short read"))
    assert error.int1 == -1
    assert error.message.endswith("cannot read: short read")


def test_a_code_newer_than_our_tables() -> None:
    assert errors.error_from_code(99999) is errors.UnknownError
    assert errors.UnknownError("odd", 99999).wire_code == 99999


def test_messages_are_those_of_the_table() -> None:
    alone, with_detail = MESSAGES[str(int(ErrorNumber.ERR_NO_SUPPORT))]
    assert errors.NoSupport().message == alone
    assert errors.NoSupport("x").message == with_detail.format("x")
