# SPDX-License-Identifier: Apache-2.0
"""Virtual functions of network cards: found, told, and what was told before told again."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from tests.fakes.function_cards import DOWN, FunctionCards
from tests.fakes.pci_kernel import PciKernel
from virloom.host import virtual_functions
from virloom.host.rtnetlink import attribute, attributes

CARD, FUNCTIONS = "0000:04:00.0", ["0000:04:10.0", "0000:04:10.2"]


def test_a_function_is_found_by_its_device(tmp_path: Path) -> None:
    kernel = PciKernel(tmp_path)
    first, second = FunctionCards().add(kernel, "eth1", CARD, FUNCTIONS)
    assert virtual_functions.find(first) == ("eth1", 0)
    assert virtual_functions.find(second) == ("eth1", 1)
    assert virtual_functions.is_up(second, "eth1")
    assert virtual_functions.find(str(kernel.bus / "devices" / CARD)) is None
    assert virtual_functions.find(str(tmp_path / "gone")) is None


def test_a_card_that_is_down_is_seen(tmp_path: Path) -> None:
    (only,) = FunctionCards().add(PciKernel(tmp_path), "eth1", CARD, FUNCTIONS[:1], flags=DOWN)
    assert not virtual_functions.is_up(only, "eth1")


def info(number: int, address: str, vlan: int) -> bytes:
    """``IFLA_VF_INFO`` as the kernel tells it (linux/if_link.h)."""
    hardware = bytes.fromhex(address.replace(":", ""))
    parts = attribute(1, struct.pack("=I32s", number, hardware))
    parts += attribute(2, struct.pack("=III", number, vlan, 0))
    return attribute(1, parts + attribute(3, bytes(8)))


def test_what_a_card_keeps_is_read() -> None:
    infos = info(0, "00:00:00:00:00:00", 0) + info(1, "52:54:00:aa:bb:cc", 42)
    told = list(attributes(attribute(3, b"eth1\0") + attribute(22, infos)))
    assert virtual_functions.parse(told, 1) == ("52:54:00:aa:bb:cc", 42)
    assert virtual_functions.parse(told, 0) == ("00:00:00:00:00:00", 0)
    assert virtual_functions.parse(told, 2) is None
    assert virtual_functions.parse([], 0) is None


@pytest.fixture
def cards(tmp_path: Path) -> FunctionCards:
    made = FunctionCards()
    made.add(PciKernel(tmp_path), "eth1", CARD, FUNCTIONS)
    return made


def test_what_was_kept_before_is_kept_again(cards: FunctionCards) -> None:
    cards.kept["eth1", 1] = ("02:11:22:33:44:55", 7)
    former = virtual_functions.changed("eth1", 1, "hostdev0", cards)
    cards.write("eth1", 1, "52:54:00:aa:bb:cc", 42)
    for _ in range(2):
        virtual_functions.restore(former, cards)
        assert cards.kept["eth1", 1] == ("02:11:22:33:44:55", 7)


def test_a_function_keeps_the_address_that_the_host_used(cards: FunctionCards) -> None:
    """Its driver made that up, and would make up another one the next time."""
    own = "6e:11:22:33:44:55"
    former = virtual_functions.changed("eth1", 0, "hostdev0", cards, own)
    cards.write("eth1", 0, "52:54:00:aa:bb:cc", 42)
    virtual_functions.restore(former, cards)
    assert cards.kept["eth1", 0] == (own, 0)
    cards.kept["eth1", 1] = ("02:11:22:33:44:55", 7)
    assert virtual_functions.changed("eth1", 1, "hostdev1", cards, own)["address"][:2] == "02"


def test_the_address_of_the_hosts_link(tmp_path: Path) -> None:
    (only,) = FunctionCards().add(PciKernel(tmp_path), "eth1", CARD, FUNCTIONS[:1])
    assert virtual_functions.own_address(only) == ""
    link = Path(only, "net", "eth7")
    link.mkdir(parents=True)
    (link / "address").write_text("6e:11:22:33:44:55\n")
    assert virtual_functions.own_address(only) == "6e:11:22:33:44:55"


def test_a_card_that_takes_no_empty_address_gets_one_of_nobody(cards: FunctionCards) -> None:
    former = virtual_functions.changed("eth1", 0, "hostdev0", cards)
    cards.write("eth1", 0, "52:54:00:aa:bb:cc", 42)
    cards.refused.add("00:00:00:00:00:00")
    virtual_functions.restore(former, cards)
    assert cards.kept["eth1", 0] == ("02:00:00:00:00:00", 0)


def test_a_card_that_has_gone_is_no_failure(cards: FunctionCards) -> None:
    former = virtual_functions.changed("eth1", 0, "hostdev0", cards)
    cards.kept.clear()
    virtual_functions.restore(former, cards)
    with pytest.raises(OSError) as refused:
        virtual_functions.changed("eth1", 0, "hostdev0", cards)
    assert refused.value.errno == errno.ENODEV
