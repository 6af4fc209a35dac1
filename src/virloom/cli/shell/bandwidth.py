# SPDX-License-Identifier: Apache-2.0
"""The bandwidth of a network interface on the command line: ``average,peak,burst,floor``."""

from __future__ import annotations

import re
from typing import NamedTuple

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed

_MOST = 2**64 - 1
_UNSIGNED = re.compile(r"\s*\+?([0-9]+)")


class Rate(NamedTuple):
    """KiB/s, KiB/s, KiB and KiB/s; 0 for what was not given."""

    average: int = 0
    peak: int = 0
    burst: int = 0
    floor: int = 0


def inbound(arguments: Arguments, *, may_clear: bool = False) -> Rate | None:
    """What ``--inbound`` says; with *may_clear* nothing but zeros takes the limit away."""
    rate = _rate(arguments, "inbound")
    if rate is None or (may_clear and not any(rate)):
        return rate
    if not rate.average and not rate.floor:
        raise CommandFailed("either inbound average or floor is mandatory")
    return rate


def outbound(arguments: Arguments, *, may_clear: bool = False) -> Rate | None:
    """What ``--outbound`` says, for which there is no floor."""
    rate = _rate(arguments, "outbound")
    if rate is None or (may_clear and not any(rate)):
        return rate
    if rate.floor:
        raise CommandFailed("outbound floor is unsupported yet")
    if not rate.average:
        raise CommandFailed("outbound average is mandatory")
    return rate


def _rate(arguments: Arguments, option: str) -> Rate | None:
    text = arguments.get(option)
    if text is None:
        return None
    fields = text.split(",")
    if len(fields) > len(Rate._fields):
        raise CommandFailed(f"Rate string '{text}' has too many fields")
    return Rate(*map(_amount, Rate._fields, fields))


def _amount(name: str, text: str) -> int:
    if not text:
        return 0
    found = _UNSIGNED.fullmatch(text)
    if found is None or int(found[1]) > _MOST:
        raise CommandFailed(f"field '{name}' is malformed")
    return int(found[1])
