# SPDX-License-Identifier: Apache-2.0
"""``<clock>``: the time that the guest sees."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, group
from virloom.xml.kinds import STRING, ULONG, YES_NO, choice, option


class Catchup(Element):
    """``<catchup threshold='123' slew='120' limit='10000'/>``: how lost ticks are made up for."""

    threshold: int | None = attribute(ULONG)
    slew: int | None = attribute(ULONG)
    limit: int | None = attribute(ULONG)


class Timer(Element):
    """``<timer name='rtc' tickpolicy='catchup'/>``; the frequency in Hz."""

    name: str | None = attribute(
        choice(
            "platform",
            "pit",
            "rtc",
            "hpet",
            "tsc",
            "kvmclock",
            "hypervclock",
            "armvtimer",
        ),
        required=True,
    )
    present: bool | None = attribute(YES_NO)
    tickpolicy: str | None = attribute(choice("delay", "catchup", "merge", "discard"))
    track: str | None = attribute(choice("boot", "guest", "wall", "realtime"))
    frequency: int | None = attribute(ULONG)
    mode: str | None = attribute(choice("auto", "native", "emulate", "paravirt", "smpsafe"))
    catchup: Catchup = group(Catchup)


class Clock(Element):
    """``<clock offset='utc'>``; ``adjustment`` is seconds, or ``reset``."""

    offset: str | None = attribute(option("utc", "localtime", "variable", "timezone", "absolute"))
    adjustment: str | None = attribute(STRING)
    basis: str | None = attribute(option("utc", "localtime"))
    timezone: str | None = attribute(STRING)
    start: str | None = attribute(STRING)
    timers: list[Timer] = children(Timer, "timer")
