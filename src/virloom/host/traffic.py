# SPDX-License-Identifier: Apache-2.0
"""Limits of what a link carries, by tc(8): a batch of lines, written here and run as one.

What a link sends is limited by a bucket of its own (htb). What it receives can only be dropped
beyond a rate (police); a kernel without that sends it through a device made for it (ifb), whose
sending is limited. Rates are in kilobytes a second and bursts in KiB, as documents of libvirt
have them and ``tc`` takes them (``kbps``, ``kb``).
"""

from __future__ import annotations

import re
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


class Share(NamedTuple):
    """What one machine behind a link is sure of, of all that the link sends.

    Attributes:
        number: Of its class, from :data:`FIRST_SHARE` to :data:`LAST_SHARE`.
        address: The hardware address by which frames for it are known.
        floor: Kilobytes a second.
    """

    number: int
    address: str
    floor: int


#: Classes 1 and 2 are for all together and for those that are sure of nothing. A share's filter
#: has a handle of its own, in the upper half of what u32 lets its users number.
FIRST_SHARE, LAST_SHARE = 3, 0x7FF


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
        await _try(run, _fair(link, 1))
    if received is not None:
        await _limit_received(run, link, received)


async def _limit_received(run: Run, link: str, received: Limit) -> None:
    if await _try(run, _dropping(link, received)):
        return
    await _batch(run, [f"qdisc del dev {link} ingress"], strict=False)
    await run(["ip", "link", "add", "name", companion(link), "type", "ifb"], b"")
    await run(["ip", "link", "set", companion(link), "up"], b"")
    await _batch(run, _redirecting(link))
    await _batch(run, _sending(companion(link), received))


async def share(
    run: Run, link: str, sent: Limit | None, received: Limit | None, shares: Sequence[Share]
) -> None:
    """As :func:`limit`, for a link behind which machines may be sure of a share of it.

    Raises:
        InternalError: The kernel would not, with the words of tc.
    """
    await release(run, link)
    if sent is not None:
        await _batch(run, _together(link, sent))
        await _try(run, _fair(link, 2))
        for number, one in enumerate(shares):
            await add_share(run, link, sent, one, shares[:number])
    if received is not None:
        await _limit_received(run, link, received)


async def add_share(
    run: Run, link: str, sent: Limit, added: Share, others: Sequence[Share]
) -> None:
    """Makes a machine sure of its share of a link that :func:`share` has prepared.

    Args:
        sent: What the link may send altogether.
        others: Those that are sure of something already.

    Raises:
        InternalError: The kernel would not; the others keep what they have.
    """
    try:
        await _batch(run, [*_sharing(link, sent, added), _rest(link, sent, [*others, added])])
    except InternalError:
        await remove_share(run, link, sent, added, others)
        raise
    await _try(run, _fair(link, added.number))


async def remove_share(
    run: Run, link: str, sent: Limit, removed: Share, others: Sequence[Share]
) -> None:
    """Takes a share back, if it is there; *others* are those that stay."""
    handle = f"800::{0x800 + removed.number:x}"
    lines = [
        f"filter del dev {link} parent 1: protocol all prio 2 handle {handle} u32",
        f"class del dev {link} classid 1:{removed.number:x}",
        _rest(link, sent, others),
    ]
    await _batch(run, lines, strict=False)


async def shared(run: Run, link: str) -> set[int]:
    """The numbers of the shares that the link has; those of all and of the rest among them."""
    done = await run(["tc", "class", "show", "dev", link], b"")
    found = re.findall(rb"^class htb 1:([0-9a-f]+) ", done.stdout, re.MULTILINE)
    return {int(number, 16) for number in found}


async def limits_received(run: Run, link: str) -> bool:
    """Whether what the link receives is limited."""
    done = await run(["tc", "filter", "show", "dev", link, "parent", "ffff:"], b"")
    return b"police" in done.stdout or b"mirred" in done.stdout


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


def _fair(link: str, number: int) -> list[str]:
    """Connections of a class take turns, where the kernel can have them do so."""
    return [f"qdisc add dev {link} parent 1:{number:x} handle {number + 1:x}: sfq perturb 10"]


def _together(link: str, limit: Limit) -> list[str]:
    """A class that all share, and in it one for those that are sure of nothing."""
    highest = limit.peak or limit.average
    burst = f" burst {limit.burst}kb" if limit.burst else ""
    rate = f"htb rate {limit.average}kbps ceil {highest}kbps"
    return [
        f"qdisc add dev {link} root handle 1: htb default 2",
        f"class add dev {link} parent 1: classid 1:1 {rate}",
        f"class add dev {link} parent 1:1 classid 1:2 {rate}{burst}",
    ]


def _rest(link: str, limit: Limit, shares: Sequence[Share]) -> str:
    """Who is sure of nothing has what is left, and more while the others are silent."""
    left = max(limit.average - sum(one.floor for one in shares), 1)
    burst = f" burst {limit.burst}kb" if limit.burst else ""
    return (
        f"class change dev {link} parent 1:1 classid 1:2 htb rate {left}kbps "
        f"ceil {limit.peak or limit.average}kbps{burst}"
    )


def _sharing(link: str, limit: Limit, one: Share) -> list[str]:
    address = one.address.replace(":", "")
    return [
        f"class add dev {link} parent 1:1 classid 1:{one.number:x} "
        f"htb rate {one.floor}kbps ceil {limit.peak or limit.average}kbps",
        f"filter add dev {link} parent 1: protocol all prio 2 handle 800::{0x800 + one.number:x} "
        f"u32 match u16 0x{address[:4]} 0xffff at -14 match u32 0x{address[4:]} 0xffffffff at -12 "
        f"flowid 1:{one.number:x}",
    ]


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
