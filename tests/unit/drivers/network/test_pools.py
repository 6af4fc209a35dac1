# SPDX-License-Identifier: Apache-2.0
"""Pools of virtual functions, on a host whose card has some."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.pools import fill_pool
from virloom.errors import InternalError
from virloom.model.network import Network


@pytest.fixture
def host(tmp_path: Path) -> NetworkHost:
    """A card ``pf0`` with eleven functions, of which the last is no link of the host."""
    card = tmp_path / "class/net/pf0/device"
    card.mkdir(parents=True)
    for number in range(11):
        function = tmp_path / f"bus/pci/devices/0000:04:10.{number:x}"
        (function / "net").mkdir(parents=True)
        if number < 10:
            (function / "net" / f"vf{number}").mkdir()
        (card / f"virtfn{number}").symlink_to(function)
    return NetworkHost(str(tmp_path))


def network(mode: str, card: str = "pf0") -> Network:
    return parse_network(
        f"<network><name>n</name><forward mode='{mode}'><pf dev='{card}'/></forward></network>"
    )


def test_functions_of_a_card_are_in_its_order(host: NetworkHost) -> None:
    model = network("hostdev")
    fill_pool(host, model)
    assert model.forward is not None
    places = [(one.domain, one.bus, one.slot, one.function) for one in model.forward.addresses]
    assert places[:2] == [("0x0000", "0x04", "0x10", "0x0"), ("0x0000", "0x04", "0x10", "0x1")]
    assert places[-1][3] == "0xa"
    assert len(places) == 11


def test_a_function_that_is_no_link_is_refused(host: NetworkHost) -> None:
    with pytest.raises(InternalError, match=r"0000:04:10\.a"):
        fill_pool(host, network("passthrough"))


def test_links_of_functions(host: NetworkHost, tmp_path: Path) -> None:
    (tmp_path / "bus/pci/devices/0000:04:10.a/net/last").mkdir()
    model = network("passthrough")
    fill_pool(host, model)
    assert model.forward is not None
    names = [one.dev for one in model.forward.interfaces]
    assert names == [*(f"vf{number}" for number in range(10)), "last"]


def test_a_card_without_functions_is_refused(host: NetworkHost) -> None:
    with pytest.raises(InternalError, match="No usable Vf's present on SRIOV PF none0"):
        fill_pool(host, network("private", "none0"))
