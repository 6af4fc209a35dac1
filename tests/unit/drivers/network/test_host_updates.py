# SPDX-License-Identifier: Apache-2.0
"""Which DHCP host a change is for; the answers are libvirt 9's, but where it says otherwise."""

from __future__ import annotations

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.updates.update import update
from virloom.enums.network import NetworkUpdateCommand as Command
from virloom.enums.network import NetworkUpdateSection
from virloom.errors import OperationInvalid

OTHER = "7 7 7"


def host(said: str) -> str:
    """``"1 2 3"``: the last digits of its MAC address, its address and its name; 0: it has none."""
    mac, ip, name = said.split()
    parts = [
        f"mac='52:54:00:00:00:0{mac}'" if mac != "0" else "",
        f"name='h{name}'" if name != "0" else "",
        f"ip='10.5.0.{ip}'" if ip != "0" else "",
    ]
    return f"<host {' '.join(filter(None, parts))}/>"


def changed(there: str, command: Command, said: str) -> list[str]:
    """The hosts behind a change, in that form."""
    hosts = host(there) + host(OTHER)
    address = f"<ip address='10.5.0.250' prefix='24'><dhcp>{hosts}</dhcp></ip>"
    model = parse_network(f"<network><name>n</name>{address}</network>")
    update(model, command, NetworkUpdateSection.IP_DHCP_HOST, -1, host(said))
    dhcp = model.ips[0].dhcp
    assert dhcp is not None
    return [
        " ".join((text or "0")[-1] for text in (one.mac, one.ip, one.name)) for one in dhcp.hosts
    ]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("1 1 1", "1 2 2"), ("1 1 1", "2 1 0"), ("1 1 1", "2 2 1"), ("1 1 1", "0 1 2"),
        ("1 1 0", "2 1 2"), ("0 1 1", "1 2 1"), ("0 1 1", "2 1 0"),
    ],
)  # fmt: skip
def test_what_is_alike_in_one_point_is_replaced(there: str, said: str) -> None:
    assert changed(there, Command.MODIFY, said) == [said, OTHER]


@pytest.mark.parametrize("said", ["1 0 0", "0 1 0", "0 0 1", "1 1 0", "1 1 1"])
def test_what_is_said_must_all_be_so_of_what_is_deleted(said: str) -> None:
    assert changed("1 1 1", Command.DELETE, said) == [OTHER]


@pytest.mark.parametrize("said", ["2 1 0", "2 0 1", "2 1 1"])
def test_one_without_a_mac_address_goes_by_the_rest(said: str) -> None:
    assert changed("0 1 1", Command.DELETE, said) == [OTHER]


def test_a_mac_address_alone_names_no_host_without_one() -> None:
    """libvirt deletes the first host that has none."""
    assert changed("0 1 1", Command.DELETE, "7 0 0") == ["0 1 1"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (Command.MODIFY, "2 2 2"), (Command.DELETE, "1 2 0"), (Command.DELETE, "2 1 0"),
        (Command.ADD_LAST, "2 1 2"), (Command.ADD_FIRST, "1 2 2"),
    ],
)  # fmt: skip
def test_what_fits_no_host_or_one_too_many(command: Command, said: str) -> None:
    with pytest.raises(OperationInvalid):
        changed("1 1 1", command, said)
