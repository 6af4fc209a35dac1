# SPDX-License-Identifier: Apache-2.0
"""From what iptables has to the text for ``iptables-restore`` that gives ports their rules.

A port has three chains by libvirt's names, which a port that libvirt gave rules has already:
``FI-`` for what the guest sends on, ``FO-`` for what is sent to it over its bridge, ``HI-`` for
what it sends to the host. Four chains lead to those of all ports: ``libvirt-in``, ``libvirt-out``
and ``libvirt-in-post`` at the head of ``FORWARD``, ``libvirt-host-in`` of ``INPUT``.

One text is one transaction. It is made for the tables as ``iptables-save`` shows them, so it may be
made again after any crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from virloom.drivers.nwfilter.rules.iptables import TO_HOST
from virloom.drivers.nwfilter.rules.packets import FROM_GUEST, TO_GUEST

#: Chains that lead to ports: the chain that leads there and the place in it.
_SHARED = {
    "libvirt-in": ("FORWARD", 1),
    "libvirt-out": ("FORWARD", 2),
    "libvirt-in-post": ("FORWARD", 3),
    "libvirt-host-in": ("INPUT", 1),
}
_OWN = (FROM_GUEST, TO_GUEST, TO_HOST)


def restore_text(dump: str, ports: Mapping[str, Sequence[str] | None]) -> str | None:
    """What brings the rules of *ports*, and of no others, to what is wanted; None for nothing.

    Args:
        dump: What ``iptables-save -t filter`` printed.
        ports: The lines of each; None takes all of its chains away.
    """
    present = _Dump(dump)
    lines = [f":{chain} - [0:0]" for chain in _chains_to_make(present, ports)]
    for port in ports:
        lines += present.removals(port)
    for port, rules in ports.items():
        if rules is None:
            lines += [f"-X {name}" for name in _names(port) if name in present.chains]
        else:
            lines += [*_leading(port), *rules]
    lines += _shared(present, ports)
    return "\n".join(["*filter", *lines, "COMMIT", ""]) if lines else None


def undo_text(dump: str, later: str, *, ports: Iterable[str]) -> str | None:
    """What brings *ports* back to what *dump* shows, from what *later* shows.

    Both are what ``iptables-save`` printed.
    """
    former = _Dump(dump)
    return restore_text(later, {port: former.lines(port) for port in ports})


def is_used(dump: str) -> bool:
    """Whether any port has rules in what ``iptables-save`` printed."""
    return not _Dump(dump).chains.isdisjoint(_SHARED)


class _Dump:
    """What ``iptables-save`` printed, of the table ``filter``."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.chains = {line[1:].split(" ", 1)[0] for line in lines if line.startswith(":")}
        self._rules = [line for line in lines if line.startswith("-A ")]

    def leading(self, chain: str) -> list[str]:
        """The rules of a chain, as they were added."""
        return [line for line in self._rules if line.startswith(f"-A {chain} ")]

    def removals(self, port: str) -> list[str]:
        """What takes away all that leads to a port."""
        ends = (f" --physdev-in {port} ", f" --physdev-out {port} ")
        return [
            f"-D {line.removeprefix('-A ')}"
            for chain in _SHARED
            for line in self.leading(chain)
            if any(end in line for end in ends)
        ]

    def lines(self, port: str) -> list[str] | None:
        """The lines of a port's chains; None where it has none."""
        names = _names(port)
        if not self.chains.intersection(names):
            return None
        return [line for name in names for line in self.leading(name)]


def _names(port: str) -> list[str]:
    return [f"{prefix}-{port}" for prefix in _OWN]


def _chains_to_make(present: _Dump, ports: Mapping[str, Sequence[str] | None]) -> Iterator[str]:
    """Chains that are missing, and a port's own, which this empties where they are there."""
    if any(rules is not None for rules in ports.values()):
        yield from (chain for chain in _SHARED if chain not in present.chains)
    for port, rules in ports.items():
        yield from (name for name in _names(port) if rules is not None or name in present.chains)


def _leading(port: str) -> list[str]:
    return [
        f"-A libvirt-in -m physdev --physdev-in {port} -g {FROM_GUEST}-{port}",
        f"-A libvirt-out -m physdev --physdev-is-bridged --physdev-out {port} -g {TO_GUEST}-{port}",
        f"-A libvirt-in-post -m physdev --physdev-in {port} -j ACCEPT",
        f"-A libvirt-host-in -m physdev --physdev-in {port} -g {TO_HOST}-{port}",
    ]


def _shared(present: _Dump, ports: Mapping[str, Sequence[str] | None]) -> Iterator[str]:
    """Puts the chains that lead to ports in their places, or takes them away with the last."""
    kept = {line for chain in _SHARED for line in present.leading(chain)}
    kept -= {f"-A {line.removeprefix('-D ')}" for port in ports for line in present.removals(port)}
    needed = bool(kept) or any(rules is not None for rules in ports.values())
    for chain, (base, place) in _SHARED.items():
        jump = f"-A {base} -j {chain}"
        is_there = jump in present.leading(base)
        if needed and not is_there:
            yield f"-I {base} {place} -j {chain}"
        if not needed and is_there:
            yield f"-D {base} -j {chain}"
    if not needed:
        yield from (f"-X {chain}" for chain in _SHARED if chain in present.chains)
