# SPDX-License-Identifier: Apache-2.0
"""What both sides let through, filter by filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.parity.filters.documents import KNOWN, Case
from tools.parity.filters.sides import LibvirtSide, OurSide, Side
from tools.parity.filters.traffic import turns

#: By frame, whether it arrived; or why there is no such filter.
Effect = dict[str, bool] | str


@dataclass(frozen=True)
class Outcome:
    """One filter on both sides."""

    case: Case
    theirs: Effect
    ours: Effect

    @property
    def same(self) -> bool:
        """Whether the same frames pass, or both refuse it."""
        if isinstance(self.theirs, str) or isinstance(self.ours, str):
            return isinstance(self.theirs, str) and isinstance(self.ours, str)
        return self.theirs == self.ours

    def lines(self) -> Iterator[str]:
        """For people."""
        if isinstance(self.theirs, str) or isinstance(self.ours, str):
            yield f"{'same' if self.same else 'DIFF'}  {self.case.name}"
            yield from (
                f"      {side}: {effect if isinstance(effect, str) else 'taken'}"
                for side, effect in (("libvirt", self.theirs), ("virloom", self.ours))
            )
            return
        passed = sum(self.ours.values())
        yield (
            f"{'same' if self.same else 'DIFF'}  {passed:3} of {len(self.ours)} pass"
            f"  {self.case.name}"
        )
        yield from (
            f"      {name}: libvirt {_word(self.theirs[name])}, virloom {_word(arrived)}"
            for name, arrived in self.ours.items()
            if arrived != self.theirs[name]
        )


def _word(passed: bool) -> str:
    return "lets it pass" if passed else "drops it"


def compare(cases: Sequence[Case]) -> Iterator[Outcome]:
    """Each filter, on both sides.

    Raises:
        RuntimeError: Without a filter, a frame does not arrive: nothing can be said.
    """
    with OurSide(KNOWN) as ours, LibvirtSide(KNOWN) as theirs:
        for side in (ours, theirs):
            settle(side)
        for case in cases:
            yield Outcome(case, effect(theirs, case), effect(ours, case))


def settle(side: Side) -> None:
    """Waits until all frames pass: the kernel takes a moment to see that links are up.

    Raises:
        RuntimeError: A frame does not arrive.
    """
    for _ in range(50):
        missing = [name for name, passed in side.passed(turns()).items() if not passed]
        if not missing:
            return
    raise RuntimeError(f"without a filter, this does not arrive: {', '.join(missing)}")


def effect(side: Side, case: Case) -> Effect:
    """What becomes of each frame where the guest has the filter."""
    with side.applied(case) as refused:
        return side.passed(turns()) if refused is None else refused
