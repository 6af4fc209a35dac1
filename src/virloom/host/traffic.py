# SPDX-License-Identifier: Apache-2.0
"""Limits of what a link carries, by tc(8): a batch of lines, written here and run as one.

What a link sends is limited by a bucket of its own (htb). What it receives can only be dropped
beyond a rate (police); a kernel without that sends it through a device made for it (ifb), whose
sending is limited. Rates are in kilobytes a second and bursts in KiB, as documents of libvirt
have them and ``tc`` takes them (``kbps``, ``kb``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from virloom.errors import InternalError
from virloom.host.process import Completed

#: Runs a program with that on its standard input.
Run = Callable[[Sequence[str], bytes], Awaitable[Completed]]

#: How long a packet may be that police lets through at all.
_LARGEST = "64kb"
#: What tc says where the kernel has no such part.
_MISSING = ("unknown", "Failed to load TC action module", "not found")


class Limit(NamedTuple):
    """Of one direction.

    Attributes:
        average: Kilobytes a second.
        peak: Kilobytes a second that may be reached for a while; None: the average.
        burst: KiB that may go at once; None leaves it to the kernel.
    """

    average: int
    peak: int | None = None
    burst: int | None = None


def companion(link: str) -> str:
    """The device that takes what *link* receives, where the kernel cannot drop it."""
    return f"ifb{link}"[:15]


async def limit(run: Run, link: str, sent: Limit | None, received: Limit | None) -> None:
    """Limits what a link sends and receives, in place of what limited it before.

    Raises:
        InternalError: The kernel would not, with the words of tc.
    """
    await release(run, link)
    if sent is not None:
        await _batch(run, _sending(link, sent))
        await _try(run, _fair(link))
    if received is None:
        return
    if not await _try(run, _dropping(link, received)):
        await _batch(run, [f"qdisc del dev {link} ingress"], strict=False)
        await run(["ip", "link", "add", "name", companion(link), "type", "ifb"], b"")
        await run(["ip", "link", "set", companion(link), "up"], b"")
        await _batch(run, _redirecting(link))
        await _batch(run, _sending(companion(link), received))


async def release(run: Run, link: str) -> None:
    """Takes the limits of a link away, if it has any."""
    lines = [f"qdisc del dev {link} root", f"qdisc del dev {link} ingress"]
    await _batch(run, lines, strict=False)
    await run(["ip", "link", "delete", "dev", companion(link), "type", "ifb"], b"")


def _sending(link: str, limit: Limit) -> list[str]:
    """A bucket that everything goes through."""
    more = f" ceil {limit.peak}kbps" if limit.peak else ""
    more += f" burst {limit.burst}kb" if limit.burst else ""
    return [
        f"qdisc add dev {link} root handle 1: htb default 1",
        f"class add dev {link} parent 1: classid 1:1 htb rate {limit.average}kbps{more}",
    ]


def _fair(link: str) -> list[str]:
    """Connections take turns, where the kernel can have them do so."""
    return [f"qdisc add dev {link} parent 1:1 handle 2: sfq perturb 10"]


def _dropping(link: str, limit: Limit) -> list[str]:
    burst = limit.burst or limit.average
    return [
        f"qdisc add dev {link} ingress",
        f"filter add dev {link} parent ffff: protocol all u32 match u32 0 0 "
        f"police rate {limit.average}kbps burst {burst}kb mtu {_LARGEST} drop flowid :1",
    ]


def _redirecting(link: str) -> list[str]:
    return [
        f"qdisc add dev {link} ingress",
        f"filter add dev {link} parent ffff: protocol all u32 match u32 0 0 "
        f"action mirred egress redirect dev {companion(link)}",
    ]


async def _try(run: Run, lines: Sequence[str]) -> bool:
    """Whether the kernel has what the lines need.

    Raises:
        InternalError: It has, and would not.
    """
    done = await _run(run, lines)
    words = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return True
    if any(word in words for word in _MISSING):
        return False
    raise _refused(lines, words)


async def _batch(run: Run, lines: Sequence[str], *, strict: bool = True) -> None:
    done = await _run(run, lines)
    if strict and done.returncode != 0:
        raise _refused(lines, done.stderr.decode(errors="replace"))


async def _run(run: Run, lines: Sequence[str]) -> Completed:
    return await run(["tc", "-force", "-batch", "-"], "".join(f"{x}\n" for x in lines).encode())


def _refused(lines: Sequence[str], words: str) -> InternalError:
    return InternalError(f"tc did not take '{lines[0]}': {words.strip()}")
