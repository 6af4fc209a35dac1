# SPDX-License-Identifier: Apache-2.0
"""The steps of a network's start and stop, by name, so that tests can order a kill at each one.

A step is announced when it has been done. What is on disk by then must be enough for whoever
comes next to clean up or to take over, should this process die right there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: In order.
START_STEPS = (
    "intent-recorded",
    "bridge-noted",
    "bridge-made",
    "rules-made",
    "dnsmasq-started",
    "traffic-limited",
    "active-recorded",
)
CHANGE_STEPS = ("change-made",)
STOP_STEPS = ("stopping-recorded", "dnsmasq-stopped", "rules-removed", "bridge-removed")

_observer: Callable[[str], None] | None = None


def reached(step: str) -> None:
    """Announces that *step* has been done; an exception of the observer ends what goes on."""
    if _observer is not None:
        _observer(step)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Calls *observer* with each step that any network of this process reaches."""
    global _observer
    previous, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = previous
