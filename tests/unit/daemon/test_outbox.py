# SPDX-License-Identifier: Apache-2.0
"""What goes to a client: in order, held back with others' answers, never without a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from virloom.daemon.outbox import Outbox
from virloom.transport.memory import MemoryTransport


class Wire(MemoryTransport):
    """Notes what is sent; is read together with others when told so."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, tuple[int, ...]]] = []
        self.takes = True
        self.together = False
        self.releases: list[Callable[[], None]] = []

    def send(self, data: bytes, fds: Sequence[int] = ()) -> bool:
        self.sent.append((data, tuple(fds)))
        return self.takes

    def hold(self, release: Callable[[], None]) -> bool:
        if self.together:
            self.releases.append(release)
        return self.together

    @property
    def unsent(self) -> int:
        return 100

    @property
    def deaf(self) -> bool:
        return False


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def cut() -> list[str]:
    return []


@pytest.fixture
def box(wire: Wire, cut: list[str]) -> Outbox:
    return Outbox(wire, 99, cut.append)


def test_alone_it_sends_at_once(wire: Wire, box: Outbox) -> None:
    box.hold()
    box.send(b"a")
    box.send(b"")
    assert wire.sent == [(b"a", ())]


def test_together_with_others_it_sends_once(wire: Wire, box: Outbox) -> None:
    wire.together = True
    box.hold()
    box.hold()
    assert not box.gather()
    box.send(b"a")
    box.send(b"b")
    assert (wire.sent, len(wire.releases)) == ([], 1)
    wire.releases[0]()
    box.send(b"c")
    assert wire.sent == [(b"ab", ()), (b"c", ())]


def test_who_gathers_alone_releases(wire: Wire, box: Outbox) -> None:
    assert box.gather()
    box.send(b"a")
    box.send(b"b")
    assert wire.sent == []
    box.release()
    box.release()
    assert wire.sent == [(b"ab", ())]


def test_descriptors_come_after_what_was_held(wire: Wire, box: Outbox) -> None:
    box.gather()
    box.send(b"a")
    box.send(b"b", [7])
    box.send(b"c")
    assert wire.sent == [(b"a", ()), (b"b", (7,))]
    box.release()
    assert wire.sent[2:] == [(b"c", ())]


def test_little_is_held(wire: Wire, box: Outbox) -> None:
    box.gather()
    for _ in range(5):
        box.send(b"x" * (1 << 16))
    assert [len(data) for data, _ in wire.sent] == [3 << 16]
    box.release()
    assert sum(len(data) for data, _ in wire.sent) == 5 << 16


def test_who_reads_nothing_is_cut_off(wire: Wire, box: Outbox, cut: list[str]) -> None:
    wire.takes = False
    box.send(b"a")
    assert cut == ["it leaves 100 bytes unread"]
