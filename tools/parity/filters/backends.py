# SPDX-License-Identifier: Apache-2.0
"""Sends frames through rules of ours that nft has and that iptables has.

``python -m tools.parity.filters.backends [PART…]``, on a kernel that has both: those with a PART
in their names, or all that are for packets; 1 where a frame passes one of them only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tools.parity.filters.compare import Outcome, effect, settle
from tools.parity.filters.documents import KNOWN, Case, cases
from tools.parity.filters.sides import OurSide, PhysdevSide

#: Seconds: whoever has both kinds of rules is a test guest, which is slow.
_SILENCE = 0.4


def of_packets() -> list[Case]:
    """The cases that need to know connections, or might."""
    layers = ("<tcp", "<udp", "<icmp", "<all", "<igmp", "<esp", "<ah", "<sctp", "clean-traffic")
    return [case for case in cases() if any(layer in case.text for layer in layers)]


def compare(chosen: Sequence[Case]) -> Iterator[Outcome]:
    """Each filter by either of the kernel's packet filters.

    Raises:
        RuntimeError: Without a filter, a frame does not arrive; or nft cannot have the rules here.
    """
    with OurSide(KNOWN, _SILENCE) as tracking, PhysdevSide(KNOWN, _SILENCE) as physdev:
        for side in (tracking, physdev):
            settle(side)
        if not tracking.tracks():
            raise RuntimeError("this kernel does not track connections on bridges")
        for case in chosen:
            yield Outcome(case, effect(physdev, case), effect(tracking, case))


def main() -> int:
    """Entry point."""
    chosen = of_packets()
    if parts := sys.argv[1:]:
        chosen = [case for case in chosen if any(part in case.name for part in parts)]
    different = 0
    for outcome in compare(chosen):
        different += not outcome.same
        print("\n".join(outcome.lines()), flush=True)
    print(f"{len(chosen)} filters, {different} of them differ")
    return 1 if different or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
