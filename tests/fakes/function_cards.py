# SPDX-License-Identifier: Apache-2.0
"""Network cards with virtual functions: their tree of files, and what they keep of each."""

from __future__ import annotations

import errno
from pathlib import Path

from tests.fakes.pci_kernel import PciKernel

UP, DOWN = "0x1003", "0x1002"


class FunctionCards:
    """What cards keep of their functions.

    Attributes:
        kept: Address and VLAN, by the card's link and the function's number.
        written: All that was set, in order.
        refused: Addresses that a card does not take.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], tuple[str, int]] = {}
        self.written: list[tuple[str, int, str, int]] = []
        self.refused: set[str] = set()

    def add(
        self,
        kernel: PciKernel,
        link: str,
        card: str,
        functions: list[str],
        *,
        flags: str = UP,
    ) -> list[str]:
        """Adds a card with its functions; their directories."""
        own = Path(kernel.add(card, 1))
        (own / "net" / link).mkdir(parents=True)
        (own / "net" / link / "flags").write_text(f"{flags}\n")
        made = []
        for number, address in enumerate(functions):
            function = Path(kernel.add(address, 10 + number))
            (function / "physfn").symlink_to(own)
            (own / f"virtfn{number}").symlink_to(function)
            self.kept[link, number] = ("00:00:00:00:00:00", 0)
            made.append(str(function))
        return made

    def read(self, card: str, number: int) -> tuple[str, int]:
        """What the card keeps of a function."""
        if (card, number) not in self.kept:
            raise OSError(errno.ENODEV, "no such function")
        return self.kept[card, number]

    def write(self, card: str, number: int, address: str | None, vlan: int) -> None:
        """Has the card keep that."""
        kept, _ = self.read(card, number)
        address = address or kept
        if address in self.refused:
            raise OSError(errno.EINVAL, "no such address")
        self.written.append((card, number, address, vlan))
        self.kept[card, number] = (address, vlan)
