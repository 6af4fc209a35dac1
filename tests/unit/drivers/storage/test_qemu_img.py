# SPDX-License-Identifier: Apache-2.0
"""What is made of how ``qemu-img`` ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Answer, RecordedHost
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.errors import InternalError

UNMEASURED = Answer("", 1, "qemu-img: /pool/.new: Unable to get accurate CPU usage\n")


def host_that_says(*answers: Answer) -> RecordedHost:
    return RecordedHost(Path("/"), {"prlimit": list(answers)})


async def test_a_key_that_could_not_be_measured_is_derived_again() -> None:
    host = host_that_says(UNMEASURED, UNMEASURED, Answer())
    await qemu_img(host, "create", ["-f", "luks", "/pool/.new"], doing="cannot make it")
    assert len(host.asked) == 3


@pytest.mark.parametrize(("command", "attempts"), [("create", 10), ("convert", 1)])
async def test_not_for_ever_nor_where_nothing_is_derived(command: str, attempts: int) -> None:
    host = host_that_says(UNMEASURED)
    with pytest.raises(InternalError, match=r"cannot make it: .*accurate CPU usage"):
        await qemu_img(host, command, [], doing="cannot make it")
    assert len(host.asked) == attempts


async def test_unfinished_files_are_not_named() -> None:
    host = host_that_says(Answer("", 1, "qemu-img: /pool/.new: No space left on device\n"))
    work = LongWork()
    work.path = "/pool/.new"
    host.work = work
    with pytest.raises(InternalError, match="cannot make it: qemu-img: No space left on device"):
        await qemu_img(host, "convert", [], doing="cannot make it")
    assert len(host.asked) == 1
