# SPDX-License-Identifier: Apache-2.0
"""Running guests as virsh lists them."""

from __future__ import annotations

from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainState

_STATES = {
    DomainState.NOSTATE: "no state",
    DomainState.RUNNING: "running",
    DomainState.BLOCKED: "idle",
    DomainState.PAUSED: "paused",
    DomainState.SHUTDOWN: "in shutdown",
    DomainState.SHUTOFF: "shut off",
    DomainState.CRASHED: "crashed",
    DomainState.PMSUSPENDED: "pmsuspended",
}


def as_table(guests: list[tuple[Domain, DomainState | int]]) -> str:
    """Number, name and state, a line each, under their heads."""
    rows = [(str(guest.id), guest.name, state_word(state)) for guest, state in guests]
    table = [("Id", "Name", "State"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = [
        " " + "   ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
        for row in table
    ]
    lines.insert(1, "-" * (sum(widths) + 9))
    return "\n".join(line.rstrip() for line in lines)


def state_word(state: DomainState | int) -> str:
    """virsh's word for a state."""
    return _STATES.get(DomainState(state), "no state") if state in _STATES else "no state"
