# SPDX-License-Identifier: Apache-2.0
"""``<perf>``: events of the host's processor that are counted for the guest."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import YES_NO, choice

#: In the order in which they are written.
PERF_EVENTS = (
    "cmt",
    "mbmt",
    "mbml",
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
)


class PerfEvent(Element):
    """``<event name='cpu_cycles' enabled='yes'/>``."""

    name: str | None = attribute(choice(*PERF_EVENTS), required=True)
    enabled: bool | None = attribute(YES_NO, required=True)


class Perf(Element):
    """``<perf>``."""

    events: list[PerfEvent] = children(PerfEvent, "event")
