# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<clock>`` and its timers."""

from __future__ import annotations

import re

from virloom.drivers.qemu.devices.boards import is_arm
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.domain import Clock, Domain, Timer

_TICK_POLICIES = {
    "rtc": (None, "delay", "catchup"),
    "pit": (None, "delay", "discard", "catchup"),
}
_NUMBER = re.compile(r"[ \t\n]*[-+]?[0-9]{1,20}")
_SIGNED, _UNSIGNED = 1 << 63, 1 << 64
#: The end of the year 9999, in seconds since the epoch.
_LAST_MOMENT = 253402300799
_RTC_TRACKS = (None, "guest", "wall", "realtime")


def check_given_clock(clock: Clock) -> None:
    """What the kind of clock needs, and which timer has which setting."""
    if clock.offset == "timezone" and not clock.timezone:
        raise InternalError("a clock by time zone has no timezone", domain=ErrorDomain.DOMAIN)
    if clock.offset == "absolute" and not 0 <= _number(clock.start) < _UNSIGNED:
        raise InternalError("an absolute clock has no start", domain=ErrorDomain.DOMAIN)
    if clock.offset in ("utc", "localtime") and not _is_adjustment(clock.adjustment):
        raise XmlError(
            f"clock adjustment '{clock.adjustment}' is neither 'reset' nor a number",
            domain=ErrorDomain.DOMAIN,
        )
    for timer in clock.timers:
        _given_timer(timer)


def _is_adjustment(text: str | None) -> bool:
    return text in (None, "", "reset") or -_SIGNED <= _number(text, _SIGNED) < _SIGNED


def _number(text: str | None, otherwise: int = -1) -> int:
    """What a text says, blanks before it and a sign included; *otherwise* where it is none."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else otherwise


def _given_timer(timer: Timer) -> None:
    catchup = timer.catchup
    if (catchup.threshold or catchup.slew or catchup.limit) and timer.tickpolicy != "catchup":
        raise XmlError(
            "<catchup> of a timer is for tickpolicy='catchup'", domain=ErrorDomain.DOMAIN
        )
    wrong = ""
    if timer.name not in ("platform", "rtc") and timer.track is not None:
        wrong = "track"
    elif timer.name != "tsc" and timer.frequency:
        wrong = "frequency"
    elif timer.name != "tsc" and timer.mode is not None:
        wrong = "mode"
    if wrong:
        raise ConfigUnsupported(f"timer '{timer.name}' has no {wrong}", domain=ErrorDomain.DOMAIN)


def check_timers(dom: Domain) -> None:
    """What QEMU's timers can do."""
    arm = is_arm(dom)
    if dom.clock.offset == "absolute" and int(dom.clock.start or "0") > _LAST_MOMENT:
        raise ConfigUnsupported(
            f"an absolute clock starts at {dom.clock.start}, not after {_LAST_MOMENT}",
            domain=ErrorDomain.QEMU,
        )
    for timer in dom.clock.timers:
        allowed = _TICK_POLICIES.get(timer.name or "")
        wrong = ""
        if timer.name == "platform" or (timer.name == "armvtimer" and not arm):
            wrong = f"there is no timer '{timer.name}'"
        elif allowed is not None and timer.tickpolicy not in allowed:
            wrong = (
                f"timer '{timer.name}' has no tick policy '{timer.tickpolicy}'; it has "
                f"{', '.join(filter(None, allowed))}"
            )
        elif timer.name == "rtc" and timer.track not in _RTC_TRACKS:
            wrong = f"timer 'rtc' cannot track '{timer.track}'"
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)
