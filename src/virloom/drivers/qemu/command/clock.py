# SPDX-License-Identifier: Apache-2.0
"""The guest's clock and timers."""

from __future__ import annotations

import time

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Clock

#: ``track`` of the RTC to QEMU's names of clocks.
_TRACKS = {"guest": "vm", "wall": "host", "realtime": "rt"}

#: Tick policies of the PIT to QEMU's names; libvirt's ``catchup`` is QEMU's own behaviour.
_PIT_POLICIES = {"delay": "delay", "discard": "discard"}

#: QEMU reads moments with years of four digits.
_YEARS = 10000


def add_clock(assembly: Assembly) -> None:
    """``-rtc`` and the policies of the timers."""
    clock = assembly.dom.clock
    if clock.offset == "timezone" and clock.timezone:
        assembly.environment["TZ"] = clock.timezone
    pairs: list[tuple[str, object]] = [("base", _base(clock, assembly.context.now))]
    for timer in clock.timers:
        if timer.name == "rtc":
            if timer.track is not None and timer.track in _TRACKS:
                pairs.append(("clock", _TRACKS[timer.track]))
            if timer.tickpolicy == "catchup":
                pairs.append(("driftfix", "slew"))
    assembly.args.option("rtc", keyval(pairs))
    for timer in clock.timers:
        if timer.name == "pit" and (timer.tickpolicy or "delay") in _PIT_POLICIES:
            policy = _PIT_POLICIES[timer.tickpolicy or "delay"]
            assembly.args.option("global", f"kvm-pit.lost_tick_policy={policy}")


def _base(clock: Clock, now: float) -> str:
    """Where the clock starts; a moment is in UTC, or in local time when the basis says so."""
    offset = clock.offset or "utc"
    if offset in ("utc", "localtime"):
        return offset
    if offset == "timezone":
        return "localtime"
    if offset == "absolute":
        return _moment(_seconds(clock.start))
    if offset == "variable":
        moment = now + _seconds(clock.adjustment)
        return _moment(moment, local=clock.basis == "localtime")
    raise ConfigUnsupported(f"clock offset '{offset}' is not supported")


def _seconds(text: str | None) -> int:
    """A number of the document; ``reset`` means none."""
    return 0 if text in (None, "", "reset") else int(text)


def _moment(seconds: float, *, local: bool = False) -> str:
    at: time.struct_time | None
    try:
        at = time.localtime(seconds) if local else time.gmtime(seconds)
    except (OverflowError, OSError):  # beyond what the library counts
        at = None
    if at is None or not 0 < at.tm_year < _YEARS:
        raise ConfigUnsupported(
            f"a clock cannot start {seconds:.0f} seconds after 1970", domain=ErrorDomain.QEMU
        )
    return time.strftime("%Y-%m-%dT%H:%M:%S", at)
