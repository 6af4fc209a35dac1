# SPDX-License-Identifier: Apache-2.0
"""The states of a block job, and what its end means."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.blockjobs.machine import TABLE, Input, State, following, outcome
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.errors import InternalError


def walk(*inputs: Input) -> State:
    state = State.NEW
    for input in inputs:
        state = following(state, input)
    return state


def test_a_pull_and_a_copy_run_to_their_ends() -> None:
    assert walk(Input.STARTED, Input.CONCLUDED, Input.SETTLED) is State.SETTLED
    path = (Input.STARTED, Input.READY, Input.PIVOT, Input.CONCLUDED, Input.SETTLED)
    assert walk(*path) is State.SETTLED


def test_events_may_come_before_the_answer() -> None:
    assert walk(Input.READY, Input.STARTED) is State.READY
    assert walk(Input.CONCLUDED, Input.STARTED) is State.CONCLUDED


def test_nothing_pivots_before_it_is_ready_or_twice() -> None:
    for state in State:
        if state is not State.READY:
            with pytest.raises(InternalError):
                following(state, Input.PIVOT)


def test_a_refused_end_leaves_a_job_that_can_be_ended() -> None:
    refused = walk(Input.STARTED, Input.READY, Input.PIVOT, Input.REFUSED)
    assert following(refused, Input.ABORT) is State.ABORTING
    assert following(walk(Input.STARTED, Input.ABORT, Input.REFUSED), Input.ABORT)


def test_every_state_is_left_and_only_settled_ones_are_last() -> None:
    for state in State:
        onward = {after for (before, _), after in TABLE.items() if before is state} - {state}
        assert bool(onward) is (state is not State.SETTLED), state


@pytest.mark.parametrize(
    ("state", "mirrors", "failed", "status"),
    [
        (State.RUNNING, False, False, Status.COMPLETED),
        (State.NEW, False, False, Status.COMPLETED),
        (State.RUNNING, False, True, Status.FAILED),
        (State.ABORTING, False, True, Status.CANCELED),
        (State.ABORTING, True, False, Status.CANCELED),
        (State.READY, True, False, Status.CANCELED),
        (State.PIVOTING, True, False, Status.COMPLETED),
        (State.PIVOTING, True, True, Status.FAILED),
    ],
)
def test_what_an_end_means(state: State, mirrors: bool, failed: bool, status: Status) -> None:
    assert outcome(state, mirrors=mirrors, failed=failed) is status
