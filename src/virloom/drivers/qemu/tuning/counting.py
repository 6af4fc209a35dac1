# SPDX-License-Identifier: Apache-2.0
"""Events of the host's processor that are counted for a guest: which, and since when.

The kernel's counters go with the daemon. One that takes a guest over counts anew, as libvirt does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, VirloomError, system_failure
from virloom.host.counters import EVENTS, Counter
from virloom.model.domain import Domain, PerfEvent
from virloom.model.domain.perf import PERF_EVENTS

logger = logging.getLogger(__name__)


def enabled(dom: Domain) -> list[str]:
    """The events that a document wants counted, in order."""
    return [event.name or "" for event in dom.perf.events if event.enabled]


def note(dom: Domain, wanted: Mapping[str, bool]) -> None:
    """Writes into a document what is counted and what is not."""
    said = {event.name: bool(event.enabled) for event in dom.perf.events} | dict(wanted)
    dom.perf.events = [
        PerfEvent(name=name, enabled=said[name]) for name in PERF_EVENTS if name in said
    ]


def count(running: RunningGuest, wanted: Mapping[str, bool]) -> None:
    """Counts some events of a guest that runs, and others no longer: all of them or none.

    Raises:
        ArgumentUnsupported: No kernel of today counts it.
        SystemFailure: This one does not, or not for us.
    """
    made: dict[str, Counter] = {}
    try:
        for name, on in wanted.items():
            if on and name not in running.counters:
                made[name] = _counter(running.pid, name)
    except VirloomError:
        for counter in made.values():
            counter.close()
        raise
    for name in [name for name in running.counters if wanted.get(name) is False]:
        running.counters.pop(name).close()
    running.counters.update(made)


def count_again(running: RunningGuest) -> None:
    """Counts what the live document says, as far as it can be, for a guest that is taken over."""
    for name in enabled(running.model):
        try:
            count(running, {name: True})
        except VirloomError as exc:
            logger.warning("domain '%s': %s", running.guest.name, exc.message)
            note(running.model, {name: False})


def _counter(pid: int, name: str) -> Counter:
    if name not in EVENTS:  # those of Intel's CQM, which Linux has had no events for since 4.14
        raise ArgumentUnsupported(f"the host does not count '{name}'", domain=ErrorDomain.PERF)
    try:
        return Counter(pid, name)
    except OSError as exc:
        raise system_failure(
            f"the host does not count '{name}'", exc, domain=ErrorDomain.PERF
        ) from exc
