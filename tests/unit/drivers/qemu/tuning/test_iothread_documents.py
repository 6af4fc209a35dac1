# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output in documents."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.tuning.affinity import IoThreadWish, said_places
from virloom.drivers.qemu.tuning.iothreads import (
    Change,
    add,
    check_change,
    check_new,
    check_unused,
    check_values,
    in_turn,
    note_change,
    remove,
)
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    OperationInvalid,
    OperationUnsupported,
)
from virloom.model.domain import Domain
from virloom.xml import parse_document


def domain(body: str) -> Domain:
    return parse_document(Domain, f"<domain type='qemu'><name>d</name>{body}</domain>")


def ids(dom: Domain) -> list[int | None]:
    return [thread.id for thread in dom.iothreadids.iothreads]


def test_threads_are_told_apart_when_one_comes_or_goes() -> None:
    dom = domain("<iothreads>2</iothreads>")
    add(dom, 7)
    assert (ids(dom), dom.iothreads) == ([1, 2, 7], 3)
    remove(dom, 1)
    assert (ids(dom), dom.iothreads) == ([2, 7], 2)
    remove(dom, 2)
    remove(dom, 7)
    assert (ids(dom), dom.iothreads) == ([], None)
    with pytest.raises(InvalidArg, match="no I/O thread 7"):
        check_unused(dom, 7)


def test_what_is_said_of_a_thread_goes_with_it() -> None:
    dom = domain(
        "<iothreads>3</iothreads><cputune><iothreadpin iothread='2' cpuset='0'/>"
        "<iothreadsched iothreads='1-2' scheduler='batch'/></cputune>"
    )
    remove(dom, 2)
    assert dom.cputune.iothreadpins == []
    assert [sched.iothreads for sched in dom.cputune.iothreadscheds] == ["1"]
    remove(dom, 1)
    assert dom.cputune.iothreadscheds == []


@pytest.mark.parametrize(
    "device",
    [
        "<disk type='file'><driver iothread='1'/><source file='/d'/><target dev='vda'/></disk>",
        "<controller type='scsi' index='0'><driver iothread='1'/></controller>",
    ],
)
def test_a_thread_that_is_used_stays(device: str) -> None:
    dom = domain(f"<iothreads>2</iothreads><devices>{device}</devices>")
    with pytest.raises(InvalidArg, match="it is used by"):
        check_unused(dom, 1)
    check_unused(dom, 2)
    with pytest.raises(InvalidArg, match="already"):
        check_new(dom, 2)


@pytest.mark.parametrize(
    ("change", "live", "error"),
    [
        (Change(poll_grow=1), False, OperationUnsupported),
        (
            Change(pool_min=1),
            True,
            OperationInvalid,
        ),  # more than QEMU's own most, as libvirt has it
        (Change(pool_min=-1), True, OperationInvalid),
        (Change(pool_min=9, pool_max=8), False, OperationInvalid),
        (Change(pool_max=1), True, OperationInvalid),
    ],
)
def test_changes_that_are_refused(change: Change, live: bool, error: type[Exception]) -> None:
    limit = " thread_pool_min='2'" if change.pool_max == 1 else ""
    dom = domain(f"<iothreadids><iothread id='1'{limit}/></iothreadids>")
    with pytest.raises(error):
        check_change(dom, 1, change, live=live)


def test_numbers_that_no_thread_takes() -> None:
    for change in (Change(poll_max_ns=1 << 31), Change(pool_min=-2), Change(pool_max=0)):
        with pytest.raises(ConfigUnsupported):
            check_values(change)
    check_values(Change(poll_max_ns=(1 << 31) - 1, pool_min=-1, pool_max=-1))


def test_limits_are_noted_and_left_to_qemu() -> None:
    dom = domain("<iothreads>1</iothreads>")
    note_change(dom, 1, Change(poll_grow=2))
    assert ids(dom) == []
    note_change(dom, 1, Change(pool_max=4))
    note_change(dom, 1, Change(pool_min=2))
    thread = dom.iothreadids.iothreads[0]
    assert (thread.thread_pool_min, thread.thread_pool_max) == (2, 4)
    note_change(dom, 1, Change(pool_max=-1))
    assert (thread.thread_pool_min, thread.thread_pool_max) == (2, None)


def test_least_never_exceeds_most_on_the_way() -> None:
    low, high = "thread-pool-min", "thread-pool-max"
    assert list(in_turn({low: 9, high: 20}, {low: 0})) == [high, low]
    assert list(in_turn({low: 1, high: 2}, {low: 4})) == [low, high]
    assert list(in_turn({low: 1}, {})) == [low]


def test_pins_are_in_the_order_of_the_threads() -> None:
    dom = domain("<iothreadids><iothread id='5'/><iothread id='2'/></iothreadids>")
    for number in (2, 5):
        IoThreadWish(number, "0").note(dom)
    assert [pin.iothread for pin in dom.cputune.iothreadpins] == [5, 2]
    assert list(said_places(dom)) == [5, 2]
    with pytest.raises(InvalidArg, match="no I/O thread 1"):
        IoThreadWish(1, "0").check(dom, "live")
