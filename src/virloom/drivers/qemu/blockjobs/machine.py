# SPDX-License-Identifier: Apache-2.0
"""The states of a block job, and what leads from one to the next.

::

    NEW ──started──▶ RUNNING ──ready──▶ READY ──pivot──▶ PIVOTING
     │                  │  ╲              │                 │
     │ refused          │   ╲──abort──▶ ABORTING ◀─abort────┘ (never: a pivot is not taken back)
     ▼                  ▼                 ▼                 ▼
    (forgotten)     CONCLUDED ◀───────────┴─────────────────┘
                        │ settled
                        ▼
                     SETTLED ──told──▶ (forgotten)

The state is in the guest's record before QEMU is told, so that whoever finds it knows what to ask.
QEMU's own states are those of ``JobStatus`` (qapi/job.json); it keeps a job that has concluded
until it is told to dismiss it, so that no end is ever missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError


class State(Enum):
    """How far a job is.

    NEW is in our record, and QEMU may have been told or not. Of a job that is CONCLUDED we know
    the outcome, and QEMU may have forgotten it. What SETTLED means has been done to the disk; who
    listens may not have been told.
    """

    NEW = "new"
    RUNNING = "running"
    READY = "ready"
    PIVOTING = "pivoting"
    ABORTING = "aborting"
    CONCLUDED = "concluded"
    SETTLED = "settled"


class Input(Enum):
    """What happens to a job: the first three are QEMU's doing, the others ours."""

    STARTED = "started"
    READY = "ready"
    CONCLUDED = "concluded"
    PIVOT = "pivot"
    ABORT = "abort"
    REFUSED = "refused"
    SETTLED = "settled"


#: Events of QEMU may come before its answer to the command that caused them. Where REFUSED leads
#: back: QEMU does not pivot or abort, and the job goes on.
TABLE: Mapping[tuple[State, Input], State] = {
    (State.NEW, Input.STARTED): State.RUNNING,
    (State.NEW, Input.READY): State.READY,
    (State.NEW, Input.CONCLUDED): State.CONCLUDED,
    (State.RUNNING, Input.STARTED): State.RUNNING,
    (State.RUNNING, Input.READY): State.READY,
    (State.RUNNING, Input.ABORT): State.ABORTING,
    (State.RUNNING, Input.CONCLUDED): State.CONCLUDED,
    (State.READY, Input.STARTED): State.READY,
    (State.READY, Input.READY): State.READY,
    (State.READY, Input.PIVOT): State.PIVOTING,
    (State.READY, Input.ABORT): State.ABORTING,
    (State.READY, Input.CONCLUDED): State.CONCLUDED,
    (State.PIVOTING, Input.READY): State.PIVOTING,
    (State.PIVOTING, Input.REFUSED): State.READY,
    (State.PIVOTING, Input.CONCLUDED): State.CONCLUDED,
    (State.ABORTING, Input.READY): State.ABORTING,
    (State.ABORTING, Input.REFUSED): State.RUNNING,
    (State.ABORTING, Input.CONCLUDED): State.CONCLUDED,
    (State.CONCLUDED, Input.STARTED): State.CONCLUDED,
    (State.CONCLUDED, Input.CONCLUDED): State.CONCLUDED,
    (State.CONCLUDED, Input.SETTLED): State.SETTLED,
    (State.SETTLED, Input.STARTED): State.SETTLED,
    (State.SETTLED, Input.CONCLUDED): State.SETTLED,
}


def following(state: State, input: Input) -> State:
    """The state after *input*.

    Raises:
        InternalError: The job cannot do that now.
    """
    try:
        return TABLE[state, input]
    except KeyError:
        raise InternalError(
            f"a block job that is {state.value} does not become {input.value}",
            domain=ErrorDomain.QEMU,
        ) from None


def is_possible(state: State, input: Input) -> bool:
    """Whether *input* means anything in that state."""
    return (state, input) in TABLE


def outcome(state: State, *, mirrors: bool, failed: bool) -> Status:
    """How a job ended that QEMU says has concluded.

    Args:
        state: Before its end.
        mirrors: Whether it keeps two images the same until it is told to pivot.
        failed: QEMU has an error for it.
    """
    if state is State.ABORTING:
        return Status.CANCELED
    if failed:
        return Status.FAILED
    if mirrors and state is not State.PIVOTING:
        return Status.CANCELED  # somebody else told QEMU to let go of the copy
    return Status.COMPLETED
