# SPDX-License-Identifier: Apache-2.0
"""The words for a domain's state and its reason, in the order of libvirt's numbers."""

from __future__ import annotations

from collections.abc import Sequence

_STATES = (
    "no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended",
)  # fmt: skip

_REASONS: tuple[tuple[str, ...], ...] = (
    ("unknown",),
    (
        "unknown", "booted", "migrated", "restored", "from snapshot", "unpaused",
        "migration canceled", "save canceled", "event wakeup", "crashed", "post-copy",
        "post-copy failed",
    ),
    ("unknown",),
    (
        "unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog",
        "from snapshot", "shutting down", "creating snapshot", "crashed", "starting up",
        "post-copy", "post-copy failed",
    ),
    ("unknown", "user"),
    (
        "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed",
        "from snapshot", "daemon",
    ),
    ("unknown", "panicked"),
    ("unknown",),
)  # fmt: skip


def word(words: Sequence[str], number: int, unknown: str = "unknown") -> str:
    """The word for *number*, or *unknown* where a newer host has more of them."""
    return words[number] if 0 <= number < len(words) else unknown


def state_word(state: int) -> str:
    """A state, by its number in libvirt's ``virDomainState``."""
    return word(_STATES, state, "no state")


def reason_word(state: int, reason: int) -> str:
    """Why it is in that state, by the number in the enumeration of that state."""
    return word(_REASONS[state], reason) if 0 <= state < len(_REASONS) else "unknown"
