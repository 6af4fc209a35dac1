# SPDX-License-Identifier: Apache-2.0
"""Network cards that are virtual functions, on a host that is a tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.function_cards import DOWN, FunctionCards
from tests.fakes.pci_kernel import PciKernel
from virloom.drivers.qemu.confine.limits import locked_memory
from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.devices.props.hostdev import pci_text
from virloom.drivers.qemu.hostdevs.claims import HostDevice
from virloom.drivers.qemu.hostdevs.functions import find_function, put_into_vlan, set_up
from virloom.drivers.qemu.hostdevs.identity import devices_of
from virloom.drivers.qemu.hostdevs.state import check_stateless
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationUnsupported,
    SystemFailure,
)
from virloom.host import virtual_functions
from virloom.model.domain import Domain, Interface
from virloom.xml import FormatFlags, format_document, parse_document

CARD, FUNCTIONS = "0000:04:00.0", ["0000:04:10.0", "0000:04:10.2"]
MAC = "52:54:00:aa:bb:cc"

DOMAIN = f"""<domain type='qemu'><name>g</name><memory>1024</memory><devices>
<interface type='user'><mac address='52:54:00:00:00:01'/></interface>
<interface type='hostdev' managed='yes'><mac address='{MAC}'/>
<source><address type='pci' domain='0' bus='4' slot='16' function='2'/></source>
<vlan><tag id='42'/></vlan></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/></interface>
<hostdev mode='subsystem' type='pci'>
<source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>
</devices></domain>"""


def card(more: str = "", function: int = 2) -> Interface:
    text = (
        f"<interface type='hostdev' managed='yes'><mac address='{MAC}'/><source>"
        f"<address type='pci' domain='0' bus='4' slot='16' function='{function}'/></source>"
        f"{more}</interface>"
    )
    return parse_document(Interface, text)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with a card of two functions, and one that is none."""
    kernel = PciKernel(tmp_path)
    FunctionCards().add(kernel, "eth1", CARD, FUNCTIONS)
    kernel.add("0000:04:10.4", 3)
    return tmp_path


def test_a_card_is_a_device_of_the_host_like_others() -> None:
    dom = parse_document(Domain, DOMAIN)
    assign_aliases(dom)
    names = [device.alias.name for device in dom.devices.interfaces if device.alias is not None]
    assert names == ["net0", "hostdev0", "net1"]
    told = [(str(one.alias.name), pci_text(one.source.address)) for one in passed_on(dom)]  # type: ignore[union-attr]
    assert told == [("hostdev0", "0000:04:10.2"), ("hostdev1", "0000:01:00.0")]
    assert HostDevice("PCI", "0000:04:10.2") in list(devices_of(dom))
    assert locked_memory(dom) is not None
    with pytest.raises(OperationUnsupported):
        check_stateless(dom)


def test_a_card_whose_network_gives_functions_is_called_like_them() -> None:
    dom = parse_document(Domain, DOMAIN)
    last = dom.devices.interfaces[-1]
    last.type, last.source.network, last.of_functions = "network", "pool", True
    assign_aliases(dom)
    names = [str(one.alias.name) for one in dom.devices.interfaces if one.alias is not None]
    assert names == ["net0", "hostdev0", "hostdev2"]  # behind those of the document
    assert dom.copy().devices.interfaces[-1].of_functions
    assert "functions" not in format_document(last)


def test_what_a_document_means_is_found(host: Path) -> None:
    found = find_function(card("<vlan><tag id='42'/></vlan>"), host)
    assert (found.link, found.number, found.vlan) == ("eth1", 1, 42)
    assert find_function(card(), host).vlan == 0


@pytest.mark.parametrize(
    ("more", "function", "error"),
    [
        ("", 4, ConfigUnsupported),
        ("", 6, ConfigUnsupported),
        ("<vlan trunk='yes'><tag id='42'/></vlan>", 2, ConfigUnsupported),
        ("<vlan><tag id='42'/><tag id='43'/></vlan>", 2, ConfigUnsupported),
        (
            "<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>",
            2,
            ConfigUnsupported,
        ),
    ],
)
def test_what_no_function_is(host: Path, more: str, function: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        find_function(card(more, function), host)


def test_a_card_whose_link_is_down_tells_its_functions_nothing(tmp_path: Path) -> None:
    FunctionCards().add(PciKernel(tmp_path), "eth1", CARD, FUNCTIONS, flags=DOWN)
    with pytest.raises(InternalError, match="eth1"):
        find_function(card(), tmp_path)


def test_the_record_has_what_was_before_the_card_is_told(host: Path, tmp_path: Path) -> None:
    cards, path = FunctionCards(), tmp_path / "g.json"
    cards.kept["eth1", 1] = ("02:11:22:33:44:55", 7)
    record = GuestRecord(path, "g", "0" * 32, 1)
    mine = card("<vlan><tag id='42'/></vlan>")
    found = [find_function(mine, host)]
    cards.refused.add(MAC)
    with pytest.raises(SystemFailure, match="VLAN 42"):
        set_up(record, found, cards)
    (noted,) = GuestRecord.load(path).lent  # whoever is killed there leaves that
    assert (noted["path"], noted["number"], noted["address"]) == ("eth1", 1, "02:11:22:33:44:55")
    cards.refused.clear()
    set_up(GuestRecord(path, "g", "0" * 32, 1), found, cards)
    assert cards.kept["eth1", 1] == (MAC, 42)
    virtual_functions.restore(noted, cards)
    assert cards.kept["eth1", 1] == ("02:11:22:33:44:55", 7)


def test_a_function_below_a_macvtap_is_in_a_vlan(tmp_path: Path) -> None:
    """The host keeps its driver and its address; its card tags the frames."""
    cards, links = FunctionCards(), tmp_path / "links"
    (only,) = cards.add(PciKernel(tmp_path), "eth1", CARD, FUNCTIONS[:1])
    cards.kept["eth1", 0] = ("02:11:22:33:44:55", 7)
    (links / "eth7").mkdir(parents=True)
    (links / "eth7" / "device").symlink_to(only)
    record = GuestRecord(tmp_path / "g.json", "g", "0" * 32, 1)
    direct = parse_document(
        Interface,
        f"<interface type='direct'><mac address='{MAC}'/><source dev='eth7' mode='passthrough'/>"
        "<vlan><tag id='42'/></vlan></interface>",
    )
    put_into_vlan(record, direct, cards, str(links))
    assert cards.kept["eth1", 0] == ("02:11:22:33:44:55", 42)
    (noted,) = GuestRecord.load(tmp_path / "g.json").lent
    virtual_functions.restore(noted, cards)
    assert cards.kept["eth1", 0] == ("02:11:22:33:44:55", 7)
    direct.vlan = None
    put_into_vlan(record, direct, cards, str(links))
    assert cards.kept["eth1", 0] == ("02:11:22:33:44:55", 0)
    written = list(cards.written)
    put_into_vlan(record, direct, cards, str(links))  # it is in none
    assert cards.written == written


def test_what_a_network_gave_is_told_while_the_guest_runs() -> None:
    given = card()
    given.source.network, given.source.portid, given.driver.name = "pool", "1" * 32, "vfio"
    live = format_document(given)
    assert "type='hostdev' managed='yes'" in live
    assert "slot='0x10' function='0x2'" in live
    assert "network=" not in live
    kept = format_document(given, FormatFlags.STATUS)
    assert "network='pool'" in kept
    assert "portid=" in kept
    own = format_document(given, FormatFlags.INACTIVE)
    assert "<interface type='network'>" in own
    assert "<source network='pool'/>" in own
    assert "vfio" not in own
